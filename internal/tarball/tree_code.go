package tarball

// coder finds the code lengths that gzip would give to the symbols of one
// alphabet. Huffman's algorithm leaves ties open and has no longest code; both
// are settled here as zlib's published algorithm settles them, since another
// choice, though as good, is other bytes.
type coder struct {
	freq    []uint16 // set by the caller; those forced to exist are set to 1
	lengths []uint8  // the result
	top     int      // the highest symbol with a code

	dynBits   int // what sending all symbols costs with these lengths, extra bits included
	fixedBits int // the same with the fixed lengths, where there are any
}

// node is an inner node or leaf of the tree being built; leaves are 0 … n-1.
const maxNodes = 2*litLens + 1

// build fills in c. extra are the extra bits of the symbols from first on,
// fixed the fixed code's lengths or nil, and limit the longest code allowed.
func (c *coder) build(extra []uint8, first int, fixed []uint8, limit int) {
	n := len(c.freq)
	var (
		key  [maxNodes]uint32 // frequency and, in the low 8 bits, height: ties go to the flatter tree
		dad  [maxNodes]uint16
		long [maxNodes]uint8
		heap [maxNodes]uint16 // heap[1 … size] is the heap; from sorted on, nodes by rising frequency
		size int
	)
	sorted := maxNodes
	c.top, c.dynBits, c.fixedBits = -1, 0, 0
	clear(c.lengths)
	for s, f := range c.freq {
		if f != 0 {
			size++
			heap[size] = uint16(s)
			key[s] = uint32(f) << 8
			c.top = s
		}
	}
	// There are always two codes, as old inflaters want them. The forced ones
	// cost a bit each when counted, which is taken back here.
	for size < 2 {
		s := 0
		if c.top < 2 {
			c.top++
			s = c.top
		}
		size++
		heap[size] = uint16(s)
		key[s], c.freq[s] = 1<<8, 1
		c.dynBits--
		if fixed != nil {
			c.fixedBits -= int(fixed[s])
		}
	}

	sift := func(k int) {
		v := heap[k]
		for j := 2 * k; j <= size; j *= 2 {
			if j < size && key[heap[j+1]] <= key[heap[j]] {
				j++
			}
			if key[v] <= key[heap[j]] {
				break
			}
			heap[k] = heap[j]
			k = j
		}
		heap[k] = v
	}
	for k := size / 2; k >= 1; k-- {
		sift(k)
	}
	node := n
	for {
		a := heap[1]
		heap[1] = heap[size]
		size--
		sift(1)
		b := heap[1]
		heap[sorted-1], heap[sorted-2] = a, b
		sorted -= 2
		key[node] = key[a]&^0xff + key[b]&^0xff + max(key[a]&0xff, key[b]&0xff) + 1
		dad[a], dad[b] = uint16(node), uint16(node)
		heap[1] = uint16(node)
		node++
		sift(1)
		if size < 2 {
			break
		}
	}
	sorted--
	heap[sorted] = heap[1]

	// Lengths from the root down, none longer than limit.
	var count [maxBits + 2]int
	over := 0
	long[heap[sorted]] = 0
	for _, s := range heap[sorted+1:] {
		l := int(long[dad[s]]) + 1
		if l > limit {
			l = limit
			over++
		}
		long[s] = uint8(l)
		if int(s) < n {
			count[l]++
		}
	}
	if over > 0 {
		// Make room: for each two that are too long, move one leaf down a level
		// and put one beside it. Then deal the lengths out again.
		for ; over > 0; over -= 2 {
			l := limit - 1
			for count[l] == 0 {
				l--
			}
			count[l]--
			count[l+1] += 2
			count[limit]--
		}
		h := maxNodes
		for l := limit; l > 0; l-- {
			for k := count[l]; k > 0; {
				h--
				if s := heap[h]; int(s) < n {
					long[s] = uint8(l)
					k--
				}
			}
		}
	}
	for s := range c.top + 1 {
		if key[s] == 0 {
			continue
		}
		c.lengths[s] = long[s]
		x := 0
		if s >= first {
			x = int(extra[s-first])
		}
		c.dynBits += int(c.freq[s]) * (int(long[s]) + x)
		if fixed != nil {
			c.fixedBits += int(c.freq[s]) * (int(fixed[s]) + x)
		}
	}
}

// runs calls f for each symbol of the code length alphabet that lengths are
// sent as, with the value of its extra bits. Literals and distances are sent
// as two sequences: no run goes from the one into the other. lengths ends with
// a length above 0 or is the top of its alphabet: what follows differs.
func runs(lengths []uint8, f func(symbol uint8, extra int)) {
	last := -1
	for i := 0; i < len(lengths); {
		l := lengths[i]
		// How many are taken at once: zeros up to 138, a new length with six
		// repeats, six repeats of the last.
		longest, shortest := 7, 4
		switch {
		case l == 0:
			longest, shortest = 138, 3
		case int(l) == last:
			longest, shortest = 6, 3
		}
		n := 1
		for n < longest && i+n < len(lengths) && lengths[i+n] == l {
			n++
		}
		i += n
		switch {
		case n < shortest:
			for range n {
				f(l, 0)
			}
		case l == 0 && n > 10:
			f(zerosLong, n-11)
		case l == 0:
			f(zerosShort, n-3)
		default:
			if int(l) != last {
				f(l, 0)
				n--
			}
			f(repeatLast, n-3)
		}
		last = int(l)
	}
}
