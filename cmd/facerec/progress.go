package main

import "fmt"

// progress tells how far a batch is: on a terminal in a line that is written
// over, elsewhere in a plain line for every hundred.
type progress struct {
	w     *world
	what  string
	quiet bool
	drawn bool
}

func newProgress(w *world, quiet bool, what string) *progress {
	return &progress{w: w, quiet: quiet, what: what}
}

func (p *progress) step(done, total int) {
	switch {
	case p.quiet || total < 2:
	case p.w.errTerminal:
		fmt.Fprintf(p.w.stderr, "\r\x1b[Kfacerec: %s %d/%d", p.what, done, total)
		p.drawn = true
	case done%100 == 0:
		p.w.complain("%s %d/%d", p.what, done, total)
	}
}

// done takes the line away; anything that writes in between calls it too.
func (p *progress) done() {
	if p.drawn {
		fmt.Fprint(p.w.stderr, "\r\x1b[K")
		p.drawn = false
	}
}
