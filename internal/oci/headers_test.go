package oci

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	const date = "Fri, 06 Nov 2026 12:00:00 GMT"
	for _, c := range []struct {
		after, date string
		want        time.Duration
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
		{"Fri, 06 Nov 2026 12:00:30 GMT", "", 0}, // held against nothing
		{"soon", date, 0},
	} {
		h := http.Header{}
		h.Set("Retry-After", c.after)
		h.Set("Date", c.date)
		if got := retryAfter(h); got != c.want {
			t.Errorf("Retry-After %q at %q: got %s, want %s", c.after, c.date, got, c.want)
		}
	}
}

func TestBackoff(t *testing.T) {
	p := &RetryPolicy{First: 100 * time.Millisecond, Longest: 500 * time.Millisecond}
	for failures, want := range map[int]time.Duration{1: 100, 2: 200, 3: 400, 4: 500, 60: 500} {
		want *= time.Millisecond
		for range 50 {
			if got := p.backoff(failures); got < want/2 || got > min(want*3/2, p.Longest) {
				t.Errorf("after %d failures: %s, want about %s", failures, got, want)
			}
		}
	}
	if got := (&RetryPolicy{}).backoff(1 << 20); got > time.Minute || got < time.Second {
		t.Errorf("after very many: %s", got)
	}
}

func TestContentRange(t *testing.T) {
	for s, want := range map[string]contentRange{
		"bytes 0-0/1":                   {0, 0, 1},
		"bytes 5-9/10":                  {5, 9, 10},
		"bytes 5-9/*":                   {5, 9, -1},
		"Bytes 5-9/10":                  {5, 9, 10},
		"bytes 0-1/9223372036854775807": {0, 1, 1<<63 - 1},
	} {
		if got, ok := parseContentRange(s); !ok || got != want {
			t.Errorf("%q: got %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{
		"", "bytes", "bytes ", "bytes 1", "bytes 1-2", "bytes */10", "bytes 2-1/10", "bytes 5-10/10", "bytes -5/10", "bytes 5-/10",
		"bytes +5-9/10", "bytes 5-9/-1", "bytes 5-9/ten", "octets 5-9/10", "bytes 5-9/10, bytes 1-2/10", "bytes 0-99999999999999999999/*",
	} {
		if got, ok := parseContentRange(s); ok {
			t.Errorf("%q was read as %v", s, got)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 5-9/10")
	f.Add("bytes 5-9/*")
	f.Add("bytes +1-2/3")
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := parseContentRange(s)
		if !ok {
			return
		}
		if r.first < 0 || r.last < r.first || r.size >= 0 && r.last >= r.size {
			t.Errorf("%q was read as %v", s, r)
		}
		if again, ok := parseContentRange(r.String()); !ok || again != r {
			t.Errorf("%q → %s → %v, %v", s, r, again, ok)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", "Fri, 06 Nov 2026 12:00:00 GMT")
	f.Add("Fri, 06 Nov 2026 12:00:30 GMT", "Fri, 06 Nov 2026 12:00:00 GMT")
	f.Add("Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		h := http.Header{"Retry-After": {after}, "Date": {date}}
		if got := retryAfter(h); got < 0 {
			t.Errorf("%q at %q: %s", after, date, got)
		}
	})
}

func TestNextPage(t *testing.T) {
	at, err := url.Parse("https://r.example/v2/a/tags/list")
	if err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string]string{
		``: "",
		`</v2/a/tags/list?last=b&n=2>; rel="next"`:      "https://r.example/v2/a/tags/list?last=b&n=2",
		`<list?n=2>;rel=next`:                           "https://r.example/v2/a/tags/list?n=2",
		`<?n=2>; title="a, \"b\"; c>"; REL="prev Next"`: "https://r.example/v2/a/tags/list?n=2",
		`</first>; rel="first", </v2/b>; rel="next"`:    "https://r.example/v2/b",
		`</first>; rel="first"`:                         "",
		`</x>`:                                          "",
		`<>; rel="next"`:                                "",
		`<http://r.example/v2/b>; rel="next"`:           "https://r.example/v2/b", // what proxies do to registries
		` , </v2/b> ; flag ; rel = "next" `:             "https://r.example/v2/b",
		`</v2/b#part>; rel=next`:                        "https://r.example/v2/b",
		`<https://r.example/v2/b>; rel="next"; x="` + strings.Repeat("y", 9) + `"`: "https://r.example/v2/b",
	} {
		to, err := nextPage(at, []string{link})
		got := ""
		if to != nil {
			got = to.String()
		}
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", link, got, err, want)
		}
	}
	for link, want := range map[string]string{
		`<https://evil.example/v2/b>; rel="next"`:    "expected one at r.example",
		`<//evil.example/v2/b>; rel="next"`:          "expected one at r.example",
		`<https://r.example:444/b>; rel="next"`:      "expected one at r.example",
		`<https://me:pw@r.example/v2/b>; rel="next"`: "refused",
		`<file:///etc/passwd>; rel="next"`:           "expected one at r.example",
		`<ftp://r.example/v2/b>; rel="next"`:         "refused",
		`/v2/b; rel="next"`:                          "expected <TARGET>",
		`</v2/b; rel="next"`:                         "expected <TARGET>",
		`</v2/b>; rel="next`:                         "does not end",
		`</v2/b> x`:                                  "expected ';'",
		`<%zz>; rel="next"`:                          "invalid URL",
	} {
		if to, err := nextPage(at, []string{link}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v, want …%s…", link, to, err, want)
		}
	}
}

func FuzzLink(f *testing.F) {
	f.Add(`</v2/a/tags/list?last=b&n=2>; rel="next"`)
	f.Add(`</first>; rel="first", </v2/b>; title="a, \"b\""; rel=next`)
	f.Add(`<//evil.example/>;rel="next`)
	at, err := url.Parse("https://r.example/v2/a/tags/list")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		to, err := nextPage(at, []string{s})
		if err == nil && to != nil && (to.Host != at.Host || to.Scheme != "https" || to.User != nil) {
			t.Errorf("%q leads to %s", s, to)
		}
	})
}

func (r contentRange) String() string {
	size := "*"
	if r.size >= 0 {
		size = strconv.FormatInt(r.size, 10)
	}
	return fmt.Sprintf("bytes %d-%d/%s", r.first, r.last, size)
}
