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

// maxNodes is how many inner nodes and leaves a tree has; leaves are 0 … n-1.
const maxNodes = 2*litLens + 1

// build fills in c. extra are the extra bits of the symbols from first on,
// fixed the fixed code's lengths or nil, and limit the longest code allowed.
func (c *coder) build(extra []uint8, first int, fixed []uint8, limit int) {
	n := len(c.freq)
	var (
		heap  nodeHeap
		dad   [maxNodes]uint16
		long  [maxNodes]uint8
		order [maxNodes]uint16 // from sorted on, nodes by falling frequency
	)
	sorted := maxNodes
	c.top, c.dynBits, c.fixedBits = -1, 0, 0
	clear(c.lengths)
	for s, f := range c.freq {
		if f != 0 {
			heap.add(weighed(uint32(f)<<8, s))
			c.top = s
		}
	}
	// There are always two codes, as old inflaters want them. The forced ones
	// cost a bit each when counted, which is taken back here.
	for heap.size < 2 {
		s := 0
		if c.top < 2 {
			c.top++
			s = c.top
		}
		heap.add(weighed(1<<8, s))
		c.freq[s] = 1
		c.dynBits--
		if fixed != nil {
			c.fixedBits -= int(fixed[s])
		}
	}

	heap.order()
	for node := n; heap.size > 1; node++ {
		a := heap.pop()
		b := heap.nodes[1]
		sorted -= 2
		order[sorted+1], order[sorted] = a.node(), b.node()
		dad[a.node()], dad[b.node()] = uint16(node), uint16(node)
		x, y := a.key(), b.key()
		heap.nodes[1] = weighed(x&^0xff+y&^0xff+max(x&0xff, y&0xff)+1, node)
		heap.sift(1)
	}
	sorted--
	order[sorted] = heap.nodes[1].node()

	// Lengths from the root down, none longer than limit.
	var count [maxBits + 2]int
	over := 0
	long[order[sorted]] = 0
	for _, s := range order[sorted+1:] {
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
		// and put one next to it. Then deal the lengths out again.
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
				if s := order[h]; int(s) < n {
					long[s] = uint8(l)
					k--
				}
			}
		}
	}
	for s := range c.top + 1 {
		if c.freq[s] == 0 {
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

// weighted is a node of the tree being built, with its key above its number:
// the frequency and, in the key's low 8 bits, the height, as ties go to the
// flatter tree.
type weighted uint64

func weighed(key uint32, node int) weighted { return weighted(key)<<16 | weighted(node) }
func (w weighted) key() uint32              { return uint32(w >> 16) }
func (w weighted) node() uint16             { return uint16(w) }

// nodeHeap has the node with the smallest key at nodes[1]. Which of several it
// is decides over bytes: the steps are those of zlib's heap, and the numbers of
// nodes are never compared.
type nodeHeap struct {
	nodes [litLens + 4]weighted // behind the last one are some that no node is above
	size  int
}

const heaviest = ^weighted(0)

func (h *nodeHeap) add(w weighted) {
	h.size++
	h.nodes[h.size] = w
}

// order makes a heap of the nodes as they were added.
func (h *nodeHeap) order() {
	for k := range 3 {
		h.nodes[h.size+1+k] = heaviest
	}
	for k := h.size / 2; k >= 1; k-- {
		h.sift(k)
	}
}

// pop takes the first node off.
func (h *nodeHeap) pop() weighted {
	w := h.nodes[1]
	h.nodes[1], h.nodes[h.size] = h.nodes[h.size], heaviest
	h.size--
	h.sift(1)
	return w
}

// sift moves the node at k down to its place: below all smaller ones on the way
// to the bottom that always takes the smaller child, and of two that are equal
// the right one. It goes all that way first and then back, as most nodes belong
// near the bottom; which child is smaller costs no branch. Two levels are one step: the
// four below the children are compared before it is known which two of them count.
func (h *nodeHeap) sift(k int) {
	w, top := h.nodes[k], k
	for 4*k <= h.size {
		child := smaller(h.nodes[2*k], h.nodes[2*k+1])
		below := (*[4]weighted)(h.nodes[4*k:])
		next := smaller(below[0], below[1])
		next += (2 + smaller(below[2], below[3]) - next) & -child // that of the child
		h.nodes[k], h.nodes[2*k+child] = h.nodes[2*k+child], below[next]
		k = 4*k + next
	}
	for j := 2 * k; j <= h.size; j = 2 * k {
		j += smaller(h.nodes[j], h.nodes[j+1])
		h.nodes[k] = h.nodes[j]
		k = j
	}
	for k > top && w>>16 <= h.nodes[k/2]>>16 {
		h.nodes[k] = h.nodes[k/2]
		k /= 2
	}
	h.nodes[k] = w
}

// smaller is 0 if left has the smaller key, else 1.
func smaller(left, right weighted) int { return 1 - int((left>>16-right>>16)>>63) }

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
