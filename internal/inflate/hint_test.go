package inflate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
)

// guided inflates with a hint, and reports whether all was as expected.
func guided(file io.Reader, hint io.Reader) (got []byte, rest *bufio.Reader, as bool, err error) {
	in := bufio.NewReaderSize(file, 4096)
	z, err := NewReader(in)
	if err != nil {
		return nil, in, false, err
	}
	z.Expect(hint)
	got, err = io.ReadAll(z)
	return got, in, z.AsExpected(), err
}

// hints are right, wrong, and in between. same says whether the data is the
// beginning of the hint.
func hints(data []byte) map[string]struct {
	hint io.Reader
	same bool
} {
	r := rand.New(rand.NewPCG(5, 6))
	random := make([]byte, len(data))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	partly := bytes.Clone(data)
	for i := 50; i < len(partly); i += 1 + r.IntN(2000) {
		partly[i]++
	}
	half := data[:len(data)/2]
	type hint = struct {
		hint io.Reader
		same bool
	}
	failed := errors.New("failed")
	return map[string]hint{
		"right":       {bytes.NewReader(data), true},
		"in bits":     {iotest.OneByteReader(bytes.NewReader(data)), true},
		"longer":      {bytes.NewReader(append(slices.Clip(data), random...)), true},
		"right, fail": {io.MultiReader(bytes.NewReader(data), iotest.ErrReader(failed)), true},
		"fails":       {iotest.ErrReader(failed), len(data) == 0},
		"fails later": {io.MultiReader(bytes.NewReader(half), iotest.ErrReader(failed)), len(data) == 0},
		"empty":       {bytes.NewReader(nil), len(data) == 0},
		"short":       {bytes.NewReader(half), len(data) == 0},
		"one less":    {bytes.NewReader(data[:max(0, len(data)-1)]), len(data) == 0},
		"random":      {bytes.NewReader(random), bytes.Equal(data, random)},
		"partly":      {bytes.NewReader(partly), bytes.Equal(data, partly)},
		"shifted":     {bytes.NewReader(append([]byte{0x55}, data...)), len(data) == 0},
		"ahead":       {bytes.NewReader(data[min(1, len(data)):]), len(data) == 0},
	}
}

// TestHint: whatever is expected, the same is read.
func TestHint(t *testing.T) {
	for name, data := range contents(400_000) {
		for _, level := range []int{gzip.HuffmanOnly, gzip.NoCompression, 6} {
			file := packed(t, data, level, level < 0)
			for what, h := range hints(data) {
				if name == "zeros" && (what == "shifted" || what == "ahead" || what == "partly") {
					continue // these are right in part or as a whole
				}
				t.Run(fmt.Sprintf("%s, level %d, %s", name, level, what), func(t *testing.T) {
					got, in, as, err := guided(bytes.NewReader(append(file[:len(file):len(file)], "rest"...)), h.hint)
					if err != nil || !bytes.Equal(got, data) {
						t.Fatalf("got %d bytes of %d, error %v", len(got), len(data), err)
					}
					if as != h.same {
						t.Errorf("as expected: %v, want %v", as, h.same)
					}
					if rest, err := io.ReadAll(in); err != nil || string(rest) != "rest" {
						t.Fatalf("left %q behind the member, %v", rest, err)
					}
				})
			}
		}
	}
}

// TestHintIsTaken: most literals of weights are taken by a hint, or it is of no use.
func TestHintIsTaken(t *testing.T) {
	data := contents(20_000)["floats"]
	file := packed(t, data, gzip.HuffmanOnly, false)
	z, err := NewReader(bufio.NewReaderSize(bytes.NewReader(file), 128<<10))
	if err != nil {
		t.Fatal(err)
	}
	z.Expect(bytes.NewReader(data))
	d := &z.flat
	if err := d.block(); err != nil {
		t.Fatal(err)
	}
	in, err := d.in.Peek(d.in.Buffered())
	if err != nil {
		t.Fatal(err)
	}
	_, w, _, n := d.hint.follow(in, 0, d.window[:d.hint.end], 0, d.bits, d.n)
	if w < d.hint.end-10*atOnce {
		t.Errorf("%d of %d literals were taken", w, d.hint.end)
	}
	if n < litBits {
		t.Errorf("%d bits are left, the next lookup takes %d", n, litBits)
	}
	if !bytes.Equal(d.window[:w], data[:w]) {
		t.Error("other bytes were written")
	}
}

// TestHintEnds: wherever a hint ends, as many bits are left as the next code may
// take. Codes have 9 bits or more, so that few are left of six.
func TestHintEnds(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	data := make([]byte, 5000)
	for i := 3000; i < len(data); i++ {
		data[i] = 1 + byte(r.IntN(255))
	}
	file := packed(t, data, gzip.HuffmanOnly, false)
	for n := 3000; n < 4500; n++ {
		got, _, _, err := guided(bytes.NewReader(file), bytes.NewReader(data[:n]))
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("a hint of %d bytes: got %d bytes, error %v", n, len(got), err)
		}
	}
}

// TestHintAndReset: what was expected of one member is not expected of the next.
func TestHintAndReset(t *testing.T) {
	in := bufio.NewReader(bytes.NewReader(append(packed(t, []byte("first"), 6, false), packed(t, []byte("first"), 6, false)...)))
	z, err := NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	if z.AsExpected() {
		t.Error("nothing was expected")
	}
	z.Expect(bytes.NewReader([]byte("firstfirst")))
	if _, err := io.ReadAll(z); err != nil || !z.AsExpected() {
		t.Fatalf("as expected: %v, error %v", z.AsExpected(), err)
	}
	if err := z.Reset(in); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != "first" || z.AsExpected() {
		t.Errorf("got %q, error %v, as expected: %v", got, err, z.AsExpected())
	}
}

// alike fails unless a file gives the same bytes and the same error with the hint.
func alike(t *testing.T, file, hint []byte) {
	t.Helper()
	want, wantErr := ours(file)
	got, _, as, err := guided(bytes.NewReader(file), bytes.NewReader(hint))
	if fmt.Sprint(err) != fmt.Sprint(wantErr) || !bytes.Equal(got, want) {
		t.Fatalf("file %x, hint %x: %d bytes and %v, without the hint %d bytes and %v", file, hint, len(got), err, len(want), wantErr)
	}
	if as && !bytes.HasPrefix(hint, got) {
		t.Fatalf("file %x, hint %x: as expected, but got %x", file, hint, got)
	}
	if err == nil && !as && bytes.HasPrefix(hint, got) {
		t.Fatalf("file %x, hint %x: not as expected, but got %x", file, hint, got)
	}
}

// TestHintAndDamage: a damaged file has the same error, whatever is expected.
func TestHintAndDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, data := range contents(30_000) {
		for _, level := range []int{gzip.HuffmanOnly, 0, 6} {
			file := packed(t, data, level, false)
			for range 40 {
				bad := bytes.Clone(file)
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
				alike(t, bad, data)
				alike(t, file[:r.IntN(len(file))], data)
			}
		}
	}
}

// FuzzHint: see also FuzzReader, which holds what is read without a hint to the
// standard library's.
func FuzzHint(f *testing.F) {
	for _, data := range contents(800) {
		for _, level := range []int{gzip.HuffmanOnly, 6} {
			file := packed(f, data, level, false)
			f.Add(file, data)
			f.Add(file, data[:len(data)/3])
			f.Add(file[:len(file)/2], append(bytes.Clone(data), 1))
		}
	}
	f.Fuzz(func(t *testing.T, file, hint []byte) {
		agree(t, file)
		alike(t, file, hint)
	})
}
