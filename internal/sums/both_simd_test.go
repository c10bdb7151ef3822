//go:build goexperiment.simd && amd64 && go1.26 && !go1.27

package sums

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

// WriteBoth is right even where crypto/sha256 writes down its state in a way that is not
// known here, but no quicker.
func TestTwoAtATime(t *testing.T) {
	if !hasTwo {
		t.Skip("this processor has no instructions for SHA-256, or FIPS 140 is asked for")
	}
	r := rand.NewChaCha8([32]byte{3})
	p, q := text(r, 10_000), text(r, 20_000)
	a, b := sha256.New(), sha256.New()
	a.Write(p[:10])
	n, m := two(a, p[10:], b, q)
	if most := len(p) - 10 - sha256.BlockSize; n < most || m < most-sha256.BlockSize {
		t.Errorf("%d and %d bytes were written, expected at least %d", n, m, most)
	}
	check(t, "the first", a, p[:10+n])
	check(t, "the second", b, q[:m])
}
