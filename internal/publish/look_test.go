package publish_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"facerec/internal/checksum"
	"facerec/internal/publish"
)

// TestLook changes nothing, and refuses what publishing would refuse.
func TestLook(t *testing.T) {
	look := func(page publish.Page, d publish.Dist, commit string) (*publish.Release, error) {
		return publish.Look(t.Context(), publish.Input{Page: page, Dist: publish.Dist{Record: d.Record}, Commit: commit, Retry: quick()})
	}
	d, other := dist(t, "tool", "1.0.0"), dist(t, "other", "1.0.0")

	t.Run("web root", func(t *testing.T) {
		www := filepath.Join(t.TempDir(), "www")
		page := open(t, "dir:"+www, "")
		if rel, err := look(page, d, commitA); rel != nil || err != nil {
			t.Errorf("%+v, %v", rel, err)
		}
		if _, err := os.Stat(www); err == nil {
			t.Error("looking made the directory")
		}
		if _, err := put(t, page, d); err != nil {
			t.Fatal(err)
		}
		rel, err := look(page, d, commitA)
		if err != nil || rel == nil || rel.Draft {
			t.Fatalf("%+v, %v", rel, err)
		}
		for name, want := range map[string]int64{checksum.File: 1, "nowhere.txt": 0} {
			raw, err := publish.ReadAsset(t.Context(), page, *rel, name, 1<<20, quick())
			if err != nil || (raw != nil) != (want > 0) {
				t.Errorf("%s: %q, %v", name, raw, err)
			}
		}
		if _, err := publish.ReadAsset(t.Context(), page, *rel, checksum.File, 10, quick()); !isRefusal(err, checksum.File, "more than 10 bytes") {
			t.Errorf("too large: %v", err)
		}
		// The release of the tag is another project's, or the newest one is.
		for _, version := range []string{"1.0.0", "2.0.0"} {
			o := other
			if version == "2.0.0" {
				o = dist(t, "other", "2.0.0")
			}
			if _, err := look(page, o, ""); !isRefusal(err, "dir:", "expected releases of other, got v1.0.0 of tool") {
				t.Errorf("another project: %v", err)
			}
		}
	})
	t.Run("forge", func(t *testing.T) {
		g := newFakeGitHub(t)
		page := open(t, g.page(), fakeToken)
		if _, err := look(page, d, commitA); !errors.Is(err, publish.ErrNoTag) {
			t.Errorf("no tag: %v", err)
		}
		g.tag("v1.0.0", commitA)
		if rel, err := look(page, d, commitA); rel != nil || err != nil {
			t.Errorf("%+v, %v", rel, err)
		}
		if _, err := look(page, d, commitB); !isRefusal(err, "git tag v1.0.0", "expected commit "+commitB) {
			t.Errorf("the tag moved: %v", err)
		}
		for _, r := range g.requests {
			if r[:4] != "GET " {
				t.Error(r)
			}
		}
	})
}
