package tarball

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// symbolsOf takes runs of literals apart.
func symbolsOf(toks []token, buf []byte) []token {
	var out []token
	for _, t := range toks {
		if !t.isRun() {
			out = append(out, t)
			continue
		}
		at, n := t.run()
		for _, b := range buf[at : at+n] {
			out = append(out, literal(b))
		}
	}
	return out
}

// checkSparse compares both matchers as far as the one for few matches goes, and
// gives the number of bytes.
func checkSparse(t *testing.T, m *matcher, few *sparse, data []byte, start int) int {
	t.Helper()
	buf := append(slices.Clone(data), make([]byte, chunkAhead)...)
	s, first := fresh(start), max(0, start-1-maxDist)
	few.reset(buf, first)
	got, toks, ok := parseSparse(few, s, len(data), nil)
	if ok && got.pos < len(data) {
		t.Fatalf("from %d: it ended at %d of %d and did not give up", start, got.pos, len(data))
	}
	m.reset(buf, first, len(data))
	want, wantToks := parse(m, s, got.pos, nil)
	if got.plain() != want.plain() {
		t.Fatalf("from %d: state %+v, expected %+v", start, got, want)
	}
	if !slices.Equal(symbolsOf(toks, buf), wantToks) {
		t.Fatalf("from %d: other tokens up to %d", start, got.pos)
	}
	return got.done() - start
}

// TestSparse finds the same with both matchers, whatever the data, and goes through
// to the end where there is little to find.
func TestSparse(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 9))
	m, few := new(matcher), new(sparse)
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			data := k.make(r, 250_000)
			for _, start := range []int{0, 1, 5000, 40_000, 100_001, 249_000} {
				n := checkSparse(t, m, few, data, start)
				switch k.name {
				case "floats", "random":
					if n < len(data)-start-1 {
						t.Errorf("from %d: it gave up after %d bytes", start, n)
					}
				case "text", "zeros", "few":
					if start == 0 && n > 20_000 {
						t.Errorf("it went on for %d bytes", n)
					}
				}
			}
		})
	}
}

// FuzzSparse compares both matchers with whatever data.
func FuzzSparse(f *testing.F) {
	r := rand.New(rand.NewPCG(8, 9))
	for _, k := range kinds {
		f.Add(k.make(r, 3000), uint16(1000))
	}
	m, few := new(matcher), new(sparse)
	f.Fuzz(func(t *testing.T, data []byte, start uint16) {
		// Random bytes around it let it go on for longer.
		around := rand.New(rand.NewPCG(uint64(start), 1))
		noise := fill(500, func(int) byte { return byte(around.Uint32()) })
		data = slices.Concat(noise, data, noise, data)
		checkSparse(t, m, few, data, int(start)%len(data))
	})
}

// TestCountSame counts as a loop over gzip's hashes does, or says that there are few.
func TestCountSame(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, values := range []int{1, 2, 5, 256} {
		data := fill(9000, func(int) byte { return byte(r.IntN(values)) << (r.IntN(2) * 5) })
		for range 300 {
			p := r.IntN(len(data) - searchAhead)
			lo := r.IntN(p + 1)
			enough := []int{1, maxChain / 4, maxChain}[r.IntN(3)]
			want := 0
			for at := lo; at < p; at++ {
				if gzipHash(data[at:]) == gzipHash(data[p:]) {
					want++
				}
			}
			got := countSame(data, lo, p, enough)
			if got > enough && (got > want || want <= enough) || got <= enough && want > got {
				t.Fatalf("%d values, %d to %d, %d are enough: got %d, expected %d", values, lo, p, enough, got, want)
			}
		}
	}
}

// TestLongChunks cuts what would be too long for the matchers: the names of its
// entries alone can make it so.
func TestLongChunks(t *testing.T) {
	total := int64(5 * maxChunk)
	s := &cutStream{Stream: &Stream{total: total}, at: []int64{100_000, 100_000 + 2*maxChunk + 5, total - 100}}
	chunks, tail := spans(s, cutter{512 << 10})
	last := int64(0)
	for _, c := range chunks {
		if c.start != last || c.end-c.start > maxChunk || c.hi-c.lo+windowSize+insertStep > headMax {
			t.Errorf("chunk %+v after %d", c, last)
		}
		last = c.end
	}
	if last != tail || tail != total-tailLength || len(chunks) != 7 {
		t.Errorf("%d chunks up to %d, tail at %d of %d", len(chunks), last, tail, total)
	}
}

// cutStream is cut where the test wants it.
type cutStream struct {
	*Stream
	at []int64
}

func (s *cutStream) cuts(cutter) []int64 { return s.at }

// TestSeamInRun enters chunks of weights from every state, most of which lead into
// the middle of a run of literals.
func TestSeamInRun(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	var data []byte
	for _, k := range kinds {
		if k.name == "floats" {
			data = k.make(r, 120_000)
		}
	}
	copy(data[60_010:], data[59_000:59_100]) // a match across the chunk's beginning, for the states
	c := new(chunk)
	if err := c.load(contentStream(BytesContent(data)), newSpan(60_050, 100_000, int64(len(data)))); err != nil {
		t.Fatal(err)
	}
	w := new(worker)
	c.parse(w)
	if !slices.ContainsFunc(c.toks, token.isRun) {
		t.Fatal("no run in the chunk")
	}
	inRun := 0
	start, end := int(c.start-c.lo), int(c.end-c.lo)
	for _, from := range []state{
		fresh(start), fresh(start + 70), fresh(start + 99), fresh(start + 200), fresh(start + 333),
		{pos: start + 1, waiting: true, length: minMatch - 1}, {pos: start + 120, waiting: true, length: minMatch - 1},
		{pos: start + 30, waiting: true, length: 3, dist: 400}, {pos: start + 131, waiting: true, length: 20, dist: 999},
	} {
		t.Run(fmt.Sprintf("%+v", from), func(t *testing.T) {
			w.m.reset(c.buf, c.firstInserted(from.pos), end)
			exit, want := parse(&w.m, from, end, nil)
			j := c.seam(&w.m, from)
			got := symbolsOf(append(slices.Clone(j.toks), c.toks[j.next:]...), c.buf)
			if !slices.Equal(got, want) || j.exit.plain() != exit.plain() {
				t.Errorf("%d tokens that lead to %+v, expected %d and %+v", len(got), j.exit, len(want), exit)
			}
			if len(j.toks) > 0 && j.toks[len(j.toks)-1].isRun() {
				inRun++
			}
		})
	}
	if inRun < 3 {
		t.Errorf("%d states led into a run: too few to tell anything", inRun)
	}
}
