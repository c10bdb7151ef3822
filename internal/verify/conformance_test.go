package verify_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"facerec/internal/verify"
)

// spellings are media types and what their versions want of log entries.
var spellings = []struct {
	mediaType      string
	proof, promise bool // which of them must be there
	refused        bool
}{
	{"application/vnd.dev.sigstore.bundle+json;version=0.1", false, true, false},
	{"application/vnd.dev.sigstore.bundle+json;version=0.2", true, false, false},
	{"application/vnd.dev.sigstore.bundle+json;version=0.3", true, false, false},
	{"application/vnd.dev.sigstore.bundle.v0.3+json", true, false, false},
	{"application/vnd.dev.sigstore.bundle.v0.3.1+json", true, false, false},
	{"application/vnd.dev.sigstore.bundle+json;version=0.4", true, false, true},
	{"application/vnd.dev.sigstore.bundle+json", true, false, true},
	{"application/vnd.dev.sigstore.bundle.v0.1+json", true, false, true},
	{"application/vnd.dev.sigstore.bundle.v0.3", true, false, true},
	{"application/vnd.dev.sigstore.bundle.v1.0+json", true, false, true},
	{"Application/vnd.dev.sigstore.bundle.v0.3+json", true, false, true},
	{"application/json", true, false, true},
}

func TestVersionsOfBundles(t *testing.T) {
	f := newForger(t)
	for _, s := range spellings {
		for _, c := range []struct{ proof, promise bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
			bundle := marshal(t, f.message(s.mediaType, sums, c.proof, c.promise))
			_, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), f.policy)
			want := !s.refused && (c.proof || !s.proof) && (c.promise || !s.promise)
			if (err == nil) != want {
				t.Errorf("%s, proof %v, promise %v: got %v, want it accepted: %v", s.mediaType, c.proof, c.promise, err, want)
			}
		}
	}
}

// TestTimeOfAManagedKey: a release wants a signed time, the protocol does not.
func TestTimeOfAManagedKey(t *testing.T) {
	f := newForger(t)
	release := f.policy
	release.Protocol = false
	const v03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
	timed, timeless := marshal(t, f.message(v03, sums, true, true)), marshal(t, f.message(v03, sums, true, false))
	for _, p := range []verify.Policy{f.policy, release} {
		s, err := verify.Blob(timed, verify.Data(strings.NewReader(sums)), p)
		if err != nil || len(s.Timestamps) != 1 || !s.Timestamps[0].Time.Equal(logTime) || len(s.Unchecked) != 0 {
			t.Errorf("got %+v, %v", s, err)
		}
	}
	s, err := verify.Blob(timeless, verify.Data(strings.NewReader(sums)), f.policy)
	if err != nil || len(s.Timestamps) != 0 || strings.Join(s.Unchecked, "") != "no time of signing was checked" {
		t.Errorf("got %+v, %v", s, err)
	}
	var e *verify.Error
	if _, err := verify.Blob(timeless, verify.Data(strings.NewReader(sums)), release); !errors.As(err, &e) || e.Check != verify.CheckTimestamp {
		t.Errorf("got %v, want a refusal at the timestamp", err)
	}
}

func statement(kind, subjects string) string {
	return fmt.Sprintf(`{"_type":%q,"subject":[%s],"predicateType":"https://example.com/p","predicate":{}}`, kind, subjects)
}

// TestEnvelopes checks statements in the entries of every kind that logs took
// them in with.
func TestEnvelopes(t *testing.T) {
	f := newForger(t)
	sha := sha256.Sum256([]byte(sums))
	sha2 := sha512.Sum512([]byte(sums))
	h256, h512 := hex.EncodeToString(sha[:]), hex.EncodeToString(sha2[:])
	const v1, v01 = "https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"
	subject := func(algorithm, digest string) string {
		return fmt.Sprintf(`{"name":"a","digest":{%q:%q}}`, algorithm, digest)
	}
	other := strings.Repeat("0", 64)
	for _, c := range []struct {
		name, kind, statement string
		artifact              string // "" for the bytes
		step                  string // "" for none
	}{
		{"intoto", "intoto", statement(v1, subject("sha256", h256)), "", ""},
		{"dsse", "dsse", statement(v01, subject("sha256", h256)), "", ""},
		{"hashedrekord", "hashedrekord", statement(v1, subject("sha256", h256)), "", ""},
		{"hashedrekord, sha512", "hashedrekord", statement(v1, subject("sha512", h512)), "", ""},
		{"hashedrekord, by digest", "hashedrekord", statement(v1, subject("sha256", other)+","+subject("sha256", h256)), "sha256:" + h256, ""},
		{"hashedrekord, another subject", "hashedrekord", statement(v1, subject("sha256", other)), "", verify.CheckSignature},
		{"hashedrekord, another digest", "hashedrekord", statement(v1, subject("sha256", h256)), "sha256:" + other, verify.CheckSignature},
		{"hashedrekord, later type", "hashedrekord", statement("https://in-toto.io/Statement/v2", subject("sha256", h256)), "", verify.CheckBundle},
		{"by digest", "dsse", statement(v1, subject("sha256", h256)), "sha256:" + h256, ""},
		{"by digest in capitals", "dsse", statement(v1, subject("sha256", h256)), "sha256:" + strings.ToUpper(h256), ""},
		{"subject in capitals", "dsse", statement(v1, subject("sha256", strings.ToUpper(h256))), "", ""},
		{"sha512 alone", "dsse", statement(v1, subject("sha512", h512)), "", ""},
		{"sha512 by digest", "dsse", statement(v1, subject("sha512", h512)), "sha512:" + h512, ""},
		{"sha512 by sha256", "dsse", statement(v1, subject("sha512", h512)), "sha256:" + h256, verify.CheckSignature},
		{"second of two", "dsse", statement(v1, subject("sha256", other)+","+subject("sha256", h256)), "", ""},
		{"second of two, by digest", "dsse", statement(v1, subject("sha256", other)+","+subject("sha256", h256)), "sha256:" + h256, ""},
		{"none of two", "dsse", statement(v1, subject("sha256", other)+","+subject("sha256", other)), "", verify.CheckSignature},
		{"no subject", "dsse", statement(v1, ""), "", verify.CheckSignature},
		{"unknown hash", "dsse", statement(v1, subject("md5", "00")), "", verify.CheckSignature},
		{"digest is no hex", "dsse", statement(v1, subject("sha256", "xyz")), "", verify.CheckSignature},
		{"no type", "dsse", `{"subject":[` + subject("sha256", h256) + `],"predicateType":"https://example.com/p"}`, "", verify.CheckBundle},
		{"later type", "dsse", statement("https://in-toto.io/Statement/v2", subject("sha256", h256)), "", verify.CheckBundle},
		{"type twice", "dsse", strings.Replace(statement(v1, subject("sha256", h256)), "{", `{"_type":"x",`, 1), "", verify.CheckBundle},
		{"subject twice", "dsse", strings.Replace(statement(v1, subject("sha256", h256)), "{", `{"subject":[],`, 1), "", verify.CheckBundle},
		{"subject in two cases", "dsse", strings.Replace(statement(v1, subject("sha256", h256)), "{", `{"Subject":[],`, 1), "", verify.CheckBundle},
		{"subject in capitals only", "dsse", strings.Replace(statement(v1, subject("sha256", h256)), "subject", "SUBJECT", 1), "", verify.CheckBundle},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := verify.Data(strings.NewReader(sums))
			if c.artifact != "" {
				a = byDigest(t, c.artifact)
			}
			_, err := verify.Blob(marshal(t, f.envelope(c.kind, c.statement)), a, f.policy)
			var e *verify.Error
			switch {
			case c.step == "" && err != nil:
				t.Error(err)
			case c.step != "" && (!errors.As(err, &e) || e.Check != c.step || e.Class != verify.Untrusted || strings.Contains(e.Error(), "\n")):
				t.Errorf("got %v, want a refusal at the %s", err, c.step)
			}
		})
	}
}

// TestEnvelopeInAHashedrekord spoils what such an entry and its envelope say of
// each other.
func TestEnvelopeInAHashedrekord(t *testing.T) {
	f := newForger(t)
	sha := sha256.Sum256([]byte(sums))
	said := statement("https://in-toto.io/Statement/v1", fmt.Sprintf(`{"digest":{"sha256":%q}}`, hex.EncodeToString(sha[:])))
	envelope := func(b map[string]any) map[string]any { return b["dsseEnvelope"].(map[string]any) }
	for name, spoil := range map[string]func(b map[string]any){
		"another payload": func(b map[string]any) {
			envelope(b)["payload"] = []byte(strings.Replace(said, "example", "elsewhere", 1))
		},
		"another type": func(b map[string]any) { envelope(b)["payloadType"] = "application/json" },
		"another signature": func(b map[string]any) {
			envelope(b)["signatures"] = envelope(f.envelope("hashedrekord", said))["signatures"]
		},
		"two signatures": func(b map[string]any) {
			envelope(b)["signatures"] = append(envelope(b)["signatures"].([]any), envelope(b)["signatures"].([]any)...)
		},
		"no signature": func(b map[string]any) { envelope(b)["signatures"] = []any{} },
		"entry of another envelope": func(b map[string]any) {
			b["verificationMaterial"] = f.envelope("hashedrekord", said+" ")["verificationMaterial"]
		},
		"entry of a message": func(b map[string]any) {
			b["verificationMaterial"] = f.message("application/vnd.dev.sigstore.bundle.v0.3+json", sums, true, true)["verificationMaterial"]
		},
	} {
		b := f.envelope("hashedrekord", said)
		if _, err := verify.Blob(marshal(t, b), verify.Data(strings.NewReader(sums)), f.policy); err != nil {
			t.Fatal(err)
		}
		spoil(b)
		var e *verify.Error
		if _, err := verify.Blob(marshal(t, b), verify.Data(strings.NewReader(sums)), f.policy); !errors.As(err, &e) || e.Class != verify.Untrusted {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

// TestForgedEntries spoils one thing of a good bundle's log entry, or of the root,
// at a time.
func TestForgedEntries(t *testing.T) {
	f := newForger(t)
	other := newForger(t)
	const v03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
	entry := func(b map[string]any) map[string]any {
		return b["verificationMaterial"].(map[string]any)["tlogEntries"].([]any)[0].(map[string]any)
	}
	proof := func(b map[string]any) map[string]any { return entry(b)["inclusionProof"].(map[string]any) }
	var elsewhere [32]byte
	for _, c := range []struct {
		name  string
		spoil func(b map[string]any)
		step  string
	}{
		{"untouched", func(map[string]any) {}, ""},
		{"checkpoint missing", func(b map[string]any) { delete(proof(b), "checkpoint") }, verify.CheckBundle},
		{"checkpoint empty", func(b map[string]any) { proof(b)["checkpoint"] = map[string]any{"envelope": ""} }, verify.CheckBundle},
		{"checkpoint of another tree", func(b map[string]any) {
			proof(b)["checkpoint"] = map[string]any{"envelope": f.checkpoint(elsewhere[:])}
		}, verify.CheckLog},
		{"checkpoint by another log", func(b map[string]any) {
			proof(b)["checkpoint"] = map[string]any{"envelope": other.checkpoint(proof(b)["rootHash"].([]byte))}
		}, verify.CheckLog},
		{"checkpoint unsigned", func(b map[string]any) {
			text, _, _ := strings.Cut(proof(b)["checkpoint"].(map[string]any)["envelope"].(string), "\n\n")
			proof(b)["checkpoint"] = map[string]any{"envelope": text + "\n\n"}
		}, verify.CheckLog},
		{"root hash", func(b map[string]any) { proof(b)["rootHash"] = elsewhere[:] }, verify.CheckLog},
		{"a hash too many", func(b map[string]any) { proof(b)["hashes"] = []any{elsewhere[:]} }, verify.CheckLog},
		{"tree size", func(b map[string]any) { proof(b)["treeSize"] = "2" }, verify.CheckLog},
		{"negative index", func(b map[string]any) { entry(b)["logIndex"] = "-1" }, verify.CheckBundle},
		{"index beyond the tree", func(b map[string]any) { proof(b)["logIndex"] = "7" }, verify.CheckLog},
		{"promise of another entry", func(b map[string]any) {
			entry(b)["inclusionPromise"] = entry(f.message(v03, sums+sums, true, true))["inclusionPromise"]
		}, verify.CheckLog},
		{"promise by another log", func(b map[string]any) {
			entry(b)["inclusionPromise"] = entry(other.message(v03, sums, true, true))["inclusionPromise"]
		}, verify.CheckLog},
		{"another time", func(b map[string]any) { entry(b)["integratedTime"] = "1" }, verify.CheckLog},
		{"entry of another file", func(b map[string]any) { // CVE-2022-36056
			b["verificationMaterial"].(map[string]any)["tlogEntries"] = f.message(v03, sums+sums, true, true)["verificationMaterial"].(map[string]any)["tlogEntries"]
		}, verify.CheckLog},
		{"entry of another signer", func(b map[string]any) {
			g := &forger{smallLog: f.smallLog, signer: other.signer}
			b["verificationMaterial"].(map[string]any)["tlogEntries"] = g.message(v03, sums, true, true)["verificationMaterial"].(map[string]any)["tlogEntries"]
		}, verify.CheckLog},
		{"entry of an unknown log", func(b map[string]any) {
			b["verificationMaterial"].(map[string]any)["tlogEntries"] = []any{other.entry(f.hashedrekord(nil, nil), true, true)}
		}, verify.CheckBundle},
		{"the same entry twice", func(b map[string]any) {
			m := b["verificationMaterial"].(map[string]any)
			m["tlogEntries"] = append(m["tlogEntries"].([]any), m["tlogEntries"].([]any)...)
		}, verify.CheckLog},
		{"a second entry with a bad promise", func(b map[string]any) {
			m := b["verificationMaterial"].(map[string]any)
			second := entry(f.message(v03, sums, true, true))
			second["logIndex"] = "5"
			m["tlogEntries"] = append(m["tlogEntries"].([]any), second)
		}, verify.CheckLog},
		{"kind", func(b map[string]any) { entry(b)["kindVersion"] = map[string]any{"kind": "dsse", "version": "0.0.1"} }, verify.CheckLog},
		{"no kind", func(b map[string]any) { delete(entry(b), "kindVersion") }, verify.CheckBundle},
		{"no log", func(b map[string]any) { delete(entry(b), "logId") }, verify.CheckBundle},
		{"no body", func(b map[string]any) { delete(entry(b), "canonicalizedBody") }, verify.CheckBundle},
		{"another digest", func(b map[string]any) {
			b["messageSignature"].(map[string]any)["messageDigest"].(map[string]any)["digest"] = elsewhere[:]
		}, verify.CheckLog},
		{"another's signature", func(b map[string]any) {
			b["messageSignature"].(map[string]any)["signature"] = signASN1(t, other.signer, []byte(sums))
		}, verify.CheckLog},
		{"signature empty", func(b map[string]any) { b["messageSignature"].(map[string]any)["signature"] = "" }, ""},
		{"both contents", func(b map[string]any) { b["dsseEnvelope"] = f.envelope("dsse", statement("", ""))["dsseEnvelope"] }, verify.CheckBundle},
		{"no content", func(b map[string]any) { delete(b, "messageSignature") }, verify.CheckBundle},
		{"no signer", func(b map[string]any) { delete(b["verificationMaterial"].(map[string]any), "publicKey") }, verify.CheckBundle},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := f.message(v03, sums, true, true)
			c.spoil(b)
			_, err := verify.Blob(marshal(t, b), verify.Data(strings.NewReader(sums)), f.policy)
			var e *verify.Error
			switch {
			case c.name == "untouched":
				if err != nil {
					t.Error(err)
				}
			case !errors.As(err, &e) || c.step != "" && e.Check != c.step || e.Class != verify.Untrusted || strings.Contains(e.Error(), "\n"):
				t.Errorf("got %v, want a refusal at the %s", err, c.step)
			}
		})
	}
}

// TestLogKeyInUse moves the time for which the root believes a log's key: the
// range is closed, and its beginning required.
func TestLogKeyInUse(t *testing.T) {
	f := newForger(t)
	bundle := marshal(t, f.message("application/vnd.dev.sigstore.bundle.v0.3+json", sums, true, true))
	at := func(d time.Duration) string { return logTime.Add(d).Format(time.RFC3339) }
	for _, c := range []struct {
		name     string
		validFor any
		want     string // "ok", or the step
	}{
		{"in use", map[string]any{"start": at(-time.Hour)}, "ok"},
		{"from that second", map[string]any{"start": at(0)}, "ok"},
		{"to that second", map[string]any{"start": at(-time.Hour), "end": at(0)}, "ok"},
		{"a second late", map[string]any{"start": at(-time.Hour), "end": at(-time.Second)}, verify.CheckLog},
		{"a second early", map[string]any{"start": at(time.Second)}, verify.CheckLog},
		{"no beginning", map[string]any{"end": at(time.Hour)}, verify.CheckTrustRoot},
		{"empty", map[string]any{}, verify.CheckTrustRoot},
		{"none", nil, verify.CheckTrustRoot},
	} {
		tr, err := verify.ParseTrustedRoot(marshal(t, f.root(nil2map(c.validFor))))
		if err == nil {
			p := f.policy
			p.Root = tr
			_, err = verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p)
		}
		var e *verify.Error
		if c.want == "ok" && err != nil || c.want != "ok" && (!errors.As(err, &e) || e.Check != c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func nil2map(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// TestHostileBundles wants a refusal, quickly, whatever the file is.
func TestHostileBundles(t *testing.T) {
	f := newForger(t)
	good := marshal(t, f.message("application/vnd.dev.sigstore.bundle.v0.3+json", sums, true, true))
	for name, bundle := range map[string][]byte{
		"empty":                nil,
		"blank":                []byte(" \n"),
		"null":                 []byte("null"),
		"a list":               []byte("[]"),
		"deep lists":           bytes.Repeat([]byte("["), 1<<20),
		"deep objects":         bytes.Repeat([]byte(`{"verificationMaterial":`), 1<<18),
		"deep body":            deepBody(t, f),
		"bytes behind it":      append(bytes.Clone(good), 'x'),
		"another behind it":    append(bytes.Clone(good), good...),
		"a NUL behind it":      append(bytes.Clone(good), 0),
		"a mark before it":     append([]byte("\xef\xbb\xbf"), good...),
		"other encoding":       bytes.Join(bytes.Split(good, nil), []byte{0}),
		"field twice":          bytes.Replace(good, []byte(`"messageSignature":`), []byte(`"messageSignature":{},"messageSignature":`), 1),
		"field in two forms":   bytes.Replace(good, []byte(`"mediaType":`), []byte(`"media_type":"x","mediaType":`), 1),
		"unknown field":        bytes.Replace(good, []byte(`"messageSignature":`), []byte(`"more":1,"messageSignature":`), 1),
		"huge":                 bytes.Repeat([]byte(" "), 100<<20),
		"huge string":          []byte(`{"mediaType":"` + strings.Repeat("a", verify.MaxBundle-20) + `"}`),
		"a trusted root":       marshal(t, f.root(map[string]any{"start": "2026-01-01T00:00:00Z"})),
		"a DSSE envelope":      marshal(t, f.envelope("dsse", statement("", ""))["dsseEnvelope"]),
		"a number that is one": []byte("1"),
	} {
		_, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), f.policy)
		var e *verify.Error
		if !errors.As(err, &e) || e.Class != verify.Untrusted && e.Class != verify.Failed || strings.ContainsAny(e.Error(), "\n\x1b") || len(e.Error()) > 2000 {
			t.Errorf("%s: got %.300v, want one line of refusal", name, err)
		}
	}
	if _, err := verify.Blob(append(bytes.Clone(good), " \n"...), verify.Data(strings.NewReader(sums)), f.policy); err != nil {
		t.Errorf("a line end behind it: %v", err)
	}
}

func deepBody(t *testing.T, f *forger) []byte {
	b := f.message("application/vnd.dev.sigstore.bundle.v0.3+json", sums, true, true)
	b["verificationMaterial"].(map[string]any)["tlogEntries"].([]any)[0].(map[string]any)["canonicalizedBody"] = bytes.Repeat([]byte("["), 1<<18)
	return marshal(t, b)
}

// TestKeysOfOtherKinds checks a P-256 signature by keys that cannot have made it.
func TestKeysOfOtherKinds(t *testing.T) {
	f := newForger(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]any{"P-384": p384.Public(), "Ed25519": public, "RSA": rsaKey.Public(), "P-256": newForger(t).signer.Public()} {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := verify.ParsePublicKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		if err != nil {
			t.Fatal(err)
		}
		for form, bundle := range map[string]map[string]any{
			"message":  f.message("application/vnd.dev.sigstore.bundle.v0.3+json", sums, true, true),
			"envelope": f.envelope("dsse", statement("https://in-toto.io/Statement/v1", "")),
		} {
			for _, p := range []verify.Policy{{Root: f.policy.Root, Key: parsed}, {Root: f.policy.Root, Key: parsed, Protocol: true}, {Key: parsed, UnsafeNoTransparencyLog: true}} {
				var e *verify.Error
				if _, err := verify.Blob(marshal(t, bundle), verify.Data(strings.NewReader(sums)), p); !errors.As(err, &e) || e.Class != verify.Untrusted {
					t.Errorf("%s, %s: got %v, want a refusal", name, form, err)
				}
			}
		}
	}
}
