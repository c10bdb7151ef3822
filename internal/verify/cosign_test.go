package verify_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/loopback"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// cosign gives a function that runs the real cosign in a folder of its own. It
// is built only if BUILD_COSIGN=1 says so: it is large.
func cosign(t *testing.T) func(args ...string) (string, error) {
	t.Helper()
	if !loopback.Built("cosign") && os.Getenv("BUILD_COSIGN") == "" {
		t.Skip("cosign is not built yet; BUILD_COSIGN=1 builds it, in minutes")
	}
	program, err := loopback.Tool(t.Context(), "cosign")
	if err != nil {
		t.Skipf("cannot have the real cosign: %v", err)
	}
	home := t.TempDir()
	return func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = home
		cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "COSIGN_PASSWORD=secret"}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCosignVerifiesOurs hands our bundles, keyless and keyed, to the real
// cosign.
func TestCosignVerifiesOurs(t *testing.T) {
	run := cosign(t)
	s, tr, services := realSigstore(t)
	dir := t.TempDir()
	file := write(t, dir, "checksums.txt", []byte(sums))

	bundle, p := signKeyless(t, job, sums)
	path := write(t, dir, "keyless.json", bundle)
	good := []string{"verify-blob", "--bundle", path, "--trusted-root", s.TrustedRoot, "--certificate-identity", job, "--certificate-oidc-issuer", p.Identities[0].Issuer, file}
	if out, err := run(good...); err != nil {
		t.Errorf("keyless: %v\n%s", err, out)
	}
	other := write(t, dir, "other.txt", []byte(sums+sums))
	if out, err := run(append(good[:len(good)-1:len(good)-1], other)...); err == nil {
		t.Errorf("cosign accepts another file: %s", out)
	}

	k := newKey(t)
	pub, err := verify.ParsePublicKey(k.PublicPEM())
	if err != nil {
		t.Fatal(err)
	}
	services.Fulcio = ""
	keyed, err := sign.Checksums(t.Context(), []byte(sums), sign.Signer{Key: k, Services: services}, selfCheck(verify.Policy{Root: tr, Key: pub}))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := run("verify-blob", "--bundle", write(t, dir, "keyed.json", keyed), "--trusted-root", s.TrustedRoot, "--key", write(t, dir, "key.pub", k.PublicPEM()), file); err != nil {
		t.Errorf("keyed: %v\n%s", err, out)
	}
	if out, err := run("verify-blob", "--bundle", write(t, dir, "plain.json", signKeyed(t, k, sums)), "--insecure-ignore-tlog=true", "--key", filepath.Join(dir, "key.pub"), file); err != nil {
		t.Errorf("keyed without a log: %v\n%s", err, out)
	}
}

// TestWeVerifyCosigns is the other way round, and reads cosign's own encrypted
// key.
func TestWeVerifyCosigns(t *testing.T) {
	run := cosign(t)
	s, tr, _ := realSigstore(t)
	dir := t.TempDir()
	file := write(t, dir, "checksums.txt", []byte(sums))
	check := func(name, bundle string, p verify.Policy) {
		t.Helper()
		b, err := os.ReadFile(bundle)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify.BlobOfRelease(b, verify.Data(strings.NewReader(sums)), p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	token, err := s.Token(ann)
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(dir, "keyless.json")
	if out, err := run("sign-blob", "--yes", "--bundle", bundle, "--signing-config", s.SigningConfig, "--trusted-root", s.TrustedRoot, "--identity-token", token, file); err != nil {
		t.Fatalf("cosign sign-blob: %v\n%s", err, out)
	}
	check("keyless", bundle, verify.Policy{Root: tr, Identities: []verify.CertificateIdentity{{SAN: ann, Issuer: s.Mail}}})

	if out, err := run("generate-key-pair", "--output-key-prefix", filepath.Join(dir, "cosign")); err != nil {
		t.Fatalf("cosign generate-key-pair: %v\n%s", err, out)
	}
	public, err := os.ReadFile(filepath.Join(dir, "cosign.pub"))
	if err != nil {
		t.Fatal(err)
	}
	pub, err := verify.ParsePublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	keyed := filepath.Join(dir, "keyed.json")
	if out, err := run("sign-blob", "--yes", "--bundle", keyed, "--signing-config", s.SigningConfig, "--trusted-root", s.TrustedRoot, "--key", filepath.Join(dir, "cosign.key"), file); err != nil {
		t.Fatalf("cosign sign-blob --key: %v\n%s", err, out)
	}
	check("keyed", keyed, verify.Policy{Root: tr, Key: pub})

	private, err := os.ReadFile(filepath.Join(dir, "cosign.key"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := sign.ParseKey(private, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if k.Hint() == "" || string(k.PublicPEM()) != string(public) {
		t.Errorf("cosign's key came out as another: %s", k.PublicPEM())
	}
}
