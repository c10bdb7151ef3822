package retry

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	const date = "Fri, 06 Nov 2026 12:00:00 GMT"
	for _, c := range []struct {
		after, date string
		expected    time.Duration
	}{
		{"", date, 0},
		{"0", date, 0},
		{"7", "", 7 * time.Second},
		{" 7 ", "", 7 * time.Second},
		{"-7", "", 0},
		{"+7", "", 0},
		{"7.5", "", 0},
		{"9223372036854775807", "", (1 << 20) * time.Second},
		{"99999999999999999999", "", 0},
		{"Fri, 06 Nov 2026 12:00:30 GMT", date, 30 * time.Second},
		{"Friday, 06-Nov-26 12:00:30 GMT", date, 30 * time.Second},
		{"Fri Nov  6 12:00:30 2026", date, 30 * time.Second},
		{"Fri, 06 Nov 2026 11:00:00 GMT", date, 0},
		{"Fri, 06 Nov 2026 12:00:30 GMT", "", 0}, // compared with nothing
		{"soon", date, 0},
	} {
		h := http.Header{}
		h.Set("Retry-After", c.after)
		h.Set("Date", c.date)
		if got := After(h); got != c.expected {
			t.Errorf("Retry-After %q at %q: got %s, expected %s", c.after, c.date, got, c.expected)
		}
	}
}

func TestBackoff(t *testing.T) {
	p := &Policy{First: 100 * time.Millisecond, Longest: 500 * time.Millisecond}
	for failures, expected := range map[int]time.Duration{1: 100, 2: 200, 3: 400, 4: 500, 60: 500} {
		expected *= time.Millisecond
		for range 50 {
			if got := p.backoff(failures); got < expected/2 || got > min(expected*3/2, p.Longest) {
				t.Errorf("after %d failures: %s, expected about %s", failures, got, expected)
			}
		}
	}
	if got := (&Policy{}).backoff(1 << 20); got > time.Minute || got < time.Second {
		t.Errorf("after very many: %s", got)
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", "Fri, 06 Nov 2026 12:00:00 GMT")
	f.Add("Fri, 06 Nov 2026 12:00:30 GMT", "Fri, 06 Nov 2026 12:00:00 GMT")
	f.Add("Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		h := http.Header{"Retry-After": {after}, "Date": {date}}
		if got := After(h); got < 0 {
			t.Errorf("%q at %q: %s", after, date, got)
		}
	})
}

// TestNothingIsRememberedOfWhatArrives has a run get very many things.
func TestNothingIsRememberedOfWhatArrives(t *testing.T) {
	p := &Policy{}
	p.note("host", func(s *state) { s.answered = true })
	for i := range 1000 {
		thing := fmt.Sprint(i)
		p.note(thing, func(s *state) { s.givenUp = true })
		p.Delivered("host", thing)
	}
	if len(p.known) != 1 || !p.answered("host") {
		t.Errorf("%d hosts and things are remembered, expected the host that answered", len(p.known))
	}
}
