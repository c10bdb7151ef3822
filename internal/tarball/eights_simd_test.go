//go:build goexperiment.simd && amd64 && go1.26 && !go1.27

package tarball

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// withEights has eights wherever there can be any, or nowhere.
func withEights(tb testing.TB, everywhere bool) {
	needVectors(tb)
	before := hardSearch
	tb.Cleanup(func() { hardSearch = before })
	hardSearch = math.Inf(1)
	if everywhere {
		hardSearch = -1
	}
}

// checkEights parses data from start with eights and without, and compares the tokens.
func checkEights(t *testing.T, data []byte, start int) {
	t.Helper()
	buf := append(slices.Clone(data), make([]byte, chunkAhead)...)
	first := max(1, start-1-maxDist)
	var states [2]state
	var toks [2][]token
	for i := range states {
		m := new(matcher)
		m.reset(buf, first, len(data))
		if i == 1 {
			m.insertTo(start &^ (insertStep - 1)) // so that there are positions before
			m.steps = 1
			m.judge()
			if m.eights == nil {
				t.Fatal("there are no eights")
			}
		}
		states[i], toks[i] = parse(m, fresh(start), len(data), nil)
	}
	if states[0] != states[1] || !slices.Equal(toks[0], toks[1]) {
		n := 0
		for n < min(len(toks[0]), len(toks[1])) && toks[0][n] == toks[1][n] {
			n++
		}
		t.Fatalf("from %d: state %+v, expected %+v; tokens differ from the %d. on: %v, expected %v", start, states[1], states[0], n, toks[1][n:min(n+3, len(toks[1]))], toks[0][n:min(n+3, len(toks[0]))])
	}
}

// lines repeats words and lines of so many words each, many times.
func lines(r *rand.Rand, n, vocabulary, known int) []byte {
	var b []byte
	var kept [][]byte
	for len(b) < n {
		var line []byte
		for range 1 + r.IntN(12) {
			line = append(append(line, words[r.IntN(min(vocabulary, len(words)))]...), " \t,;"[r.IntN(4)])
		}
		if len(kept) < known {
			kept = append(kept, line)
		}
		b = append(b, kept[r.IntN(len(kept))][r.IntN(3)%len(line):]...)
		b = append(b, line...)
	}
	return b[:n]
}

func TestEights(t *testing.T) {
	withEights(t, true)
	r := rand.New(rand.NewPCG(8, 1))
	starts := []int{0, 1, 63, 64, 65, 5000, 32_506, 40_000, 65_537, 119_000}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			data := k.make(r, 120_000)
			for _, start := range starts {
				checkEights(t, data, start)
			}
		})
	}
	for _, vocabulary := range []int{2, 5, 46} {
		for _, known := range []int{1, 10, 300} {
			data := lines(r, 120_000, vocabulary, known)
			for _, start := range starts {
				checkEights(t, data, start)
			}
		}
	}
	for period := 1; period <= 20; period++ {
		checkEights(t, slices.Concat(periodic(r, 3000, period), periodic(r, 900, period), periodic(r, 40_000, 3*period)), period)
	}
}

// TestEightsGiveUp is for a longer match behind so many of its last eight bytes alone that
// a walk goes on as gzip does.
func TestEightsGiveUp(t *testing.T) {
	withEights(t, true)
	r := rand.New(rand.NewPCG(8, 5))
	noise := func(n int) []byte { return fill(n, func(int) byte { return byte(r.Uint32()) }) }
	for tails := 4*maxChain - 8; tails <= 4*maxChain+8; tails++ {
		match := noise(20)
		data := slices.Concat(noise(100), match, []byte("x"), match[:11], noise(5))
		for range tails {
			data = append(append(data, noise(3)...), match[5:13]...)
		}
		checkEights(t, slices.Concat(data, []byte("x"), match, noise(500)), 0)
	}
}

// TestEightsLikeGNU has eights in whole streams, with chunks of all sizes.
func TestEightsLikeGNU(t *testing.T) {
	needGNU(t, "gzip")
	withEights(t, true)
	r := rand.New(rand.NewPCG(8, 2))
	check := func(name string, data []byte) {
		want := realGzip(t, data)
		for _, size := range []int64{8 << 10, 70_000, 1 << 30} {
			sameBytes(t, name, ours(t, data, Options{ChunkSize: size}), want)
		}
	}
	for _, k := range kinds {
		for _, n := range []int{40_000, 65_536 + 65_274, 200_000 + r.IntN(9000)} {
			check(k.name, k.make(r, n))
		}
	}
	check("lines", lines(r, 300_000, 20, 40))
}

// TestEightsWhereHard has eights where searches are long, and nowhere else.
func TestEightsWhereHard(t *testing.T) {
	needVectors(t)
	r := rand.New(rand.NewPCG(8, 3))
	for _, k := range kinds {
		data := append(k.make(r, 300_000), make([]byte, chunkAhead)...)
		m := new(matcher)
		m.reset(data, 1, len(data)-chunkAhead)
		parse(m, fresh(1), len(data)-chunkAhead, nil)
		switch k.name {
		case "text":
			if m.eights == nil {
				t.Errorf("%s: there are none", k.name)
			}
		case "random", "zeros", "floats", "far":
			if m.eights != nil {
				t.Errorf("%s: there are some", k.name)
			}
		}
	}
}

// FuzzEights compares a matcher with eights with one without, whatever the data.
func FuzzEights(f *testing.F) {
	withEights(f, true)
	r := rand.New(rand.NewPCG(8, 4))
	for _, k := range kinds {
		f.Add(k.make(r, 900), uint16(r.IntN(900)), uint8(r.IntN(60)))
	}
	f.Add(lines(r, 2000, 5, 5), uint16(100), uint8(30))
	f.Fuzz(func(t *testing.T, data []byte, start uint16, times uint8) {
		if len(data) == 0 || len(data) > 1<<15 {
			return
		}
		data = slices.Repeat(data, 1+int(times)*40_000/len(data)%50)
		checkEights(t, data, int(start)%len(data))
	})
}
