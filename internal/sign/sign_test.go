package sign

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

const sums = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a.tar.gz\n"

func accept([]byte, []byte) error { return nil }

func testKey(t *testing.T) *Key {
	t.Helper()
	k, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestParseKeyForms(t *testing.T) {
	k := testKey(t)
	plain, err := k.PrivatePEM()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(plain)
	sealed, err := encrypted.EncryptWithCustomKDFParameters(block.Bytes, []byte("secret"), encrypted.Legacy)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(k.private.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	asPEM := func(typ string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}) }
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := x509.MarshalPKCS8PrivateKey(p224)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		data     []byte
		password string
		want     string // of the error; "" for none
	}{
		{"PKCS#8", plain, "", ""},
		{"PKCS#8, password not needed", plain, "x", ""},
		{"SEC 1", asPEM("EC PRIVATE KEY", sec1), "", ""},
		{"cosign", asPEM("ENCRYPTED SIGSTORE PRIVATE KEY", sealed), "secret", ""},
		{"older cosign", asPEM("ENCRYPTED COSIGN PRIVATE KEY", sealed), "secret", ""},
		{"no password", asPEM("ENCRYPTED SIGSTORE PRIVATE KEY", sealed), "", "expected its password"},
		{"wrong password", asPEM("ENCRYPTED SIGSTORE PRIVATE KEY", sealed), "Secret", "password is wrong"},
		{"public key", k.PublicPEM(), "", "expected the private key"},
		{"not PEM", []byte("secret"), "", "is not PEM"},
		{"two keys", append(plain, plain...), "", "more data follows the first"},
		{"other PEM", asPEM("OPENSSH PRIVATE KEY", sec1), "", "OPENSSH"},
		{"damaged", asPEM("PRIVATE KEY", []byte{1, 2}), "", "PRIVATE KEY"},
		{"small curve", asPEM("PRIVATE KEY", small), "", "cannot sign a release"},
		{"huge", make([]byte, maxKeyFile+1), "", "expected at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseKey(c.data, []byte(c.password))
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("got %v, want an error with %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Hint() != k.Hint() {
				t.Error("another key came back")
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	k := testKey(t)
	ctx := context.Background()
	full := Services{Fulcio: "http://127.0.0.1:1", Rekor: []Log{{"http://127.0.0.1:1", 2}}, Timestamper: []string{"http://127.0.0.1:1"}}
	for _, c := range []struct {
		name, data string
		s          Signer
		want       string
	}{
		{"not checksums", "hello\n", Signer{Key: k}, "line 1"},
		{"nobody", sums, Signer{}, "neither a key"},
		{"both", sums, Signer{Key: k, Token: "a.b.c"}, "both a key"},
		{"keyless without authority", sums, Signer{Token: "a.b.c"}, "certificate authority"},
		{"keyless without log", sums, Signer{Token: "a.b.c", Services: Services{Fulcio: full.Fulcio}}, "transparency log"},
		{"Rekor 2 without time", sums, Signer{Key: k, Services: Services{Rekor: full.Rekor}}, "timestamp authority"},
		{"in the clear", sums, Signer{Key: k, Services: Services{Timestamper: []string{"http://tsa.example/"}}}, "expected https"},
		{"nobody listens", sums, Signer{Key: k, Services: full}, "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bundle, err := Checksums(ctx, []byte(c.data), c.s, accept)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, c.want)
			}
			if bundle != nil {
				t.Error("a bundle came with the error")
			}
		})
	}
}

// TestRefusedBundle returns nothing that the verifier refused.
func TestRefusedBundle(t *testing.T) {
	bundle, err := Checksums(context.Background(), []byte(sums), Signer{Key: testKey(t)}, func([]byte, []byte) error { return errors.New("no good") })
	if err == nil || !strings.Contains(err.Error(), "discarded: no good") || bundle != nil {
		t.Errorf("got %q, %v", bundle, err)
	}
}

// TestTokenStaysSecret lets a certificate authority send the token back.
func TestTokenStaysSecret(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzIn0.c2VjcmV0"
	ca := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, "no\n\x1b[2J %s", r.Header.Get("Authorization"))
	}))
	defer ca.Close()
	_, err := Checksums(context.Background(), []byte(sums), Signer{
		Token:    token,
		Services: Services{Fulcio: ca.URL, Rekor: []Log{{ca.URL, 2}}, Timestamper: []string{ca.URL}},
	}, accept)
	if err == nil || !strings.Contains(err.Error(), "(token)") || strings.Contains(err.Error(), "c2VjcmV0") || strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("got %q", err)
	}
}

func TestAmbientToken(t *testing.T) {
	const token = "a.b.c"
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer runner" || r.URL.Query().Get("audience") != Audience || r.URL.Query().Get("api") != "1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprintf(w, `{"count":9,"value":%q}`, token)
	})
	mux.HandleFunc("/html", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>") })
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	for _, c := range []struct{ url, secret, want string }{
		{srv.URL + "/ok?api=1", "runner", ""},
		{srv.URL + "/ok?api=1", "runner2", "401"},
		{srv.URL + "/html", "runner", "not what was expected"},
		{srv.URL + "/huge", "runner", "not what was expected"},
		{"", "", "id-token: write"},
		{"http://runner.example/", "runner", "expected https"},
	} {
		got, err := AmbientToken(context.Background(), srv.Client(), c.url, c.secret, Audience)
		switch {
		case c.want == "" && (err != nil || got != token):
			t.Errorf("%s: got %q, %v", c.url, got, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want an error with %q", c.url, err, c.want)
		case err != nil && c.secret != "" && c.secret != "runner" && strings.Contains(err.Error(), c.secret):
			t.Errorf("%s: the secret is in %v", c.url, err)
		}
	}
}

func TestCheckToken(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	jwt := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2VjcmV0"
	}
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, c := range map[string]struct{ token, want string }{
		"good":            {jwt(fmt.Sprintf(`{"sub":"somebody","nbf":%d,"exp":%d}`, at(-time.Minute), at(time.Minute))), ""},
		"a fraction":      {jwt(fmt.Sprintf(`{"exp":%d.5}`, at(time.Minute))), ""},
		"no end":          {jwt(`{"sub":"somebody"}`), ""},
		"a little early":  {jwt(fmt.Sprintf(`{"nbf":%d}`, at(time.Minute))), ""},
		"ran out":         {jwt(fmt.Sprintf(`{"sub":"somebody","exp":%d}`, at(-90*time.Second))), "ran out at 2026-11-01T11:58:30Z, 1m30s ago"},
		"runs out now":    {jwt(fmt.Sprintf(`{"exp":%d}`, at(0))), "ran out"},
		"not yet":         {jwt(fmt.Sprintf(`{"nbf":%d}`, at(time.Hour))), "is not valid before 2026-11-01T13:00:00Z"},
		"two parts":       {"e30.e30", "three parts"},
		"no base64":       {"a.!.b", "not base64url"},
		"no JSON":         {jwt("secret"), "claims cannot be read"},
		"a word for time": {jwt(`{"exp":"secret"}`), "claims cannot be read"},
	} {
		err := CheckToken(c.token, now)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "somebody")) {
			t.Errorf("%s: a claim is in %v", name, err)
		}
	}
}

// FuzzCheckToken wants no crash.
func FuzzCheckToken(f *testing.F) {
	f.Add("e30.eyJleHAiOjF9.e30")
	f.Add("a.b.c")
	f.Add("e30.eyJleHAiOjFlMzA4fQ.e30")
	f.Fuzz(func(t *testing.T, token string) {
		if parsed, err := ParseToken([]byte(token)); err == nil {
			if err := CheckToken(parsed, time.Unix(1e9, 0)); err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q", err)
			}
		}
	})
}

func TestParseServices(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const config = `{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json",
"caUrls":[{"url":"https://old.example","majorApiVersion":1,"validFor":{"start":"2020-01-01T00:00:00Z","end":"2021-01-01T00:00:00Z"},"operator":"o"},
 {"url":"https://ca.example","majorApiVersion":1,"validFor":{"start":"2021-01-01T00:00:00Z"},"operator":"o"}],
"rekorTlogUrls":[{"url":"https://v1.example","majorApiVersion":1,"validFor":{"start":"2021-01-01T00:00:00Z"},"operator":"o"},
 {"url":"https://v2.example","majorApiVersion":2,"validFor":{"start":"2021-01-01T00:00:00Z"},"operator":"o"}],
"rekorTlogConfig":{"selector":"ANY"},
"tsaUrls":[{"url":"https://tsa.example/ts","majorApiVersion":1,"validFor":{"start":"2021-01-01T00:00:00Z"},"operator":"o"}],
"tsaConfig":{"selector":"ANY"}}`
	s, err := ParseServices([]byte(config), at)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(s), "{https://ca.example [{https://v2.example 2}] [https://tsa.example/ts]}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, c := range map[string]struct{ config, want string }{
		"not JSON":     {"x", "signing configuration: "},
		"expired":      {strings.ReplaceAll(config, "2021-01-01", "2030-01-01"), "transparency log"},
		"in the clear": {strings.ReplaceAll(config, "https://ca", "http://ca"), "expected https"},
		"huge":         {strings.Repeat(" ", maxSigningConfig+1), "expected at most"},
	} {
		if _, err := ParseServices([]byte(c.config), at); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}
