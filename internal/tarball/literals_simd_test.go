//go:build goexperiment.simd && amd64 && go1.26 && !go1.27

package tarball

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// encodeBoth codes tokens with and without many codes at a time.
func encodeBoth(t *testing.T, tokens []token, buf []byte) {
	t.Helper()
	var files [2]bytes.Buffer
	for i := range files {
		hasWide = i == 0
		d := newDeflater(newBitWriter(&files[i]), bytes.NewReader(buf))
		d.add(tokens, buf, nil, 0)
		d.flush(true)
		d.out.align()
		d.out.flush()
	}
	hasWide = true
	if !bytes.Equal(files[0].Bytes(), files[1].Bytes()) {
		t.Errorf("%d tokens of %d bytes: %d and %d bytes that differ", len(tokens), len(buf), files[0].Len(), files[1].Len())
	}
}

// spread has bytes whose codes have many lengths, the longer the more uneven it is.
func spread(r *rand.Rand, n int, uneven float64) []byte {
	p := make([]byte, n)
	for i := range p {
		for p[i] < 255 && r.Float64() < uneven {
			p[i]++
		}
	}
	return p
}

func needsWide(t testing.TB) {
	if !hasWide {
		t.Skip("this processor has no AVX-512 with VBMI")
	}
}

func TestEncodeWide(t *testing.T) {
	needsWide(t)
	r := rand.New(rand.NewPCG(1, 1))
	for _, uneven := range []float64{0, 0.01, 0.5, 0.9, 0.97, 0.99, 0.997} {
		for _, n := range []int{1, 3, 63, 64, 65, 1000, 1024, 1025, 4096, 32767, 100_000} {
			buf := spread(r, n, uneven)
			if uneven > 0.9 {
				for i := range buf { // and all bits of a byte are used
					buf[i] = buf[i]*167 + 13
				}
			}
			encodeBoth(t, []token{literalRun(0, n)}, buf)
			// Runs of all lengths that begin anywhere, matches and literals between them.
			var tokens []token
			for at := 0; at < n; {
				k := min(1+r.IntN(300), n-at)
				if k > 200 {
					k = min(k%7+1, n-at)
				}
				switch r.IntN(8) {
				case 0:
					tokens = append(tokens, match(minMatch+r.IntN(maxMatch-minMatch+1), 1+r.IntN(maxDist)))
				case 1:
					tokens = append(tokens, literal(buf[at]))
					at++
				default:
					tokens = append(tokens, literalRun(at, k))
					at += k
				}
			}
			encodeBoth(t, tokens, buf)
		}
	}
}

func FuzzEncodeWide(f *testing.F) {
	needsWide(f)
	f.Add([]byte("a stretch of text, long enough for sixty-four literals at a time and some more"), uint64(1))
	f.Add(bytes.Repeat([]byte{0, 0, 0, 0, 0, 0, 0, 1}, 500), uint64(2))
	f.Fuzz(func(t *testing.T, buf []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, seed))
		var tokens []token
		for at := 0; at < len(buf); {
			n := min(1+r.IntN(400), len(buf)-at)
			tokens = append(tokens, literalRun(at, n))
			at += n
		}
		encodeBoth(t, tokens, buf)
	})
}
