//go:build goexperiment.simd && amd64 && go1.26 && !go1.27

package tarball

import (
	"encoding/binary"
	"simd/archsimd"
)

// wideCodes are the codes of a block's literals in runs, four literals together. They are
// made for many literals at a time, so that each four take one step in which they wait
// for those before.
type wideCodes struct {
	low, high, n [literals]uint8 // of each literal: the lowest eight bits, the others, and how many

	stage int // which stretch of the block's bytes bits and many are of; negative: of none
	bits  [wideStage / 4]uint64
	many  [wideStage / 4]uint8
}

const (
	wideStage = 1024 // literals whose codes are made at a time
	wideGroup = 64   // and in one go
)

var hasWide = archsimd.X86.AVX512() && archsimd.X86.AVX512VBMI()

// set takes over the literals' codes.
func (c *wideCodes) set(codes []code) {
	for b, k := range codes[:literals] {
		c.low[b], c.high[b], c.n[b] = uint8(k.bits), uint8(k.bits>>8), k.n
	}
	c.stage = -1
}

// encodeWide sends literals from d.bytes[at] on, where four that come together begin, up
// to end at most. It gives the first that it has left.
func (d *deflater) encodeWide(at, end int) int {
	c := &d.wide
	end = min(end, len(d.bytes)/wideGroup*wideGroup) // the last ones are too few
	for end-at >= 4 {
		stage := at / wideStage
		if stage != c.stage {
			c.fill(d.bytes[stage*wideStage : min((stage+1)*wideStage, len(d.bytes)/wideGroup*wideGroup)])
			c.stage = stage
		}
		n := min(end, (stage+1)*wideStage) - at
		first := at % wideStage / 4
		d.out.putMany(c.bits[first:first+n/4], c.many[first:first+n/4])
		at += n &^ 3
	}
	return at
}

// putMany appends bits, 60 at most each.
func (w *bitWriter) putMany(bits []uint64, many []uint8) {
	buf := w.buf[:cap(w.buf)]
	at, acc, n := len(w.buf), w.bits, w.n
	binary.LittleEndian.PutUint64(buf[at:], acc)
	at += int(n >> 3)
	acc >>= n &^ 7 & 63
	n &= 7
	many = many[:len(bits)]
	for i, x := range bits {
		k := uint(many[i])
		acc |= x << (n & 63)
		binary.LittleEndian.PutUint64(buf[at:], acc)
		n += k
		if n > 63 { // the last of them did not fit
			acc = x >> ((64 - n + k) & 63)
			at += 8
			n -= 64
		}
		at += int(n >> 3)
		acc >>= n &^ 7 & 63
		n &= 7
	}
	w.buf, w.bits, w.n = buf[:at], acc, n
}

// fill makes the codes of literals, whole groups of them. Codes that follow each other
// are put together in lanes of twice the width: two in 32 bits, then four in 64.
func (c *wideCodes) fill(run []byte) {
	l0, l1, l2, l3 := quarters(&c.low)
	h0, h1, h2, h3 := quarters(&c.high)
	n0, n1, n2, n3 := quarters(&c.n)
	upper := archsimd.BroadcastUint8x64(0x80)
	mask16 := archsimd.BroadcastUint16x32(0xff)
	mask32 := archsimd.BroadcastUint32x16(0xffff)
	mask64 := archsimd.BroadcastUint64x8(0xffffffff)
	lower, higher := archsimd.LoadUint64x8(&inTurn[0]), archsimd.LoadUint64x8(&inTurn[1])
	bits, many := c.bits[:], c.many[:]
	for len(run) >= wideGroup && len(bits) >= 16 && len(many) >= 16 {
		b := archsimd.LoadUint8x64((*[64]byte)(run))
		isUpper := b.GreaterEqual(upper)
		l := l2.ConcatPermute(l3, b).Merge(l0.ConcatPermute(l1, b), isUpper).AsUint16x32()
		h := h2.ConcatPermute(h3, b).Merge(h0.ConcatPermute(h1, b), isUpper).AsUint16x32()
		n := n2.ConcatPermute(n3, b).Merge(n0.ConcatPermute(n1, b), isUpper).AsUint16x32()

		// The literals at even and at odd places, in 16 bits each.
		even := l.And(mask16).Or(h.ShiftAllLeft(8)).AsUint32x16()
		odd := l.ShiftAllRight(8).Or(h.AndNot(mask16)).AsUint32x16()
		evenN := n.And(mask16)
		twoN := evenN.Add(n.ShiftAllRight(8)).AsUint32x16()
		shift := evenN.AsUint32x16()

		// Two together, in 32 bits: the first and the second two of each four.
		first := even.And(mask32).Or(odd.And(mask32).ShiftLeft(shift.And(mask32))).AsUint64x8()
		second := even.ShiftAllRight(16).Or(odd.ShiftAllRight(16).ShiftLeft(shift.ShiftAllRight(16))).AsUint64x8()
		firstN := twoN.And(mask32)
		firstN.Add(twoN.ShiftAllRight(16)).TruncateToUint8().Store((*[16]uint8)(many))

		// Four together: those at even and at odd places, then in order.
		shift4 := firstN.AsUint64x8()
		evens := first.And(mask64).Or(second.And(mask64).ShiftLeft(shift4.And(mask64)))
		odds := first.ShiftAllRight(32).Or(second.ShiftAllRight(32).ShiftLeft(shift4.ShiftAllRight(32)))
		evens.ConcatPermute(odds, lower).Store((*[8]uint64)(bits))
		evens.ConcatPermute(odds, higher).Store((*[8]uint64)(bits[8:]))
		run, bits, many = run[wideGroup:], bits[16:], many[16:]
	}
	archsimd.ClearAVXUpperBits()
}

// inTurn takes from two vectors in turn.
var inTurn = [2][8]uint64{{0, 8, 1, 9, 2, 10, 3, 11}, {4, 12, 5, 13, 6, 14, 7, 15}}

func quarters(t *[literals]uint8) (a, b, c, d archsimd.Uint8x64) {
	return archsimd.LoadUint8x64((*[64]byte)(t[:])), archsimd.LoadUint8x64((*[64]byte)(t[64:])),
		archsimd.LoadUint8x64((*[64]byte)(t[128:])), archsimd.LoadUint8x64((*[64]byte)(t[192:]))
}
