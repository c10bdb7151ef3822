package tarball

// token is one literal, one match or a run of literals, with all that coding it
// wants to know, since a token is made once and coded for many archives. From the
// lowest bits on:
//
//	16  the distance; 0 for a literal          11  how many literals
//	 9  the literal; or the length less 3,     20  where in the buffer they are
//	    and 256                                 1  1
//	 6  the distance's symbol; for a literal
//	    32 or more, which has no code
//	 1  0
type token uint32

func literal(b byte) token { return token(b)<<16 | (noDist|token(b)%noDist)<<25 }
func match(length, dist int) token {
	return token(length-minMatch|isMatch)<<16 | token(dist) | token(distSymbol(dist))<<25
}
func literalRun(at, n int) token { return isRun | token(at)<<runBits | token(n) }

const (
	isMatch = 256 // of a token's symbol
	noDist  = 32  // of its distance symbol; different literals have different ones, which is quicker to count

	symbolMask     = 2*isMatch - 1
	distSymbolMask = 2*noDist - 1

	isRun    = 1 << 31
	runBits  = 11
	maxRun   = 1<<runBits - 1
	minToRun = 8 // fewer literals are tokens of their own
)

func (t token) dist() uint32       { return uint32(t & 0xffff) }
func (t token) isRun() bool        { return t&isRun != 0 }
func (t token) isMatch() bool      { return t&(isRun|isMatch<<16) == isMatch<<16 }
func (t token) symbol() uint32     { return uint32(t >> 16 & symbolMask) }
func (t token) distSymbol() uint32 { return uint32(t >> 25 & distSymbolMask) }

// run is where the literals of a run are, and how many.
func (t token) run() (at, n int) { return int(t &^ isRun >> runBits), int(t & maxRun) }

// length is how many bytes the token stands for.
func (t token) length() int {
	switch {
	case t.isRun():
		return int(t & maxRun)
	case t.isMatch():
		return int(t.symbol()-isMatch) + minMatch
	}
	return 1
}

// appendLiterals appends buf[at:end] as literals.
func appendLiterals(out []token, buf []byte, at, end int) []token {
	for end-at >= minToRun {
		n := min(end-at, maxRun)
		out = append(out, literalRun(at, n))
		at += n
	}
	for _, b := range buf[at:end] {
		out = append(out, literal(b))
	}
	return out
}

// state is all that a parse remembers from one step to the next. The byte
// before pos may still be undecided (waiting): gzip puts off a match by one
// byte to see whether the next position has a longer one ("lazy evaluation").
// Then length and dist are the match that was found there, length 2 for none.
//
// Tokens have been made for everything before pos, less the waiting byte.
type state struct {
	pos     int
	waiting bool
	length  int
	dist    int
}

// fresh is the state in which a stream begins and that follows every match.
func fresh(pos int) state { return state{pos: pos, length: minMatch - 1} }

// done is the position up to which tokens have been made.
func (s state) done() int {
	if s.waiting {
		return s.pos - 1
	}
	return s.pos
}

// shifted moves a state by n bytes, as its positions are relative.
func (s state) shifted(n int) state {
	s.pos += n
	return s
}

// plain makes states that lead to the same future equal: without a match at
// hand the distance is of no consequence.
func (s state) plain() state {
	if s.length < minMatch {
		s.length, s.dist = minMatch-1, 0
	}
	return s
}

// parse goes on from s until pos is end or more, appending tokens to out.
// Positions are indexes of m.buf. It must not come near the end of the
// stream; parseTail does that.
func parse(m *matcher, s state, end int, out []token) (state, []token) {
	// This is step in a loop, but most positions are not worth a call.
	buf := m.buf
	for s.pos < end {
		length, dist := minMatch-1, 0
		if s.length < maxLazy {
			m.ready(s.pos)
			if m.promising(s.pos, s.length) {
				if length, dist = m.search(s.pos, s.length); dist == 0 {
					length = minMatch - 1
				}
			}
		}
		if s.length >= minMatch && length <= s.length {
			out = append(out, match(s.length, s.dist))
			s = fresh(s.pos - 1 + s.length)
			continue
		}
		if s.waiting {
			out = append(out, literal(buf[s.pos-1]))
		}
		s.pos++
		s.waiting, s.length, s.dist = true, length, dist
	}
	return s, out
}

// step decides about one position.
func step(m *matcher, buf []byte, s state, out []token) (state, []token) {
	length, dist := minMatch-1, 0
	if s.length < maxLazy {
		if length, dist = m.search(s.pos, s.length); dist == 0 {
			length = minMatch - 1
		}
	}
	return s.advance(buf, length, dist, out)
}

// advance takes what was found at s.pos and settles the waiting byte: a match
// that is at least as long as the new one is used; otherwise the byte becomes
// a literal.
func (s state) advance(buf []byte, length, dist int, out []token) (state, []token) {
	if s.length >= minMatch && length <= s.length {
		return fresh(s.pos - 1 + s.length), append(out, match(s.length, s.dist))
	}
	if s.waiting {
		out = append(out, literal(buf[s.pos-1]))
	}
	return state{pos: s.pos + 1, waiting: true, length: length, dist: dist}, out
}
