package sign

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"facerec/internal/release"
)

func TestRebuildStatement(t *testing.T) {
	d := release.DigestBytes([]byte("x"))
	r := Rebuild{
		Project: "face rec", Version: "1.0.0", Passed: true, Subjects: []Input{{Name: "a.tar.gz", Digest: d}}, Verifier: "mailto:ann@example.com",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)), Attestations: []Input{{Name: "checksums.txt.sigstore.json", Digest: d}}, Outcome: json.RawMessage(`{"cells":[]}`),
	}
	want := strings.NewReplacer("\n", "", "\t", "", "HEX", d.Hex()).Replace(`{"_type":"https://in-toto.io/Statement/v1",
		"subject":[{"name":"a.tar.gz","digest":{"sha256":"HEX"}}],
		"predicateType":"https://slsa.dev/verification_summary/v1",
		"predicate":{"verifier":{"id":"mailto:ann@example.com"},"timeVerified":"2026-01-02T02:04:05Z","resourceUri":"pkg:generic/face%20rec@1.0.0",
		"policy":{"uri":"urn:facerec:releaser:rebuild:1"},"inputAttestations":[{"name":"checksums.txt.sigstore.json","digest":{"sha256":"HEX"}}],
		"verificationResult":"PASSED","verifiedLevels":["REBUILT"],"` + release.RebuildPolicy + `":{"cells":[]}}}`)
	if got, err := RebuildStatement(r); err != nil || string(got) != want {
		t.Errorf("got %s, %v\nexpected %s", got, err, want)
	}
	r.Passed = false
	if got, err := RebuildStatement(r); err != nil || !strings.Contains(string(got), `"verificationResult":"FAILED","verifiedLevels":["FAILED"]`) {
		t.Errorf("got %s, %v", got, err)
	}
	for _, spoil := range []func(r *Rebuild){func(r *Rebuild) { r.Subjects = nil }, func(r *Rebuild) { r.Verifier = "" }} {
		bad := r
		spoil(&bad)
		if got, err := RebuildStatement(bad); err == nil {
			t.Errorf("got %s", got)
		}
	}
}
