//go:build goexperiment.simd && amd64 && go1.26 && !go1.27

package tarball

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// checkBatch inserts data from a start on with vectors and without, both hashes, and
// compares everything that is left behind.
func checkBatch(t *testing.T, data []byte, start int) {
	t.Helper()
	if !vectors {
		t.Skip("this processor has no AVX-512")
	}
	buf := append(slices.Clone(data), make([]byte, chunkAhead)...)
	b := new(batch)
	four, sparse := [2]*matcher{new(matcher), new(matcher)}, [2]*sparse{new(sparse), new(sparse)}
	for at := start; at+insertStep <= len(data); at += insertStep {
		bytes := (*[insertStep + minMatch]byte)(buf[at:])
		i := at & windowMask / insertStep * insertStep
		mays := [4]uint64{
			b.four(&four[0].four, (*[insertStep]uint16)(four[0].fours[i:]), bytes, uint32(at+windowSize)),
			insertFour(&four[1].four, four[1].fours[i:][:insertStep], bytes[:], uint32(at+windowSize)),
			b.sparse(&sparse[0].heads, (*[insertStep]uint16)(sparse[0].dists[i:]), bytes, uint32(at+windowSize)),
			insertSparse(&sparse[1].heads, (*[insertStep]uint16)(sparse[1].dists[i:]), bytes, uint32(at+windowSize)),
		}
		if mays[0] != mays[1] || four[0].fours != four[1].fours {
			t.Fatalf("hash of four bytes, from %d, at %d: may %#x, distances %d, expected %#x and %d",
				start, at, mays[0], four[0].fours[i:][:insertStep], mays[1], four[1].fours[i:][:insertStep])
		}
		if mays[2] != mays[3] || sparse[0].dists != sparse[1].dists {
			t.Fatalf("hash of three bytes, from %d, at %d: may %#x, distances %d, expected %#x and %d",
				start, at, mays[2], sparse[0].dists[i:][:insertStep], mays[3], sparse[1].dists[i:][:insertStep])
		}
	}
	if four[0].four != four[1].four || sparse[0].heads != sparse[1].heads {
		t.Fatalf("from %d: other heads", start)
	}
}

// periodic is n bytes that repeat after so many.
func periodic(r *rand.Rand, n, period int) []byte {
	first := fill(period, func(int) byte { return byte(r.Uint32()) })
	return fill(n, func(i int) byte { return first[i%period] })
}

func TestBatch(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 9))
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			data := k.make(r, 100_000)
			for _, start := range []int{0, 1, 63, 64, 777, 40_000} {
				checkBatch(t, data, start)
			}
		})
	}
	for period := 1; period <= 130; period++ {
		data := slices.Concat(periodic(r, 500, period), periodic(r, 333, period), periodic(r, 300, period))
		checkBatch(t, data, period%insertStep)
	}
	// The highest positions that there may be.
	checkBatch(t, fill(headMax-windowSize-insertStep, func(int) byte { return byte(r.Uint32() & 0x13) }), headMax-windowSize-50*insertStep)
}

// TestInsertTo is for steps of all lengths that begin anywhere.
func TestInsertTo(t *testing.T) {
	if !vectors {
		t.Skip("this processor has no AVX-512")
	}
	defer func() { vectors = true }()
	r := rand.New(rand.NewPCG(6, 9))
	var m [2]*matcher
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			data := append(k.make(r, 50_000), make([]byte, chunkAhead)...)
			for _, most := range []int{2, 20, 64, 200, 3000} {
				first := r.IntN(1000)
				for i := range m {
					m[i] = new(matcher)
					m[i].reset(data, first, len(data)-chunkAhead)
				}
				for p := first; p < 50_000; p += 1 + r.IntN(most) {
					vectors = true
					m[0].insertTo(p)
					vectors = false
					m[1].insertTo(p)
				}
				m[0].batch = batch{}
				if a, b := m[0], m[1]; a.next != b.next || a.three != b.three || a.four != b.four || a.ranks != b.ranks ||
					a.threes != b.threes || a.fours != b.fours || a.may != b.may {
					t.Errorf("up to %d at a time from %d: other tables", most, first)
				}
			}
		})
	}
}

// FuzzBatch compares vectors with loops for whatever data.
func FuzzBatch(f *testing.F) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, k := range kinds {
		f.Add(k.make(r, 700), uint16(r.IntN(300)))
	}
	for period := range 5 {
		f.Add(periodic(r, 300, period+1), uint16(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, start uint16) {
		if len(data) > 1<<16 {
			return
		}
		checkBatch(t, slices.Concat(data, data), int(start))
	})
}
