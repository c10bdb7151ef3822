//go:build !(goexperiment.simd && amd64 && go1.26 && !go1.27)

package tarball

// vectors is whether the positions of a whole step are inserted together.
const vectors = false

// wholeStep inserts a step of positions.
type wholeStep struct{}

func (*wholeStep) insert(m *matcher) (may uint64) { return m.insert(insertStep) }

func (*wholeStep) insertEights(e *eights, i int, buf *[insertStep + eight - 1]byte, at uint32) (may uint64) {
	return insertEight(&e.heads, e.links[i:][:insertStep], buf[:], at)
}

func (*wholeStep) insertFew(m *sparse) (may uint64) { return m.insert() }

func countSame(buf []byte, lo, p, enough int) int { return countEach(buf, lo, p, enough) }
