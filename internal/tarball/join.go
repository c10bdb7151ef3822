package tarball

// into adds the tokens of the chunk to d, given the state s in which the stream's
// parse arrives (positions are the chunk's), and gives the state in which it
// leaves.
func (c *chunk) into(m *matcher, s state, d *deflater) state {
	if s.plain() == c.enter.plain() {
		d.add(c.toks, c.buf, c.counts, 0)
		return c.exit
	}
	j := c.seam(m, s)
	d.add(j.toks, c.buf, nil, 0)
	d.add(c.toks[j.next:], c.buf, c.counts, runLiterals(c.toks[:j.next]))
	return j.exit
}

// seam finds the way into the chunk from s, or remembers it: the same content
// in several archives is nearly always entered from the same state.
func (c *chunk) seam(m *matcher, s state) *seam {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, j := range c.seams {
		if j.from.plain() == s.plain() {
			return j
		}
	}
	j := &seam{from: s}
	end := int(c.end - c.lo)
	m.reset(c.buf, c.firstInserted(s.pos), end)
	at := follower{c: c, pos: c.enter.done()}
	for {
		if at.meets(s) {
			j.next, j.exit = at.index, c.exit
			if from := s.done(); from > at.pos { // in a run
				j.toks = appendLiterals(j.toks, c.buf, from, at.pos+c.toks[at.index].length())
				j.next++
			}
			break
		}
		if s.pos >= end {
			j.next, j.exit = len(c.toks), s
			break
		}
		s, j.toks = step(m, c.buf, s, j.toks)
	}
	c.seams = append(c.seams, j)
	return j
}

// follower walks along the chunk's tokens next to another parse.
type follower struct {
	c     *chunk
	index int
	pos   int // where token index begins
}

// meets reports whether the chunk's parse was in the state s too, or in one that
// leads to the same tokens, and if so leaves index at the first token that stands
// for something after those that led to s.
//
// Tokens do not tell the whole state, but in two cases they tell enough.
// After a match, nothing is waiting. And where s found no match at all at the
// byte before s.pos, which is then a literal for sure, and the chunk's parse
// also had a token begin there and made it a literal: that parse looked for a
// match there as well, in the same bytes, and cannot have found what is
// missing; so nothing but that literal is waiting in both.
func (f *follower) meets(s state) bool {
	at := s.done()
	toks := f.c.toks
	for f.index < len(toks) && f.pos+toks[f.index].length() <= at {
		f.pos += toks[f.index].length()
		f.index++
	}
	if f.index == len(toks) || f.pos > at || f.pos < at && !toks[f.index].isRun() {
		return false
	}
	switch {
	case s.waiting:
		return s.length < minMatch && !toks[f.index].isMatch()
	case f.pos < at:
		return false
	case f.index == 0:
		return !f.c.enter.waiting
	}
	return toks[f.index-1].isMatch()
}
