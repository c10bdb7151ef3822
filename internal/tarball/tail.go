package tarball

// The end of a stream is where gzip's own window shows. It holds 64 KiB, and
// its base moves up by 32 KiB whenever fewer than 262 bytes are left ahead of
// the position. Three things follow from where the base is:
//
//   - a block can only be stored while its first byte is in the window;
//   - when the end has been seen, no match is looked for beyond 65,274 bytes
//     from the base, where a match might leave the window;
//   - what a match can "see" beyond the end: two zero bytes that gzip puts
//     there, then what the window held before, which is the stream 32 KiB
//     earlier, or zeros where the window has never moved. Matches are then cut
//     to what is really there, but which of several wins can depend on it.

// slideAt is how far from the base a position must be, at least, for the base
// to move.
const slideAt = 2*windowSize - lookahead

// windowBase is the base of gzip's window when it comes to decide about pos,
// with the end of the stream not in sight (pos + 262 bytes at most).
func windowBase(pos int64) int64 {
	if pos <= slideAt {
		return 0
	}
	return (pos - slideAt + windowSize - 1) / windowSize * windowSize
}

// tail parses the last part of a stream.
type tail struct {
	total int64 // bytes of the stream
	at    int64 // where in the stream buf[0] is

	seen    bool  // the end is in sight
	seenAt  int64 // the position at which it was
	endBase int64 // the window's base since then
}

// base is windowBase near the end as well.
func (t *tail) base(pos int64) int64 {
	if t.seen && pos >= t.seenAt {
		return t.endBase
	}
	return windowBase(pos)
}

// look notes that the end has come into sight at pos, and writes into buf what
// gzip's window holds after it. buf has lookahead bytes to spare there.
func (t *tail) look(buf []byte, pos int64) {
	if t.seen || t.total-pos >= lookahead {
		return
	}
	t.seen, t.seenAt, t.endBase = true, pos, windowBase(pos)
	if pos-t.endBase >= slideAt {
		t.endBase += windowSize
	}
	end := int(t.total - t.at)
	after := buf[end : end+searchAhead]
	clear(after)
	if t.endBase > 0 {
		for i := minMatch - 1; i < len(after); i++ {
			if q := end + i - windowSize; q >= 0 {
				after[i] = buf[q]
			}
		}
	}
}

// parse goes on from s to the end of the stream.
func (t *tail) parse(m *matcher, s state, out []token) []token {
	buf := m.buf
	end := int(t.total - t.at)
	for t.look(buf, t.at+int64(s.pos)); s.pos < end; t.look(buf, t.at+int64(s.pos)) {
		if !t.seen {
			s, out = step(m, buf, s, out)
			continue
		}
		length, dist := minMatch-1, 0
		if s.length < maxLazy && t.at+int64(s.pos)-t.endBase <= slideAt {
			length, dist = m.search(s.pos, s.length)
			length = min(length, end-s.pos)
			if dist == 0 || length == minMatch && dist > tooFar {
				length, dist = minMatch-1, 0
			}
		}
		s, out = s.advance(buf, length, dist, out)
	}
	if s.waiting {
		out = append(out, literal(buf[end-1]))
	}
	return out
}
