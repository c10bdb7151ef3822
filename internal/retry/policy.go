// Package retry makes HTTP requests again that failed in a way that may pass: the
// connection was cut or fell silent, or the host answered 408, 429 or 5xx. The
// waits double from try to try and are spread at random; a host's Retry-After
// counts more than that.
//
// [Transport] does this for whole requests. Whoever reads a body asks
// [Policy.Again] when it was cut, and decides where to continue.
package retry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"facerec/internal/text"
)

// Policy says how often and how patiently requests are repeated.
//
// One Policy serves a whole run. It remembers which hosts have answered: a host
// that never did is more likely a wrong name than a bad network. And it remembers
// which hosts were given up on: they get one try a request until something
// arrives.
//
// A zero field means its default. A nil Policy has the defaults and remembers
// nothing.
type Policy struct {
	Tries   int           // requests in a row that bring nothing new; default 6
	Stall   time.Duration // silence that counts as a cut connection; default 30 s
	First   time.Duration // the first wait, then doubled; default 500 ms
	Longest time.Duration // bounds every wait, a Retry-After too; default 1 min
	Obey    bool          // give up on a host that asks for a wait beyond Longest

	// Notice, if not nil, gets one line for each repeated request. Calls can come
	// at the same time.
	Notice func(line string)

	mu    sync.Mutex
	known map[string]state // by host or thing
}

type state struct{ answered, givenUp bool }

// Tries counts the requests for one thing, which may be made at the same time: the
// first ones to a registry are.
type Tries struct {
	Thing    string       // a digest, or "" for what has none
	All      atomic.Int64 // made so far
	Failures atomic.Int64 // since the last progress

	// Once: [Transport] makes a request as it is, and whoever made it decides.
	Once bool
}

func (p *Policy) stall() time.Duration {
	if p != nil && p.Stall > 0 {
		return p.Stall
	}
	return 30 * time.Second
}

func (p *Policy) longest() time.Duration {
	if p != nil && p.Longest > 0 {
		return p.Longest
	}
	return time.Minute
}

// most returns how often a thing may be requested from a host.
func (p *Policy) most(host, thing string) int {
	if p == nil {
		return 6
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.known[host].givenUp, thing != "" && p.known[thing].givenUp:
		return 1
	case p.Tries > 0:
		return p.Tries
	}
	return 6
}

// answered reports whether a host ever sent an answer.
func (p *Policy) answered(host string) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[host].answered
}

func (p *Policy) note(key string, change func(*state)) {
	if p == nil || key == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]state{}
	}
	s := p.known[key]
	if change(&s); s == (state{}) { // nothing to remember, of as many things as a run may have
		delete(p.known, key)
		return
	}
	p.known[key] = s
}

// Delivered notes that something arrived from a host, or a part of a thing: both
// get their full number of tries again.
func (p *Policy) Delivered(keys ...string) {
	for _, key := range keys {
		p.note(key, func(s *state) { s.givenUp = false })
	}
}

// backoff is the wait after so many failures: First, doubled from failure to
// failure, between half and one and a half of that.
func (p *Policy) backoff(failures int) time.Duration {
	d := 500 * time.Millisecond
	if p != nil && p.First > 0 {
		d = p.First
	}
	for range failures - 1 {
		if d *= 2; d > p.longest() {
			d = p.longest()
			break
		}
	}
	return min(d/2+rand.N(d), p.longest()) //nolint:gosec // spreads requests, guards nothing
}

// Again counts a failure and waits before the request is repeated. It reports
// false when the tries are used up. The error is that of a cancelled context.
// asked is how long the host wants to be left alone, zero if it did not say.
func (p *Policy) Again(ctx context.Context, t *Tries, host, why string, asked time.Duration) (bool, error) {
	failures := int(t.Failures.Add(1))
	most := p.most(host, t.Thing)
	if failures >= most || p != nil && p.Obey && asked > p.longest() {
		p.note(host, func(s *state) { s.givenUp = true })
		p.note(t.Thing, func(s *state) { s.givenUp = true })
		return false, nil
	}
	wait := p.backoff(failures)
	if asked > 0 { // never sooner, and not all clients in the same moment
		wait = min(max(wait, asked+wait/10), p.longest())
	}
	p.Note(fmt.Sprintf("%s: %s; try %d of %d after %s", host, text.Line(why, 300), failures+1, most, wait.Round(10*time.Millisecond)))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// Note gives a line to Notice, if there is one.
func (p *Policy) Note(line string) {
	if p != nil && p.Notice != nil {
		p.Notice(text.Line(line, 500))
	}
}

type triesKey struct{}

// With makes all requests under a context count together.
func With(ctx context.Context, t *Tries) context.Context {
	return context.WithValue(ctx, triesKey{}, t)
}

func triesOf(ctx context.Context) *Tries {
	if t, ok := ctx.Value(triesKey{}).(*Tries); ok {
		return t
	}
	return &Tries{}
}
