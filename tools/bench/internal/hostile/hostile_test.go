package hostile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestInputsAreNamedAndRead: each input has a name of its own and a verb that
// reads it. They are not built here: that takes minutes.
func TestInputsAreNamedAndRead(t *testing.T) {
	seen := map[string]bool{}
	for _, in := range append(All(), Pictures()...) {
		if in.Name == "" || seen[in.Name] || in.Build == nil || len(in.Calls) == 0 {
			t.Errorf("%q: no name of its own, no builder or no calls", in.Name)
		}
		seen[in.Name] = true
		if (in.Limit == "") != (in.Says == "") {
			t.Errorf("%s: a limit needs the message that shows it", in.Name)
		}
	}
	if len(seen) < 100 {
		t.Errorf("%d inputs, expected at least 100", len(seen))
	}
}

// TestStream: what is not meant to be broken is a good archive, in one gzip member
// or several.
func TestStream(t *testing.T) {
	s := stream(func(w *tarWriter) {
		w.long('x', record("path", strings.Repeat("p", 200)))
		w.file("short")
		w.zeros("zeros", 5<<20+1)
		w.reg("last", []byte("hello"))
	})
	z, err := gzip.NewReader(bytes.NewReader(s.gzip()))
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	var got []string
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.Name)
	}
	if want := strings.Repeat("p", 200) + " zeros last"; strings.Join(got, " ") != want {
		t.Errorf("got %q", got)
	}
}
