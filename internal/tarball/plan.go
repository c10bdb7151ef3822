package tarball

import "encoding/binary"

// tailLength is how much of a stream's end is kept out of shared chunks, at
// least; the end is parsed by each archive for itself.
const tailLength = 4096

// cutter decides where streams are cut into chunks. Where it cuts has no
// influence on the archive, only on what is shared: the same content must be
// cut at the same places in every archive.
type cutter struct {
	chunk int64 // the size to aim at
}

// Large contents are cut at fixed distances from their beginning. The first
// chunk ends where the second can no longer see what comes before the content,
// the last begins where the one before can just not see what comes after it.
func (c cutter) inside(cuts []int64, start, size int64) []int64 {
	last := size - chunkAhead
	for off := int64(chunkBehind); off < last-minChunk; off += c.chunk {
		cuts = append(cuts, start+off)
	}
	return append(cuts, start+last)
}

// isLarge reports whether a content is cut on its own.
func (c cutter) isLarge(size int64) bool { return size >= chunkBehind+c.chunk/4 }

// Small entries are gathered until there is enough of them. The cut comes
// where the entry itself asks for it (one in sixteen does), so that after a
// difference the cuts of two archives fall in with each other again.
func (c cutter) asks(e *Entry) bool {
	h := uint32(2166136261) // FNV-1a
	for i := range len(e.Name) {
		h = (h ^ uint32(e.Name[i])) * 16777619
	}
	if e.Content != nil {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(e.Content.Size()))
		for _, x := range b {
			h = (h ^ uint32(x)) * 16777619
		}
	}
	return h>>13%16 == 0
}

// cuts gives the offsets, in rising order, at which the stream is best cut
// into chunks.
func (s *tarStream) cuts(c cutter) []int64 {
	var cuts []int64
	last := int64(0)
	for e := range s.from(0) {
		if n := e.start - last; n >= c.chunk || n >= c.chunk/4 && c.asks(&e.Entry) {
			cuts = append(cuts, e.start)
			last = e.start
		}
		if e.Content == nil || !c.isLarge(e.Content.Size()) {
			continue
		}
		cuts = c.inside(cuts, e.start+e.header, e.Content.Size())
		last = cuts[len(cuts)-1]
	}
	return cuts
}

// spans turns a stream's cuts into chunks, and says where the tail begins.
func spans(s stream, c cutter) (chunks []span, tail int64) {
	total := s.size()
	cuts := append(s.cuts(c), total-tailLength)
	last := int64(0)
	for _, at := range cuts {
		if at-last < minChunk || total-at < tailLength {
			continue
		}
		for ; at-last > maxChunk; last += maxChunk {
			chunks = append(chunks, newSpan(last, last+maxChunk, total))
		}
		chunks = append(chunks, newSpan(last, at, total))
		last = at
	}
	return chunks, last
}

// planned is one chunk to be parsed once, and the archives that take it then.
type planned struct {
	name  chunkName
	from  int // the archive whose stream it is read from
	span  span
	takes []int  // archives, in rising order
	spans []span // where it is in each of them
}

// lane is one archive's chunks in order.
type lane struct {
	spans []span
	names []chunkName
}

// plan puts the chunks of all archives into one order that keeps each
// archive's own, in which each distinct chunk comes once where that is
// possible: a chunk waits until all archives that have it have come to it.
// Where archives have the same contents in another order, some are parsed more
// than once; nothing is ever kept for later. The plan depends only on the
// chunks.
func plan(lanes []lane) []planned {
	next := make([]int, len(lanes)) // each archive's next chunk
	left := map[chunkName]int{}     // archives that still have a chunk to come; read only by key
	seenIn := map[chunkName]int{}
	total := 0
	for i, l := range lanes {
		total += len(l.names)
		for _, n := range l.names {
			if seenIn[n] != i+1 { // twice in one archive counts once
				seenIn[n] = i + 1
				left[n]++
			}
		}
	}
	again := make([]map[chunkName]int, len(lanes)) // how often a chunk is still to come in one archive
	for i, l := range lanes {
		again[i] = map[chunkName]int{}
		for _, n := range l.names {
			again[i][n]++
		}
	}
	var steps []planned
	for total > 0 {
		// Of the chunks that all their archives wait for, take the one whose
		// archives are furthest behind; otherwise the one with most waiting.
		best, bestWaiting, bestAt, bestReady := -1, 0, int64(0), false
		for i, l := range lanes {
			if next[i] == len(l.names) {
				continue
			}
			name := l.names[next[i]]
			waiting := 0
			first := true
			for k, o := range lanes {
				if next[k] < len(o.names) && o.names[next[k]] == name {
					waiting++
					first = first && k >= i
				}
			}
			if !first {
				continue // looked at already
			}
			at := l.spans[next[i]].start
			ready := waiting == left[name]
			better := best < 0
			switch {
			case better:
			case ready != bestReady:
				better = ready
			case ready:
				better = at < bestAt
			default:
				better = waiting > bestWaiting || waiting == bestWaiting && at < bestAt
			}
			if better {
				best, bestWaiting, bestAt, bestReady = i, waiting, at, ready
			}
		}
		name := lanes[best].names[next[best]]
		p := planned{name: name, from: best, span: lanes[best].spans[next[best]]}
		for i, l := range lanes {
			if next[i] == len(l.names) || l.names[next[i]] != name {
				continue
			}
			p.takes = append(p.takes, i)
			p.spans = append(p.spans, l.spans[next[i]])
			next[i]++
			total--
			if again[i][name]--; again[i][name] == 0 {
				left[name]--
			}
		}
		steps = append(steps, p)
	}
	return steps
}
