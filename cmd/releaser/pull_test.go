package main

import (
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/oci"
)

// TestCosignsSignaturesTravel has real cosigns sign and attest, old and new, in a
// registry without the referrers API; pulls the image with all of it, verifies it
// in the layout, and pushes it into a registry with the API and into another
// without. The real cosign verifies the new signatures there (cosign 2 wants the
// public Sigstore for an image that has both kinds).
func TestCosignsSignaturesTravel(t *testing.T) {
	t.Parallel() // they wait for the log most of the time
	needTools(t, "cosign-v2")
	s := newSigning(t)
	api, tags := twoRegistries(t)
	noLog := []string{"--key", s.key + ".pub", "--unsafe-no-transparency-log"}
	image := s.push(t, tags.Addr, "travels")
	s.cosign(t, "cosign-v2", "sign", "--yes", "--tlog-upload=false", "--recursive", "--key", s.key+".key", image.String())
	s.cosign(t, "cosign-v2", "attest", "--yes", "--tlog-upload=false", "--key", s.key+".key", "--type", "spdxjson", "--predicate", "sbom.json", image.String())
	s.cosign(t, "cosign", s.v3("sign", "--recursive", "--identity-token", s.token(t), image.String())...)

	dir := filepath.Join(t.TempDir(), "layout")
	s.releaser(t, 0, "-q", "pull", image.WithTag("1").String(), dir)
	layout := oci.Ref{Kind: oci.Layout, Name: dir}
	check := func(at oci.Ref, place string) {
		t.Helper()
		s.verify(t, 0, at, with(s.keyless(), "--all-platforms"), "signature at "+place, "ok    linux/arm64")
		s.verify(t, 0, at, with(noLog, "--all-platforms", "--attestation-type", "spdxjson"), "signature at tag sha256-", "attestation https://spdx.dev/Document at tag sha256-")
	}
	check(layout.WithTag("1"), "referrer sha256:")
	check(layout, "referrer sha256:") // one image, whatever stands beside it

	for name, addr := range map[string]string{"referrers API": api.Addr, "fallback tag": tags.Addr} {
		place := map[string]string{"referrers API": "referrer sha256:", "fallback tag": "tag sha256-"}[name]
		to := oci.Ref{Name: addr + "/test/arrived"}
		out := s.releaser(t, 0, "-q", "push", dir, to.Name)
		if !strings.Contains(out, to.At(image.Digest).String()) {
			t.Errorf("%s: another digest: %s", name, out)
		}
		check(to.At(image.Digest), place)
		there := to.At(image.Digest).String()
		s.cosign(t, "cosign", "verify", "--trusted-root", s.TrustedRoot, "--certificate-identity", signerMail, "--certificate-oidc-issuer", s.Mail, there)
	}
}
