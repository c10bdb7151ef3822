package atomicfile

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func TestEarly(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := rand.New(rand.NewPCG(1, 1))
	e := &Early{File: f}
	var want []byte
	for len(want) < 3*earlyStep {
		p := bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(earlyStep/2))
		if n, err := e.Write(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
		want = append(want, p...)
	}
	if e.begun < 2*earlyStep || e.begun > e.size {
		t.Errorf("after %d bytes the disk was told of %d", e.size, e.begun)
	}
	if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes, or %v", err)
	}
}

// TestEarlyFails: what cannot be written is said as for other files.
func TestEarlyFails(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name) // for reading
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = (&Early{File: f}).Write([]byte("x"))
	var failed *WriteError
	if !errors.As(err, &failed) || failed.Path != name {
		t.Errorf("got %v, expected one that names %s", err, name)
	}
}
