package release

import (
	"encoding/json"
	"os"
	"sort"
	"strings"
	"testing"
)

// The published schema and the parser must know the same keys. The parser is
// asked by handing it an object of one nonsense key: it lists what it knows.
func TestSchemaKnowsTheSameKeys(t *testing.T) {
	raw, err := os.ReadFile("../../config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	at := func(path ...string) map[string]any {
		node := schema
		for _, p := range path {
			next, ok := node[p].(map[string]any)
			if !ok {
				t.Fatalf("the schema has nothing at %s", strings.Join(path, "."))
			}
			node = next
		}
		return node
	}
	wrap := func(body string) string { return `{"zzzzzzzzzzzzzzzzzzzzzzzzzzzz": 1` + body + `}` }
	for _, c := range []struct {
		name     string
		text     string
		property map[string]any
	}{
		{"top", wrap(""), at("properties")},
		{"artifacts", `{"artifacts": [` + wrap("") + `]}`, at("$defs", "items", "items", "properties")},
		{"lineages", `{"lineages": [` + wrap("") + `]}`, at("properties", "lineages", "items", "properties")},
		{"image", `{"image": ` + wrap("") + `}`, at("properties", "image", "properties")},
		{"extract", `{"extract": ` + wrap("") + `}`, at("properties", "extract", "properties")},
		{"extract.files", `{"extract": {"files": [` + wrap("") + `]}}`, at("properties", "extract", "properties", "files", "items", "properties")},
		{"packages", `{"packages": [` + wrap("") + `]}`, at("properties", "packages", "items", "properties")},
		{"packages.files", `{"packages": [{"files": [` + wrap("") + `]}]}`, at("properties", "packages", "items", "properties", "files", "items", "properties")},
		{"identity", `{"identity": ` + wrap("") + `}`, at("properties", "identity", "properties")},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("c", []byte(c.text))
			if err == nil {
				t.Fatal("accepted")
			}
			_, list, ok := strings.Cut(err.Error(), "known here: ")
			if !ok {
				t.Fatalf("no list of known keys in %v", err)
			}
			list, _, _ = strings.Cut(list, "\n")
			parser := strings.Split(list, ", ")
			var published []string
			for k := range c.property {
				published = append(published, k)
			}
			sort.Strings(parser)
			sort.Strings(published)
			if a, b := strings.Join(parser, " "), strings.Join(published, " "); a != b {
				t.Errorf("parser  %s\nschema  %s", a, b)
			}
		})
	}
}
