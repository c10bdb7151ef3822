package verify_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"facerec/internal/verify"
)

// TestPublicGood holds the carried root to its record, and verifies something with it that the public instance signed.
func TestPublicGood(t *testing.T) {
	tr, origin, err := verify.PublicGood()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("roots/public-good.origin.json")
	if err != nil {
		t.Fatal(err)
	}
	var record verify.CarriedOrigin
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&record); err != nil {
		t.Fatal(err)
	}
	if tr.Origin().SHA256 != record.SHA256 {
		t.Errorf("public-good.json: expected %s, got %s: run make trusted-root", record.SHA256, tr.Origin().SHA256)
	}
	if origin.Source != record.Package+" "+record.Version || !strings.HasPrefix(record.Integrity, "sha512-") || record.Published.IsZero() ||
		origin.TUFRoot < 16 || origin.Until.Before(time.Date(2027, 4, 22, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v of %s", origin, raw)
	}
	// By kind: what signs today must be there, and what signed in 2023 too.
	for _, kind := range []string{verify.KindAuthority, verify.KindCertLog, verify.KindLog, verify.KindTimestamp} {
		if !slices.ContainsFunc(tr.Contents(), func(c verify.Trusted) bool { return c.Kind == kind && c.Until.IsZero() && c.Name != "" && c.URL != "" }) {
			t.Errorf("no %s is in use: %+v", kind, tr.Contents())
		}
	}
	bundle, _ := carried(t, "sigstore.js@2.0.0-provenance.sigstore.json", "public-good.json")
	if _, err := verify.Blob(bundle, byDigest(t, sigstoreJS), verify.Policy{Root: tr, Identities: []verify.CertificateIdentity{{
		SAN:    "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main",
		Issuer: "https://token.actions.githubusercontent.com",
	}}}); err != nil {
		t.Error(err)
	}
}
