package verify_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"facerec/internal/verify"
)

// TestPublicGood holds the carried root, its README and its constants to each
// other, and verifies something with it that the public instance signed.
func TestPublicGood(t *testing.T) {
	tr, origin, err := verify.PublicGood()
	if err != nil {
		t.Fatal(err)
	}
	if tr.Digest().Hex() != origin.SHA256 {
		t.Errorf("public-good.json: expected sha256 %s, got %s", origin.SHA256, tr.Digest().Hex())
	}
	readme, err := os.ReadFile("roots/README.md")
	if err != nil {
		t.Fatal(err)
	}
	name, version, _ := strings.Cut(origin.Source, " ")
	for _, want := range []string{
		origin.SHA256, fmt.Sprintf("npm package `%s` %s,", name, version),
		fmt.Sprintf("version %d, good until %s", origin.TUFRoot, origin.Until.Format(time.RFC3339)),
	} {
		if !strings.Contains(string(readme), want) {
			t.Errorf("roots/README.md does not say %q", want)
		}
	}
	bundle, _ := carried(t, "sigstore.js@2.0.0-provenance.sigstore.json", "public-good.json")
	if _, err := verify.Blob(bundle, byDigest(t, sigstoreJS), verify.Policy{Root: tr, Identities: []verify.Identity{{
		SAN:    "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main",
		Issuer: "https://token.actions.githubusercontent.com",
	}}}); err != nil {
		t.Error(err)
	}
}
