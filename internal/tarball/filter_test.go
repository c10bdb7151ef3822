package tarball

import (
	"slices"
	"strings"
	"testing"
)

func names(t Tree) []string {
	var out []string
	for _, e := range t.Entries() {
		n := e.Name
		if e.Type == Dir {
			n += "/"
		}
		if e.Type == Hardlink {
			n += "=" + e.Link
		}
		out = append(out, n)
	}
	return out
}

func TestFilter(t *testing.T) {
	tree := mustTree(t,
		dir("a", 0o755), dir("a/b", 0o700), file("a/b/c.txt", 0o644, "c"), file("a/d.txt", 0o644, "d"), file("a/d.md", 0o644, "m"),
		dir("e", 0o755), file("f.txt", 0o644, "f"), file("[x]", 0o644, "x"), hardlink("g", "a/d.txt"), hardlink("h", "g"))
	cases := []struct {
		name             string
		include, exclude []string
		want             string
	}{
		{"everything", nil, nil, "[x] a/ a/b/ a/b/c.txt a/d.md a/d.txt e/ f.txt g=a/d.txt h=a/d.txt"},
		{"a directory takes its subtree", []string{"a"}, nil, "a/ a/b/ a/b/c.txt a/d.md a/d.txt"},
		{"trailing slash and ./", []string{"./a/"}, nil, "a/ a/b/ a/b/c.txt a/d.md a/d.txt"},
		{"star stays in its directory", []string{"*.txt"}, nil, "f.txt"},
		{"two stars", []string{"**/*.txt"}, nil, "a/ a/b/ a/b/c.txt a/d.txt f.txt"},
		{"two stars at the end", []string{"a/**"}, nil, "a/ a/b/ a/b/c.txt a/d.md a/d.txt"},
		{"two stars in the middle", []string{"a/**/c.txt"}, nil, "a/ a/b/ a/b/c.txt"},
		{"parents come along", []string{"a/b/c.txt"}, nil, "a/ a/b/ a/b/c.txt"},
		{"exclude wins", []string{"a"}, []string{"a/b"}, "a/ a/d.md a/d.txt"},
		{"exclude takes the subtree", nil, []string{"a"}, "[x] e/ f.txt g h=g"},
		{"exclude below", nil, []string{"**/*.txt"}, "[x] a/ a/b/ a/d.md e/ g h=g"},
		{"set", []string{"[eg]"}, nil, "e/ g"},
		{"escape", []string{`\[x\]`}, nil, "[x]"},
		{"question mark", []string{"?"}, nil, "a/ a/b/ a/b/c.txt a/d.md a/d.txt e/ g=a/d.txt h=a/d.txt"},
		{"nothing", []string{"nothing"}, nil, ""},
		{"first name of a link out", []string{"g", "h"}, nil, "g h=g"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := tree.Filter(c.include, c.exclude)
			if err != nil {
				t.Fatal(err)
			}
			if g := strings.Join(names(got), " "); g != c.want {
				t.Errorf("got  %s\nwant %s", g, c.want)
			}
			if e, ok := got.Lookup("a/b"); ok && e.Mode != 0o700 {
				t.Errorf("a/b: mode %o", e.Mode)
			}
		})
	}
	for _, p := range []string{"", "/a", "a//b", "../a", "a/[", `a\`, "."} {
		if _, err := tree.Filter([]string{p}, nil); err == nil || !strings.Contains(err.Error(), "pattern") {
			t.Errorf("pattern %q: got %v, want it refused", p, err)
		}
	}
	for p, want := range map[string]bool{"a": true, "**/*.md": true, "*.md": false} {
		if got, err := tree.Matches(p); err != nil || got != want {
			t.Errorf("Matches(%q): got %v, %v", p, got, err)
		}
	}
}

func TestSubAndAdd(t *testing.T) {
	tree := mustTree(t, dir("app", 0o750), dir("app/bin", 0o755), file("app/bin/x", 0o755, "x"), hardlink("app/y", "app/bin/x"), file("a", 0o644, "x"),
		hardlink("app/z", "a"), hardlink("app/zz", "a"), file("apple", 0o644, ""))
	sub, err := tree.Sub("app")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(names(sub), " "), "bin/ bin/x y=bin/x z zz=z"; got != want || sub.TopMode() != 0o750 {
		t.Errorf("got %s with mode %o, want %s", got, sub.TopMode(), want)
	}
	if _, err := tree.Sub("nowhere"); err == nil {
		t.Error("a directory that is not there: no error")
	}
	if _, err := tree.Sub("a"); err == nil || !strings.Contains(err.Error(), "expected a dir") {
		t.Errorf("a file: got %v", err)
	}
	more, err := sub.Add(file("LICENSE", 0o644, "free"), dir(".", 0o755))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(names(more), "LICENSE") || more.TopMode() != 0o755 || slices.Contains(names(sub), "LICENSE") {
		t.Errorf("got %v, mode %o", names(more), more.TopMode())
	}
	if _, err := sub.Add(file("y", 0o644, "")); err == nil || !strings.Contains(err.Error(), `"y" appears twice`) {
		t.Errorf("a name that is there: got %v", err)
	}
}
