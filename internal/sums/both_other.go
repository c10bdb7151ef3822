//go:build !(goexperiment.simd && amd64 && go1.26 && !go1.27)

package sums

import "hash"

// WriteBoth writes p to a and q to b, which are two and come from [sha256.New].
func WriteBoth(a hash.Hash, p []byte, b hash.Hash, q []byte) {
	a.Write(p)
	b.Write(q)
}
