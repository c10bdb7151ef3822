package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestFilesOfCosign2 has the real cosign 2 sign a file in each way that leaves files
// behind, and says which of them are enough: with a key or a certificate, in a log or
// not, with a bundle or without.
func TestFilesOfCosign2(t *testing.T) {
	t.Parallel()
	needTools(t, "cosign-v2")
	s := newSigning(t)
	file := s.write(t, "blob.txt", "hello\n")
	at := func(name string) string { return filepath.Join(s.dir, "blob-"+name) }
	key := []string{"sign-blob", "--yes", "--key", s.key + ".key"}
	keyless := []string{"sign-blob", "--yes", "--fulcio-url", s.Fulcio, "--insecure-skip-verify", "--identity-token", s.token(t)}
	unlogged, logged := "--tlog-upload=false", "--rekor-url="+s.OldRekor
	for name, args := range map[string][]string{
		"key": with(key, unlogged), "key-logged": with(key, logged), "mail": with(keyless, unlogged), "mail-logged": with(keyless, logged),
		"mail-stamped": with(keyless, unlogged, "--timestamp-server-url", s.Timestamper, "--rfc3161-timestamp", at("time")),
	} {
		if strings.HasPrefix(name, "mail") {
			args = with(args, "--output-certificate", at(name+".pem"))
		}
		s.cosign(t, "cosign-v2", with(args, "--output-signature", at(name+".sig"), "--bundle", at(name+".bundle"), file)...)
	}
	sig := func(name string) []string { return []string{"--signature", at(name + ".sig")} }
	both := func(name string) []string {
		return []string{"--signature", at(name + ".sig"), "--certificate", at(name + ".pem")}
	}
	unsafeKey := []string{"--key", s.key + ".pub", "--unsafe-no-transparency-log"}
	const noTime = "nothing shows that it signed this then"
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"key, no log, allowed":                  {with(unsafeKey, sig("key")...), 0, "warning: no transparency log was checked"},
		"key, no log":                           {with(s.keyed(), sig("key")...), 4, "transparency log: entries: expected at least 1, got none"},
		"key, no log, what helps":               {with(s.keyed(), sig("key")...), 4, "hint: pass what cosign wrote with --bundle FILE"},
		"key, no log, bundle, allowed":          {with(unsafeKey, "--bundle", at("key.bundle")), 0, "warning: no time of signing was checked"},
		"key, no log, bundle":                   {with(s.keyed(), "--bundle", at("key.bundle")), 4, "expected at least 1, got none"},
		"key, no log, bundle as the entry":      {with(s.keyed(), with(sig("key"), "--log-entry", at("key.bundle"))...), 1, "its signer used no transparency log"},
		"key, logged, bundle":                   {with(s.keyed(), "--bundle", at("key-logged.bundle")), 0, "signed by key"},
		"key, logged, bundle as the entry":      {with(s.keyed(), with(sig("key-logged"), "--log-entry", at("key-logged.bundle"))...), 0, "signed by key"},
		"key, logged, signature alone":          {with(s.keyed(), sig("key-logged")...), 4, "hint: pass what cosign wrote"},
		"key, the entry of another signature":   {with(s.keyed(), with(sig("key"), "--log-entry", at("mail-logged.bundle"))...), 4, ""},
		"mail, logged, bundle":                  {with(s.keyless(), "--bundle", at("mail-logged.bundle")), 0, "signed by " + signerMail},
		"mail, logged, bundle as the entry":     {with(s.keyless(), with(both("mail-logged"), "--log-entry", at("mail-logged.bundle"))...), 0, "signed by " + signerMail},
		"mail, logged, signature alone":         {with(s.keyless(), both("mail-logged")...), 4, noTime},
		"mail, logged, another's certificate":   {with(s.keyless(), "--signature", at("mail-logged.sig"), "--certificate", at("mail.pem"), "--log-entry", at("mail-logged.bundle")), 4, ""},
		"mail, no log":                          {with(s.keyless(), both("mail")...), 4, noTime},
		"mail, no log, what helps":              {with(s.keyless(), both("mail")...), 4, "hint: pass what cosign wrote with --bundle FILE"},
		"mail, no log, bundle":                  {with(s.keyless(), "--bundle", at("mail.bundle")), 4, noTime},
		"mail, no log, and that is to be safe":  {with(s.keyless(), with(both("mail"), "--unsafe-no-transparency-log")...), 2, "only a log entry shows that it signed within them"},
		"mail, no log, but a timestamp":         {with(s.keyless(), both("mail-stamped")...), 4, noTime},
		"mail, no log, a timestamp, bundle":     {with(s.keyless(), "--bundle", at("mail-stamped.bundle")), 4, noTime},
		"its own certificate for a key":         {[]string{"--signature", at("mail.sig"), "--key", at("mail.pem"), "--unsafe-no-transparency-log"}, 1, "public key: is a certificate"},
		"its own certificate, what helps":       {[]string{"--signature", at("mail.sig"), "--key", at("mail.pem"), "--unsafe-no-transparency-log"}, 1, "hint: pass it with --certificate"},
		"a key is expected and it is not it":    {with(unsafeKey, both("mail")...), 4, "got a certificate of " + signerMail},
		"a key's signature, a mail is expected": {with(s.keyless(), with(sig("key-logged"), "--log-entry", at("key-logged.bundle"))...), 4, "expected a certificate, got a managed key"},
	} {
		out := s.releaser(t, c.code, with([]string{"verify-blob"}, with(c.args, file)...)...)
		if !strings.Contains(out, c.want) {
			t.Errorf("%s: got\n%s, want %q", name, out, c.want)
		}
	}
	other := s.write(t, "other.txt", "hello!\n")
	for _, args := range [][]string{with(unsafeKey, sig("key")...), with(unsafeKey, "--bundle", at("key.bundle")), with(s.keyless(), "--bundle", at("mail-logged.bundle"))} {
		s.releaser(t, 4, with([]string{"verify-blob"}, with(args, other)...)...)
	}
}
