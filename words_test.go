package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// words lists wordings that are not used in messages, help texts and documents,
// and what to write instead. The specifications' own words come first: whoever
// searches for a referrer or a directory finds it under that name.
var words = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{banned(`artefacts?`), "artifact"},
	{banned(`folders?`), "directory"},
	{banned(`companions?`), "referrer"},
	{banned(`beside`), "next to; for OCI artifacts: referrer, attached to"},
	{banned(`patience|heard`), "retry, timeout"},
	{banned(`passed over|passes over`), "skipped"},
	{banned(`(stands?|named|given) twice`), "duplicate"},
	{banned(`(is|are|was|were) not there`), "not found, missing"},
	{banned(`(is|are) no (?:\w+)`), "is not a, invalid"},
	{banned(`held to|holds? (?:\w+ ){1,3}to (?:the|its|their|each|one|an?)`), "checked against"},
	{banned(`(tells?|says?) whether`), "reports whether"},
	{banned(`as asked|what was asked`), "as requested"},
	{banned(`takes? along|taken along`), "include"},
	{banned(`in force`), "effective"},
	{banned(`puts? right|putting right|healed|healing|heals`), "repair (the verb of facerec is called models heal)"},
	{banned(`mend|mends|mended|mending`), "fix, repair"},
	{banned(`(one|once|a line|a step|lines?) an? (line|cell|rule|lineage|platform|architecture|step|entry|request|verb|file|page)`), "one per"},
	{banned(`to be had|be had`), "available"},
	{banned(`whom you expect`), "the expected signer"},
	{banned(`ended well`), "succeeded"},
	{banned(`cannot be told|can be told`), "cannot determine; distinguishable"},
	{banned(`of no use`), "unusable"},
	{banned(`want [^;]* got`), "expected …, got …"},
}

func banned(wording string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(?:` + strings.ReplaceAll(wording, " ", `\s+`) + `)\b`)
}

// fine are uses of banned wordings that plain English has.
var fine = banned(`there (is|are) no \w+|(is|are) no \w+er|(is|are) no more than|is no one`)

// swept lists the rooms whose texts are free of banned wordings. A path ends in
// a slash for a directory with everything below it.
var swept = []string{
	"CHANGELOG.md", "CONTRIBUTING.md", "README.md", "RELEASING.md", "SECURITY.md", "USAGE.md",
	"cmd/", "contrib/", "docs/", "fonts/", "images/", "internal/", "licences/", "models/", "persons/", "toolchain/", "tools/",
}

// unquoted are files whose texts are not ours to word.
var unquoted = regexp.MustCompile(`(^|/)(testdata|vendor-inputs|build|bin|dist)/|_test\.go$`)

// offences returns the banned wordings in a text, each with its replacement.
func offences(text string) []string {
	var out []string
	for _, w := range words {
		allowed := fine.FindAllStringIndex(text, -1)
		for _, at := range w.pattern.FindAllStringIndex(text, -1) {
			if !slices.ContainsFunc(allowed, func(a []int) bool { return a[0] <= at[0] && at[1] <= a[1] }) {
				out = append(out, fmt.Sprintf("%q: write %s", text[at[0]:at[1]], w.instead))
			}
		}
	}
	return out
}

// schemaWords are literals that schemas fixed before the words were chosen.
var schemaWords = []string{"folder"}

// texts returns what people read of a file: a document line by line, the string
// literals and the comments of Go sources. The keys are lines.
func texts(path string) (map[int]string, error) {
	out := map[int]string{}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if filepath.Ext(path) == ".md" {
		n := 0
		for line := range strings.Lines(string(data)) {
			n++
			out[n] = line
		}
		return out, nil
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, data, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	for _, group := range f.Comments {
		out[files.Position(group.Pos()).Line] += group.Text() + "\n"
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			n.Tag = nil // names in JSON are part of a schema
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				if s, err := strconv.Unquote(n.Value); err == nil && !slices.Contains(schemaWords, s) {
					out[files.Position(n.Pos()).Line] += s + "\n"
				}
			}
		}
		return true
	})
	return out, nil
}

func below(path string, list []string) bool {
	return slices.ContainsFunc(list, func(room string) bool {
		return path == room || strings.HasSuffix(room, "/") && strings.HasPrefix(path, room)
	})
}

func TestPlainWords(t *testing.T) {
	read := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || unquoted.MatchString(path+"/")) {
			return fs.SkipDir
		}
		if ext := filepath.Ext(path); d.IsDir() || ext != ".go" && ext != ".md" || unquoted.MatchString(path) {
			return nil
		}
		path = filepath.ToSlash(path)
		if !below(path, swept) {
			t.Errorf("%s is in no swept room: add its room to swept", path)
			return nil
		}
		found, err := texts(path)
		if err != nil {
			return err
		}
		read++
		for line, text := range found {
			for _, o := range offences(text) {
				t.Errorf("%s:%d: %s", path, line, o)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read < len(swept) {
		t.Errorf("only %d files read", read)
	}
}

// TestPlainWordsFindsThem plants each kind of wording, in Go and in a document.
func TestPlainWordsFindsThem(t *testing.T) {
	for text, want := range map[string]int{
		"the artefact":                              1,
		"a Folder of models":                        1,
		"the bundle beside it":                      1,
		"config.json is not\nthere":                 1,
		"x is no pattern":                           1,
		"lineage stands twice":                      1,
		"held to pinned hashes":                     1,
		"reports as asked; mend it":                 2,
		"want 3, got 4":                             1,
		"there is no pattern":                       0,
		"it is no longer used":                      0,
		"the directory, checked against its digest": 0,
		"recommend, amended":                        0,
		"wanted: 3":                                 0,
	} {
		if got := offences(text); len(got) != want {
			t.Errorf("%q: found %q, expected %d", text, got, want)
		}
	}
	dir := t.TempDir()
	for name, planted := range map[string]string{
		"a.md": "First line.\nThis folder is bad.\n",
		"a.go": "package a\n\ntype t struct {\n\tF string `json:\"folder\"`\n}\n\nvar message = \"no such folder\"\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(planted), 0o644); err != nil {
			t.Fatal(err)
		}
		found, err := texts(path)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, text := range found {
			n += len(offences(text))
		}
		if n != 1 {
			t.Errorf("%s: %d found, expected 1", name, n)
		}
	}
}
