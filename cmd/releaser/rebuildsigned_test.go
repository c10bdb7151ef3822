package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/oci"
)

// TestRebuildersSignKeyless has two parties rebuild a release from its sources, sign
// what came out with certificates of a real Sigstore and attach it to the index in a
// real registry. The real cosigns verify both, and verify counts them.
func TestRebuildersSignKeyless(t *testing.T) {
	t.Parallel() // they wait for the log most of the time
	s := newSigning(t)
	needTools(t, "cosign-v2")
	_, tags := twoRegistries(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(at("source"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("greeting", "hello") // what the sources do not say
	write("source/config.json", `{"project_name": "tool", "version": "1.0.0", "build_cmd": "cat `+at("greeting")+` >tool-$(echo $RELEASER_PLATFORM | tr / -)",
		"artifacts": [{"src": "tool-{os}-{arch}", "dest": "/app/tool"}], "image": {"repository": "`+tags.Addr+`/rebuilt"},
		"platforms": ["linux/amd64", "linux/arm64"]}`)
	write("source/.gitignore", "/tool-*\n")
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"commit", "-qm", "first"}, {"tag", "v1.0.0"}} {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", at("source"), "-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args[0], err, out)
		}
	}
	config, image := []string{"--config", at("source/config.json")}, tags.Addr+"/rebuilt"
	services := []string{"--signing-config", s.SigningConfig, "--trusted-root", s.TrustedRoot}
	s.releaser(t, 0, with(config, "-q", "build", "--out", at("oci"))...)
	s.releaser(t, 0, with(config, "-q", "push", "oci-layout:"+at("oci"), image)...)
	s.releaser(t, 0, with(config, "-q", "pack", "--out", at("dist"))...)
	s.releaser(t, 0, with(with(config, "-q", "sign", at("dist"), "--provenance", "--identity-token", s.tokenFile(t), "--certificate-identity", signerMail, "--certificate-oidc-issuer", s.Mail), services...)...)

	ref, err := oci.ParseRef(image + ":1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	ix, err := oci.ReadIndex(t.Context(), ref, oci.Access{Named: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	index := ix.Ref.String()
	rebuild := func(code int, mail, name string, more ...string) string {
		t.Helper()
		token, err := s.Token(mail)
		if err != nil {
			t.Fatal(err)
		}
		write("token", token)
		args := []string{"-q", "rebuild", at("dist"), "--source", at("source"), "--certificate-identity", signerMail, "--certificate-oidc-issuer", s.Mail,
			"--attest", "--attest-as", name, "--attest-identity", mail, "--attest-oidc-issuer", s.Mail, "--identity-token", at("token")}
		return s.releaser(t, code, with(with(args, services...), more...)...)
	}
	out := rebuild(0, "bob@example.com", "bob", "--image", image+":1.0.0")
	if !strings.Contains(out, "bob.rebuild.sigstore.json  PASSED  signed by bob@example.com from "+s.Mail) || !strings.Contains(out, "  attached") {
		t.Errorf("got %s", out)
	}
	rebuild(0, "carl@example.com", "carl", "--image", index)
	rebuild(2, "carl@example.com", "other", "--image", s.push(t, tags.Addr, "stranger").String())

	// Both cosigns verify the file, over a tarball and its tar stream; and the referrer.
	const kind = "https://slsa.dev/verification_summary/v1"
	trust := []string{"--trusted-root", s.TrustedRoot, "--certificate-identity", "bob@example.com", "--certificate-oidc-issuer", s.Mail, "--type", kind}
	tarball := at("dist/tool_1.0.0_linux_arm64.tar.gz")
	blob := with([]string{"verify-blob-attestation", "--bundle", at("dist/bob.rebuild.sigstore.json")}, trust...)
	s.cosign(t, "cosign", with(blob, tarball)...)
	s.cosign(t, "cosign-v2", with(blob, "--new-bundle-format", "--use-signed-timestamps", tarball)...)
	if out, err := s.runCosign(t.Context(), "cosign", with(blob, at("dist/release.json"))...); err == nil {
		t.Errorf("cosign accepts it for another file: %s", out)
	}
	s.cosign(t, "cosign", with(with([]string{"verify-attestation"}, trust...), index)...)
	s.cosign(t, "cosign-v2", with(with([]string{"verify-attestation", "--new-bundle-format", "--use-signed-timestamps"}, trust...), index)...)

	// One of them lies next to the release, the other is in the registry alone.
	if err := os.Remove(at("dist/carl.rebuild.sigstore.json")); err != nil {
		t.Fatal(err)
	}
	entry := func(name, mail string) string {
		return fmt.Sprintf(`{"name": %q, "keyless": {"issuer": %q, "san": %q}}`, name, s.Mail, mail)
	}
	list := `{"require": 2, "rebuilders": [` + strings.Join([]string{entry("bob", "bob@example.com"), entry("carl", "carl@example.com"), entry("dora", "dora@example.com")}, ", ") + `]}`
	write("rebuilders.json", list)
	verify := func(code int, want string, more ...string) {
		t.Helper()
		args := with(with([]string{"-q", "verify", at("dist"), "--rebuilders", at("rebuilders.json"), "--rebuilt-within", "1h"}, s.keyless()...), more...)
		if out := s.releaser(t, code, args...); !strings.Contains(out, want) {
			t.Errorf("expected %q in\n%s", want, out)
		}
	}
	verify(0, "2 of 2 required: bob and carl")
	write("list", at("dist")+"\n")
	listed := func(code int, want string) {
		t.Helper()
		args := with([]string{"-q", "verify", "--list", at("list"), "--state", at("state"), "--rebuilders", at("rebuilders.json"), "--rebuilt-within", "1h"}, s.keyless()...)
		if out := s.releaser(t, code, args...); !strings.Contains(out, want) {
			t.Errorf("expected %q in\n%s", want, out)
		}
	}
	listed(0, "1 release: 1 verified")
	verify(5, "1 of 2 required: bob; missing: carl and dora", "--offline", "--image", "oci-layout:"+at("oci"))
	// The release's own signer is not a rebuilder, whatever it signs and is called.
	rebuild(0, signerMail, "self")
	write("rebuilders.json", `{"require": 2, "rebuilders": [`+entry("bob", "bob@example.com")+", "+entry("self", signerMail)+`]}`)
	verify(4, "refused as the rebuild of self: rebuild: signer: signed the release itself")
	// What lies next to the release goes to the page, and to the index where it is not yet.
	write("CHANGELOG.md", "## 1.0.0\n\nFirst.\n")
	publish := func(code int, more ...string) string {
		t.Helper()
		args := []string{"-q", "publish", at("dist"), "--page", "dir:" + at("page"), "--changelog", at("CHANGELOG.md"), "--attach-rebuilds"}
		return s.releaser(t, code, with(with(with(config, args...), s.keyless()...), more...)...)
	}
	bob, self := "bob.rebuild.sigstore.json  ", "self.rebuild.sigstore.json  "
	for i, want := range [][]string{{bob + index + " has it already", self + "would be attached to " + index}, {bob + index + " has it already", self + "attached to " + index}, {self + index + " has it already"}} {
		var more []string
		if i == 0 {
			more = []string{"--dry-run"}
		}
		out := publish(0, more...)
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("expected %q in\n%s", w, out)
			}
		}
	}
	if out := publish(0, "--json"); !strings.Contains(out, `"attached": [`) || !strings.Contains(out, `"action": "keep"`) {
		t.Errorf("got %s", out)
	}
	s.cosign(t, "cosign", with([]string{"verify-attestation", "--trusted-root", s.TrustedRoot, "--certificate-identity", signerMail, "--certificate-oidc-issuer", s.Mail, "--type", kind}, index)...)
	publish(2, "--image", "oci-layout:"+at("oci"))
	// A no, which only the registry has.
	write("greeting", "hullo")
	if out := rebuild(3, "dora@example.com", "dora", "--image", index); !strings.Contains(out, "dora.rebuild.sigstore.json  FAILED  signed by dora@example.com") {
		t.Errorf("got %s", out)
	}
	if err := os.Remove(at("dist/dora.rebuild.sigstore.json")); err != nil {
		t.Fatal(err)
	}
	write("rebuilders.json", list)
	listed(3, "dora rebuilt tool_1.0.0_linux_amd64.tar.gz")
	verify(3, "dora rebuilt tool_1.0.0_linux_amd64.tar.gz and tool_1.0.0_linux_arm64.tar.gz and got other bytes; signed by dora@example.com")
	verify(0, "2 of 2 required: bob and carl", "--ignore-failed-rebuilds")
}
