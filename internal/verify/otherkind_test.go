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
		`{"base64Signature":"AA==","cert":"","rekorBundle":{}}`: "before version 3",
		`{"attestations":[{"bundle":{}}]}`:                      ".attestations[].bundle",
		`{"payloadType":"x","payload":"","signatures":[]}`:      "DSSE envelope",
		"-----BEGIN PUBLIC KEY-----\n":                          "got PEM",
		"<!DOCTYPE html>":                                       "an HTML page",
		"\x1f\x8b\x08":                                          "got gzip",
	} {
		_, err := verify.Blob([]byte(data), verify.Data(strings.NewReader("")), p)
		var e *verify.Error
		if !errors.As(err, &e) || e.Class != verify.Failed || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, expected %q", data, err, want)
		}
	}
}
