package publish_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facerec/internal/publish"
)

// with is a release at hand with one more file.
func with(t *testing.T, d publish.Dist, name, text string) publish.Dist {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.Dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := publish.ReadDist(d.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRebuildsAreAdded adds what rebuilders signed to a release that is published:
// nothing is replaced, and what others added does not matter. TestGitea does the same
// on a real forge.
func TestRebuildsAreAdded(t *testing.T) {
	for _, c := range []struct{ kind, file string }{
		{"web root", "ann.rebuild.sigstore.json"}, {"GitHub", "ann.rebuild.sigstore.json"}, {"web root", "ann.rebuild.link"},
	} {
		t.Run(c.kind+" "+c.file, func(t *testing.T) {
			if c.kind == "web root" {
				rebuildsAreAdded(t, open(t, publish.DirPrefix+t.TempDir(), ""), c.file)
				return
			}
			g := newFakeGitHub(t)
			g.tag("v1.0.0", commitA)
			rebuildsAreAdded(t, open(t, g.page(), fakeToken), c.file)
		})
	}
}

// rebuildsAreAdded uses a page that has a tag v1.0.0 and no release.
func rebuildsAreAdded(t *testing.T, page publish.Page, annFile string) {
	t.Helper()
	plain := dist(t, "tool", "1.0.0")
	if _, err := put(t, page, plain); err != nil {
		t.Fatal(err)
	}
	ann := with(t, plain, annFile, `{"by": "ann"}`)
	uploads := func(want string) {
		t.Helper()
		result, err := put(t, page, ann)
		if err != nil || result.Found != publish.Published {
			t.Fatalf("got %+v, %v", result, err)
		}
		var got []string
		for _, s := range result.Steps {
			if s.Action == publish.DoUpload || s.Action == publish.DoRemove {
				got = append(got, s.Action+" "+s.Asset)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %v, expected %q", got, want)
		}
	}
	uploads("upload " + annFile)
	uploads("")
	// A release at hand without it is published as well.
	if result, err := put(t, page, plain); err != nil || slices.ContainsFunc(result.Steps, func(s publish.Step) bool { return s.Action == publish.DoUpload }) {
		t.Errorf("without it: %+v, %v", result, err)
	}
	// Other bytes under its name, longer, shorter or of the same length.
	for _, text := range []string{`{"by": "bob"}`, `{"by": "bobby"}`, `{}`, `{"by": "ann"}` + "\n"} {
		if _, err := put(t, page, with(t, ann, annFile, text)); !isRefusal(err, annFile, "") {
			t.Errorf("%s: got %v", text, err)
		}
	}
	ann = with(t, ann, annFile, `{"by": "ann"}`)
	uploads("")
	to := t.TempDir()
	if err := fetchAll(t, page, ann, to); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(to, annFile)); err != nil || string(got) != `{"by": "ann"}` {
		t.Errorf("fetched %s, %v", got, err)
	}
}
