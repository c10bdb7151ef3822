package verify_test

import (
	"strings"
	"testing"

	"facerec/internal/tarball"
	"facerec/internal/verify"
)

func fast(in *verify.Input) { in.Fast = true }

func rebuilt(t *testing.T, r verify.Report, cell string) verify.Result {
	t.Helper()
	for _, s := range r.Results {
		if s.Cell == cell && s.Link == verify.LinkRebuilt {
			return s
		}
	}
	t.Fatalf("%s: no step %s:\n%s", cell, verify.LinkRebuilt, r.Text())
	return verify.Result{}
}

// TestFastSaysWhatItDidNotProve passes a release, and another whose compression
// nobody can make again: that is what fast leaves out, and the report says so.
func TestFastSaysWhatItDidNotProve(t *testing.T) {
	for _, other := range []bool{false, true} {
		s := newSmall(t)
		if other {
			recompress(t, s, 0)
			s.seal(t)
		}
		r := s.verify(t, fast)
		if !r.Verified || r.ExitCode != 0 || gradeOf(rebuilt(t, r, cellA)) != tarball.SameTar.String() {
			t.Errorf("other compression %v: got\n%s", other, r.Text())
		}
		if !strings.Contains(r.Summary(), "note: the tarballs were not compressed again") {
			t.Errorf("nothing is said of what was not proven:\n%s", r.Summary())
		}
	}
}

func TestFastFindsDifferences(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*small)
		class verify.Class
		want  string
	}{
		"image holds another file": {func(s *small) {
			s.images.trees[s.record.Cells[0].ManifestDigest] = treeOf(t, map[string]string{"b": "x87", "sub/a": "shared"})
		}, verify.Differs, `/b: content: tarball sha256:`},
		"tarball is missing": {func(s *small) { delete(s.dist, assetA) }, verify.Incomplete, "no tarball to compare with"},
		"tarball is no gzip": {func(s *small) { s.put(assetA, []byte("x")) }, verify.Differs, ""},
		"recipe is unknown": {func(s *small) {
			s.record.Cells[0].Recipe = "brotli-11"
			s.seal(t)
		}, verify.Failed, "brotli-11"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSmall(t)
			c.spoil(s)
			r := s.verify(t, fast)
			got := rebuilt(t, r, cellA)
			if got.Status == verify.Pass || r.ExitCode != c.class.ExitCode() || !strings.Contains(got.Detail+strings.Join(got.Differences, " "), c.want) {
				t.Errorf("want class %s with %q, got %d:\n%s", c.class, c.want, r.ExitCode, r.Text())
			}
			if other := rebuilt(t, r, cellB); other.Status != verify.Pass {
				t.Errorf("the other cell: %s", other.Text())
			}
		})
	}
}

// gradeOf is the grade of a result in words, "" without one.
func gradeOf(r verify.Result) string {
	if r.Grade == nil {
		return ""
	}
	return r.Grade.String()
}
