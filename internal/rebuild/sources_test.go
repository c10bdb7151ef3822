package rebuild

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"facerec/internal/text"
)

const (
	first  = "1111111111111111111111111111111111111111"
	second = "2222222222222222222222222222222222222222"
)

func TestCheck(t *testing.T) {
	config, other := Input{"config.json", digest("a")}, Input{"config.json", digest("b")}
	for _, c := range []struct {
		name  string
		named Named
		got   Sources

		compared, gap, err, hint string
	}{
		{"the same", Named{first, []Input{config}}, Sources{Commit: first, Inputs: []Input{config}}, "commit " + first + ", as the provenance names it, config.json", "", "", ""},
		{"another commit", Named{first, nil}, Sources{Commit: second}, "", "", "commit: expected " + first + " as the provenance names it, got " + second, "git checkout " + first},
		{"another commit, and changes", Named{first, nil}, Sources{Commit: second, Changes: []string{"x"}}, "", "", "commit: expected " + first, "git checkout " + first},
		{"changes", Named{first, nil}, Sources{Commit: first, Changes: []string{"b", "a"}}, "", "", "working tree: expected the files of commit " + first + ", got changes of b and a", "undo the changes"},
		{"the provenance before the tag", Named{first, nil}, Sources{Commit: second, Tag: "v1", Tagged: second}, "", "", "commit: expected " + first, "git checkout " + first},
		{"the tag where there is no provenance", Named{}, Sources{Commit: second, Tag: "v1", Tagged: first}, "", "", "commit: expected " + first + " as the git tag v1 names it", "git checkout " + first},
		{"neither", Named{}, Sources{Commit: second, Tag: "v1"}, "", "git has no tag v1", "", ""},
		{"another configuration", Named{first, []Input{config}}, Sources{Commit: first, Inputs: []Input{other}}, "", "", "config.json: expected " + digest("a").String() + ", got " + digest("b").String(), "git checkout " + first},
		{"no git", Named{first, []Input{config}}, Sources{NoGit: "no repository", Inputs: []Input{config}}, "config.json", "the commit could not be compared with " + first + ": no repository", "", ""},
		{"no git, another configuration", Named{"", []Input{config}}, Sources{Inputs: []Input{other}}, "", "", "config.json: expected", "take the sources of the release"},
		{"a file that is not named", Named{first, nil}, Sources{Commit: first, Inputs: []Input{config}}, "commit " + first + ", as the provenance names it", "", "", ""},
	} {
		c.got.Dir = "src"
		compared, gap, err := c.named.Check(c.got)
		if compared != c.compared || !strings.Contains(gap, c.gap) || (gap == "") != (c.gap == "") {
			t.Errorf("%s: compared %q, gap %q", c.name, compared, gap)
		}
		var wrong *SourceError
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.err != "" && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), "sources in src: "+c.err) || !strings.Contains(text.Hint(err), c.hint)):
			t.Errorf("%s: got %v, hint %q", c.name, err, text.Hint(err))
		}
	}
}

func TestNamedBy(t *testing.T) {
	const statement = `{"predicate": {"buildDefinition": {"resolvedDependencies": [
		{"uri": "host/tool@sha256:1", "name": "layer", "digest": {"sha256": "` + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" + `"}},
		{"name": "config.json", "digest": {"sha256": "` + "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" + `"}},
		{"name": "no digest", "digest": {"sha256": "b"}},
		{"name": "sources", "digest": {"gitCommit": "` + first + `"}},
		{"name": "a submodule", "digest": {"gitCommit": "` + second + `"}}]}}}`
	got, err := NamedBy([]byte(statement))
	if err != nil || got.Commit != first || len(got.Inputs) != 1 || got.Inputs[0].Name != "config.json" {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"HEAD; true", "", first + "0$(x)", "--help"} {
		if got, err := NamedBy([]byte(`{"predicate": {"buildDefinition": {"resolvedDependencies": [{"name": "sources", "digest": {"gitCommit": "` + bad + `"}}]}}}`)); err != nil || got.Commit != "" {
			t.Errorf("commit %q: %+v, %v", bad, got, err)
		}
	}
	if got, err := NamedBy(nil); err != nil || !reflect.DeepEqual(got, Named{}) {
		t.Errorf("without provenance: %+v, %v", got, err)
	}
	if _, err := NamedBy([]byte("{")); err == nil {
		t.Error("what is not JSON is accepted")
	}
}

func FuzzNamedBy(f *testing.F) {
	f.Add([]byte(`{"predicate": {"buildDefinition": {"resolvedDependencies": [{"name": "sources", "digest": {"gitCommit": "1"}}]}}}`))
	f.Add([]byte(`{"predicate": {"buildDefinition": {"resolvedDependencies": [{"name": "c", "digest": {"sha256": "` + strings.Repeat("a", 64) + `"}}]}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := NamedBy(b)
		if err == nil && b != nil && !json.Valid(b) {
			t.Error("what is not JSON is accepted")
		}
		if n.Commit != "" && !commitID().MatchString(n.Commit) {
			t.Errorf("commit %q", n.Commit)
		}
		for _, in := range n.Inputs {
			if in.Name == "" || in.SHA256.IsZero() {
				t.Errorf("input %+v", in)
			}
		}
	})
}
