package tarball

// literalCounter counts literals, in four places in turn, as one would wait for itself
// where a byte comes again soon. The sums count, modulo 2^16.
type literalCounter [4][literals]uint16

func (c *literalCounter) add(run []byte) {
	for len(run) >= 4 {
		c[0][run[0]]++
		c[1][run[1]]++
		c[2][run[2]]++
		c[3][run[3]]++
		run = run[4:]
	}
	for _, b := range run {
		c[0][b]++
	}
}

// of is how often there was b.
func (c *literalCounter) of(b int) uint16 { return c[0][b] + c[1][b] + c[2][b] + c[3][b] }

// literalCounts are how often there is each literal among the first countStep in runs of
// a chunk, the first two times as many, and so on, modulo 2^16. With them, archives that
// share the chunk count little of it, wherever their blocks begin in it.
type literalCounts [][literals]uint16

const countStep = 4096

// count makes the counts of a chunk, in the place of others.
func (l literalCounts) count(tokens []token, buf []byte) literalCounts {
	l = l[:0]
	var c literalCounter
	left := countStep
	for _, t := range tokens {
		if !t.isRun() {
			continue
		}
		at, n := t.run()
		for n > 0 {
			k := min(n, left)
			c.add(buf[at : at+k])
			at, n, left = at+k, n-k, left-k
			if left == 0 {
				var sums [literals]uint16
				for b := range sums {
					sums[b] = c.of(b)
				}
				l, left = append(l, sums), countStep
			}
		}
	}
	return l
}

// count counts the literals in runs that have not been: those at the edges of what is known
// one by one.
func (d *deflater) count() {
	run := d.bytes[d.counted:]
	d.counted = len(d.bytes)
	end := d.next / countStep // how many sums there are, up to the last literal of run
	begin := (d.next - len(run) + countStep - 1) / countStep
	if end <= begin || end > len(d.known) {
		d.inRuns.add(run)
		return
	}
	d.inRuns.add(run[:begin*countStep-(d.next-len(run))])
	d.inRuns.add(run[len(run)-(d.next-end*countStep):])
	sums := &d.known[end-1]
	if begin == 0 {
		for b, n := range sums {
			d.inRuns[0][b] += n
		}
		return
	}
	before := &d.known[begin-1]
	for b, n := range sums {
		d.inRuns[0][b] += n - before[b]
	}
}

// runLiterals is how many literals the runs among tokens have.
func runLiterals(tokens []token) (n int) {
	for _, t := range tokens {
		if t.isRun() {
			_, k := t.run()
			n += k
		}
	}
	return n
}
