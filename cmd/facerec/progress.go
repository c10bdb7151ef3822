package main

import (
	"fmt"
	"time"
)

// progress shows how far a batch is: on a terminal in a line that is written
// over, elsewhere in a line for every hundred.
type progress struct {
	env   *environment
	what  string
	quiet bool
	start time.Time
	drawn bool
}

func newProgress(env *environment, quiet bool, what string) *progress {
	return &progress{env: env, quiet: quiet, what: what, start: env.now()}
}

func (p *progress) step(done, total int) {
	switch {
	case p.quiet || total < 2:
	case p.env.errTerminal:
		fmt.Fprintf(p.env.stderr, "\r\x1b[Kfacerec: %s %d/%d%s", p.what, done, total, pace(p.env.now().Sub(p.start), done, total))
		p.drawn = true
	case done%100 == 0 && done < total:
		p.env.errorf("%s %d/%d%s", p.what, done, total, pace(p.env.now().Sub(p.start), done, total))
	}
}

// pace is the rate so far and the time that is left at that rate, or "" as long
// as there is none.
func pace(elapsed time.Duration, done, total int) string {
	if done < 1 || elapsed < 2*time.Second {
		return ""
	}
	left := time.Duration(float64(elapsed) / float64(done) * float64(total-done)).Round(time.Second)
	return fmt.Sprintf(", %.1f/s, %s left", float64(done)/elapsed.Seconds(), left)
}

// done removes the line; anything that writes in between calls it too.
func (p *progress) done() {
	if p.drawn {
		fmt.Fprint(p.env.stderr, "\r\x1b[K")
		p.drawn = false
	}
}
