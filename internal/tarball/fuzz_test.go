package tarball

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
)

// FuzzGzip holds the gzip stream against the standard library's inflater, and
// against GNU gzip where there is one. The input is a script: each four bytes
// add a stretch of one of the kinds of data, so that a few bytes make streams
// beyond the 64 KiB where windows slide and chunks end.
func FuzzGzip(f *testing.F) {
	f.Add([]byte(nil), true)
	f.Add([]byte("abc"), false)
	f.Add([]byte("\x00\xff\xff\x01\x05\xff\xff\x02\x03\x01\x00\x03"), true)
	f.Add([]byte("\x07\x80\x00\x01\x08\x80\x00\x02\x01\x40\x00\x03\x09\xff\x00\x09"), true)
	f.Fuzz(func(t *testing.T, script []byte, scripted bool) {
		data := script
		if scripted {
			data = nil
			for i := 0; i+4 <= len(script) && len(data) < 400_000; i += 4 {
				k := kinds[int(script[i])%len(kinds)]
				r := rand.New(rand.NewPCG(uint64(script[i+3]), 0))
				data = append(data, k.make(r, int(script[i+1])<<8|int(script[i+2]))...)
			}
		}
		got := ours(t, data, Options{ChunkSize: 4 << 10, Workers: 1})
		sameBytes(t, "inflated", inflated(t, got), data)
		sameBytes(t, "in one piece", ours(t, data, Options{ChunkSize: 1 << 30, Workers: 1}), got)
		sameBytes(t, "GNU gzip", got, realGzip(t, data))
	})
}

// FuzzTar holds the tar stream against GNU tar.
func FuzzTar(f *testing.F) {
	f.Add(uint64(1), uint8(3), "top")
	f.Add(uint64(2), uint8(40), "a/b")
	f.Add(uint64(3), uint8(0), ".")
	f.Fuzz(func(t *testing.T, seed uint64, n uint8, prefix string) {
		tree := mustTree(t, randomTree(rand.New(rand.NewPCG(seed, 0)), int(n))...)
		if _, err := newTarStream(tree, prefix); err != nil || prefix == "" || prefix[0] == '-' || len(prefix) > 200 {
			return
		}
		sameBytes(t, "GNU tar", tarOf(t, tree, prefix), realTar(t, tree, prefix))
	})
}

// FuzzIndex: whatever the archive, reading it ends with an index or an error,
// the index is about all bytes of the file, and comparing it with itself finds
// nothing.
func FuzzIndex(f *testing.F) {
	tree := mustTree(f, file("a", 0o644, "some text"), dir("d", 0o755), file(rep("n", 150), 0o644, ""), symlink("s", "a"), hardlink("h", "a"))
	plain := tarOf(f, tree, "top")
	f.Add(plain)
	f.Add(packed(f, tree, "top"))
	f.Add(append(gzipped(f, plain[:1000], 1), gzipped(f, plain[1000:], 9)...))
	f.Add(plain[:700])
	f.Add([]byte{0x1f, 0x8b})
	f.Add([]byte(nil))
	limits := ArchiveLimits{Entries: 1000, EntrySize: 1 << 20, Total: 8 << 20, Name: 1000}
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := List(bytes.NewReader(data), limits)
		if err != nil {
			if !errors.Is(err, ErrLimit) {
				t.Fatalf("a reader that does not fail: %v", err)
			}
			return
		}
		if x.FileSize != int64(len(data)) {
			t.Fatalf("read %d bytes of %d", x.FileSize, len(data))
		}
		r, err := DiffSources(context.Background(), source("a", data), source("b", data), limits)
		if err != nil || r.Grade != Identical || len(r.Entries) > 0 || len(r.Causes) > 0 {
			t.Fatalf("with itself: %v, %+v", err, r)
		}
	})
}

// FuzzFilter: filtering never makes a tree that cannot be, and what is
// excluded is not there.
func FuzzFilter(f *testing.F) {
	f.Add(uint64(1), "**", "a*")
	f.Add(uint64(2), "*/[a-c]", "**/b")
	f.Fuzz(func(t *testing.T, seed uint64, include, exclude string) {
		tree := mustTree(t, randomTree(rand.New(rand.NewPCG(seed, 1)), 30)...)
		part, err := tree.Filter([]string{include}, []string{exclude})
		if err != nil {
			return
		}
		if found, err := part.Matches(exclude); err != nil || found {
			t.Fatalf("%q is still there: %v", exclude, err)
		}
		again, err := part.Filter([]string{include}, []string{exclude})
		if err != nil || again.Len() != part.Len() {
			t.Fatalf("filtered twice: %d entries, then %d, %v", part.Len(), again.Len(), err)
		}
	})
}
