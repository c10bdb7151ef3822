//go:build goexperiment.simd && amd64 && go1.26 && !go1.27

package tarball

import (
	"math/bits"
	"simd/archsimd"
)

// wholeStep inserts the positions of a step together, where the processor has
// AVX-512, as insertFour and insertSparse do one after the other.
//
// Vectors have no instruction that reads or writes at random places here. So the
// buckets of all positions are found first; then each position takes what is in its
// bucket and leaves itself there, but for the distance to the one before, which is not
// known yet; then the distances are; and then each writes its whole head. So a position
// that finds another of the same step has the right distance. How far the one before
// that is away makes no difference to it: a head says 31 KiB at most, which is near.
type wholeStep struct {
	buckets [insertStep]uint32
	olds    [insertStep / 2]uint64 // the heads of the buckets before: of two positions each
	news    [insertStep]uint32     // and after

	// The same of three bytes.
	hashes    [insertStep / 2]uint32
	oldThrees [insertStep / 2]uint64
}

const _ = uint(maxDist - insertStep - olderKiB<<10) // the compiler takes nothing negative here

// vectors is whether the positions of a whole step are inserted together.
var vectors = archsimd.X86.AVX512()

// insert is [matcher.insert] for the next step, which is a whole one.
func (b *wholeStep) insert(m *matcher) (may uint64) {
	i := m.next & windowMask
	buf := (*[insertStep + eight - 1]byte)(m.buf[m.next:])
	fours := (*[insertStep]uint16)(m.fours[i:])
	b.locate(buf, uint32(m.next+windowSize), 0, knuth, wideBits)
	b.locateThree(buf)
	b.enter(m.four[:])
	b.enterThree(&m.three, uint32(m.next))
	may = b.link(fours)
	b.linkThree((*[insertStep]uint16)(m.ranks[i:]), (*[insertStep]uint16)(m.threes[i:]), uint32(m.next))
	b.leave(m.four[:])
	return may
}

// insertEights is insertEight for a whole step, which has its place at index i.
func (b *wholeStep) insertEights(e *eights, i int, buf *[insertStep + eight - 1]byte, at uint32) (may uint64) {
	b.locate(buf, at, eightMul, knuth, wideBits)
	b.enter(e.heads[:])
	may = b.link((*[insertStep]uint16)(e.links[i:]))
	b.leave(e.heads[:])
	return may
}

// insertFew is [sparse.insert].
func (b *wholeStep) insertFew(m *sparse) (may uint64) {
	if !vectors {
		return m.insert()
	}
	// The hash is one of three bytes: all bits of the other one but the highest eight.
	b.locate((*[insertStep + eight - 1]byte)(m.buf[m.next:]), uint32(m.next+windowSize), 0, knuth<<8&(1<<32-1), sparseBits)
	b.enter(m.heads[:])
	may = b.link((*[insertStep]uint16)(m.dists[m.next&windowMask:]))
	b.leave(m.heads[:])
	return may
}

const vector = 16 // positions in a vector

var (
	upTo16 = [vector]uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	// The double words with the bytes of four positions each, and the last four of a step
	// where what is before them has been left out.
	doubles     = [vector]uint32{0, 1, 0, 0, 1, 2, 0, 0, 2, 3, 0, 0, 3, 4, 0, 0}
	doublesLast = [vector]uint32{11, 12, 0, 0, 12, 13, 0, 0, 13, 14, 0, 0, 14, 15, 0, 0}
	// Their bytes. The last vector begins 3 bytes further on.
	bytesOf     = overlapping(0)
	bytesOfLast = overlapping(1)
)

// overlapping are the numbers of the bytes of four words in each lane, each a byte
// further on than the one before.
func overlapping(first int) (list [4 * vector]int8) {
	for i := range list {
		list[i] = int8(first + i%16/4 + i%4)
	}
	return list
}

// locate finds the buckets and tags of a hash that has the bucket's number in its
// highest bits and the tag in the next ones: of four bytes, or with a factor for the first
// four of eight.
//
//go:noinline
func (b *wholeStep) locate(buf *[insertStep + eight - 1]byte, at, first, factor, bucketBits uint32) {
	firsts, factors := archsimd.BroadcastUint32x16(first), archsimd.BroadcastUint32x16(factor)
	toBucket := archsimd.BroadcastUint32x16(32 - bucketBits)
	toTag := archsimd.BroadcastUint32x16(32 - bucketBits - tagBits)
	tags := archsimd.BroadcastUint32x16(headTag)
	base := archsimd.BroadcastUint32x16(at << headPos).Add(archsimd.LoadUint32x16(&upTo16).RotateAllLeft(headPos))
	nextBase := archsimd.BroadcastUint32x16(vector << headPos)
	from := archsimd.LoadUint32x16(&doubles)
	nextFrom := archsimd.BroadcastUint32x16(vector / 4)
	order := archsimd.LoadInt8x64(&bytesOf)
	bytes := archsimd.LoadUint8x64((*[insertStep]uint8)(buf[:])).AsUint32x16()
	after := archsimd.LoadUint8x64((*[insertStep]uint8)(buf[4:])).AsUint32x16()
	for i := 0; i < insertStep; i += vector {
		if i == insertStep-vector {
			from = archsimd.LoadUint32x16(&doublesLast)
			order = archsimd.LoadInt8x64(&bytesOfLast)
			bytes = archsimd.LoadUint8x64((*[insertStep]uint8)(buf[minMatch:])).AsUint32x16()
			after = archsimd.LoadUint8x64((*[insertStep]uint8)(buf[minMatch+4:])).AsUint32x16()
		}
		h := bytes.Permute(from).AsUint8x64().PermuteOrZeroGrouped(order).AsUint32x16()
		if first != 0 {
			h = h.Mul(firsts).Xor(after.Permute(from).AsUint8x64().PermuteOrZeroGrouped(order).AsUint32x16())
		}
		h = h.Mul(factors)
		h.ShiftRight(toBucket).Store((*[vector]uint32)(b.buckets[i:]))
		base.Or(h.ShiftRight(toTag).And(tags)).Store((*[vector]uint32)(b.news[i:]))
		from = from.Add(nextFrom)
		base = base.Add(nextBase)
	}
}

// enter takes what is in the buckets and puts the positions there.
//
//go:noinline
func (b *wholeStep) enter(heads []head) {
	for k := range b.olds {
		i := 2 * k
		newest := &heads[b.buckets[i]]
		old := uint64(*newest)
		*newest = head(b.news[i])
		newest = &heads[b.buckets[i+1]]
		b.olds[k] = old | uint64(*newest)<<32
		*newest = head(b.news[i+1])
	}
}

// leave puts the whole heads there.
//
//go:noinline
func (b *wholeStep) leave(heads []head) {
	for i := 0; i < len(b.buckets); i += 2 {
		heads[b.buckets[i]] = head(b.news[i])
		heads[b.buckets[i+1]] = head(b.news[i+1])
	}
}

// link is [head.next] for all of them.
//
//go:noinline
func (b *wholeStep) link(dists *[insertStep]uint16) (may uint64) {
	one := archsimd.BroadcastUint32x16(1)
	toPos := archsimd.BroadcastUint32x16(headPos)
	belowPos := archsimd.BroadcastUint32x16(1<<headPos - 1)
	tags := archsimd.BroadcastUint32x16(headTag)
	far := archsimd.BroadcastUint32x16(maxDist + 1)
	olderDists := archsimd.BroadcastUint32x16(olderKiB << 10)
	olderField := archsimd.BroadcastUint32x16(olderKiB << tagBits)
	most := archsimd.BroadcastUint32x16(none)
	var zero archsimd.Int32x16
	for i := 0; i < insertStep; i += vector {
		old := archsimd.LoadUint64x8((*[vector / 2]uint64)(b.olds[i/2:])).AsUint32x16()
		next := archsimd.LoadUint32x16((*[vector]uint32)(b.news[i:]))
		d := next.Or(belowPos).Sub(old).ShiftRight(toPos)
		// What is so is negative here.
		near := d.Sub(far)
		same := old.Xor(next).And(tags).Sub(one)
		older := near.Add(old.RotateAllLeft(3).And(olderDists))
		may = may>>vector | uint64(near.And(same.Or(older)).AsInt32x16().Less(zero).ToBits())<<(insertStep-vector)
		d = d.Min(most)
		next.Or(d.RotateAllRight(3).And(olderField)).Store((*[vector]uint32)(b.news[i:]))
		d.TruncateToUint16().Store((*[vector]uint16)(dists[i:]))
	}
	archsimd.ClearAVXUpperBits()
	return may
}

// locateThree finds gzip's hashes of three bytes.
//
//go:noinline
func (b *wholeStep) locateThree(buf *[insertStep + eight - 1]byte) {
	const half = insertStep / 2
	mask := archsimd.BroadcastUint16x32(hashMask)
	first, second := archsimd.BroadcastUint16x32(1<<(2*hashShift)), archsimd.BroadcastUint16x32(1<<hashShift)
	for i := 0; i < insertStep; i += half {
		at := func(k int) archsimd.Uint16x32 {
			return archsimd.LoadUint8x32((*[half]uint8)(buf[i+k:])).ExtendToUint16()
		}
		at(0).Mul(first).Xor(at(1).Mul(second)).Xor(at(2)).And(mask).AsUint32x16().Store((*[vector]uint32)(b.hashes[i/2:]))
	}
}

// enterThree takes what is in the buckets of three and puts the positions there.
//
//go:noinline
func (b *wholeStep) enterThree(table *[1 << hashBits]uint32, at uint32) {
	count := at&0xffff + 1 // and one insertion more
	for k, pair := range &b.hashes {
		bucket := &table[pair&hashMask]
		old := *bucket
		*bucket = (old | 0xffff) + count
		bucket = &table[pair>>16&hashMask]
		next := *bucket
		*bucket = (next | 0xffff) + (count + 1)
		b.oldThrees[k] = uint64(old) | uint64(next)<<32
		count += 2
	}
}

// linkThree is the rest of what insertThree does.
//
//go:noinline
func (b *wholeStep) linkThree(ranks, threes *[insertStep]uint16, at uint32) {
	one := archsimd.BroadcastUint16x16(1)
	toCount := archsimd.BroadcastUint32x16(16)
	before := archsimd.BroadcastUint32x16(at - 1).Add(archsimd.LoadUint32x16(&upTo16))
	next := archsimd.BroadcastUint32x16(vector)
	for i := 0; i < insertStep; i += vector {
		old := archsimd.LoadUint64x8((*[vector / 2]uint64)(b.oldThrees[i/2:])).AsUint32x16()
		old.ShiftRight(toCount).TruncateToUint16().Add(one).Store((*[vector]uint16)(ranks[i:]))
		before.Sub(old).TruncateToUint16().Store((*[vector]uint16)(threes[i:]))
		before = before.Add(next)
	}
	archsimd.ClearAVXUpperBits()
}

// countSame is countEach, for vectors.
func countSame(buf []byte, lo, p, enough int) int {
	if !vectors {
		return countEach(buf, lo, p, enough)
	}
	const lanes = 32
	mask := archsimd.BroadcastUint16x32(hashMask)
	hash := archsimd.BroadcastUint16x32(uint16(gzipHash(buf[p:])))
	first, second := archsimd.BroadcastUint16x32(2*hashShift), archsimd.BroadcastUint16x32(hashShift)
	n := 0
	for lo < p && n <= enough {
		b := (*[lanes + minMatch - 1]byte)(buf[lo:])
		b0 := archsimd.LoadUint8x32((*[lanes]byte)(b[:])).ExtendToUint16().ShiftLeft(first)
		b1 := archsimd.LoadUint8x32((*[lanes]byte)(b[1:])).ExtendToUint16().ShiftLeft(second)
		b2 := archsimd.LoadUint8x32((*[lanes]byte)(b[2:])).ExtendToUint16()
		same := b0.Xor(b1).Xor(b2).And(mask).Equal(hash).ToBits()
		if p-lo < lanes {
			same &= 1<<(p-lo) - 1
		}
		n += bits.OnesCount32(same)
		lo += lanes
	}
	archsimd.ClearAVXUpperBits()
	return n
}
