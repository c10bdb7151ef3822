package verify

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"facerec/internal/release"
	"facerec/internal/text"
)

// A Link says that somebody rebuilt one artifact and got the very same bytes: an
// in-toto link (version 0.9 of its specification, before envelopes of DSSE), as
// rebuilderd's workers sign it for each artifact that is GOOD. For a BAD one
// nothing is signed, and a link has no time.
type Link struct {
	Artifact string         // its file name
	Digest   release.Digest // what was rebuilt, SHA-256

	signed     []byte   // what the signatures cover: canonical JSON
	signatures [][]byte // each of 64 bytes
}

// The limits of a file of links. A link of rebuilderd has 900 bytes and 20 values.
const (
	maxLinkFile       = 4 << 20
	maxLinks          = 1000
	maxLinkDepth      = 16
	maxLinkValues     = 100_000
	maxLinkSignatures = 8
)

// rebuildStep begins the name of a step that rebuilt an artifact, whose name
// follows.
const rebuildStep = "rebuild "

// CheckLink names the links of rebuilderd in errors.
const CheckLink = "rebuild link"

// ParseLinks reads links, one after the other: `rebuildctl pkgs attestation`
// writes one per line. Signatures are not checked; see [Link.Verify]. Errors are of
// type *[Error].
func ParseLinks(data []byte) (links []*Link, err error) {
	if len(data) > maxLinkFile {
		return nil, untrusted(CheckLink, "expected at most %d bytes, got %d", maxLinkFile, len(data))
	}
	if err := text.BoundJSON(data, maxLinkDepth, maxLinkValues); err != nil {
		return nil, untrusted(CheckLink, "%w", err)
	}
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var raw json.RawMessage
		err := dec.Decode(&raw)
		if errors.Is(err, io.EOF) && len(links) > 0 {
			return links, nil
		}
		var l *Link
		if err == nil {
			l, err = parseLink(raw)
		}
		if err != nil {
			return nil, untrusted(CheckLink, "link %d: %w", len(links)+1, err)
		}
		if links = append(links, l); len(links) > maxLinks {
			return nil, untrusted(CheckLink, "expected at most %d links", maxLinks)
		}
	}
}

// object is a decoded JSON object. Its names are looked up exactly as they are
// spelled, and in the same values that the signature is checked over.
type object map[string]any

// at is the object under a name, nil if there is none.
func (o object) at(name string) object {
	inner, _ := o[name].(map[string]any)
	return inner
}

// text is the string under a name, "" if there is none.
func (o object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

func parseLink(raw []byte) (*Link, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var envelope map[string]any
	if err := dec.Decode(&envelope); err != nil {
		return nil, fmt.Errorf("expected a JSON object: %w", err)
	}
	again, err := json.Marshal(envelope)
	if err != nil {
		return nil, err
	}
	if marks(raw) != marks(again) {
		return nil, errors.New("has a duplicate name")
	}
	signed := object(envelope).at("signed")
	l := &Link{}
	if l.signed, err = cjson.EncodeCanonical(map[string]any(signed)); err != nil {
		return nil, err
	}
	if got := signed.text("_type"); got != "link" {
		return nil, fmt.Errorf("_type: expected link, got %q", text.Line(got, maxErrorText))
	}
	if err := l.readArtifact(signed); err != nil {
		return nil, err
	}
	return l, l.readSignatures(object(envelope)["signatures"])
}

// marks counts the marks of a document's structure. Documents that decode to the
// same values differ in it only by names that are duplicates.
func marks(doc []byte) (n int) {
	for range text.JSONMarks(doc) {
		n++
	}
	return n
}

// readArtifact reads what was rebuilt: the step, the one product and the material of
// the same name, which is the artifact that was compared.
func (l *Link) readArtifact(signed object) error {
	name, ok := strings.CutPrefix(signed.text("name"), rebuildStep)
	if !ok || name == "" {
		return fmt.Errorf("name: expected %q and an artifact, got %q", rebuildStep, text.Line(signed.text("name"), maxErrorText))
	}
	products, materials := signed.at("products"), signed.at("materials")
	if len(products) != 1 || products.at(name) == nil {
		return fmt.Errorf("products: expected %s alone, got %s", text.Quote(name), text.Count(len(products), "product"))
	}
	product, material := products.at(name), materials.at(name)
	digest, err := release.ParseDigest("sha256:" + product.text("sha256"))
	if err != nil {
		return fmt.Errorf("products: sha256: %w", err)
	}
	for _, algorithm := range []string{"sha256", "sha512"} {
		if got, want := material.text(algorithm), product.text(algorithm); got != want {
			return fmt.Errorf("materials: %s: expected the product's %s, got %q", algorithm, text.Line(want, 200), text.Line(got, 200))
		}
	}
	l.Artifact, l.Digest = name, digest
	return nil
}

func (l *Link) readSignatures(value any) error {
	list, _ := value.([]any)
	if len(list) == 0 || len(list) > maxLinkSignatures {
		return fmt.Errorf("signatures: expected 1 to %d, got %d", maxLinkSignatures, len(list))
	}
	for i, s := range list {
		one, _ := s.(map[string]any)
		sig, err := hex.DecodeString(object(one).text("sig"))
		if err != nil || len(sig) != ed25519.SignatureSize {
			return fmt.Errorf("signatures: %d: expected %d bytes in hexadecimal", i+1, ed25519.SignatureSize)
		}
		l.signatures = append(l.signatures, sig)
	}
	return nil
}

// Verify checks that the key, which is Ed25519, signed the link. The name that the
// link has for its key is not looked at. Errors are of type *[Error].
func (l *Link) Verify(key *PublicKey) error {
	public, ok := key.key.(ed25519.PublicKey)
	if !ok {
		return untrusted(CheckLink, "%s: expected an Ed25519 key, got %T", text.Quote(l.Artifact), key.key)
	}
	for _, sig := range l.signatures {
		if ed25519.Verify(public, l.signed, sig) {
			return nil
		}
	}
	return untrusted(CheckLink, "%s: no signature is that of the key %s", text.Quote(l.Artifact), key.Fingerprint())
}
