package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/oci"
)

// Which addresses name a host inside this network; testdata/script/named.txtar has
// what that opens.
func TestInsideOf(t *testing.T) {
	for address, expected := range map[string]string{
		"http://127.0.0.1:3000/acme/tool":           "127.0.0.1:3000",
		"http://127.0.0.1:3000/acme/tool@1.0.0":     "127.0.0.1:3000",
		"http://127.0.0.1:3000@1.0.0":               "127.0.0.1:3000",
		"https://localhost/acme/tool":               "localhost",
		"gitea:http://localhost:3000/acme/tool":     "localhost:3000",
		"web:http://[::1]:8080":                     "[::1]:8080",
		"https://10.1.2.3/acme/tool":                "10.1.2.3",
		"http://127.0.0.1:9000/auth":                "127.0.0.1:9000",
		"https://ghcr.io/acme/tool":                 "",
		"https://forge.example/127.0.0.1/tool":      "",
		"https://127.0.0.1@forge.example/a/b":       "",
		"https://forge.example/acme/tool@127.0.0.1": "",
		"dir:127.0.0.1":                             "",
		"dir:http://127.0.0.1/":                     "",
		"127.0.0.1:5000/tool":                       "", // a reference, which the verb names
		"ftp://127.0.0.1/x":                         "",
		"http://127.0.0.1:port/":                    "",
		"":                                          "",
	} {
		var got []string
		for _, r := range insideOf(address) {
			host, _, _ := strings.Cut(r.Name, "/")
			got = append(got, host)
		}
		if strings.Join(got, " ") != expected {
			t.Errorf("%s: got %q, expected %q", address, got, expected)
		}
	}
}

// A release signed keyless by a Sigstore on this machine: the issuer that the caller
// names for the signer names the machine. Without it, by a pattern, nobody does.
func TestIssuerNamesThisMachine(t *testing.T) {
	s := newSigning(t)
	front, host := frontedRegistry(t)
	t.Chdir(t.TempDir())
	raw, err := os.ReadFile(filepath.Join(s.dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"public.json": strings.Replace(string(raw), "127.0.0.1:1/tool", "registry.example/tool", 1),
		"token":       s.token(t),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	image := host + "/named"
	s.releaser(t, 0, "-q", "push", "oci-layout:"+s.layout, image)
	s.releaser(t, 0, "-q", "--config", "public.json", "pack", "--image", image, "--out", "dist")
	s.releaser(t, 0, "-q", "sign", "dist", "--signing-config", s.SigningConfig, "--identity-token", "token", "--trusted-root", s.TrustedRoot,
		"--certificate-identity", signerMail, "--certificate-oidc-issuer", s.Mail)
	for _, c := range []struct {
		name  string
		code  int
		flags []string
	}{
		{"the issuer", 0, []string{"--certificate-oidc-issuer", s.Mail}},
		{"a pattern", exitFailed, []string{"--certificate-oidc-issuer-regexp", strings.ReplaceAll(s.Mail, ".", `\.`), "--unsafe-loose-regexp"}},
		{"a pattern and the registry", 0, []string{"--certificate-oidc-issuer-regexp", strings.ReplaceAll(s.Mail, ".", `\.`), "--unsafe-loose-regexp", "--insecure-registry", host}},
	} {
		front.ClearFaults()
		out := s.releaser(t, c.code, with([]string{"-q", "--config", "public.json", "verify", "dist", "--trusted-root", s.TrustedRoot, "--certificate-identity", signerMail}, c.flags...)...)
		if refused := strings.Contains(out, "refusing to connect to 127.0.0.1"); refused != (c.code != 0) {
			t.Errorf("%s: got\n%s", c.name, out)
		}
		if asked := len(front.RequestsOf("", "")); (asked > 0) != (c.code == 0) {
			t.Errorf("%s: %d requests", c.name, asked)
		}
	}
}

// The one place where a verb's access to registries is made keeps what the command
// line names.
func TestCommandLineNames(t *testing.T) {
	for _, c := range []struct {
		args     []string
		expected string
	}{
		{[]string{"verify", "dist"}, ""},
		{[]string{"fetch", "http://127.0.0.1:3000/a/b"}, "127.0.0.1:3000"},
		{[]string{"publish", "dist", "--page", "http://localhost:3000/a/b"}, "localhost:3000"},
		{[]string{"verify", "dist", "--certificate-oidc-issuer", "http://[::1]:9000"}, "[::1]:9000"},
		{[]string{"rebuild", "http://127.0.0.1:1/a/b", "--attest-oidc-issuer", "http://127.0.0.1:2"}, "127.0.0.1:1 127.0.0.1:2"},
		{[]string{"verify", "dist", "--certificate-oidc-issuer", "https://token.actions.example"}, ""},
	} {
		a := &app{errs: &console{w: os.Stderr}}
		root := a.root()
		cmd, rest, err := root.Find(c.args)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Fatal(err)
		}
		a.heed(cmd, cmd.Flags().Args())
		got := a.access(mustRef(t, "ghcr.io/acme/tool")).Named
		if expected := strings.Fields("ghcr.io " + c.expected); strings.Join(got, " ") != strings.Join(expected, " ") {
			t.Errorf("%s: got %q, expected %q", c.args, got, expected)
		}
	}
}

func mustRef(t *testing.T, s string) oci.Ref {
	t.Helper()
	r, err := oci.ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
