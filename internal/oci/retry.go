package oci

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"facerec/internal/text"
)

// RetryPolicy is how a registry on a bad network is borne with. A request that
// fails in a way that may pass (the connection is cut or silent, HTTP 429 or 5xx)
// is made again after a wait that doubles from try to try and is spread at
// random, or after the time that the registry asks for. What a blob has brought
// so far is kept: see blobStream.
//
// One RetryPolicy serves a whole run: it remembers which hosts have answered, as one
// that never did is rather a wrong name than a bad network, and which were given
// up on, as those are not waited for again until they answer.
//
// A zero field means its default. The zero RetryPolicy is ready for use.
type RetryPolicy struct {
	Tries   int           // requests in a row that bring nothing new; default 6
	Stall   time.Duration // silence that counts as a cut; default 30 s
	First   time.Duration // the first wait, then doubled; default 500 ms
	Longest time.Duration // bounds every wait, a Retry-After too; default 1 min

	// Notice, if not nil, is told in one line why a request is made again and
	// after what wait. Calls can come at the same time.
	Notice func(line string)

	mu    sync.Mutex
	hosts map[string]hostState // blobs too, by digest
	ways  map[string]*http.Transport
}

type hostState struct{ answered, givenUp bool }

// progress is how many new bytes of a blob make up for the failures before them:
// a 32nd of it, but never more than 64 KiB. So small blobs may arrive in small
// pieces, and large ones not in tiny ones without end.
func progress(size int64) int64 { return min(size/32+1, 64<<10) }

func (p *RetryPolicy) stall() time.Duration {
	if p.Stall > 0 {
		return p.Stall
	}
	return 30 * time.Second
}

func (p *RetryPolicy) longest() time.Duration {
	if p.Longest > 0 {
		return p.Longest
	}
	return time.Minute
}

// most is how often a thing may be asked of a host.
func (p *RetryPolicy) most(host, thing string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.hosts[host].givenUp, p.hosts[thing].givenUp:
		return 1
	case p.Tries > 0:
		return p.Tries
	}
	return 6
}

func (p *RetryPolicy) answered(host string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hosts[host].answered
}

// note keeps what a host did.
func (p *RetryPolicy) note(host string, change func(*hostState)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hosts == nil {
		p.hosts = map[string]hostState{}
	}
	s := p.hosts[host]
	change(&s)
	p.hosts[host] = s
}

// succeeded notes that a host is there; delivered, that what it sent arrived too.
func (p *RetryPolicy) succeeded(host string) { p.note(host, func(s *hostState) { s.answered = true }) }
func (p *RetryPolicy) delivered(host string) { p.note(host, func(s *hostState) { s.givenUp = false }) }
func (p *RetryPolicy) giveUp(host string)    { p.note(host, func(s *hostState) { s.givenUp = true }) }

// backoff is the wait after so many failures: First, doubled from failure to
// failure, between half and one and a half of that.
func (p *RetryPolicy) backoff(failures int) time.Duration {
	d := p.First
	if d <= 0 {
		d = 500 * time.Millisecond
	}
	for range failures - 1 {
		if d *= 2; d > p.longest() {
			d = p.longest()
			break
		}
	}
	return min(d/2+rand.N(d), p.longest()) //nolint:gosec // spreads requests, guards nothing
}

// tries counts the requests for one thing.
type tries struct {
	thing    string // a digest, or "" for what has none
	all      int    // made so far
	failures int    // since the last progress
}

// again waits before a request is repeated. It says no when the tries are used
// up; an error is that of a cancelled context. asked is what the registry wants
// to be left alone for, zero if it did not say.
func (p *RetryPolicy) again(ctx context.Context, t *tries, host, why string, asked time.Duration) (bool, error) {
	t.failures++
	most := p.most(host, t.thing)
	if t.failures >= most {
		p.giveUp(host)
		if t.thing != "" {
			p.giveUp(t.thing)
		}
		return false, nil
	}
	wait := p.backoff(t.failures)
	if asked > 0 { // never sooner, and not all clients in the same moment
		wait = min(asked+wait/10, p.longest())
	}
	if p.Notice != nil {
		p.Notice(fmt.Sprintf("%s: %s; try %d of %d after %s", host, why, t.failures+1, most, wait.Round(10*time.Millisecond)))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (p *RetryPolicy) notice(line string) {
	if p.Notice != nil {
		p.Notice(text.Line(line, 500))
	}
}

type triesKey struct{}

// withTries makes all requests under a context count together.
func withTries(ctx context.Context, t *tries) context.Context {
	return context.WithValue(ctx, triesKey{}, t)
}

func triesOf(ctx context.Context) *tries {
	if t, ok := ctx.Value(triesKey{}).(*tries); ok {
		return t
	}
	return &tries{}
}

// retryAfter reads the header Retry-After: seconds, or a date (RFC 9110, 10.2.3).
// The date is held against the answer's own Date, so that no clock but the
// server's counts. What cannot be read is zero: no wish.
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseUint(v, 10, 63); err == nil {
		return time.Duration(min(n, 1<<20)) * time.Second // 12 days; longer makes no difference
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}
