package verify

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"facerec/internal/release"
)

// FuzzCheckDepth wants every accepted document to nest no deeper than the limit,
// by the count of the decoder.
func FuzzCheckDepth(f *testing.F) {
	for _, seed := range []string{"{}", `["\"[", "]"]`, strings.Repeat("[", 300), `{"a\\":[{"b":1}]}`, `"[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if checkDepth(data) != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		for depth := 0; ; {
			tok, err := dec.Token()
			if err != nil {
				return
			}
			switch tok {
			case json.Delim('['), json.Delim('{'):
				depth++
			case json.Delim(']'), json.Delim('}'):
				depth--
			}
			if depth > maxJSONDepth {
				t.Fatalf("accepted a depth of %d", depth)
			}
		}
	})
}

// FuzzClaimedVersion wants a version that is one, or none, from a bounded part of
// the file.
func FuzzClaimedVersion(f *testing.F) {
	for _, seed := range []string{`{"schema":"x","project":"p","version":"1.0.0"`, `{"version":1}`, `[]`, `{"a":{"version":"2.0.0"}}`, `{"version":"\u001b[2J"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		v := ClaimedVersion(r)
		if read := len(data) - r.Len(); read > maxClaim {
			t.Errorf("read %d bytes", read)
		}
		if v != "" {
			if _, err := release.ParseVersion(string(v)); err != nil {
				t.Errorf("got %q: %v", v, err)
			}
		}
		if v == "" && bytes.HasPrefix(data, []byte(`{"version":"1.2.3"`)) {
			t.Error("missed the version")
		}
	})
}

// FuzzCandidates reads files that may be bundles, and wants a bundle or an error
// on one line, and never more than the limit.
func FuzzCandidates(f *testing.F) {
	for _, seed := range []string{
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`, "{\"a\":1}\n{\"b\":2}\n", `{"attestations":[{"bundle":{}}]}`,
		`[{"attestation":{"bundle":{}}}]`, `{"base64Signature":"AAAA","cert":"","rekorBundle":{"SignedEntryTimestamp":"AA==","Payload":{"body":"e30=","logID":"00"}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := candidates(data, Digest(release.DigestBytes([]byte("hello"))))
		if err == nil && (len(all) == 0 || len(all) > maxBundles) {
			t.Errorf("got %d bundles", len(all))
		}
		for _, c := range all {
			if _, err := parseBundle(c.data); err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q", err)
			}
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("got %q", err)
		}
	})
}

// FuzzParts reads the separate files of cosign 2.
func FuzzParts(f *testing.F) {
	f.Add([]byte("QUJD\n"), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []byte(`{"24":{"body":"e30=","logID":"00"}}`))
	f.Add([]byte("\x30"), []byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, signature, certificate, entry []byte) {
		b, err := Parts{Signature: signature, Certificate: certificate, LogEntry: entry}.Bundle()
		if err != nil {
			return
		}
		if !json.Valid(b) {
			t.Errorf("got %q", b)
		}
		if _, err := parseBundle(b); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("got %q", err)
		}
	})
}
