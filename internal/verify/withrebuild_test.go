package verify_test

import (
	"strings"
	"testing"

	"facerec/internal/verify"
)

// TestWithRebuild puts the links of a rebuild in the place of those of images, in
// their own order, in every form of the report.
func TestWithRebuild(t *testing.T) {
	s := newSmall(t)
	in := s.input()
	in.Images = verify.WithoutImages("rebuilt")
	r, err := verify.Release(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if r.Released.Record == nil || r.Released.Checksums.IsZero() {
		t.Fatalf("a good signature vouches for %+v", r.Released)
	}
	const amd = "dlib19/linux/amd64"
	differs, incomplete := verify.Differs, verify.Incomplete
	found := []verify.Result{{Link: verify.LinkSource, Subject: "src", Status: verify.Pass}}
	for _, cell := range r.Cells() {
		for _, link := range []string{verify.LinkBuilt, verify.LinkProgram, verify.LinkLayers, verify.LinkManifest, verify.LinkIndex, verify.LinkTar, verify.LinkRebuilt} {
			found = append(found, verify.Result{Cell: cell, Link: link, Subject: "x", Status: verify.Pass})
		}
	}
	same := r.WithRebuild(found)
	validate(t, same)
	if !same.Verified || !strings.Contains(same.Text(), "rebuilt from the sources byte for byte") {
		t.Errorf("got %s", same.Text())
	}
	for i := range found {
		if found[i].Cell != amd {
			continue
		}
		switch found[i].Link {
		case verify.LinkProgram, verify.LinkManifest, verify.LinkRebuilt:
			found[i].Status, found[i].Class = verify.Fail, &differs
		case verify.LinkIndex:
			found[i].Status, found[i].Class = verify.Skip, &incomplete
		}
	}
	failed := verify.Failed
	found[1].Status, found[1].Class, found[1].Output = verify.Fail, &failed, []string{"cc: <boom>"}
	broken := r.WithRebuild(found[:2])
	validate(t, broken)
	if page, err := broken.HTML(); err != nil || !strings.Contains(string(page), "<pre>cc: &lt;boom&gt;") || !strings.Contains(broken.Text(), "\n      | cc: <boom>\n") || broken.ExitCode != 1 {
		t.Errorf("a build that failed: %d, %v, %s", broken.ExitCode, err, broken.Text())
	}
	found[1] = verify.Result{Cell: found[1].Cell, Link: found[1].Link, Subject: "x", Status: verify.Pass}
	other := r.WithRebuild(found)
	validate(t, other)
	if other.ExitCode != 3 || other.Chains[0].FirstBroken != verify.LinkProgram {
		t.Errorf("got %d, %+v", other.ExitCode, other.Chains[0])
	}
	if !strings.Contains(other.Text(), "source  built  program  layers  manifest  index    tar  rebuilt\n") {
		t.Errorf("got %s", other.Text())
	}
	for form, make := range map[string]func() ([]byte, error){"html": other.HTML, "sarif": other.SARIF, "json": other.JSON} {
		if b, err := make(); err != nil || !strings.Contains(string(b), "program") {
			t.Errorf("%s: %v", form, err)
		}
	}
	if len(r.Chains[0].Links) == len(other.Chains[0].Links) || r.Verified {
		t.Error("the report itself was changed")
	}
	// What nobody signed, and what was not expected, is vouched for by nobody.
	in.Expect.Version = "9.9.9"
	if r, err = verify.Release(t.Context(), in); err != nil || r.Released.Record != nil || !r.Released.Checksums.IsZero() {
		t.Errorf("another version: %+v, %v", r.Released, err)
	}
}
