package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/loopback"
	"facerec/internal/oci"
	"facerec/internal/release"
)

// TestCosignVerifiesOurImages signs images, keyless and keyed, and has the real
// cosign verify them, in a registry with the referrers API and in one without.
func TestCosignVerifiesOurImages(t *testing.T) {
	t.Parallel() // they wait for the log most of the time
	s := newSigning(t)
	api, tags := twoRegistries(t)
	for name, addr := range map[string]string{"referrers API": api.Addr, "fallback tag": tags.Addr} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keyless := s.push(t, addr, "keyless")
			out := s.releaser(t, 0, "sign", "--image", keyless.WithTag("1").String(), "--signing-config", s.SigningConfig, "--trusted-root", s.TrustedRoot,
				"--identity-token", s.tokenFile(t), "--certificate-identity", signerMail, "--certificate-oidc-issuer", s.Mail)
			if !strings.Contains(out, keyless.String()+"  index  signed by "+signerMail+" from "+s.Mail) {
				t.Errorf("got %s", out)
			}
			s.verify(t, 0, keyless, with(s.keyless(), "--all-platforms"), "ok    linux/arm64")
			trust := []string{"verify", "--trusted-root", s.TrustedRoot, "--certificate-identity", signerMail, "--certificate-oidc-issuer", s.Mail}
			s.cosign(t, "cosign", with(trust, keyless.String())...)
			s.cosign(t, "cosign", with(trust, s.platform(t, keyless).String())...)
			trust[4] = "bob@example.com"
			if out, err := s.runCosign(t.Context(), "cosign", with(trust, keyless.String())...); err == nil {
				t.Errorf("cosign accepts our signature for another signer: %s", out)
			}

			keyed := s.push(t, addr, "keyed")
			s.releaser(t, 0, "sign", "--image", keyed.String(), "--key", s.key+".key", "--signing-config", s.SigningConfig, "--trusted-root", s.TrustedRoot)
			s.cosign(t, "cosign", "verify", "--trusted-root", s.TrustedRoot, "--key", s.key+".pub", keyed.String())
			s.verify(t, 0, keyed, s.keyed(), "ok    image")

			plain := s.push(t, addr, "plain")
			s.releaser(t, 0, "sign", "--image", plain.String(), "--key", s.key+".key")
			s.cosign(t, "cosign", "verify", "--insecure-ignore-tlog=true", "--key", s.key+".pub", plain.String())
			s.verify(t, 4, plain, s.keyed(), "transparency log: entries")
		})
	}
}

// TestNothingIsSignedByHalf expects somebody else than the signer, and an image
// that is not there beside one that is: neither image gets a signature, and the
// folder no bundle.
func TestNothingIsSignedByHalf(t *testing.T) {
	t.Parallel() // they wait for the log most of the time
	s := newSigning(t)
	api, err := loopback.NewInProcess(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	image := s.push(t, api.Addr, "image")
	dist := filepath.Join(s.dir, "dist")
	config := filepath.Join(s.dir, "config.json")
	s.releaser(t, 0, "--config", config, "pack", "--image", "oci-layout:"+s.layout, "--out", dist)
	trust := []string{"--signing-config", s.SigningConfig, "--trusted-root", s.TrustedRoot}
	for name, args := range map[string]struct {
		code int
		args []string
	}{
		"somebody else": {1, with(trust, "--identity-token", s.tokenFile(t), "--certificate-identity", "bob@example.com", "--certificate-oidc-issuer", s.Mail)},
		"not there":     {1, with(trust, "--key", s.key+".key", "--image", api.Addr+"/test/none:1")},
		"a layout":      {2, with(trust, "--key", s.key+".key", "--image", "oci-layout:"+s.layout)},
	} {
		s.releaser(t, args.code, append([]string{"sign", dist, "--image", image.String()}, args.args...)...)
		found, problems, err := oci.Referrers(t.Context(), image, image.Digest, oci.Access{Named: []string{"127.0.0.1"}})
		if len(found)+len(problems) > 0 || err != nil {
			t.Errorf("%s: %d attachments, %v, %v", name, len(found), problems, err)
		}
		if bundles, err := filepath.Glob(filepath.Join(dist, "*.sigstore.json")); err != nil || len(bundles) > 0 {
			t.Errorf("%s: %v, %v", name, bundles, err)
		}
	}
	s.releaser(t, 2, "sign")
	s.releaser(t, 0, append([]string{"--config", config, "sign", dist, "--provenance", "--image", image.String(), "--key", s.key + ".key"}, trust...)...)
	s.verify(t, 0, image, s.keyed())
	s.cosign(t, "cosign", "verify-blob-attestation", "--bundle", filepath.Join(dist, release.ProvenanceFile), "--trusted-root", s.TrustedRoot, "--key", s.key+".pub",
		"--type", "slsaprovenance1", filepath.Join(dist, "tool_1.0.0_linux_arm64.tar.gz"))
	s.releaser(t, 0, append([]string{"--config", config, "verify", dist, "--image", "oci-layout:" + s.layout}, s.keyed()...)...)
}

// TestCosignVerifiesOurAttestations puts provenance and an SBOM beside an image
// and has the real cosign find them.
func TestCosignVerifiesOurAttestations(t *testing.T) {
	t.Parallel() // they wait for the log most of the time
	s := newSigning(t)
	tags, err := loopback.NewRegistry(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer tags.Close()
	image := s.push(t, tags.Addr, "image")
	config, dist := filepath.Join(s.dir, "config.json"), filepath.Join(t.TempDir(), "dist")
	s.releaser(t, 0, "--config", config, "pack", "--image", "oci-layout:"+s.layout, "--out", dist)
	trust := []string{"--signing-config", s.SigningConfig, "--trusted-root", s.TrustedRoot, "--key", s.key + ".key"}
	s.releaser(t, 2, append([]string{"sign", dist, "--attest"}, trust...)...)
	s.releaser(t, 0, append([]string{"--config", config, "sign", dist, "--attest", "--image", image.String()}, trust...)...)
	s.verify(t, 0, image, with(s.keyed(), "--all-platforms", "--attestation-type", "slsaprovenance", "--attestation-type", "spdx"),
		"attestation https://slsa.dev/provenance/v1", "attestation https://spdx.dev/Document")
	for ref, kind := range map[string]string{image.String(): "slsaprovenance1", s.platform(t, image).String(): "spdxjson"} {
		s.cosign(t, "cosign", "verify-attestation", "--trusted-root", s.TrustedRoot, "--key", s.key+".pub", "--type", kind, ref)
	}
	s.cosign(t, "cosign", "verify", "--trusted-root", s.TrustedRoot, "--key", s.key+".pub", image.String())
}
