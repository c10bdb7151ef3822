//go:build !(goexperiment.simd && amd64 && go1.26 && !go1.27)

package tarball

// batch inserts the positions of a whole step together; without vectors that is one
// after the other.
type batch struct{}

func (*batch) four(heads *[1 << wideBits]head, dists *[insertStep]uint16, buf *[insertStep + minMatch]byte, at uint32) (may uint64) {
	return insertFour(heads, dists[:], buf[:], at)
}

func (*batch) sparse(heads *[1 << sparseBits]head, dists *[insertStep]uint16, buf *[insertStep + minMatch]byte, at uint32) (may uint64) {
	return insertSparse(heads, dists, buf, at)
}
