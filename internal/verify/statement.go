package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strings"

	"facerec/internal/release"
)

// statementDigests are the SHA-256 digests of an in-toto statement's subjects,
// in order.
func statementDigests(payload []byte) ([]string, error) {
	var s struct {
		Subject []struct {
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
	}
	if err := json.Unmarshal(payload, &s); err != nil {
		return nil, err
	}
	var out []string
	for _, sub := range s.Subject {
		if d, ok := sub.Digest["sha256"]; ok {
			out = append(out, oneLine(d))
		}
	}
	return out, nil
}

// statementTypes are the versions of in-toto statements whose fields mean what is
// read here: github.com/in-toto/attestation, spec/v1/statement.md and its
// predecessor's.
var statementTypes = []string{"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"}

// plainStatement says that a payload is a statement of a known version, and that
// everybody who reads it reads the same: no name twice, in whatever case.
func plainStatement(payload []byte) error {
	dec := json.NewDecoder(bytes.NewReader(payload))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("want a JSON object, got %v (%v)", t, err)
	}
	seen := map[string]bool{}
	kind := ""
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		folded := strings.ToLower(name)
		if seen[folded] {
			return fmt.Errorf("%q stands in it twice", oneLine(name))
		}
		seen[folded] = true
		if slices.Contains([]string{"_type", "subject", "predicatetype"}, folded) && name != folded && name != "predicateType" {
			return fmt.Errorf("%q: want it spelled as in-toto does", oneLine(name))
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if name == "_type" {
			if err := json.Unmarshal(value, &kind); err != nil {
				return fmt.Errorf("_type: %w", err)
			}
		}
	}
	if !slices.Contains(statementTypes, kind) {
		return fmt.Errorf("_type: expected %s, got %q", strings.Join(statementTypes, " or "), oneLine(kind))
	}
	return nil
}

// digester is a running SHA-256.
type digester struct{ h hash.Hash }

func newDigester() *digester { return &digester{sha256.New()} }

func (d *digester) Write(p []byte) { d.h.Write(p) }

// Digest is the sum of what was written so far.
func (d *digester) Digest() release.Digest {
	return release.DigestOf([sha256.Size]byte(d.h.Sum(nil)))
}
