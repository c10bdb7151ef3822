//go:build goexperiment.simd && amd64 && go1.26 && !go1.27

package tarball

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func needVectors(tb testing.TB) {
	tb.Helper()
	if !vectors {
		tb.Skip("this processor has no AVX-512")
	}
}

// checkWholeStep inserts whole steps of data from a start on with vectors and without, into
// both matchers, and compares everything that is left behind.
func checkWholeStep(t *testing.T, data []byte, start int) {
	t.Helper()
	start &^= insertStep - 1
	buf := append(slices.Clone(data), make([]byte, chunkAhead)...)
	got, want, few, wantFew := new(matcher), new(matcher), new(sparse), new(sparse)
	for _, m := range []*matcher{got, want} {
		m.reset(buf, start, len(data))
		m.eights = new(eights)
	}
	for _, m := range []*sparse{few, wantFew} {
		m.reset(buf, start)
	}
	for at := start; at+insertStep <= len(data); at += insertStep {
		may, wanted := got.whole.insert(got), want.insert(insertStep)
		mayFew, wantedFew := few.whole.insertFew(few), wantFew.insert()
		step := func(list *[windowSize]uint16) []uint16 { return list[at&windowMask:][:insertStep] }
		if may != wanted || !slices.Equal(step(&got.fours), step(&want.fours)) {
			t.Fatalf("from %d, at %d: may %#x, distances %d, expected %#x and %d", start, at, may, step(&got.fours), wanted, step(&want.fours))
		}
		if !slices.Equal(step(&got.ranks), step(&want.ranks)) || !slices.Equal(step(&got.threes), step(&want.threes)) {
			t.Fatalf("from %d, at %d: ranks %d, distances %d, expected %d and %d", start, at, step(&got.ranks), step(&got.threes), step(&want.ranks), step(&want.threes))
		}
		if mayFew != wantedFew || !slices.Equal(step(&few.dists), step(&wantFew.dists)) {
			t.Fatalf("few matches, from %d, at %d: may %#x, distances %d, expected %#x and %d", start, at, mayFew, step(&few.dists), wantedFew, step(&wantFew.dists))
		}
		eightBytes := (*[insertStep + eight - 1]byte)(buf[at:])
		mayEight := got.whole.insertEights(got.eights, at&windowMask, eightBytes, uint32(at+windowSize))
		wantedEight := insertEight(&want.eights.heads, step(&want.eights.links), eightBytes[:], uint32(at+windowSize))
		if mayEight != wantedEight || !slices.Equal(step(&got.eights.links), step(&want.eights.links)) {
			t.Fatalf("eights, from %d, at %d: may %#x, distances %d, expected %#x and %d", start, at, mayEight, step(&got.eights.links), wantedEight, step(&want.eights.links))
		}
		for _, next := range []*int{&got.next, &want.next, &few.next, &wantFew.next} {
			*next += insertStep
		}
	}
	if got.three != want.three || got.four != want.four || few.heads != wantFew.heads || got.eights.heads != want.eights.heads {
		t.Fatalf("from %d: other heads", start)
	}
	if got.ranks != want.ranks || got.threes != want.threes || got.fours != want.fours || few.dists != wantFew.dists || got.eights.links != want.eights.links {
		t.Fatalf("from %d: something before or after a step has changed", start)
	}
}

// periodic is n bytes that repeat after so many.
func periodic(r *rand.Rand, n, period int) []byte {
	first := fill(period, func(int) byte { return byte(r.Uint32()) })
	return fill(n, func(i int) byte { return first[i%period] })
}

func TestWholeStep(t *testing.T) {
	needVectors(t)
	r := rand.New(rand.NewPCG(5, 9))
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			data := k.make(r, 100_000)
			for _, start := range []int{0, 64, 768, 40_000} {
				checkWholeStep(t, data, start)
			}
		})
	}
	for period := 1; period <= 130; period++ {
		data := slices.Concat(periodic(r, 500, period), periodic(r, 333, period), periodic(r, 300, period))
		checkWholeStep(t, data[period%insertStep:], 0)
	}
	// The highest positions that there may be.
	last := headMax - windowSize - insertStep
	checkWholeStep(t, fill(last, func(int) byte { return byte(r.Uint32() & 0x13) }), last-50*insertStep)
}

// TestInsertTo is for steps of all lengths that begin anywhere, and for runs, of which
// only those that fill a step have a loop of their own where there are vectors.
func TestInsertTo(t *testing.T) {
	needVectors(t)
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
				m[0].whole = wholeStep{}
				if a, b := m[0], m[1]; a.next != b.next || a.three != b.three || a.four != b.four || a.ranks != b.ranks ||
					a.threes != b.threes || a.fours != b.fours || a.may != b.may {
					t.Errorf("up to %d at a time from %d: other tables", most, first)
				}
			}
		})
	}
}

// FuzzWholeStep compares vectors with loops, whatever the data.
func FuzzWholeStep(f *testing.F) {
	needVectors(f)
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
		checkWholeStep(t, slices.Concat(data, data)[int(start)%(2*len(data)+1):], 0)
	})
}
