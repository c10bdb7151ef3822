// Package sums makes SHA-256 sums, two at a time where that is cheaper.
//
// The processor's instruction for SHA-256 waits for its own last result. With the rounds
// of two sums in turn, the same bytes take two thirds of the time. Go's library makes
// one sum at a time, so the rounds of two are here: for builds with
// GOEXPERIMENT=simd, on processors that have what they need. Padding, lengths, short
// stretches and all other builds are left to crypto/sha256.
package sums

import (
	"crypto/sha256"
	"hash"
)

// Behind is the sum of what is written to it. Bytes wait, up to a limit, for another sum
// to be made along with it.
type Behind struct {
	h    hash.Hash
	wait []byte
}

// BehindBytes is how many bytes wait at most.
const BehindBytes = 128 << 10

// NewBehind starts at no bytes.
func NewBehind() *Behind {
	return &Behind{h: sha256.New(), wait: make([]byte, 0, BehindBytes)}
}

// Reset begins again at no bytes.
func (b *Behind) Reset() {
	b.h.Reset()
	b.wait = b.wait[:0]
}

// Write never fails.
func (b *Behind) Write(p []byte) (int, error) {
	if len(p) > cap(b.wait)-len(b.wait) {
		b.settle()
	}
	if len(p) > cap(b.wait) {
		return b.h.Write(p)
	}
	b.wait = append(b.wait, p...)
	return len(p), nil
}

// Along writes p to h, which comes from [sha256.New], and goes on with the bytes that
// wait. b may be nil.
func (b *Behind) Along(h hash.Hash, p []byte) {
	if b == nil {
		h.Write(p)
		return
	}
	n := min(len(p), len(b.wait))
	WriteBoth(h, p, b.h, b.wait[:n])
	b.wait = b.wait[:copy(b.wait, b.wait[n:])]
}

func (b *Behind) settle() {
	b.h.Write(b.wait)
	b.wait = b.wait[:0]
}

// Sum256 is the sum of all bytes so far.
func (b *Behind) Sum256() (sum [sha256.Size]byte) {
	b.settle()
	b.h.Sum(sum[:0])
	return sum
}
