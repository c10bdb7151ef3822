package batch

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestParseList(t *testing.T) {
	for name, c := range map[string]struct {
		in    string
		want  []Item
		again []Duplicate
		err   string
	}{
		"nothing":    {in: "\n  \n# a comment\n\t# another\n"},
		"plain":      {in: "a\nb/c\nd", want: []Item{{1, "a"}, {2, "b/c"}, {3, "d"}}},
		"dos":        {in: "\ufeffa\r\n\r\n b \r\n", want: []Item{{1, "a"}, {3, "b"}}},
		"not a note": {in: "a#b\nc d", want: []Item{{1, "a#b"}, {2, "c d"}}},
		"again":      {in: "a\nb\n./a/\na", want: []Item{{1, "a"}, {2, "b"}}, again: []Duplicate{{Item{3, "./a/"}, 1}, {Item{4, "a"}, 1}}},
		"no list":    {in: strings.Repeat("\x00", 4000), err: `line 1: "` + strings.Repeat(`\x00`, 49) + `\x0 …: expected text without control characters`},
		"control":    {in: "a\nb\x1b[2J\n", err: `line 2: "b\x1b[2J": expected text without control characters`},
		"nul":        {in: "a\x00\n", err: "line 1"},
		"encoding":   {in: "a\xff\n", err: "line 1"},
		"long":       {in: "a\n" + strings.Repeat("x", MaxLine), want: []Item{{1, "a"}, {2, strings.Repeat("x", MaxLine)}}},
		"too long":   {in: "a\n" + strings.Repeat("x", MaxLine+1), err: "line 2: expected at most 4096 bytes, got 4097"},
	} {
		l, err := ParseList([]byte(c.in), path.Clean)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, expected %s", name, err, c.err)
			}
		case err != nil || !slices.Equal(l.Items, c.want) || !slices.Equal(l.Duplicates, c.again):
			t.Errorf("%s: got %v, %v", name, l, err)
		}
	}
	if _, err := ParseList(make([]byte, MaxList+1), path.Clean); err == nil {
		t.Error("a list that is too large: got no error")
	}
	var many strings.Builder
	for i := range MaxReleases + 1 {
		fmt.Fprintln(&many, i)
	}
	if _, err := ParseList([]byte(many.String()), path.Clean); err == nil || !strings.Contains(err.Error(), "expected at most 200000 releases") {
		t.Errorf("too many releases: got %v", err)
	}
}

// FuzzParseList reads what it read once more: every name is as it was, and is one line.
func FuzzParseList(f *testing.F) {
	for _, s := range []string{"", "a\nb\r\n# c\n\n", "\ufeffa", "a\na", "dir:x@1.0.0\nhttps://forge.example/o/r@2.0.0\n"} {
		f.Add([]byte(s))
	}
	key := func(name string) string { return strings.ToLower(name) }
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := ParseList(raw, key)
		if err != nil {
			return
		}
		var b bytes.Buffer
		seen := map[string]bool{}
		for _, i := range l.Items {
			if i.Name == "" || strings.ContainsAny(i.Name, "\r\n") || seen[key(i.Name)] {
				t.Fatalf("got %q", i.Name)
			}
			seen[key(i.Name)] = true
			b.WriteString(i.Name + "\n")
		}
		again, err := ParseList(b.Bytes(), key)
		if err != nil || len(again.Duplicates) > 0 || len(again.Items) != len(l.Items) {
			t.Fatalf("got %v, %v from %v", again, err, l)
		}
		for _, d := range l.Duplicates {
			if !seen[key(d.Name)] || d.First >= d.Line {
				t.Fatalf("got %v", d)
			}
		}
		for n := 1; n < 5; n++ {
			checkShards(t, l.Items, n)
		}
	})
}

func checkShards(t *testing.T, items []Item, n int) [][]Item {
	t.Helper()
	shards := Split(items, n, path.Dir)
	var all []Item
	for _, s := range shards {
		if len(s) < len(items)/n || len(s) > (len(items)+n-1)/n {
			t.Fatalf("%d of %d items in one of %d shards", len(s), len(items), n)
		}
		all = append(all, s...)
	}
	slices.SortFunc(all, func(a, b Item) int { return a.Line - b.Line })
	if len(shards) != n || !slices.Equal(all, items) {
		t.Fatalf("%d shards of %d have %v, expected %v", len(shards), n, all, items)
	}
	return shards
}

// TestSplit cuts lists into shards: each release is in one, none is much larger
// than another, and those of one origin stay together as far as there is room.
func TestSplit(t *testing.T) {
	var items []Item
	for i := range 1000 {
		items = append(items, Item{i + 1, fmt.Sprintf("p%d/v%d", i%40, i/40)}) // 40 projects of 25, one release of each in turn
	}
	for _, n := range []int{1, 2, 3, 7, 40, 64, 999, 1000, 1001} {
		shards := checkShards(t, items, n)
		parts := 0 // of projects
		for _, s := range shards {
			in := map[string]bool{}
			for _, i := range s {
				in[path.Dir(i.Name)] = true
			}
			parts += len(in)
			if !slices.IsSortedFunc(s, func(a, b Item) int { return a.Line - b.Line }) {
				t.Errorf("%d shards: not in the order of the list", n)
			}
		}
		if parts > 40+n-1 {
			t.Errorf("%d shards: 40 projects are in %d parts, expected at most %d", n, parts, 40+n-1)
		}
	}
}
