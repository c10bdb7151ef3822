package release

import "testing"

// TestCompareVersions has the order of Semantic Versioning 2.0.0, section 11,
// and what string comparison gets wrong.
func TestCompareVersions(t *testing.T) {
	sorted := []Version{
		"0.9.0", "0.10.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
		"1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0", "10.0.0",
	}
	for i, a := range sorted {
		for j, b := range sorted {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := a.Compare(b); got != want {
				t.Errorf("Compare(%s, %s) = %d, expected %d", a, b, got, want)
			}
		}
	}
}
