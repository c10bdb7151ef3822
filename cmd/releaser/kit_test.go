package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/atomicfile"
	"facerec/internal/loopback"
	"facerec/internal/release"
)

// TestKitTrust has a release with its images signed keyless by a Sigstore on loopback,
// and its kit verified by people who trust that Sigstore or another, in each way
// that a trusted root can be named.
func TestKitTrust(t *testing.T) {
	s := newSigning(t)
	t.Chdir(t.TempDir())
	api, err := loopback.NewInProcess(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	token := s.tokenFile(t)
	signer := []string{"--certificate-identity", signerMail, "--certificate-oidc-issuer", s.Mail}
	root := []string{"--trusted-root", s.TrustedRoot}
	place := []string{"--image", api.Addr + "/test/tool"}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) []byte {
		t.Helper()
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	write("config.json", fmt.Sprintf(`{"project_name": "tool", "version": "1.0.0", "build_cmd": "echo x >tool", "artifacts": [{"src": "tool", "dest": "/app/tool"}],
		"platforms": ["linux/amd64", "linux/arm64"], "identity": {"issuer": %q, "san": %q}}`, s.Mail, signerMail))
	image := api.Addr + "/test/tool:1.0.0"
	s.releaser(t, 0, "-q", "build", "--out", "oci")
	s.releaser(t, 0, "-q", "push", "oci", api.Addr+"/test/tool")
	s.releaser(t, 0, with(place, "-q", "pack", "--out", "dist")...)
	s.releaser(t, 0, with(append(root, signer...), "-q", "sign", "dist", "--image", image, "--attest", "--signing-config", s.SigningConfig, "--identity-token", token)...)

	// Named in two ways, the signer makes no difference to the kit.
	create := func(out string, more ...string) {
		t.Helper()
		s.releaser(t, 0, with(append(root, place...), append([]string{"-q", "kit", "create", "dist", "-o", out}, more...)...)...)
	}
	create("a.kit", signer...)
	create("b.kit", "--certificate-identity-regexp", `ann@example\.com`, "--certificate-oidc-issuer", s.Mail)
	create("c.kit") // config.json's
	if a := read("a.kit"); !bytes.Equal(a, read("b.kit")) || !bytes.Equal(a, read("c.kit")) {
		t.Error("who names the signer in another way gets another kit")
	}
	if err := os.Remove("config.json"); err != nil {
		t.Fatal(err)
	}
	digest := release.DigestBytes(read(s.TrustedRoot)).String()
	other := release.DigestBytes(nil).String()
	for _, c := range []struct {
		name string
		code int
		args []string
		want string
	}{
		{"the caller's root", 0, append(root, signer...), "verified: 2 cells of tool 1.0.0, signed by " + signerMail},
		{"and the images' signatures", 0, with(append(root, signer...), "--image-signatures"), "image-signature"},
		{"the kit's root by its digest", 0, with(signer, "--kit-root", digest), "trust root: root in a.kit, " + digest},
		{"the kit's root, unsafe", 0, with(signer, "--unsafe-kit-root"), "whoever made the kit chose it"},
		{"the report names it", 0, with(signer, "--kit-root", digest, "--json"), `"from": "kit"`},
		{"the program's root", 4, signer, "a.kit has another trusted root (" + digest + "), which was not used"},
		{"another digest", 4, with(signer, "--kit-root", other), "trusted_root.json in a.kit: expected " + other + ", got " + digest},
		{"no digest", 2, with(signer, "--kit-root", "x"), "--kit-root"},
		{"two roots", 2, with(append(root, signer...), "--unsafe-kit-root"), "--trusted-root names a file"},
		{"both ways", 2, with(signer, "--unsafe-kit-root", "--kit-root", digest), "exclude each other"},
		{"another signer", 4, with(root, "--certificate-identity", "bob@example.com", "--certificate-oidc-issuer", s.Mail), "bob@example.com"},
		{"another signer, the kit's root", 4, []string{"--unsafe-kit-root", "--certificate-identity", "bob@example.com", "--certificate-oidc-issuer", s.Mail}, "bob@example.com"},
		{"another version", 4, with(append(root, signer...), "--version", "2.0.0"), "expected 2.0.0"},
		{"nobody", 2, root, "no expected signer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if out := s.releaser(t, c.code, append([]string{"verify", "a.kit"}, c.args...)...); !strings.Contains(out, c.want) {
				t.Errorf("want %q in\n%s", c.want, out)
			}
		})
	}
	// A rebuilder's attestation: the real thing is a signed statement about a tarball.
	s.cosign(t, "cosign", s.v3("attest-blob", "--identity-token", s.token(t), "--type", "https://example.org/rebuilt",
		"--predicate", filepath.Join(s.dir, "sbom.json"), "--bundle", absolute(t, "farm.rebuild.sigstore.json"), absolute(t, "dist/tool_1.0.0_linux_amd64.tar.gz"))...)
	out := s.releaser(t, 0, "-q", "kit", "add", "a.kit", "farm.rebuild.sigstore.json", "-o", "d.kit")
	if !strings.Contains(out, "d.kit  ") {
		t.Errorf("got %s", out)
	}
	s.releaser(t, 0, with(append(root, signer...), "-q", "verify", "d.kit")...)
	if out := s.releaser(t, 0, "kit", "ls", "d.kit"); !strings.Contains(out, "rebuild ") {
		t.Errorf("got %s", out)
	}
	before := read("a.kit")
	for name, args := range map[string][]string{
		"its own input":       {"a.kit", "farm.rebuild.sigstore.json", "-o", "a.kit", "--force"},
		"the bundle":          {"a.kit", "farm.rebuild.sigstore.json", "-o", "farm.rebuild.sigstore.json", "--force"},
		"a file that is kept": {"a.kit", "farm.rebuild.sigstore.json", "-o", "d.kit"},
	} {
		if out := s.releaser(t, 2, append([]string{"kit", "add"}, args...)...); out == "" {
			t.Errorf("%s: nothing is said", name)
		}
	}
	if !bytes.Equal(before, read("a.kit")) {
		t.Error("kit add changed its input")
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if atomicfile.IsPartial(e.Name()) {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
