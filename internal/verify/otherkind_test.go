package verify_test

import (
	"errors"
	"strings"
	"testing"

	"facerec/internal/verify"
)

// TestNotABundle: a file of another kind is named, and is not called forged.
func TestNotABundle(t *testing.T) {
	p := keyPolicy(t, newKey(t))
	for data, want := range map[string]string{
		`{"base64Signature":"AA==","cert":"","rekorBundle":{}}`:                 "before version 3",
		`{"base64Signature":"AA==","cert":"!"}`:                                 "before version 3: certificate: expected PEM",
		`{"attestations":[]}`:                                                   "an empty list",
		`{"attestations":[{"bundle":null,"bundle_url":"https://x.example/1"}]}`: "download it from https://x.example/1",
		`{"attestations":[{"predicateType":"x"}]}`:                              "attestation 1: has no bundle",
		`[1]`: "expected an object with a bundle",
		`{"payloadType":"x","payload":"","signatures":[]}`:                                            "DSSE envelope",
		`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`:                   "--trusted-root",
		`{"mediaType":"application/vnd.oci.image.index.v1+json"}`:                                     "a document of type application/vnd.oci.image.index.v1+json",
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`:                               "holds neither a signature nor verificationMaterial",
		`{"attestations":[{"bundle":{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}}]}`: "attestation 1: bundle: expected a Sigstore bundle, got one that holds neither a signature nor verificationMaterial",
		`{}`:                                    "a JSON object without mediaType",
		`null`:                                  "a JSON value",
		`hello`:                                 "not JSON",
		"":                                      "an empty file",
		" \n":                                   "an empty file",
		strings.Repeat("QUJD", 24) + "\n":       "a signature alone: pass it with --signature",
		strings.Repeat(" ", verify.MaxBundle+1): "at most 16777216 bytes",
		"-----BEGIN PUBLIC KEY-----\n":          "got PEM",
		"<!DOCTYPE html>":                       "an HTML page",
		"\x1f\x8b\x08":                          "got gzip",
	} {
		_, err := verify.Blob([]byte(data), verify.Data(strings.NewReader("")), p)
		var e *verify.Error
		if !errors.As(err, &e) || e.Class != verify.Failed || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: got %v, expected %q", data, err, want)
		}
	}
}
