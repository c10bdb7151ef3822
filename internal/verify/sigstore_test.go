package verify_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"facerec/internal/loopback"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

const (
	ann = "ann@example.com"
	job = "https://github.com/acme/facerec/.github/workflows/release.yml@refs/tags/v1.0.0"
)

// shared is one Sigstore for all tests of this package: it is started by the
// first that needs it and stopped by TestMain.
var shared struct {
	once sync.Once
	dir  string
	s    *loopback.Sigstore
	skip string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.s != nil {
		shared.s.Close()
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// realSigstore gives the running Sigstore, its root and the services to sign
// with, or skips where it cannot be had.
func realSigstore(t testing.TB) (*loopback.Sigstore, *verify.TrustedRoot, sign.Services) {
	t.Helper()
	shared.once.Do(func() {
		for _, tool := range loopback.SigstoreTools() {
			if !loopback.Built(tool) && testing.Short() {
				shared.skip = tool + " is not built yet, and building it takes minutes (-short)"
				return
			}
			if _, err := loopback.Tool(context.Background(), tool); err != nil {
				shared.skip = "cannot have a real Sigstore: " + err.Error()
				return
			}
		}
		if shared.dir, shared.err = os.MkdirTemp("", "sigstore-"); shared.err == nil {
			shared.s, shared.err = loopback.NewSigstore(context.Background(), shared.dir)
		}
	})
	if shared.skip != "" {
		t.Skip(shared.skip)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	rootJSON, err := os.ReadFile(shared.s.TrustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := verify.ParseTrustedRoot(rootJSON)
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(shared.s.SigningConfig)
	if err != nil {
		t.Fatal(err)
	}
	services, err := sign.ParseServices(config, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return shared.s, tr, services
}

// signKeyless signs data as the identity.
func signKeyless(t testing.TB, identity, data string) ([]byte, verify.Policy) {
	t.Helper()
	s, tr, services := realSigstore(t)
	token, err := s.Token(identity)
	if err != nil {
		t.Fatal(err)
	}
	p := verify.Policy{Root: tr, Identities: []verify.CertificateIdentity{{SAN: identity, Issuer: s.URL(identity)}}}
	b, err := sign.Checksums(t.Context(), []byte(data), sign.Signer{Token: token, Services: services}, selfCheck(p))
	if err != nil {
		t.Fatal(err)
	}
	return b, p
}

func TestKeyless(t *testing.T) {
	for _, identity := range []string{ann, job} {
		bundle, p := signKeyless(t, identity, sums)
		s, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p)
		if err != nil {
			t.Fatal(err)
		}
		if s.SAN != identity || s.Issuer != p.Identities[0].Issuer || s.Identity == nil || !s.SCT || len(s.LogEntries) != 1 || len(s.Timestamps) != 1 || len(s.Unchecked) != 0 {
			t.Errorf("got %+v", s)
		}
		if since := time.Since(s.Timestamps[0].Time); since < 0 || since > time.Hour {
			t.Errorf("signed at %s", s.Timestamps[0].Time)
		}
		if bytes.Contains(bundle, []byte(`": `)) || bytes.Contains(bundle, []byte(`, "`)) || bytes.ContainsRune(bundle, 10) {
			t.Errorf("the bundle has white space: %s", bundle)
		}
	}
}

// BenchmarkLimit measures what docs/performance.md counts for a release's signature: a
// bundle by a certificate, with a log entry and a timestamp.
func BenchmarkLimit(b *testing.B) {
	bundle, p := signKeyless(b, job, sums)
	for b.Loop() {
		if _, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p); err != nil {
			b.Fatal(err)
		}
	}
}

func TestKeylessAsOnARunner(t *testing.T) {
	s, tr, services := realSigstore(t)
	url, secret := s.Runner(job)
	token, err := sign.AmbientToken(t.Context(), http.DefaultClient, url, secret, sign.Audience)
	if err != nil {
		t.Fatal(err)
	}
	p := verify.Policy{Root: tr, Identities: []verify.CertificateIdentity{{SAN: job, Issuer: s.Actions}}}
	if _, err := sign.Checksums(t.Context(), []byte(sums), sign.Signer{Token: token, Services: services}, selfCheck(p)); err != nil {
		t.Error(err)
	}
}

// TestSignerFindsOutFirst signs for somebody else than is expected: the bundle
// is not handed out.
func TestSignerFindsOutFirst(t *testing.T) {
	s, tr, services := realSigstore(t)
	token, err := s.Token(ann)
	if err != nil {
		t.Fatal(err)
	}
	p := verify.Policy{Root: tr, Identities: []verify.CertificateIdentity{{SAN: job, Issuer: s.Actions}}}
	b, err := sign.Checksums(t.Context(), []byte(sums), sign.Signer{Token: token, Services: services}, selfCheck(p))
	var e *verify.Error
	if b != nil || !errors.As(err, &e) || e.Check != verify.CheckIdentity {
		t.Errorf("got %d bytes, %v", len(b), err)
	}
}

func TestManagedKeyInTheLog(t *testing.T) {
	_, tr, services := realSigstore(t)
	services.Fulcio = ""
	for _, kind := range []string{"ECDSA", "Ed25519"} {
		k := newKey(t)
		if kind == "Ed25519" {
			k = newEd25519(t)
		}
		pub, err := verify.ParsePublicKey(k.PublicPEM())
		if err != nil {
			t.Fatal(err)
		}
		p := verify.Policy{Root: tr, Key: pub}
		bundle, err := sign.Checksums(t.Context(), []byte(sums), sign.Signer{Key: k, Services: services}, selfCheck(p))
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		s, err := verify.BlobOfRelease(bundle, verify.Data(strings.NewReader(sums)), p)
		if err != nil || len(s.LogEntries) != 1 || len(s.Timestamps) != 1 || len(s.Unchecked) != 0 {
			t.Errorf("%s: got %+v, %v", kind, s, err)
		}
		// Another root's log proves nothing.
		p.Root = emptyRoot(t)
		var e *verify.Error
		if _, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p); !errors.As(err, &e) || e.Check != verify.CheckLog {
			t.Errorf("%s: got %v, want a refusal at the log", kind, err)
		}
	}
}

// TestSteps takes one thing away from a good signature at a time and sees the
// step fail that it belongs to.
func TestSteps(t *testing.T) {
	bundle, p := signKeyless(t, job, sums)
	rootJSON, err := os.ReadFile(shared.s.TrustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	root := func(edit func(m map[string]any)) *verify.TrustedRoot {
		tr, err := verify.ParseTrustedRoot(editJSON(t, rootJSON, edit))
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	without := func(field string) *verify.TrustedRoot {
		return root(func(m map[string]any) { delete(m, field) })
	}
	actions := p.Identities[0].Issuer
	material := func(edit func(m map[string]any)) []byte {
		return editJSON(t, bundle, func(m map[string]any) { edit(m["verificationMaterial"].(map[string]any)) })
	}
	for _, c := range []struct {
		name   string
		bundle []byte
		policy verify.Policy
		step   string
		want   string
	}{
		{"log unknown", bundle, verify.Policy{Root: without("tlogs"), Identities: p.Identities}, verify.CheckLog, "not enough verified log entries"},
		{"no log entry", material(func(m map[string]any) { delete(m, "tlogEntries") }), p, verify.CheckLog, "expected at least 1, got none"},
		{"timestamp authority unknown", bundle, verify.Policy{Root: without("timestampAuthorities"), Identities: p.Identities}, verify.CheckTimestamp, "threshold not met"},
		{"no timestamp", material(func(m map[string]any) { delete(m, "timestampVerificationData") }), p, verify.CheckTimestamp, "threshold not met"},
		{"authority unknown", bundle, verify.Policy{Root: without("certificateAuthorities"), Identities: p.Identities}, verify.CheckCertificate, ""},
		{"certificate log unknown", bundle, verify.Policy{Root: without("ctlogs"), Identities: p.Identities}, verify.CheckSCT, "threshold of 1"},
		{"authority not yet valid", bundle, verify.Policy{Root: root(func(m map[string]any) {
			m["certificateAuthorities"].([]any)[0].(map[string]any)["validFor"] = map[string]any{"start": "2090-01-01T00:00:00Z"}
		}), Identities: p.Identities}, verify.CheckCertificate, ""},
		{"other workflow", bundle, verify.Policy{Root: p.Root, Identities: []verify.CertificateIdentity{{SAN: strings.Replace(job, "v1.0.0", "v1.0.1", 1), Issuer: actions}}},
			verify.CheckIdentity, "subject alternative name: expected " + strings.Replace(job, "v1.0.0", "v1.0.1", 1) + ", got " + job},
		{"other issuer", bundle, verify.Policy{Root: p.Root, Identities: []verify.CertificateIdentity{{SAN: job, Issuer: "https://evil.example"}}},
			verify.CheckIdentity, "issuer: expected https://evil.example, got " + actions},
		{"neither of two", bundle, verify.Policy{Root: p.Root, Identities: []verify.CertificateIdentity{{SAN: ann, Issuer: actions}, {SAN: job, Issuer: "https://evil.example"}}},
			verify.CheckIdentity, "expected " + ann + " from " + actions + " or " + job + " from https://evil.example, got " + job + " from " + actions},
		{"suffix", bundle, verify.Policy{Root: p.Root, Identities: []verify.CertificateIdentity{{SANRegexp: "https://github.com/acme/face", Issuer: actions, UnsafeLooseRegexp: true}}},
			verify.CheckIdentity, "expected a match of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := verify.Blob(c.bundle, verify.Data(strings.NewReader(sums)), c.policy)
			var e *verify.Error
			if !errors.As(err, &e) || e.Check != c.step || e.Class != verify.Untrusted || !strings.Contains(e.Error(), c.want) || strings.Contains(e.Error(), "\n") {
				t.Errorf("got %v, want one line of step %q with %q", err, c.step, c.want)
			}
		})
	}
	second := verify.Policy{Root: p.Root, Identities: []verify.CertificateIdentity{{SAN: ann, Issuer: actions}, {SANRegexp: `https://github\.com/acme/facerec/.*`, Issuer: actions}}}
	s, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), second)
	if err != nil || *s.Identity != second.Identities[1] {
		t.Errorf("the second of two identities: got %+v, %v", s, err)
	}
}

// TestEveryFlipOfAKeylessBundle changes each byte of a real bundle and sees
// every change refused: one bit of each byte, another at each, or all eight of
// each with ALL_FLIPS=1 in the environment.
func TestEveryFlipOfAKeylessBundle(t *testing.T) {
	bundle, p := signKeyless(t, job, sums)
	all := os.Getenv("ALL_FLIPS") != ""
	accepted := map[string]int{}
	for i := range bundle {
		for bit := range 8 {
			if !all && bit != i%8 {
				continue
			}
			bad := bytes.Clone(bundle)
			bad[i] ^= 1 << bit
			if _, err := verify.Blob(bad, verify.Data(strings.NewReader(sums)), p); err == nil {
				accepted[fieldAt(bundle, i)]++
			}
		}
	}
	for field, n := range accepted {
		t.Errorf("%d changes in the field %s were accepted", n, field)
	}
}

// fieldAt is the name of the JSON field whose value byte i is in.
func fieldAt(bundle []byte, i int) string {
	head := bundle[:i]
	end := bytes.LastIndex(head, []byte(`":`))
	if end < 0 {
		return "(beginning)"
	}
	start := bytes.LastIndexByte(head[:end], '"')
	return string(head[start+1 : end])
}
