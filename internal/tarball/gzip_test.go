package tarball

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// realGzip is what the installed GNU gzip writes; the test is skipped where
// there is none. Its input is a file: through a pipe, how much it reads at a
// time is up to chance, and for sizes that are no multiple of 512 that can show.
func realGzip(t testing.TB, data []byte) []byte {
	t.Helper()
	needGNU(t, "gzip")
	name := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("gzip", "-n")
	cmd.Stdin = f
	cmd.Env = append(os.Environ(), "GZIP=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gzip -n: %v", err)
	}
	return out
}

// needGNU skips the test unless the program of that name is GNU's.
func needGNU(t testing.TB, program string) {
	t.Helper()
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		t.Skipf("needs GNU %s to compare with: %v", program, err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	if !strings.HasPrefix(first, program) && !strings.Contains(first, "GNU") {
		t.Skipf("needs GNU %s to compare with, found %q", program, first)
	}
}

// ours is what this package writes, with small chunks, so that even little
// data is put together from pieces.
func ours(t testing.TB, data []byte, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := compress(&b, BytesContent(data), o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// treeOfOne is a tree of one file.
func treeOfOne(c Content) Tree {
	t, err := NewTree([]Entry{{Name: "x", Type: Regular, Content: c}})
	if err != nil {
		panic(err)
	}
	return t
}

// contentStream is an archive of one file of which only the content can be
// seen, so that streams of every size can be compared with GNU gzip.
func contentStream(c Content) *tarStream {
	return &tarStream{tree: treeOfOne(c), starts: []int64{-headerSize(1, 0)}, end: c.Size(), total: c.Size()}
}

// compress puts the bytes of c through the encoder without a tar around them.
func compress(w io.Writer, c Content, o Options) error {
	s := contentStream(c)
	return run(context.Background(), []*line{newLine("gzip", s, GNUGzip6, w)}, o.filled())
}

// sameBytes fails with the first place that differs.
func sameBytes(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	t.Fatalf("%s: differs at offset %d: got %d bytes, want %d", what, i, len(got), len(want))
}

func inflated(t testing.TB, file []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// kind makes n bytes of some kind of data.
type kind struct {
	name string
	make func(r *rand.Rand, n int) []byte
}

func fill(n int, f func(i int) byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = f(i)
	}
	return b
}

var words = strings.Fields(`the a model weights layer face of image descriptor archive header chunk and to in
	is that it for was on are as with his they at be this from have or by one had not but what all were when we there`)

var kinds = []kind{
	{"random", func(r *rand.Rand, n int) []byte { return fill(n, func(int) byte { return byte(r.Uint32()) }) }},
	{"zeros", func(_ *rand.Rand, n int) []byte { return make([]byte, n) }},
	{"few", func(r *rand.Rand, n int) []byte { return fill(n, func(int) byte { return byte(r.IntN(3)) }) }},
	{"digits", func(r *rand.Rand, n int) []byte { return fill(n, func(int) byte { return byte('0' + r.IntN(10)) }) }},
	{"periodic", func(r *rand.Rand, n int) []byte {
		p := 1 + r.IntN(3000)
		b := fill(n, func(int) byte { return byte(r.Uint32()) })
		for i := p; i < n; i++ {
			b[i] = b[i-p]
		}
		return b
	}},
	{"far", func(r *rand.Rand, n int) []byte { // repeats at just about the longest distance
		p := maxDist - 3 + r.IntN(7)
		b := fill(n, func(int) byte { return byte(r.Uint32()) })
		for i := p; i < n; i++ {
			if r.IntN(40) != 0 {
				b[i] = b[i-p]
			}
		}
		return b
	}},
	{"near4096", func(r *rand.Rand, n int) []byte { // three bytes repeated around the limit for them
		b := fill(n, func(int) byte { return byte(r.Uint32()) })
		for i := 4200; i+3 < n; i += 20 {
			copy(b[i:i+3], b[i-tooFar-2+r.IntN(5):])
		}
		return b
	}},
	{"text", func(r *rand.Rand, n int) []byte {
		var b bytes.Buffer
		for b.Len() < n {
			b.WriteString(words[r.IntN(len(words))])
			b.WriteByte(" \n,."[r.IntN(4)])
		}
		return b.Bytes()[:n]
	}},
	{"floats", func(r *rand.Rand, n int) []byte {
		var b []byte
		for len(b) < n+4 {
			v := math.Float32bits(float32(r.NormFloat64() * 0.05))
			b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
		}
		return b[:n]
	}},
	{"mixed", func(r *rand.Rand, n int) []byte { // stretches of everything, some of them repeated
		var b []byte
		for len(b) < n {
			m := 1 + r.IntN(9000)
			switch r.IntN(6) {
			case 0:
				b = append(b, make([]byte, m)...)
			case 1:
				b = append(b, fill(m, func(int) byte { return byte(r.Uint32()) })...)
			case 2:
				b = append(b, fill(m, func(i int) byte { return byte(i) })...)
			case 3:
				b = append(b, fill(m, func(int) byte { return byte(r.IntN(4)) * 77 })...)
			default:
				if len(b) > 0 {
					from := max(0, len(b)-r.IntN(40000))
					b = append(b, b[from:min(len(b), from+m)]...)
				}
			}
		}
		return b[:n]
	}},
	{"hashes", func(r *rand.Rand, n int) []byte { // many positions in few of gzip's buckets
		return fill(n, func(int) byte { return byte(r.IntN(4)) << 5 })
	}},
	{"collisions", func(r *rand.Rand, n int) []byte { // four bytes that are not the same in one of our buckets
		inverse := uint32(1)
		for inverse*knuth != 1 { // Newton's method
			inverse *= 2 - inverse*knuth
		}
		var b []byte
		for len(b) < n {
			h := uint32(4711+r.IntN(2))<<(32-wideBits) | r.Uint32N(1+1<<r.IntN(17))
			b = binary.LittleEndian.AppendUint32(b, h*inverse)
		}
		return b[:n]
	}},
	{"phrases", func(r *rand.Rand, n int) []byte { // matches that begin, go on and end in many ways
		var parts [60]string
		for i := range parts {
			parts[i] = string(fill(1+r.IntN(20), func(int) byte { return byte(r.IntN(6)) }))
		}
		var b []byte
		for len(b) < n {
			b = append(b, parts[r.IntN(1+r.IntN(len(parts)))]...)
		}
		return b[:n]
	}},
	{"runs", func(r *rand.Rand, n int) []byte { // runs of few bytes, in all lengths about those that end a search
		var b []byte
		for len(b) < n {
			m := 1 + r.IntN(1<<r.IntN(11))
			if r.IntN(3) == 0 {
				m = 120 + r.IntN(16)
			}
			b = append(b, bytes.Repeat([]byte{byte(r.IntN(3))}, m)...)
			for range r.IntN(1 << r.IntN(6)) {
				b = append(b, byte(r.IntN(4)))
			}
		}
		return b[:n]
	}},
}

func TestGzipLikeGNU(t *testing.T) {
	needGNU(t, "gzip")
	sizes := []int{0, 1, 2, 3, 4, 5, 257, 258, 259, 261, 262, 263, 511, 4095, 4096, 4097, 10240}
	for _, around := range []int{32506, 32767, 32768, 65274, 65536, 65536 + 32768, 65536 + 65274, 131072} {
		if testing.Short() && around > 70000 {
			continue
		}
		for d := -2; d <= 2; d++ {
			sizes = append(sizes, around+d)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	if !testing.Short() {
		for range 5 {
			sizes = append(sizes, 65000+r.IntN(600), r.IntN(300000))
		}
		sizes = append(sizes, 700000)
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			for _, n := range sizes {
				data := k.make(r, n)
				want := realGzip(t, data)
				sameBytes(t, fmt.Sprintf("%s of %d bytes", k.name, n), ours(t, data, Options{ChunkSize: 8 << 10}), want)
			}
		})
	}
}

func TestGzipInflates(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, k := range kinds {
		data := k.make(r, 200000+r.IntN(1000))
		file := ours(t, data, Options{ChunkSize: 16 << 10})
		sameBytes(t, k.name+" inflated", inflated(t, file), data)
	}
}

func TestGzipDoesNotDependOnOptions(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, k := range kinds {
		data := k.make(r, 300000)
		want := ours(t, data, Options{Workers: 1, ChunkSize: 1 << 30, Window: 1})
		for _, o := range []Options{{}, {Workers: 2, ChunkSize: 1, Window: 1}, {Workers: 8, ChunkSize: 70000, Window: 30}, {Workers: 1, ChunkSize: 33333}} {
			sameBytes(t, fmt.Sprintf("%s with %+v", k.name, o), ours(t, data, o), want)
		}
	}
}
