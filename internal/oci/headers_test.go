package oci

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

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
