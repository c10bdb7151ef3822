package inflate

import (
	"bytes"
	"encoding/binary"
	"io"
)

// hint is what somebody thinks the output will be. It saves time and is never
// trusted.
//
// A decoder knows where a code begins only when it has looked up the one before,
// which is what it spends its time with where most codes are literals. With a hint
// the codes of several literals are known at once: if the next bits are those
// codes, one after the other, then these literals are what is coded, as no code is
// the beginning of another. If not, the bits are decoded as always.
type hint struct {
	r     io.Reader // nil: there is no more
	bytes []byte    // as long as the window: where one is, the other is
	end   int       // of what is known
	wrong bool      // the output was something else

	code codes
}

// codes are those of the bytes in a block, first bit lowest.
type codes struct {
	bits   [256]uint64
	length [256]uint
}

const (
	// atOnce is how many literals are guessed at once: with the codes of weights,
	// 7 or 8 bits, as many as a word of 64 bits holds after a refill.
	atOnce = 6
	// guessAfter is how many literals have to come in a row before the next ones
	// are guessed. Shorter runs, of which programs have many, end too soon.
	guessAfter = 6
	// noCode is the length of a code that does not exist: more than there are bits.
	noCode = 64
)

func (c *codes) forget() {
	for i := range c.length {
		c.length[i] = noCode
	}
}

func (c *codes) set(symbol, code, length int) {
	if symbol < len(c.bits) {
		c.bits[symbol], c.length[symbol] = uint64(code), uint(length)
	}
}

// codes is where those of a block go.
func (h *hint) codes() *codes {
	if h == nil {
		return nil
	}
	return &h.code
}

// slide forgets what is before the window's place w, but for the history, and
// reads more.
func (h *hint) slide(w int) {
	h.end = history + copy(h.bytes[history:], h.bytes[min(w, h.end):h.end])
	h.fill()
}

func (h *hint) fill() {
	if h.r == nil {
		return
	}
	n, err := io.ReadFull(h.r, h.bytes[h.end:])
	h.end += n
	if err != nil {
		h.r = nil
	}
}

// check compares the last bytes of the output, from on.
func (h *hint) check(out []byte, from int) {
	h.wrong = h.wrong || len(out) > h.end || !bytes.Equal(out[from:], h.bytes[from:len(out)])
}

// follow goes on as long as there are literals, as many at once as a guess takes,
// and the hint has them right, up to the end of out. It takes the state of the fast
// loop and returns it, with plenty of bits.
func (h *hint) follow(in []byte, at int, out []byte, w int, b uint64, n uint) (int, int, uint64, uint) {
	c := &h.code
	guess := h.bytes[w:len(out)]
	for last := len(in) - ahead; at < last && len(guess) >= atOnce; guess = guess[atOnce:] {
		b |= binary.LittleEndian.Uint64(in[at:]) << (n & 63)
		at += int((63 - n) >> 3)
		n |= 56
		want, total := c.bits[guess[5]], c.length[guess[5]]
		k := c.length[guess[4]]
		want, total = want<<(k&63)|c.bits[guess[4]], total+k
		k = c.length[guess[3]]
		want, total = want<<(k&63)|c.bits[guess[3]], total+k
		k = c.length[guess[2]]
		want, total = want<<(k&63)|c.bits[guess[2]], total+k
		k = c.length[guess[1]]
		want, total = want<<(k&63)|c.bits[guess[1]], total+k
		k = c.length[guess[0]]
		want, total = want<<(k&63)|c.bits[guess[0]], total+k
		// Only the lowest bits count, total of them.
		if total > n || (b^want)<<(-total&63) != 0 {
			break
		}
		b >>= total & 63
		n -= total
	}
	b |= binary.LittleEndian.Uint64(in[at:]) << (n & 63)
	at += int((63 - n) >> 3)
	n |= 56
	end := len(out) - len(guess)
	copy(out[w:end], h.bytes[w:end])
	return at, end, b, n
}

// Expect tells what the bytes of the member may be, before any of them is read:
// where it is right, they are read faster. It has no influence on what is read.
// An error of r, or its end, is the end of what is expected. It is called before
// the first Read, and Reset forgets it.
func (z *Reader) Expect(r io.Reader) {
	h := &hint{r: r, bytes: make([]byte, len(z.flat.window))}
	h.fill()
	z.flat.hint = h
}

// AsExpected reports whether Expect was called and all bytes were as expected:
// those that were read, and those that were inflated ahead of them.
func (z *Reader) AsExpected() bool {
	h := z.flat.hint
	return h != nil && !h.wrong
}
