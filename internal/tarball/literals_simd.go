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

	stage  int                     // which stretch of the block's bytes the rest is of; negative: of none
	bits   [1 + wideStage/4]uint64 // behind one that means nothing
	many   [wideStage / 4]uint16   // how many bits each has
	steady bool                    // each has steadyLeast at least and steadyMost at most
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
		bits, many := c.bits[first:first+1+n/4], c.many[first:first+n/4]
		if c.steady {
			done := d.out.putSteady(bits, many)
			bits, many = bits[done:], many[done:]
		}
		d.out.putMany(bits[1:], many)
		at += n &^ 3
	}
	return at
}

// putMany appends bits, 60 at most each.
func (w *bitWriter) putMany(bits []uint64, many []uint16) {
	buf, at, acc, n := w.open()
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

// What codes must have for putSteady: a byte is not filled by more than two, and each fits
// into eight bytes wherever it begins.
const (
	steadyLeast = 7
	steadyMost  = 57
)

// putSteady is putMany for eight at a time, as long as there are so many, and gives how
// many it has put. None waits for the one before: where each begins is known from the
// sums of their lengths, and its first byte has the bits before it as well. bits
// begins with one that is not put.
func (w *bitWriter) putSteady(bits []uint64, many []uint16) (put int) {
	buf, at, acc, n := w.open()
	sevens := archsimd.BroadcastUint16x8(7)
	var places [8]uint16
	allOfFirst := archsimd.LoadUint16x8(&[8]uint16{64 + 7})
	for len(many) >= 8 && len(bits) >= 9 {
		// In 16 bits each: how many bits end with each code, then where it begins.
		k := archsimd.LoadUint16x8((*[8]uint16)(many))
		sum := k.Add(later(k, 2))
		sum = sum.Add(later(sum, 4))
		sum = sum.Add(later(sum, 8))
		begin := sum.Sub(k).Add(archsimd.BroadcastUint16x8(uint16(n)))
		begin.ShiftAllRight(3).Store(&places)
		shift := begin.And(sevens)
		// What the code before has in the same byte; before the first one there is acc.
		rest := later(k, 2).Or(allOfFirst).Sub(shift)

		x := archsimd.LoadUint64x8((*[8]uint64)(bits[1:]))
		before := archsimd.LoadUint64x8((*[8]uint64)(bits))
		y := x.ShiftLeft(shift.ExtendToUint64()).Or(before.ShiftRight(rest.ExtendToUint64()))
		b := buf[at : at+64]
		y0, y1 := y.GetLo(), y.GetHi() // to store y and read it from there takes longer
		z0, z1, z2, z3 := y0.GetLo(), y0.GetHi(), y1.GetLo(), y1.GetHi()
		binary.LittleEndian.PutUint64(b[0:], z0.GetElem(0)|acc)
		binary.LittleEndian.PutUint64(b[places[1]&63:], z0.GetElem(1))
		binary.LittleEndian.PutUint64(b[places[2]&63:], z1.GetElem(0))
		binary.LittleEndian.PutUint64(b[places[3]&63:], z1.GetElem(1))
		binary.LittleEndian.PutUint64(b[places[4]&63:], z2.GetElem(0))
		binary.LittleEndian.PutUint64(b[places[5]&63:], z2.GetElem(1))
		binary.LittleEndian.PutUint64(b[places[6]&63:], z3.GetElem(0))
		binary.LittleEndian.PutUint64(b[places[7]&63:], z3.GetElem(1))
		n += uint(sum.GetElem(7))
		at += int(n >> 3)
		n &= 7
		acc = bits[8] >> (uint(many[7]) - n)
		bits, many = bits[8:], many[8:]
		put += 8
	}
	archsimd.ClearAVXUpperBits()
	w.buf, w.bits, w.n = buf[:at], acc, n
	return put
}

// later moves all numbers so many bytes up.
func later(x archsimd.Uint16x8, bytes uint8) archsimd.Uint16x8 {
	var zero archsimd.Uint8x16
	return x.AsUint8x16().ConcatShiftBytesRight(16-bytes, zero).AsUint16x8()
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
	bits, many := c.bits[1:], c.many[:]
	least, between := archsimd.BroadcastUint32x16(steadyLeast), archsimd.BroadcastUint32x16(steadyMost-steadyLeast)
	unsteady := uint16(0)
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
		fourN := firstN.Add(twoN.ShiftAllRight(16))
		fourN.TruncateToUint16().Store((*[16]uint16)(many))
		unsteady |= fourN.Sub(least).Greater(between).ToBits()

		// Four together: those at even and at odd places, then in order.
		shift4 := firstN.AsUint64x8()
		evens := first.And(mask64).Or(second.And(mask64).ShiftLeft(shift4.And(mask64)))
		odds := first.ShiftAllRight(32).Or(second.ShiftAllRight(32).ShiftLeft(shift4.ShiftAllRight(32)))
		evens.ConcatPermute(odds, lower).Store((*[8]uint64)(bits))
		evens.ConcatPermute(odds, higher).Store((*[8]uint64)(bits[8:]))
		run, bits, many = run[wideGroup:], bits[16:], many[16:]
	}
	archsimd.ClearAVXUpperBits()
	c.steady = unsteady == 0
}

// inTurn takes from two vectors in turn.
var inTurn = [2][8]uint64{{0, 8, 1, 9, 2, 10, 3, 11}, {4, 12, 5, 13, 6, 14, 7, 15}}

func quarters(t *[literals]uint8) (a, b, c, d archsimd.Uint8x64) {
	return archsimd.LoadUint8x64((*[64]byte)(t[:])), archsimd.LoadUint8x64((*[64]byte)(t[64:])),
		archsimd.LoadUint8x64((*[64]byte)(t[128:])), archsimd.LoadUint8x64((*[64]byte)(t[192:]))
}
