package verify_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

const (
	mediaSimple   = "application/vnd.dev.cosign.simplesigning.v1+json"
	mediaEnvelope = "application/vnd.dsse.envelope.v1+json"
)

var (
	imageIndex = release.DigestBytes([]byte("index"))
	imageAmd64 = release.DigestBytes([]byte("amd64"))
	imageArm64 = release.DigestBytes([]byte("arm64"))
)

// statementAbout signs an in-toto statement about an image with a key.
func statementAbout(t *testing.T, k *sign.Key, image release.Digest, predicate string) verify.SignatureLayer {
	t.Helper()
	policy := keyPolicy(t, k)
	statement, err := sign.ImageStatement(image, predicate, json.RawMessage("{}"))
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := sign.Statement(t.Context(), statement, sign.Signer{Key: k}, func(bundle, _ []byte) error {
		_, err := verify.Blob(bundle, verify.Digest(image), policy)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return verify.SignatureLayer{Place: predicate, MediaType: sign.BundleMediaType, Read: reads(bundle)}
}

// simple signs a payload of simple signing as cosign 2 does: the bytes, nothing
// around them.
func simple(t *testing.T, k *sign.Key, payload string) verify.SignatureLayer {
	t.Helper()
	der, err := k.PrivatePEM()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(der)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(payload))
	sig, err := ecdsa.SignASN1(rand.Reader, private.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return verify.SignatureLayer{Place: "tag", MediaType: mediaSimple, Read: reads([]byte(payload)), Annotations: map[string]string{
		"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(sig),
	}}
}

func payloadOf(image release.Digest, kind string) string {
	return `{"critical":{"identity":{"docker-reference":"r"},"image":{"docker-manifest-digest":"` + image.String() + `"},"type":"` + kind + `"},"optional":null}`
}

const signatureType = "cosign container image signature"

// TestImageSubjects holds the verdict to what stands beside index and manifests.
func TestImageSubjects(t *testing.T) {
	k, stranger := newKey(t), newKey(t)
	about := func(d release.Digest, predicate string) verify.SignatureLayer {
		return statementAbout(t, k, d, predicate)
	}
	signs := func(d release.Digest) verify.SignatureLayer { return about(d, verify.PredicateSign) }
	const spdx, slsa = "https://spdx.dev/Document", "https://slsa.dev/provenance/v1"
	wantSPDX, err := verify.ParseAttestationType("spdx")
	if err != nil {
		t.Fatal(err)
	}
	list := func(a ...verify.SignatureLayer) []verify.SignatureLayer { return a }
	unreadable := verify.SignatureLayer{Place: "referrer", MediaType: sign.BundleMediaType, Read: func(context.Context) ([]byte, error) { return nil, errFor("connection reset") }}
	for _, c := range []struct {
		name            string
		index, amd, arm []verify.SignatureLayer
		problem         error
		every           bool
		types           []verify.AttestationType
		exit            int
		want            string
		wantFail        int // how many of the three
	}{
		{name: "nothing", exit: 4, want: "expected one attached to the image", wantFail: 1},
		{name: "index signed", index: list(signs(imageIndex)), exit: 0, want: "covered by the signature of the index"},
		{name: "only platforms signed", amd: list(signs(imageAmd64)), arm: list(signs(imageArm64)), exit: 4, want: "FAIL  image", wantFail: 1},
		{name: "one platform wanting", index: list(signs(imageIndex)), amd: list(signs(imageAmd64)), every: true, exit: 4, want: "FAIL  linux/arm64", wantFail: 1},
		{name: "every platform signed", index: list(signs(imageIndex)), amd: list(signs(imageAmd64)), arm: list(signs(imageArm64)), every: true, exit: 0, want: "ok    linux/arm64"},
		{name: "another's image", index: list(signs(imageAmd64)), exit: 4, want: "expected " + imageAmd64.String(), wantFail: 1},
		{name: "another's key", index: list(statementAbout(t, stranger, imageIndex, verify.PredicateSign)), exit: 4, want: "FAIL  image", wantFail: 1},
		{name: "rubbish beside a good one", index: list(unreadable, verify.SignatureLayer{Place: "x", MediaType: sign.BundleMediaType, Read: reads([]byte("{"))}, signs(imageIndex)), exit: 0, want: "refused: x: "},
		{name: "signed in two ways", index: list(signs(imageIndex), simple(t, k, payloadOf(imageIndex, signatureType))), exit: 0, want: "signature at tag"},
		{name: "described only", index: list(about(imageIndex, spdx)), exit: 4, want: "does not sign it", wantFail: 1},
		{name: "described as asked and not signed", index: list(about(imageIndex, spdx)), types: []verify.AttestationType{wantSPDX}, exit: 4, want: "does not sign it", wantFail: 1},
		{name: "signed and described", index: list(signs(imageIndex), about(imageIndex, spdx)), types: []verify.AttestationType{wantSPDX}, exit: 0},
		{name: "every platform described", index: list(signs(imageIndex)), amd: list(about(imageAmd64, spdx)), arm: list(about(imageArm64, spdx)), types: []verify.AttestationType{wantSPDX}, exit: 0},
		{name: "one platform described", index: list(signs(imageIndex)), amd: list(about(imageAmd64, spdx)), types: []verify.AttestationType{wantSPDX}, exit: 4, want: "attestation: spdx", wantFail: 1},
		{name: "otherwise described", index: list(signs(imageIndex), about(imageIndex, slsa)), types: []verify.AttestationType{wantSPDX}, exit: 4, want: "got      " + slsa, wantFail: 1},
		{name: "described by a stranger", index: list(signs(imageIndex), statementAbout(t, stranger, imageIndex, spdx)), types: []verify.AttestationType{wantSPDX}, exit: 4, want: "got      none", wantFail: 1},
		{name: "a place could not be looked at", problem: errFor("HTTP 500"), exit: 1, want: "not every place could be read", wantFail: 1},
		{name: "a place could not be looked at, and it does not matter", index: list(signs(imageIndex)), problem: errFor("HTTP 500"), exit: 0, want: "refused: registry: HTTP 500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := verify.ImageInput{Ref: "r/t", Policy: keyPolicy(t, k), EveryPlatform: c.every, Attestations: c.types, Subjects: []verify.ImageSubject{
				{Digest: imageIndex, Layers: c.index}, {Digest: imageAmd64, Platform: "linux/amd64", Layers: c.amd}, {Digest: imageArm64, Platform: "linux/arm64", Layers: c.arm},
			}}
			if c.problem != nil {
				in.Subjects[0].Problems = []error{c.problem}
			}
			r := verify.Image(t.Context(), in)
			failed := 0
			for _, s := range r.Subjects {
				if s.Status == verify.Fail {
					failed++
				}
			}
			if r.ExitCode != c.exit || r.Verified != (c.exit == 0) || !strings.Contains(r.Text(), c.want) {
				t.Errorf("got %d, want %d with %q:\n%s", r.ExitCode, c.exit, c.want, r.Text())
			}
			if failed != c.wantFail {
				t.Errorf("%d failed, want %d:\n%s", failed, c.wantFail, r.Text())
			}
		})
	}
}

type errFor string

func (e errFor) Error() string { return string(e) }

// TestSimpleSigning holds the payload to the image, once its signature is good.
// What stands beside an image is looked at one by one, in bounds: many signatures,
// and many bytes of them, of the index and its manifests together.
func TestSignaturesAreBounded(t *testing.T) {
	k := newKey(t)
	for _, c := range []struct {
		name  string
		size  int
		times int
		want  int // that are read
		says  string
	}{
		{"many", 10, verify.MaxSignatureLayers + 50, verify.MaxSignatureLayers, "only the first 1000 signatures and attestations were checked"},
		{"large", 8 << 20, 20, 9, "only the first 67108864 bytes of signatures and attestations were checked"},
		{"few", 10, 5, 5, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := 0
			data := bytes.Repeat([]byte(" "), c.size)
			subject := verify.ImageSubject{Digest: imageIndex}
			for range c.times / 2 {
				subject.Layers = append(subject.Layers, verify.SignatureLayer{MediaType: sign.BundleMediaType, Read: func(context.Context) ([]byte, error) { read++; return data, nil }})
			}
			second := subject
			second.Layers = append(second.Layers[:len(second.Layers):len(second.Layers)], subject.Layers[:c.times-2*(c.times/2)]...)
			r := verify.Image(t.Context(), verify.ImageInput{Policy: keyPolicy(t, k), Subjects: []verify.ImageSubject{subject, second}})
			if read != c.want || r.Verified || c.says != "" && !strings.Contains(fmt.Sprintf("%+v", r), c.says) {
				t.Errorf("%d were read, expected %d; verified %t: %.300s", read, c.want, r.Verified, r.Text())
			}
		})
	}
}

func TestSimpleSigning(t *testing.T) {
	k := newKey(t)
	one := func(a verify.SignatureLayer) verify.SubjectReport {
		return verify.Image(t.Context(), verify.ImageInput{Policy: keyPolicy(t, k), Subjects: []verify.ImageSubject{{Digest: imageIndex, Layers: []verify.SignatureLayer{a}}}}).Subjects[0]
	}
	if r := one(simple(t, k, payloadOf(imageIndex, signatureType))); r.Status != verify.Pass {
		t.Errorf("good: %+v", r)
	}
	changed := simple(t, k, payloadOf(imageAmd64, signatureType))
	changed.Read = reads([]byte(payloadOf(imageIndex, signatureType)))
	noSignature := simple(t, k, payloadOf(imageIndex, signatureType))
	delete(noSignature.Annotations, "dev.cosignproject.cosign/signature")
	badEntry := simple(t, k, payloadOf(imageIndex, signatureType))
	badEntry.Annotations["dev.sigstore.cosign/bundle"] = "["
	badCertificate := simple(t, k, payloadOf(imageIndex, signatureType))
	badCertificate.Annotations["dev.sigstore.cosign/certificate"] = "x"
	envelope := verify.SignatureLayer{MediaType: mediaEnvelope, Read: reads([]byte(`{"payload":"e30=","payloadType":"x","signatures":[{"sig":"AA=="}]}`))}
	for name, c := range map[string]struct {
		a    verify.SignatureLayer
		want string
	}{
		"another image":   {simple(t, k, payloadOf(imageAmd64, signatureType)), "critical.image.docker-manifest-digest"},
		"another type":    {simple(t, k, payloadOf(imageIndex, "atomic container signature")), "critical.type"},
		"no payload":      {simple(t, k, "x"), "payload"},
		"another key":     {simple(t, newKey(t), payloadOf(imageIndex, signatureType)), "signature"},
		"changed payload": {changed, "signature"},
		"no signature":    {noSignature, "expected a signature, got none"},
		"bad entry":       {badEntry, "annotation dev.sigstore.cosign/bundle"},
		"bad certificate": {badCertificate, "expected a PEM certificate"},
		"envelope":        {envelope, ""},
	} {
		r := one(c.a)
		if r.Status != verify.Fail || *r.Class != verify.Untrusted || len(r.Refused) != 1 || !strings.Contains(r.Refused[0].Why, c.want) {
			t.Errorf("%s: want a refusal with %q, got %+v", name, c.want, r)
		}
	}
}

func TestParseAttestationType(t *testing.T) {
	for _, name := range []string{"spdx", "spdxjson", "cyclonedx", "slsaprovenance", "https://example.com/predicate/v1", "urn:x:y"} {
		if _, err := verify.ParseAttestationType(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "sbom", "SPDX", "/x", verify.PredicateSign} {
		if got, err := verify.ParseAttestationType(name); err == nil {
			t.Errorf("%q is taken for %+v", name, got)
		}
	}
}

// FuzzAttached reads what strangers put beside images: it never crashes, and
// nothing that the key did not sign is a signature.
func FuzzAttached(f *testing.F) {
	k, err := sign.GenerateKey()
	if err != nil {
		f.Fatal(err)
	}
	pub, err := verify.ParsePublicKey(k.PublicPEM())
	if err != nil {
		f.Fatal(err)
	}
	for _, mediaType := range []string{mediaSimple, mediaEnvelope, sign.BundleMediaType} {
		f.Add(mediaType, []byte(payloadOf(imageIndex, signatureType)), "AA==", `{"SignedEntryTimestamp":"AA==","Payload":{"body":"e30=","integratedTime":1,"logIndex":1,"logID":"00"}}`, "", `{"SignedRFC3161Timestamp":"AA=="}`)
		f.Add(mediaType, []byte(`{"payload":"e30=","payloadType":"x","signatures":[{"sig":"AA=="}]}`), "", "", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "")
	}
	f.Fuzz(func(t *testing.T, mediaType string, data []byte, signature, entry, certificate, timestamp string) {
		r := verify.Image(t.Context(), verify.ImageInput{Policy: verify.Policy{Key: pub, UnsafeNoTransparencyLog: true}, Subjects: []verify.ImageSubject{{Digest: imageIndex, Layers: []verify.SignatureLayer{{
			MediaType: mediaType, Read: reads(data), Annotations: map[string]string{
				"dev.cosignproject.cosign/signature": signature, "dev.sigstore.cosign/bundle": entry,
				"dev.sigstore.cosign/certificate": certificate, "dev.sigstore.cosign/rfc3161timestamp": timestamp,
			}}}}}})
		if r.Verified {
			t.Errorf("signed by nobody, and verified:\n%s", r.Text())
		}
	})
}

// reads gives a layer's bytes.
func reads(data []byte) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return data, nil }
}
