package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"facerec/internal/publish"
	"facerec/internal/release"
)

// TestFetchPinsOnFirstUse has releases signed keyless by a Sigstore on loopback and
// a user who knows nobody: the signer is shown, kept once it is accepted, and from
// then on no page can name another.
func TestFetchPinsOnFirstUse(t *testing.T) {
	s := newSigning(t)
	t.Chdir(t.TempDir())
	const other = "mallory@example.com"
	publishBy := func(page, version, named, signer string) {
		t.Helper()
		dir := "v" + version + signer
		token, err := s.Token(signer)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"config.json": fmt.Sprintf(`{"project_name": "tool", "build_cmd": "echo x >tool", "artifacts": [{"src": "tool", "dest": "/app/tool"}],
				"identity": {"issuer": %q, "san": %q}}`, s.Mail, named),
			"CHANGELOG.md": "## " + version + "\nNotes.\n",
			"token":        token,
		} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		by := []string{"--trusted-root", s.TrustedRoot, "--certificate-identity", signer, "--certificate-oidc-issuer", s.Mail}
		s.releaser(t, 0, "-q", "build", "--version", version, "--out", dir+"/oci")
		s.releaser(t, 0, "-q", "pack", "--version", version, "--image", "oci-layout:"+dir+"/oci", "--out", dir+"/dist")
		s.releaser(t, 0, with(by, "-q", "sign", dir+"/dist", "--signing-config", s.SigningConfig, "--identity-token", "token")...)
		s.releaser(t, 0, with(by, "-q", "publish", dir+"/dist", "--page", page, "--image", "oci-layout:"+dir+"/oci")...)
	}
	fetch := func(code int, arg, dir string, more ...string) string {
		t.Helper()
		return s.releaser(t, code, with([]string{"fetch", arg, dir, "--trusted-root", s.TrustedRoot, "--trust", "trust/" + publish.PinFile, "--all"}, more...)...)
	}
	empty := func(dir string) {
		t.Helper()
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("%s has %v, %v", dir, entries, err)
		}
	}
	publishBy("dir:www", "1.0.0", signerMail, signerMail)

	// Nobody answers: not trusted, and nothing is kept. The digest of the pin is shown.
	out := fetch(exitUntrusted, "dir:www", "got")
	if !strings.Contains(out, "signer   "+signerMail) || !strings.Contains(out, "issuer   "+s.Mail) || !strings.Contains(out, "from now on? [y/N]") {
		t.Errorf("got\n%s", out)
	}
	empty("got")
	pin := regexp.MustCompile(`pin +(sha256:[0-9a-f]{64})`).FindStringSubmatch(out)
	if pin == nil {
		t.Fatalf("no pin in\n%s", out)
	}
	fetch(exitUntrusted, "dir:www", "got", "--yes", release.DigestBytes(nil).String())
	empty("got")
	if _, err := os.Stat("trust"); err == nil {
		t.Error("a pin that was not accepted was kept")
	}

	// Accepted: kept, with {tag} and {version} in place of this release's.
	if out := fetch(0, "dir:www", "got", "--yes", pin[1]); !strings.Contains(out, "signed by "+signerMail) {
		t.Errorf("got\n%s", out)
	}
	raw, err := os.ReadFile(filepath.Join("trust", publish.PinFile))
	if err != nil {
		t.Fatal(err)
	}
	var kept struct {
		Schema string
		Pins   []publish.Pin
	}
	if err := json.Unmarshal(raw, &kept); err != nil || len(kept.Pins) != 1 || kept.Pins[0].Digest().String() != pin[1] {
		t.Errorf("kept %s, %v", raw, err)
	}

	// The next release asks nothing. One that names and has another signer, in full
	// order, is not trusted any more, and the pin stays.
	publishBy("dir:www", "1.1.0", signerMail, signerMail)
	if out := fetch(0, "dir:www", "got2"); strings.Contains(out, "[y/N]") || !strings.Contains(out, "verified: 1.1.0, signed by "+signerMail) {
		t.Errorf("got\n%s", out)
	}
	publishBy("dir:www", "1.2.0", other, other)
	out = fetch(exitUntrusted, "dir:www", "got3")
	if strings.Contains(out, "[y/N]") || !strings.Contains(out, signerMail) {
		t.Errorf("got\n%s", out)
	}
	empty("got3")
	fetch(exitUntrusted, "dir:www@1.2.0", "got3", "--yes", pin[1])
	empty("got3")
	if again, err := os.ReadFile(filepath.Join("trust", publish.PinFile)); err != nil || string(again) != string(raw) {
		t.Errorf("the pin changed: %s, %v", again, err)
	}

	// A release whose signer is not the one that it names: accepting what it says
	// does not help it, and nothing is pinned.
	publishBy("dir:web", "1.0.0", signerMail, other)
	out = fetch(exitUntrusted, "dir:web", "got4", "--yes", release.DigestBytes(nil).String())
	if pin = regexp.MustCompile(`pin +(sha256:[0-9a-f]{64})`).FindStringSubmatch(out); pin == nil {
		t.Fatalf("no pin in\n%s", out)
	}
	fetch(exitUntrusted, "dir:web", "got4", "--yes", pin[1])
	empty("got4")
	if again, err := os.ReadFile(filepath.Join("trust", publish.PinFile)); err != nil || string(again) != string(raw) {
		t.Errorf("the pins changed: %s, %v", again, err)
	}
}
