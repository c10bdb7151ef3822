//go:build goexperiment.simd && amd64 && go1.26 && !go1.27

package tarball

import (
	"simd/archsimd"
)

// batch inserts the positions of a whole step together, where the processor has
// AVX-512, as insertFour and insertSparse do one after the other.
//
// Vectors have no instruction that reads or writes at random places here. So the
// buckets of all positions are found first; then each position takes what is in its
// bucket and leaves itself there, but for the distance to the one before, which is not
// known yet; then the distances are; and then each writes its whole head. So a position
// that finds another of the same step has the right distance. How far the one before
// that is away makes no difference to it: a head says 31 KiB at most, which is near.
type batch struct {
	buckets [insertStep]uint32
	olds    [insertStep / 2]uint64 // the heads of the buckets before: of two positions each
	news    [insertStep]uint32     // and after
}

const _ = uint(maxDist - insertStep - olderKiB<<10) // the compiler takes nothing negative here

// vectors is whether the processor can do it.
var vectors = archsimd.X86.AVX512()

// four is insertFour for a whole step.
func (b *batch) four(heads *[1 << wideBits]head, dists *[insertStep]uint16, buf *[insertStep + minMatch]byte, at uint32) (may uint64) {
	if !vectors {
		return insertFour(heads, dists[:], buf[:], at)
	}
	return b.insert(heads[:], dists, buf, at, knuth, wideBits)
}

// sparse is insertSparse.
func (b *batch) sparse(heads *[1 << sparseBits]head, dists *[insertStep]uint16, buf *[insertStep + minMatch]byte, at uint32) (may uint64) {
	if !vectors {
		return insertSparse(heads, dists, buf, at)
	}
	// All bits but the highest eight, as the highest ones.
	return b.insert(heads[:], dists, buf, at, knuth<<8&(1<<32-1), sparseBits)
}

// insert is for a hash that has the bucket's number in its highest bits and the tag in
// the next ones.
func (b *batch) insert(heads []head, dists *[insertStep]uint16, buf *[insertStep + minMatch]byte, at, factor, bucketBits uint32) (may uint64) {
	b.locate(buf, at, factor, bucketBits)
	b.enter(heads)
	may = b.link(dists)
	b.leave(heads)
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

// locate finds the buckets and tags.
//
//go:noinline
func (b *batch) locate(buf *[insertStep + minMatch]byte, at, factor, bucketBits uint32) {
	factors := archsimd.BroadcastUint32x16(factor)
	toBucket := archsimd.BroadcastUint32x16(32 - bucketBits)
	toTag := archsimd.BroadcastUint32x16(32 - bucketBits - tagBits)
	tags := archsimd.BroadcastUint32x16(headTag)
	base := archsimd.BroadcastUint32x16(at << headPos).Add(archsimd.LoadUint32x16(&upTo16).RotateAllLeft(headPos))
	nextBase := archsimd.BroadcastUint32x16(vector << headPos)
	from := archsimd.LoadUint32x16(&doubles)
	nextFrom := archsimd.BroadcastUint32x16(vector / 4)
	order := archsimd.LoadInt8x64(&bytesOf)
	bytes := archsimd.LoadUint8x64((*[insertStep]uint8)(buf[:])).AsUint32x16()
	for i := 0; i < insertStep; i += vector {
		if i == insertStep-vector {
			from = archsimd.LoadUint32x16(&doublesLast)
			order = archsimd.LoadInt8x64(&bytesOfLast)
			bytes = archsimd.LoadUint8x64((*[insertStep]uint8)(buf[minMatch:])).AsUint32x16()
		}
		h := bytes.Permute(from).AsUint8x64().PermuteOrZeroGrouped(order).AsUint32x16().Mul(factors)
		h.ShiftRight(toBucket).Store((*[vector]uint32)(b.buckets[i:]))
		base.Or(h.ShiftRight(toTag).And(tags)).Store((*[vector]uint32)(b.news[i:]))
		from = from.Add(nextFrom)
		base = base.Add(nextBase)
	}
}

// enter takes what is in the buckets and puts the positions there.
//
//go:noinline
func (b *batch) enter(heads []head) {
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
func (b *batch) leave(heads []head) {
	for i := 0; i < len(b.buckets); i += 2 {
		heads[b.buckets[i]] = head(b.news[i])
		heads[b.buckets[i+1]] = head(b.news[i+1])
	}
}

// link is [head.next] for all of them.
//
//go:noinline
func (b *batch) link(dists *[insertStep]uint16) (may uint64) {
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
