package verify_test

import (
	"bytes"
	"fmt"
	"testing"

	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/sign"
)

// TestVeryManyNames has checksums.txt name as many tarballs as it may, none of
// which is there: the report has them all, and every form of it can be had.
func TestVeryManyNames(t *testing.T) {
	s := newSmall(t)
	var list []checksum.Sum
	for i := range checksum.MaxEntries {
		list = append(list, checksum.Sum{Name: fmt.Sprintf("x_%05d.tar.gz", i), Digest: release.DigestBytes(nil)})
	}
	sums, err := checksum.New(list)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := sign.Checksums(t.Context(), sums.Format(), sign.Signer{Key: s.key}, selfCheck(s.policy))
	if err != nil {
		t.Fatal(err)
	}
	clear(s.dist)
	s.put(checksum.File, sums.Format())
	s.put(release.BundleFile, bundle)
	r := s.verify(t)
	if r.ExitCode != 5 || len(r.Chains) != checksum.MaxEntries {
		t.Fatalf("got %d with %d chains", r.ExitCode, len(r.Chains))
	}
	for name, form := range map[string]func() ([]byte, error){"JSON": r.JSON, "SARIF": r.SARIF, "HTML": r.HTML} {
		if b, err := form(); err != nil || !bytes.Contains(b, []byte("x_09999.tar.gz")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(r.Text()) == 0 || len(r.Markdown()) == 0 || len(r.Annotations()) == 0 {
		t.Error("a form is empty")
	}
}
