package inflate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"testing/iotest"

	klauspost "github.com/klauspost/compress/gzip"
)

// contents are of all sorts that layers and tarballs have.
func contents(n int) map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	fill := func(f func(i int) byte) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = f(i)
		}
		return b
	}
	all := map[string][]byte{
		"empty":    {},
		"one":      {7},
		"random":   fill(func(int) byte { return byte(r.Uint32()) }),
		"zeros":    make([]byte, n),
		"few":      fill(func(int) byte { return byte(r.IntN(3)) }),
		"skewed":   fill(func(int) byte { return byte(min(r.ExpFloat64()*4, 255)) }), // codes of more than 11 bits
		"period 5": fill(func(i int) byte { return byte(i%5) * 50 }),
		"far": fill(func(i int) byte {
			return byte(i*i>>7) ^ byte(i>>15)
		}),
	}
	var floats []byte
	for len(floats) < n {
		v := math.Float32bits(float32(r.NormFloat64() * 0.05))
		floats = append(floats, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	all["floats"] = floats[:n]
	if exe, err := os.ReadFile("/proc/self/exe"); err == nil {
		all["program"] = exe[:min(n, len(exe))]
	}
	return all
}

// packed compresses with the standard library, or what is faster, so that the
// streams are not all of one maker.
func packed(t testing.TB, data []byte, level int, other bool) []byte {
	t.Helper()
	var b bytes.Buffer
	var z io.WriteCloser
	var err error
	if other {
		z, err = klauspost.NewWriterLevel(&b, level)
	} else {
		z, err = gzip.NewWriterLevel(&b, level)
	}
	if err == nil {
		_, err = z.Write(data)
	}
	if err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReader(t *testing.T) {
	readers := map[string]func(io.Reader) io.Reader{
		"whole":    func(r io.Reader) io.Reader { return r },
		"by halfs": iotest.HalfReader,
		"one byte": iotest.OneByteReader,
	}
	for name, data := range contents(400_000) {
		for _, level := range []int{gzip.HuffmanOnly, gzip.NoCompression, 1, 6, 9} {
			for _, other := range []bool{false, true} {
				file := packed(t, data, level, other)
				for how, reader := range readers {
					t.Run(fmt.Sprintf("%s, level %d, %v, %s", name, level, other, how), func(t *testing.T) {
						in := bufio.NewReaderSize(reader(bytes.NewReader(append(file[:len(file):len(file)], "rest"...))), 4096)
						z, err := NewReader(in)
						if err != nil {
							t.Fatal(err)
						}
						got, err := io.ReadAll(z)
						if err != nil || !bytes.Equal(got, data) {
							t.Fatalf("got %d bytes of %d, error %v", len(got), len(data), err)
						}
						if rest, err := io.ReadAll(in); err != nil || string(rest) != "rest" {
							t.Fatalf("left %q behind the member, %v", rest, err)
						}
					})
				}
			}
		}
	}
}

func TestHeader(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Name, w.Comment, w.OS, w.Extra = "name", "comment", 3, []byte("xtra")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := NewReader(bufio.NewReader(&b))
	if err != nil {
		t.Fatal(err)
	}
	want := Header{Flags: flagName | flagComment | flagExtra, Name: "name", Comment: "comment", OS: 3, Size: 29}
	if z.Header != want {
		t.Errorf("got %+v, want %+v", z.Header, want)
	}
}

func TestMembers(t *testing.T) {
	in := bufio.NewReader(bytes.NewReader(append(packed(t, []byte("first"), 6, false), packed(t, []byte("second"), 6, false)...)))
	z, err := NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second"} {
		if got, err := io.ReadAll(z); err != nil || string(got) != want {
			t.Fatalf("got %q, %v", got, err)
		}
		err = z.Reset(in)
	}
	if !errors.Is(err, io.EOF) {
		t.Fatalf("after the last member: %v", err)
	}
}

// TestSmallBuffer: the codes of a block are read from the buffer.
func TestSmallBuffer(t *testing.T) {
	data := contents(5000)["skewed"]
	file := packed(t, data, 6, false)
	if _, err := NewReader(bufio.NewReaderSize(bytes.NewReader(file), 512)); !errors.Is(err, errBuffer) {
		t.Errorf("512 bytes: got %v", err)
	}
	z, err := NewReader(bufio.NewReaderSize(bytes.NewReader(file), 1024))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, data) {
		t.Errorf("1024 bytes: got %d bytes, %v", len(got), err)
	}
}

// TestDamage: wherever a file is cut or a bit is flipped, there is the same
// answer as the standard library's, and never more bytes than it gives.
func TestDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, data := range contents(3000) {
		for _, level := range []int{gzip.HuffmanOnly, 0, 6} {
			file := packed(t, data, level, false)
			for i := range file {
				if _, err := ours(file[:i]); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%s, level %d, cut at %d of %d: %v", name, level, i, len(file), err)
				}
			}
			for range 2000 {
				bad := bytes.Clone(file)
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
				agree(t, bad)
			}
		}
	}
}

func ours(file []byte) ([]byte, error) {
	z, err := NewReader(bufio.NewReader(bytes.NewReader(file)))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func theirs(file []byte) ([]byte, error) {
	z, err := gzip.NewReader(bufio.NewReader(bytes.NewReader(file)))
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return io.ReadAll(z)
}

// agree fails unless both accept the file, with the same bytes, or both refuse.
func agree(t *testing.T, file []byte) {
	t.Helper()
	got, err := ours(file)
	want, wantErr := theirs(file)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("file %x: ours %v, the standard library's %v", file, err, wantErr)
	}
	if err == nil && !bytes.Equal(got, want) {
		t.Fatalf("file %x: %d bytes, the standard library gives %d", file, len(got), len(want))
	}
}

func FuzzReader(f *testing.F) {
	for _, data := range contents(500) {
		f.Add(packed(f, data, 6, false))
		f.Add(packed(f, data, 0, true))
	}
	f.Add([]byte("\x1f\x8b\x08\x1e\x00\x00\x00\x00\x02\x03\x01\x00xn\x00c\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, file []byte) { agree(t, file) })
}

// FuzzDeflate has the header, sum and size in order, which chance finds too
// rarely: they are taken from what the standard library makes of the stream.
func FuzzDeflate(f *testing.F) {
	for _, data := range contents(500) {
		file := packed(f, data, 6, false)
		f.Add(file[10 : len(file)-8])
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		file := append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), stream...)
		got, err := ours(file)
		want, wantErr := theirs(file)
		// Neither gets by its checksum: what they gave until then is compared.
		// Where a stream both ends too early and is no code, either may be said.
		if errors.Is(err, ErrChecksum) != errors.Is(wantErr, gzip.ErrChecksum) {
			t.Fatalf("stream %x: ours %v, the standard library's %v", stream, err, wantErr)
		}
		if errors.Is(err, ErrChecksum) && !bytes.Equal(got, want) {
			t.Fatalf("stream %x: %d bytes, the standard library gives %d", stream, len(got), len(want))
		}
	})
}

// BenchmarkReader inflates beside the standard library and klauspost's.
func BenchmarkReader(b *testing.B) {
	makers := []struct {
		name string
		open func(io.Reader) (io.Reader, error)
	}{
		{"ours", func(r io.Reader) (io.Reader, error) { return NewReader(bufio.NewReaderSize(r, 128<<10)) }},
		{"klauspost", func(r io.Reader) (io.Reader, error) { return klauspost.NewReader(bufio.NewReaderSize(r, 128<<10)) }},
		{"std", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(bufio.NewReaderSize(r, 128<<10)) }},
	}
	all := contents(8 << 20)
	for _, name := range []string{"floats", "program", "skewed", "few"} {
		file := packed(b, all[name], 6, false)
		for _, m := range makers {
			b.Run(name+"/"+m.name, func(b *testing.B) {
				b.SetBytes(int64(len(all[name])))
				for b.Loop() {
					r, err := m.open(bytes.NewReader(file))
					if err == nil {
						_, err = io.Copy(io.Discard, r)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
