package tarball

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzSniff wants a known kind or none, and the same one however much more of
// the file is given.
func FuzzSniff(f *testing.F) {
	for _, m := range magics {
		f.Add([]byte(m.magic))
	}
	f.Add([]byte(" \n<!DOCTYPE html>"))
	f.Add([]byte("\ufeff{"))
	f.Add(append(bytes.Repeat([]byte{0}, 257), "ustar"+strings.Repeat("\x00", 250)...))
	kinds := map[string]bool{"": true, "tar": true, "an HTML page": true, "XML": true, "JSON": true}
	for _, m := range magics {
		kinds[m.kind] = true
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		kind := Sniff(data[:min(len(data), SniffLength)])
		if !kinds[kind] {
			t.Errorf("got %q", kind)
		}
		if more := Sniff(data); more != kind {
			t.Errorf("got %q of %d bytes and %q of all", kind, min(len(data), SniffLength), more)
		}
		if IsArchive(kind) && IsProgram(kind) {
			t.Errorf("%s is an archive and a program", kind)
		}
	})
}
