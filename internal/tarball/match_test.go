package tarball

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A matcher that has gone through two gigabytes starts again with empty tables. The
// chunks before, at and after that come out as from a new one.
func TestMatcherStartsAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	data := make([]byte, 100_000)
	for i := range data {
		data[i] = "aab"[r.IntN(3)]
	}
	s := contentStream(BytesContent(data))
	var want, got chunk
	for _, c := range []*chunk{&want, &got} {
		if err := c.load(s, newSpan(60_000, 90_000, int64(len(data)))); err != nil {
			t.Fatal(err)
		}
	}
	want.parse(new(worker))
	if len(want.toks) < 1000 {
		t.Fatalf("%d tokens: too few to tell anything", len(want.toks))
	}
	w := new(worker)
	m := &w.m
	m.base = math.MaxInt32 - int64(3*len(got.buf)) - 6*none
	again := false
	for range 6 {
		before := m.base
		got.toks = got.toks[:0]
		got.parse(w)
		again = again || m.base < before
		if !slices.Equal(got.toks, want.toks) || got.enter != want.enter || got.exit != want.exit {
			t.Fatalf("with base %d: other tokens", m.base)
		}
	}
	if !again {
		t.Error("the tables were never emptied")
	}
}
