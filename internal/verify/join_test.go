package verify_test

import (
	"strings"
	"testing"

	"facerec/internal/verify"
)

// TestJoin puts a good, an incomplete and a bad release into one report: the worst
// decides, each keeps its own verdict, and cells of the same name are kept apart.
func TestJoin(t *testing.T) {
	good, short, bad := newSmall(t), newSmall(t), newSmall(t)
	delete(short.dist, sbom)
	bad.put(assetA, []byte("x"))
	a, b, c := good.verify(t), short.verify(t), bad.verify(t)
	if one := verify.Join([]string{"good"}, []verify.Report{a}); one.Releases != nil || one.Text() != a.Text() {
		t.Errorf("one alone was changed:\n%s", one.Text())
	}
	for _, x := range []struct {
		names   []string
		reports []verify.Report
		code    int
	}{
		{[]string{"good", "good2"}, []verify.Report{a, a}, 0},
		{[]string{"good", "short"}, []verify.Report{a, b}, 5},
		{[]string{"short", "bad", "good"}, []verify.Report{b, c, a}, 3},
	} {
		r := verify.Join(x.names, x.reports)
		if r.ExitCode != x.code || r.Verified != (x.code == 0) || len(r.Releases) != len(x.names) || len(r.Chains) != 2*len(x.names) {
			t.Errorf("%s: got %d with %d chains:\n%s", x.names, r.ExitCode, len(r.Chains), r.Text())
		}
		for i, n := range r.Releases {
			if n.Dist != x.names[i] || n.ExitCode != x.reports[i].ExitCode || n.Cells != 2 {
				t.Errorf("got %+v", n)
			}
		}
	}
	r := verify.Join([]string{"short", "bad", "good"}, []verify.Report{b, c, a})
	for _, want := range []string{
		"FAIL  bad: " + cellA + "  tarball       bad/" + assetA,
		"\nbad: " + cellA + ": first broken link is tarball",
		"\nshort: release: first broken link is file",
		"\ngood: verified: 2 cells",
		"\nnot verified: differs (exit code 3)",
	} {
		if !strings.Contains(r.Text(), want) {
			t.Errorf("no %q in\n%s", want, r.Text())
		}
	}
	if !strings.Contains(r.Annotations(), "bad/"+assetA) || !strings.Contains(r.Markdown(), "| bad: ") {
		t.Errorf("annotations and summary do not say which:\n%s%s", r.Annotations(), r.Markdown())
	}
}
