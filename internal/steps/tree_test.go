package steps

import (
	"errors"
	"strings"
	"testing"

	"facerec/internal/publish"
	"facerec/internal/text"
)

func TestTree(t *testing.T) {
	a, b := strings.Repeat("a", 40), strings.Repeat("b", 40)
	for name, c := range map[string]struct {
		tree    Tree
		want    string // of the error, "" for none
		hint    string
		refused bool // it contradicts; else something is missing
	}{
		"as it must be": {tree: Tree{Head: a, Tagged: a, Tags: []string{"v1.0.0", "latest"}}},
		"dirty":         {Tree{Head: a, Tagged: a, Changes: []string{"main.go", "x\x1b[2J"}}, `main.go and "x\x1b[2J"`, "commit the changes", true},
		"very dirty": {Tree{Head: a, Tagged: a, Changes: strings.Fields(strings.Repeat("f ", 1000))},
			"f, f, f, f, f, f, f, f and 992 more", "commit the changes", true},
		"elsewhere":   {Tree{Head: a, Tagged: b, Tags: []string{"v1.0.1"}}, "expected the checked out commit " + a + ", got " + b, "git checkout v1.0.0", true},
		"no tag":      {Tree{Head: a}, "git tag v1.0.0 not found", "git tag -s v1.0.0", false},
		"another tag": {Tree{Head: a, Tags: []string{"v1.0.1"}}, "git tag v1.0.0 not found: the checked out commit aaaaaaaaaaaa has v1.0.1", "release the version of that tag", false},
	} {
		err := c.tree.check("1.0.0")
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(text.Hint(err), c.hint) {
			t.Errorf("%s: got %v (%s), want %s (%s)", name, err, text.Hint(err), c.want, c.hint)
		}
		var refusal *publish.Refusal
		var notReady *NotReadyError
		if errors.As(err, &refusal) != c.refused || errors.As(err, &notReady) == c.refused {
			t.Errorf("%s: got %T", name, err)
		}
	}
}

// TestNeeds asks for what a run needs that ends early.
func TestNeeds(t *testing.T) {
	for last, want := range map[string]string{
		"": "push sign-images publish", Build: "", Push: "push", Sign: "push sign-images", Verify: "push sign-images", Publish: "push sign-images publish",
	} {
		r := &Release{}
		if _, err := r.Until(last); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, name := range []string{Push, SignImages, Publish} {
			if r.Needs(name) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("to %q: needs %q, want %q", last, got, want)
		}
	}
}
