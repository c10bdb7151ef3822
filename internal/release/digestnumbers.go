package release

import (
	"crypto/sha256"
	"hash/maphash"
)

// DigestNumbers numbers digests from 0 on, in the order in which they come. It is
// for very many of them: each takes about 40 bytes, none of which a collector of
// garbage looks at. The zero value has none. It is not safe for concurrent use.
type DigestNumbers struct {
	blocks []*[numbersBlock][sha256.Size]byte
	count  int
	slots  []uint32 // a hash table of numbers, each with 1 added; 0 is free
	seed   maphash.Seed
}

// numbersBlock is how many digests lie side by side: they are never copied.
const numbersBlock = 256

// Len is how many digests have a number.
func (x *DigestNumbers) Len() int { return x.count }

// At is the digest with a number below Len.
func (x *DigestNumbers) At(n int) Digest { return DigestOf(x.blocks[n/numbersBlock][n%numbersBlock]) }

// Find is the number of a digest, or false if it has none.
func (x *DigestNumbers) Find(d Digest) (int, bool) {
	if x.count == 0 {
		return 0, false
	}
	n := x.slots[x.slot(&d.sum)]
	return int(n) - 1, n != 0
}

// Number is the number of a digest, and whether it had it before: otherwise it is
// given the next.
func (x *DigestNumbers) Number(d Digest) (n int, known bool) {
	if x.slots == nil {
		x.seed = maphash.MakeSeed()
		x.slots = make([]uint32, 64)
	}
	at := x.slot(&d.sum)
	if n := x.slots[at]; n != 0 {
		return int(n) - 1, true
	}
	if x.count%numbersBlock == 0 {
		x.blocks = append(x.blocks, new([numbersBlock][sha256.Size]byte))
	}
	n = x.count
	x.blocks[n/numbersBlock][n%numbersBlock] = d.sum
	x.count++
	x.slots[at] = uint32(x.count)
	if x.count > len(x.slots)/4*3 {
		x.grow()
	}
	return n, false
}

// slot is where the number of a digest is, or would be put. The seed is nobody's
// to guess, so that nobody can choose digests that share a place.
func (x *DigestNumbers) slot(sum *[sha256.Size]byte) int {
	at := int(maphash.Bytes(x.seed, sum[:]) % uint64(len(x.slots)))
	for {
		n := x.slots[at]
		if n == 0 || x.blocks[(n-1)/numbersBlock][(n-1)%numbersBlock] == *sum {
			return at
		}
		if at++; at == len(x.slots) {
			at = 0
		}
	}
}

func (x *DigestNumbers) grow() {
	x.slots = make([]uint32, 2*len(x.slots))
	for n := range x.count {
		x.slots[x.slot(&x.blocks[n/numbersBlock][n%numbersBlock])] = uint32(n + 1)
	}
}
