package verify

import (
	"crypto/sha256"
	"encoding/json"
	"hash"

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

// digester is a running SHA-256.
type digester struct{ h hash.Hash }

func newDigester() *digester { return &digester{sha256.New()} }

func (d *digester) Write(p []byte) { d.h.Write(p) }

// Digest is the sum of what was written so far.
func (d *digester) Digest() release.Digest {
	return release.DigestOf([sha256.Size]byte(d.h.Sum(nil)))
}
