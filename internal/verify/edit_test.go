package verify_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"io"
	"testing"

	"facerec/internal/sign"
)

// editJSON changes a JSON document.
func editJSON(t *testing.T, doc []byte, edit func(m map[string]any)) []byte {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	edit(m)
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func newEd25519(t *testing.T) *sign.Key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	k, err := sign.ParseKey(pkcs8(t, private, err), nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// storedGzip writes data as a gzip file of the least compression.
func storedGzip(t *testing.T, w io.Writer, data []byte) {
	t.Helper()
	z, err := gzip.NewWriterLevel(w, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}
