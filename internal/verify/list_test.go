package verify_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"facerec/internal/verify"
)

// TestList: the files of somebody else's release, by a signed list.
func TestList(t *testing.T) {
	f := newForger(t)
	signed := func(f *forger, list string) []byte { return marshal(t, f.message(v03, list, true, true)) }
	line := func(name, data string) string { return fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(data)), name) }
	two := line("a.tar.gz", "A") + line("sub/b.txt", "B")
	for _, c := range []struct {
		name   string
		list   string
		files  map[string]string
		assets []string
		bundle []byte // nil: a good one
		exit   int
		want   string
	}{
		{"all good", two, map[string]string{"a.tar.gz": "A", "sub/b.txt": "B"}, nil, nil, 0, "verified: 2 files as tool_checksums.txt says, signed by key "},
		{"sha512, BSD, mark, DOS", fmt.Sprintf("\ufeffSHA512 (a.tar.gz) = %x\r\n", sha512.Sum512([]byte("A"))), map[string]string{"a.tar.gz": "A"}, nil, nil, 0, "verified: 1 file as"},
		{"changed", two, map[string]string{"a.tar.gz": "X", "sub/b.txt": "B"}, nil, nil, 3, "FAIL  release               file          a.tar.gz"},
		{"emptied", two, map[string]string{"a.tar.gz": "", "sub/b.txt": "B"}, nil, nil, 3, "the file is empty"},
		{"missing", two, map[string]string{"a.tar.gz": "A"}, nil, nil, 5, "skip  release               file          sub/b.txt: not found in the directory"},
		{"missing, not asked for", two, map[string]string{"a.tar.gz": "A"}, []string{"a.tar.gz"}, nil, 0, "verified: 1 file as"},
		{"asked for, not listed", two, map[string]string{"c.txt": "C"}, []string{"c.txt"}, nil, 5, "c.txt: the list does not name it"},
		{"another archive", two, map[string]string{"a.tar.gz": "A", "sub/b.txt": "B", "evil.zip": "PK\x03\x04"}, nil, nil, 5, "evil.zip: the list does not name it: nobody signed it (zip)"},
		{"another text", two, map[string]string{"a.tar.gz": "A", "sub/b.txt": "B", "README": "hello"}, nil, nil, 0, "nobody signed 1 other file: README"},
		{"another key's bundle", two, map[string]string{"a.tar.gz": "A", "sub/b.txt": "B"}, nil, signed(newForger(t), two), 4, "first broken link is bundle"},
		{"not a bundle", two, map[string]string{"a.tar.gz": "A", "sub/b.txt": "B"}, nil, []byte("<html>"), 1, "an HTML page"},
		{"not signed", two, map[string]string{"a.tar.gz": "A", "sub/b.txt": "B"}, nil, []byte{}, 4, "not signed"},
		{"unreadable list", "d41d8cd98f00b204e9800998ecf8427e  a\n", nil, nil, nil, 1, "tool_checksums.txt line 1: has a sum of 32 hexadecimal digits (MD5)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dist := fstest.MapFS{"tool_checksums.txt": {Data: []byte(c.list)}}
			for name, data := range c.files {
				dist[name] = &fstest.MapFile{Data: []byte(data), Mode: 0o644}
			}
			l := verify.SumList{Name: "tool_checksums.txt", Data: []byte(c.list), Bundle: c.bundle, BundleName: "tool_checksums.txt.sigstore.json", Own: []string{"tool_checksums.txt"}}
			switch {
			case c.bundle == nil:
				l.Bundle = signed(f, c.list)
			case len(c.bundle) == 0:
				l.Bundle = nil
			}
			r, err := verify.List(t.Context(), verify.Input{Dist: dist, Policy: f.policy, Assets: c.assets}, l)
			if err != nil {
				t.Fatal(err)
			}
			if r.ExitCode != c.exit || !strings.Contains(r.Text(), c.want) {
				t.Errorf("got exit code %d, want %d and %q:\n%s", r.ExitCode, c.exit, c.want, r.Text())
			}
			if !strings.Contains(r.Text(), "no image was compared") && c.name != "unreadable list" {
				t.Errorf("the report does not say what was not checked:\n%s", r.Text())
			}
			validate(t, r)
			_ = r.Markdown()
		})
	}
}
