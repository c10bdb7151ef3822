package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"google.golang.org/protobuf/encoding/protojson"

	"facerec/internal/text"
)

// MaxBundle is the largest bundle, in bytes, that is read. One of a release has
// 6 kB; attestations with an SBOM inside can be large.
const MaxBundle = 16 << 20

// mediaTypes are the names of the bundle versions in sigstore/protobuf-specs,
// bundle.proto. The library would take others, such as a v0.2 in the newer
// spelling, which nobody ever wrote.
var mediaTypes = text.Pattern(`^application/vnd\.dev\.sigstore\.bundle(\+json;version=0\.[123]|\.v0\.3(\.[0-9]+)?\+json)$`)

// parseBundle reads a bundle of any version and refuses what is ambiguous in
// it. Errors are of type *[Error].
func parseBundle(data []byte) (b *sgbundle.Bundle, err error) {
	defer recovered(CheckBundle, &err)
	if len(data) > MaxBundle {
		return nil, notBundle("at most %d bytes", MaxBundle, "%d", len(data))
	}
	if kind := otherKind(data); kind != "" {
		return nil, &Error{Class: Failed, Check: CheckBundle, Err: fmt.Errorf("expected a Sigstore bundle, got %s", kind)}
	}
	if err := checkValues(data); err != nil {
		return nil, &Error{Class: Untrusted, Check: CheckBundle, Err: err}
	}
	pb := new(protobundle.Bundle)
	if err := protojson.Unmarshal(data, pb); err != nil {
		return nil, &Error{Class: Untrusted, Check: CheckBundle, Err: err}
	}
	if !mediaTypes().MatchString(pb.GetMediaType()) {
		return nil, &Error{Class: Untrusted, Check: CheckBundle, Field: "mediaType",
			Expected: "application/vnd.dev.sigstore.bundle.v0.3+json or an earlier version's", Got: strconv.Quote(pb.GetMediaType())}
	}
	if err := oneSpelling(data); err != nil {
		return nil, &Error{Class: Untrusted, Check: CheckBundle, Err: err}
	}
	b, err = sgbundle.NewBundle(pb, chainAllowed(pb)...)
	if err != nil {
		return nil, &Error{Class: Untrusted, Check: CheckBundle, Err: err}
	}
	for i, e := range pb.GetVerificationMaterial().GetTlogEntries() {
		if err := consistentEntry(e); err != nil {
			return nil, &Error{Class: Untrusted, Check: CheckLog, Field: fmt.Sprintf("entry %d", i+1), Err: err}
		}
	}
	for i, ts := range pb.GetVerificationMaterial().GetTimestampVerificationData().GetRfc3161Timestamps() {
		if err := plainTimestamp(ts.GetSignedTimestamp()); err != nil {
			return nil, &Error{Class: Untrusted, Check: CheckTimestamp, Field: fmt.Sprintf("timestamp %d", i+1), Err: err}
		}
	}
	return b, nil
}

// chainAllowed lets a bundle of version 0.3 bring its intermediates along.
func chainAllowed(pb *protobundle.Bundle) []sgbundle.Option {
	if pb.GetVerificationMaterial().GetX509CertificateChain() != nil && strings.Contains(pb.GetMediaType(), "0.3") {
		return []sgbundle.Option{sgbundle.AllowCertificateChain()}
	}
	return nil
}

// byteFields are the fields of type bytes in a bundle, by their JSON names.
var byteFields = map[string]bool{
	"rawBytes": true, "raw_bytes": true, "digest": true, "signature": true, "sig": true, "payload": true,
	"keyId": true, "key_id": true, "signedTimestamp": true, "signed_timestamp": true,
	"signedEntryTimestamp": true, "signed_entry_timestamp": true, "rootHash": true, "root_hash": true,
	"hashes": true, "canonicalizedBody": true, "canonicalized_body": true,
}

// oneSpelling holds the base64 in a bundle to the one form that encoders write.
// Decoders let several texts mean the same bytes (left-over bits, the URL-safe
// alphabet, line ends), and two files that differ should not both be the
// signature of one release.
func oneSpelling(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	type level struct {
		object bool
		name   string // of the object's current field, or of the array
		value  bool   // within an object: a value is next
	}
	var stack []level
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		top := len(stack) - 1
		switch t := tok.(type) {
		case json.Delim:
			if t == '}' || t == ']' {
				stack = stack[:top]
				continue
			}
			name := ""
			if top >= 0 {
				name = stack[top].name
				stack[top].value = false
			}
			stack = append(stack, level{object: t == '{', name: name})
		case string:
			if top >= 0 && stack[top].object && !stack[top].value {
				stack[top].name, stack[top].value = t, true
				continue
			}
			if top >= 0 {
				stack[top].value = false
				if byteFields[stack[top].name] && !plainBase64(t) {
					return fmt.Errorf("field %s: is not base64 (RFC 4648, section 4)", stack[top].name)
				}
			}
		default:
			if top >= 0 {
				stack[top].value = false
			}
		}
	}
}

func plainBase64(s string) bool {
	b, err := base64.StdEncoding.DecodeString(s)
	return err == nil && base64.StdEncoding.EncodeToString(b) == s
}

// consistentEntry checks what a log entry says twice and the library reads only
// once: the entry of Rekor version 2 is rebuilt from the rest of the bundle
// there, so that its own body, index, tree size and root hash would go unread.
func consistentEntry(e *protorekor.TransparencyLogEntry) error {
	var body struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
	}
	if err := json.Unmarshal(e.GetCanonicalizedBody(), &body); err != nil {
		return fmt.Errorf("canonicalizedBody: %w", err)
	}
	if kv := e.GetKindVersion(); kv.GetKind() != body.Kind || kv.GetVersion() != body.APIVersion {
		return fmt.Errorf("kindVersion: expected %s %s as the body says, got %s %s", body.Kind, body.APIVersion, kv.GetKind(), kv.GetVersion())
	}
	p := e.GetInclusionProof()
	if p == nil {
		return nil
	}
	if body.APIVersion != "0.0.2" || body.Kind != "hashedrekord" {
		// An entry of version 1: the library reads all of it, and its two indexes
		// count different things (the whole log, and one shard).
		return nil
	}
	if err := plainNote(p.GetCheckpoint().GetEnvelope()); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.SplitN(p.GetCheckpoint().GetEnvelope(), "\n", 4)
	if len(lines) < 4 {
		return errors.New("checkpoint: is truncated")
	}
	if got := strconv.FormatInt(p.GetTreeSize(), 10); got != lines[1] {
		return fmt.Errorf("treeSize: expected %s as in the checkpoint, got %s", lines[1], got)
	}
	if got := base64.StdEncoding.EncodeToString(p.GetRootHash()); got != lines[2] {
		return fmt.Errorf("rootHash: expected %s as in the checkpoint, got %s", lines[2], got)
	}
	if p.GetLogIndex() != e.GetLogIndex() {
		return fmt.Errorf("inclusionProof.logIndex: expected %d as in the entry, got %d", e.GetLogIndex(), p.GetLogIndex())
	}
	if e.GetIntegratedTime() != 0 {
		return fmt.Errorf("integratedTime: expected none in an entry of Rekor version 2, got %d", e.GetIntegratedTime())
	}
	if e.GetLogIndex() < 0 || p.GetTreeSize() < 0 {
		return errors.New("logIndex, treeSize: expected no negative numbers")
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(e.GetCanonicalizedBody())
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(e.GetLogIndex()), uint64(p.GetTreeSize()), leaf, p.GetHashes(), p.GetRootHash()); err != nil {
		return fmt.Errorf("canonicalizedBody: %w", err)
	}
	return nil
}

// plainNote holds the signature lines of a checkpoint (a signed note, see
// https://c2sp.org/signed-note) to one spelling of their base64.
func plainNote(envelope string) error {
	_, signatures, ok := strings.Cut(envelope, "\n\n")
	if !ok {
		return errors.New("expected a text, a blank line and signatures")
	}
	for line := range strings.Lines(signatures) {
		line, ended := strings.CutSuffix(line, "\n")
		fields := strings.Split(line, " ")
		if !ended || len(fields) != 3 || fields[0] != "—" || !plainBase64(fields[2]) {
			return errors.New("a signature line does not follow the signed note format")
		}
	}
	return nil
}
