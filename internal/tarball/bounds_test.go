package tarball

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"facerec/internal/release"
)

// virtual is content of any size that takes no space: byte i is a function of
// i, and its digest is only a name.
type virtual struct {
	n    int64
	at   func(i int64) byte
	name string
}

func (v virtual) Size() int64            { return v.n }
func (v virtual) Digest() release.Digest { return release.DigestBytes([]byte(v.name)) }
func (v virtual) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		if off+int64(i) >= v.n {
			return i, io.EOF
		}
		p[i] = v.at(off + int64(i))
	}
	return len(p), nil
}

// From 8 GiB on, sizes do not fit the eleven octal digits. Only the header is
// compared: it is what tar writes first.
func TestHugeSizes(t *testing.T) {
	needGNU(t, "tar")
	for _, size := range []int64{1<<33 - 1, 1 << 33, 1<<33 + 12345, 1 << 40} {
		root := t.TempDir()
		if err := os.Mkdir(filepath.Join(root, "p"), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filepath.Join(root, "p", "big"))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Chmod(0o644); err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(size); err != nil {
			t.Skipf("needs a file system with sparse files of %d bytes: %v", size, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("tar", "--format=gnu", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-cf", "-", "p")
		cmd.Dir = root
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		want := make([]byte, 3*blockSize)
		_, err = io.ReadFull(out, want)
		_, _ = cmd.Process.Kill(), cmd.Wait() // it has told enough
		if err != nil {
			t.Fatal(err)
		}
		s, err := newTarStream(mustTree(t, Entry{Name: "big", Type: Regular, Mode: 0o644, Content: virtual{n: size, at: func(int64) byte { return 0 }}}), "p")
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		if _, err := s.ReadAt(got, 0); err != nil {
			t.Fatal(err)
		}
		sameBytes(t, "header", got, want)
	}
}

// allocated is how many bytes f allocates in all, whether or not they are
// given back: a bound on what it can hold.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// Memory does not grow with the size of files: neither when they are packed
// nor when two archives are compared.
func TestMemoryDoesNotGrow(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	pack := func(n int64) int64 {
		c := virtual{n: n, name: "a", at: func(i int64) byte { return byte(i >> 6 * 31) }}
		tree := mustTree(t, Entry{Name: "big", Type: Regular, Mode: 0o644, Content: c})
		return allocated(func() {
			jobs := []Job{{Name: "1", Tree: tree, Prefix: "a", Recipe: GNUGzip6}, {Name: "2", Tree: tree, Prefix: "b", Recipe: GNUGzip6}}
			if _, err := Pack(context.Background(), jobs, Options{Workers: 2}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if small, large := pack(8<<20), pack(48<<20); large > small+4<<20 {
		t.Errorf("packing 8 MiB allocates %d bytes, 48 MiB %d", small, large)
	}
	diff := func(n int64) int64 {
		side := func(x byte) Source {
			c := virtual{n: n, name: string(x), at: func(i int64) byte {
				if i == n-5 {
					return x
				}
				return byte(i)
			}}
			s, err := TreeSource(string(x), mustTree(t, Entry{Name: "big", Type: Regular, Mode: 0o644, Content: c}), "p")
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		return allocated(func() {
			r, err := DiffSources(context.Background(), side('a'), side('b'), DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			if f := r.Entries[0].Fields[0]; f.Offset == nil || *f.Offset != n-5 {
				t.Errorf("got %v, want offset %d", f, n-5)
			}
		})
	}
	if small, large := diff(8<<20), diff(48<<20); large > small+4<<20 {
		t.Errorf("comparing 8 MiB allocates %d bytes, 48 MiB %d", small, large)
	}
}

// The smallest archive there is, and prefixes that cannot be.
func TestZeroTree(t *testing.T) {
	if b := tarOf(t, Tree{}, ""); !bytes.Equal(b, make([]byte, recordSize)) {
		t.Errorf("an empty tree without a prefix: %d bytes, want %d zeros", len(b), recordSize)
	}
	if n := len(tarOf(t, Tree{}, "p")); n != recordSize {
		t.Errorf("size: %d", n)
	}
	for _, p := range []string{"/a", "a/", "../a", "a//b", "a\x00"} {
		if _, err := TreeSource("x", Tree{}, p); err == nil {
			t.Errorf("prefix %q: not refused", p)
		}
	}
}
