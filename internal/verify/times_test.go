package verify_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"

	"facerec/internal/verify"
)

// stamper is a timestamp authority whose clock is the test's.
type stamper struct {
	t          *testing.T
	key        *ecdsa.PrivateKey
	leaf, root *x509.Certificate
}

func newStamper(t *testing.T) *stamper {
	t.Helper()
	now := time.Now()
	issue := func(serial int64, name string, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
			BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		}
		if parent == nil {
			template.IsCA, template.KeyUsage, parent, by = true, x509.KeyUsageCertSign, template, key
		} else {
			usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}) // time stamping, critical: RFC 3161, 2.3
			if err != nil {
				t.Fatal(err)
			}
			template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}}
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	s := &stamper{t: t}
	var rootKey *ecdsa.PrivateKey
	s.root, rootKey = issue(1, "stamper root", nil, nil)
	s.leaf, s.key = issue(2, "stamper", s.root, rootKey)
	return s
}

// stamp gives a timestamp of a signature, in base64.
func (s *stamper) stamp(signature []byte, at time.Time) map[string]any {
	sum := sha256.Sum256(signature)
	ts := timestamp.Timestamp{
		HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Time: at, Policy: asn1.ObjectIdentifier{1, 2, 3},
		SerialNumber: big.NewInt(at.Unix()), Certificates: []*x509.Certificate{s.root}, AddTSACertificate: true,
	}
	der, err := ts.CreateResponseWithOpts(s.leaf, s.key, crypto.SHA256)
	if err != nil {
		s.t.Fatal(err)
	}
	return map[string]any{"signedTimestamp": base64.StdEncoding.EncodeToString(der)}
}

func (s *stamper) authority(validFor map[string]any) map[string]any {
	return map[string]any{"uri": "https://stamper.example", "validFor": validFor, "certChain": map[string]any{"certificates": []any{
		map[string]any{"rawBytes": s.leaf.Raw}, map[string]any{"rawBytes": s.root.Raw},
	}}}
}

// TestTimesOfAKeylessSignature puts a second timestamp beside the real one, or in
// its place: every one that an authority of the root vouches for must lie within
// the certificate's ten minutes.
func TestTimesOfAKeylessSignature(t *testing.T) {
	bundle, p := signKeyless(t, job, sums)
	rootJSON, err := os.ReadFile(shared.s.TrustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		MessageSignature struct {
			Signature []byte `json:"signature"`
		} `json:"messageSignature"`
	}
	if err := json.Unmarshal(bundle, &parsed); err != nil {
		t.Fatal(err)
	}
	signature := parsed.MessageSignature.Signature
	known, stranger := newStamper(t), newStamper(t)
	now := time.Now()
	forever := map[string]any{"start": "2020-01-01T00:00:00Z"}
	ended := map[string]any{"start": "2020-01-01T00:00:00Z", "end": now.Add(-time.Minute).Format(time.RFC3339)}
	for _, c := range []struct {
		name     string
		stamp    map[string]any
		alone    bool
		validFor map[string]any
		step     string // "" for none
		times    int
	}{
		{"a second one", known.stamp(signature, now), false, forever, "", 2},
		{"in its place", known.stamp(signature, now), true, forever, "", 1},
		{"an hour late", known.stamp(signature, now.Add(time.Hour)), false, forever, verify.CheckCertificate, 0},
		{"an hour early", known.stamp(signature, now.Add(-time.Hour)), false, forever, verify.CheckCertificate, 0},
		{"an hour late, alone", known.stamp(signature, now.Add(time.Hour)), true, forever, verify.CheckCertificate, 0},
		{"by a stranger", stranger.stamp(signature, now.Add(time.Hour)), false, forever, "", 1},
		{"by a stranger, alone", stranger.stamp(signature, now), true, forever, verify.CheckTimestamp, 0},
		{"of another signature", known.stamp([]byte("x"), now), false, forever, "", 1},
		{"of another signature, alone", known.stamp([]byte("x"), now), true, forever, verify.CheckTimestamp, 0},
		{"after the authority's time", known.stamp(signature, now), true, ended, verify.CheckTimestamp, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr, err := verify.ParseTrustedRoot(editJSON(t, rootJSON, func(m map[string]any) {
				m["timestampAuthorities"] = append(m["timestampAuthorities"].([]any), known.authority(c.validFor))
			}))
			if err != nil {
				t.Fatal(err)
			}
			edited := editJSON(t, bundle, func(m map[string]any) {
				data := m["verificationMaterial"].(map[string]any)["timestampVerificationData"].(map[string]any)
				stamps := data["rfc3161Timestamps"].([]any)
				if c.alone {
					stamps = nil
				}
				data["rfc3161Timestamps"] = append(stamps, c.stamp)
			})
			s, err := verify.Blob(edited, verify.Data(strings.NewReader(sums)), verify.Policy{Root: tr, Identities: p.Identities})
			var e *verify.Error
			switch {
			case c.step == "" && (err != nil || len(s.Timestamps) != c.times):
				t.Errorf("got %+v, %v, want %d times", s.Timestamps, err, c.times)
			case c.step != "" && (!errors.As(err, &e) || e.Check != c.step):
				t.Errorf("got %v, want a refusal at the %s", err, c.step)
			}
		})
	}
}

// TestRootsThatChange verifies one signature by roots whose authorities and logs
// have come and gone.
func TestRootsThatChange(t *testing.T) {
	bundle, p := signKeyless(t, job, sums)
	rootJSON, err := os.ReadFile(shared.s.TrustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	chainPEM, err := os.ReadFile(filepath.Join(shared.dir, "fulcio.pem"))
	if err != nil {
		t.Fatal(err)
	}
	intermediate, _ := pem.Decode(chainPEM)
	decoy := decoyOf(t, intermediate.Bytes)
	past := map[string]any{"start": "2020-01-01T00:00:00Z", "end": "2021-01-01T00:00:00Z"}
	first := func(m map[string]any, field string) map[string]any { return m[field].([]any)[0].(map[string]any) }
	for _, c := range []struct {
		name string
		edit func(m map[string]any)
		step string
	}{
		{"certificate authority expired", func(m map[string]any) { first(m, "certificateAuthorities")["validFor"] = past }, verify.CheckCertificate},
		{"timestamp authority expired", func(m map[string]any) { first(m, "timestampAuthorities")["validFor"] = past }, verify.CheckTimestamp},
		{"certificate log expired", func(m map[string]any) { first(m, "ctlogs")["publicKey"].(map[string]any)["validFor"] = past }, verify.CheckSCT},
		{"log expired", func(m map[string]any) {
			for _, l := range m["tlogs"].([]any) {
				l.(map[string]any)["publicKey"].(map[string]any)["validFor"] = past
			}
		}, verify.CheckLog},
		{"another authority of the same name before it", func(m map[string]any) {
			m["certificateAuthorities"] = append([]any{map[string]any{"uri": "https://decoy.example", "validFor": map[string]any{"start": "2020-01-01T00:00:00Z"},
				"certChain": map[string]any{"certificates": []any{map[string]any{"rawBytes": decoy}}}}}, m["certificateAuthorities"].([]any)...)
		}, ""},
		{"only the other authority", func(m map[string]any) {
			m["certificateAuthorities"] = []any{map[string]any{"uri": "https://decoy.example", "validFor": map[string]any{"start": "2020-01-01T00:00:00Z"},
				"certChain": map[string]any{"certificates": []any{map[string]any{"rawBytes": decoy}}}}}
		}, verify.CheckCertificate},
		{"an authority without certificates", func(m map[string]any) {
			m["timestampAuthorities"] = append(m["timestampAuthorities"].([]any), map[string]any{"uri": "https://empty.example", "certChain": map[string]any{}})
		}, verify.CheckTrustRoot},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr, err := verify.ParseTrustedRoot(editJSON(t, rootJSON, c.edit))
			if err == nil {
				_, err = verify.Blob(bundle, verify.Data(strings.NewReader(sums)), verify.Policy{Root: tr, Identities: p.Identities})
			}
			var e *verify.Error
			if c.step == "" && err != nil || c.step != "" && (!errors.As(err, &e) || e.Check != c.step) {
				t.Errorf("got %v, want a refusal at %q", err, c.step)
			}
		})
	}
}

// decoyOf is a root certificate with the subject of another certificate.
func decoyOf(t *testing.T, der []byte) []byte {
	t.Helper()
	of, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(9), RawSubject: of.RawSubject, NotBefore: of.NotBefore, NotAfter: of.NotAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	out, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRootInTheChain: old signers put one in; it is not looked at, and the
// protocol wants it refused.
func TestRootInTheChain(t *testing.T) {
	bundle, p := signKeyless(t, job, sums)
	chainPEM, err := os.ReadFile(filepath.Join(shared.dir, "fulcio.pem"))
	if err != nil {
		t.Fatal(err)
	}
	withChain := editJSON(t, bundle, func(m map[string]any) {
		m["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2"
		material := m["verificationMaterial"].(map[string]any)
		certificates := []any{material["certificate"]}
		for rest := bytes.TrimSpace(chainPEM); len(rest) > 0; {
			var block *pem.Block
			block, rest = pem.Decode(rest)
			certificates = append(certificates, map[string]any{"rawBytes": base64.StdEncoding.EncodeToString(block.Bytes)})
		}
		material["x509CertificateChain"] = map[string]any{"certificates": certificates}
		delete(material, "certificate")
	})
	if _, err := verify.Blob(withChain, verify.Data(strings.NewReader(sums)), p); err != nil {
		t.Error(err)
	}
	p.Protocol = true
	var e *verify.Error
	if _, err := verify.Blob(withChain, verify.Data(strings.NewReader(sums)), p); !errors.As(err, &e) || e.Check != verify.CheckBundle || !strings.Contains(err.Error(), "got a root") {
		t.Errorf("got %v, want a refusal of the root", err)
	}
	if _, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p); err != nil {
		t.Errorf("without a chain: %v", err)
	}
}
