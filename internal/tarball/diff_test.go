package tarball

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// packed is a tree's archive by the default recipe.
func packed(t testing.TB, tree Tree, prefix string) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := Pack(context.Background(), []Job{{Name: "x", Tree: tree, Prefix: prefix, Recipe: GNUGzip6, Out: &b}}, Options{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func source(name string, b []byte) Source {
	return FileSource(name, bytes.NewReader(b), int64(len(b)))
}

// gzipped is what the standard library's compressor makes.
func gzipped(t testing.TB, data []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rewritten is the archive with every header passed through change, written by
// archive/tar; a header for which change is false is left out.
func rewritten(t testing.TB, data []byte, change func(i int, h *tar.Header) bool) []byte {
	t.Helper()
	var b bytes.Buffer
	w, r := tar.NewWriter(&b), tar.NewReader(bytes.NewReader(data))
	for i := 0; ; i++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if !change(i, h) {
			continue
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sampleTree(t testing.TB) Tree {
	return mustTree(t, file("LICENSE", 0o644, "free"), dir("bin", 0o775), file("bin/run", 0o775, rep("code", 5000)),
		hardlink("bin/same", "bin/run"), file("data", 0o664, rep("0123456789", 20000)), symlink("link", "data"))
}

func changed(t testing.TB, f func([]Entry)) Tree {
	entries := sampleTree(t).Entries()
	f(entries)
	return mustTree(t, entries...)
}

func find(entries []Entry, name string) *Entry {
	return &entries[slices.IndexFunc(entries, func(e Entry) bool { return e.Name == name })]
}

// Each cause has at least one pair of archives that differ for that reason and
// no other.
func TestDiffCauses(t *testing.T) {
	tree := sampleTree(t)
	plain := tarOf(t, tree, "top")
	base := packed(t, tree, "top")
	remake := func(change func(i int, h *tar.Header)) []byte {
		return rewritten(t, plain, func(i int, h *tar.Header) bool { change(i, h); return true })
	}
	same := remake(func(int, *tar.Header) {})
	cases := []struct {
		name   string
		a, b   []byte
		grade  Grade
		causes []string
		text   string // in the report
	}{
		{"identical", base, base, Identical, nil, "identical"},
		{"level", base, gzipped(t, plain, flate.BestSpeed), SameTar, []string{CauseCompressor}, "another compressor or level"},
		{"not compressed", base, plain, SameTar, []string{CauseUnpacked}, "not compressed"},
		{"two members", base, append(gzipped(t, plain[:5000], 6), gzipped(t, plain[5000:], 6)...), SameTar, []string{CauseMembers, CauseCompressor}, "2 members"},
		{"bytes after gzip", base, append(slices.Clone(base), 0, 0, 0), SameTar, []string{CauseTrailing}, "3 more bytes"},
		{"bytes after tar", plain, append(slices.Clone(plain), "more"...), Differs, []string{CauseTrailing}, "not zero blocks"},
		{"truncated gzip", base, base[:len(base)-300], Differs, []string{CauseTruncated}, "b: the archive ends too early"},
		{"truncated in the trailer", base, base[:len(base)-1], Differs, []string{CauseTruncated}, "b: the archive ends too early"},
		{"truncated tar", plain, plain[:7000], Differs, []string{CauseTruncated}, "at or after entry top/bin/run"},
		{"truncated between entries", plain, plain[:2048], Differs, []string{CauseTruncated}, "zero blocks at the end are missing"},
		{"damaged", base, damage(base), Differs, []string{CauseCorrupt}, "b: "},
		{"umask", plain, tarOf(t, changed(t, func(e []Entry) {
			for i := range e {
				if e[i].Type != Symlink {
					e[i].Mode &^= 0o022
				}
			}
		}), "top"), SameContent, []string{CauseUmask}, "b are those of a under the umask 0020"},
		{"modes", plain, tarOf(t, changed(t, func(e []Entry) { find(e, "LICENSE").Mode = 0o755; find(e, "data").Mode = 0o600 }), "top"), SameContent, []string{CauseModes}, "~ top/LICENSE: mode 0644, 0755"},
		{"set-id", plain, tarOf(t, changed(t, func(e []Entry) { find(e, "bin/run").Mode = 0o4775 }), "top"), SameContent, []string{CauseModes}, "mode 0775, 4775"},
		{"owner", same, remake(func(_ int, h *tar.Header) { h.Uid, h.Uname = 1000, "builder" }), SameContent, []string{CauseOwner}, "owner 0:0, 1000:0 (builder:)"},
		{"time", same, remake(func(_ int, h *tar.Header) { h.ModTime = time.Unix(1700000000, 0) }), SameContent, []string{CauseTime}, "mtime 0, 1700000000"},
		{"order", same, reversed(t, same), SameContent, []string{CauseOrder}, "another order"},
		{"format", plain, remake(func(_ int, h *tar.Header) { h.Format = tar.FormatUSTAR }), SameContent, []string{CauseFormat, CausePadding}, "gnu in a, ustar in b"},
		{"extended attributes", remake(func(_ int, h *tar.Header) {
			h.Format = tar.FormatPAX
			h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "0"}
		}),
			remake(func(_ int, h *tar.Header) {
				h.Format = tar.FormatPAX
				h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "1"}
			}), SameContent, []string{CauseExtra}, "SCHILY.xattr.user.x=1"},
		{"prefix", base, packed(t, tree, "top-1.2.3"), SameContent, []string{CausePrefix}, "is top in a and top-1.2.3 in b"},
		{"padding", plain, append(slices.Clone(plain), make([]byte, recordSize)...), SameContent, []string{CausePadding}, "zero bytes at the end"},
		{"content", base, packed(t, changed(t, func(e []Entry) {
			b := []byte(rep("0123456789", 20000))
			b[123456] = 'x'
			find(e, "data").Content = BytesContent(b)
		}), "top"), Differs, []string{CauseContent}, "~ top/data: content differs from offset 123456 on"},
		{"shorter", base, packed(t, changed(t, func(e []Entry) { find(e, "LICENSE").Content = BytesContent([]byte("fre")) }), "top"), Differs, []string{CauseContent}, "content differs from offset 3 on"},
		{"entries", base, packed(t, mustTree(t, file("LICENSE", 0o644, "free"), file("new", 0o644, "")), "top"), Differs, []string{CauseEntries}, "+ top/new"},
		{"type", base, packed(t, changed(t, func(e []Entry) { *find(e, "link") = file("link", 0o777, "") }), "top"), Differs, []string{CauseEntries, CauseContent}, "~ top/link: type symlink, file"},
		{"target", base, packed(t, changed(t, func(e []Entry) { find(e, "link").Link = "LICENSE" }), "top"), Differs, []string{CauseEntries}, "~ top/link: link data, LICENSE"},
		{"hard links", base, packed(t, changed(t, func(e []Entry) { *find(e, "bin/same") = file("bin/same", 0o775, rep("code", 5000)) }), "top"), SameContent, []string{CauseHardLinks}, "type hardlink, file"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := DiffSources(context.Background(), source("left", c.a), source("right", c.b), DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			if err := WriteText(&text, r, 0); err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, c := range r.Causes {
				kinds = append(kinds, c.Kind)
			}
			if r.Grade != c.grade || !slices.Equal(kinds, c.causes) || !strings.Contains(text.String(), c.text) {
				t.Errorf("got %s %q, want %s %q and %q in:\n%s", r.Grade, kinds, c.grade, c.causes, c.text, text.String())
			}
			raw, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var back Difference
			if err := json.Unmarshal(raw, &back); err != nil || back.Grade != r.Grade || len(back.Entries) != len(r.Entries) {
				t.Errorf("JSON does not come back: %v: %s", err, raw)
			}
		})
	}
}

// Layers are told apart by what they hold; an entry's layer is named by its
// digest, and one that both images have explains nothing.
func TestDiffNamesLayers(t *testing.T) {
	base, old, new := Layer{"sha256:b", "base"}, Layer{"sha256:o", "old"}, Layer{"sha256:n", "new"}
	again := Layer{"sha256:b2", "base"} // base, compressed once more
	image := func(name, low, high string, layers ...Layer) Source {
		s, err := TreeSource(name, mustTree(t, file("high", 0o644, high), file("low", 0o644, low)), "top")
		if err != nil {
			t.Fatal(err)
		}
		s.Layers = &LayerMap{layers, func(entry string) int {
			return slices.Index([]string{"top/low", "top/high"}[:len(layers)], entry)
		}}
		return s
	}
	bare := image("c", "1", "3")
	bare.Layers = nil
	for _, c := range []struct {
		name   string
		a, b   Source
		causes []string
		text   string
	}{
		{"a layer changed", image("a", "1", "2", base, old), image("b", "1", "3", base, new), []string{CauseLayer, CauseContent},
			"cause layer: 1 of 2 layers of a and 1 of 2 of b are not in the other; the first is layer 2, sha256:o in a, sha256:n in b; 1 of the 1 entries that differ come from such layers"},
		{"compressed again below", image("a", "1", "2", base, old), image("b", "1", "3", again, new), []string{CauseLayer, CauseContent}, "1 of 2 layers of a and 1 of 2 of b"},
		{"one more", image("a", "1", "2", base), image("b", "1", "3", base, new), []string{CauseLayer, CauseContent}, "none in a, sha256:n in b"},
		{"the same layers", image("a", "1", "2", base, old), image("b", "1", "3", base, old), []string{CauseContent}, "content differs from offset 0 on (layer sha256:o)"},
		{"one image", image("a", "1", "2", base, old), bare, []string{CauseContent}, "content differs from offset 0 on (layer sha256:o)"},
		{"the other one", bare, image("b", "1", "2", base, old), []string{CauseContent}, "(layer sha256:o)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := DiffSources(context.Background(), c.a, c.b, DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, c := range r.Causes {
				kinds = append(kinds, c.Kind)
			}
			var text bytes.Buffer
			if err := WriteText(&text, r, 0); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(kinds, c.causes) || !strings.Contains(text.String(), c.text) {
				t.Errorf("got %q, want %q and %q in:\n%s", kinds, c.causes, c.text, text.String())
			}
		})
	}
}

func damage(b []byte) []byte {
	b = slices.Clone(b)
	b[len(b)-6] ^= 1 // the CRC
	return b
}

// reversed turns the order of the entries round; hard links stay behind their
// targets.
func reversed(t *testing.T, data []byte) []byte {
	t.Helper()
	type entry struct {
		h    *tar.Header
		body []byte
	}
	var all []entry
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err != nil {
			break
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry{h, body})
	}
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b entry) int {
		x, y := a.h.Typeflag == tar.TypeLink, b.h.Typeflag == tar.TypeLink
		switch {
		case x == y:
			return 0
		case x:
			return 1
		}
		return -1
	})
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range all {
		if err := w.WriteHeader(e.h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Contents in another order are located all the same.
func TestDiffLocatesOutOfOrder(t *testing.T) {
	mk := func(x string) []byte {
		return tarOf(t, mustTree(t, file("a", 0o644, "aaaa"+x), file("b", 0o644, "bb"+x), file("c", 0o644, x)), "top")
	}
	r, err := DiffSources(context.Background(), source("a", mk("1")), source("b", reversed(t, mk("2"))), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{"top/a": 4, "top/b": 2, "top/c": 0}
	for _, e := range r.Entries {
		for _, f := range e.Fields {
			if f.Field == "content" && (f.Offset == nil || *f.Offset != want[e.Name]) {
				t.Errorf("%s: got %v, want offset %d", e.Name, f, want[e.Name])
			}
		}
	}
	if len(r.Entries) != 3 {
		t.Errorf("got %d entries, want 3", len(r.Entries))
	}
}

func TestIndexLimits(t *testing.T) {
	small := packed(t, sampleTree(t), "top")
	bomb := packed(t, mustTree(t, Entry{Name: "z", Type: Regular, Content: BytesContent(make([]byte, 4<<20))}), "top")
	cases := []struct {
		name string
		data []byte
		l    ArchiveLimits
		want string
	}{
		{"entries", small, ArchiveLimits{Entries: 2}, "entry top/bin: entries: 3, the limit is 2"},
		{"size", small, ArchiveLimits{EntrySize: 1000}, "entry top/bin/run: bytes of the file: 20000, the limit is 1000"},
		{"total", small, ArchiveLimits{Total: 30000}, "bytes of the tar stream"},
		{"ratio", bomb, ArchiveLimits{Ratio: 100, RatioFrom: 1 << 20}, "bytes of tar for the first"},
		{"name", small, ArchiveLimits{Name: 5}, "bytes of its name"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := List(bytes.NewReader(c.data), c.l)
			if !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := List(bytes.NewReader(bomb), DefaultLimits()); err != nil {
		t.Errorf("default limits: %v", err)
	}
}

// A small archive may not hold more than its share, whatever it holds.
func TestSmallArchivesStaySmall(t *testing.T) {
	pieces := func(n int, h tar.Header, body int) []byte {
		h.Typeflag, h.Mode, h.Name = tar.TypeReg, 0o644, "a"
		var one bytes.Buffer
		if err := tar.NewWriter(&one).WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		// The writer of archive/tar refuses records of sparse files.
		piece := append(bytes.ReplaceAll(one.Bytes(), []byte("GNU?sparse?"), []byte("GNU.sparse.")), make([]byte, body)...)
		if h.PAXRecords["GNU?sparse?major"] != "" {
			copy(piece[len(piece)-body:], "0\n")
		}
		var out bytes.Buffer
		z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			if _, err := z.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	big := strings.Repeat("x", 900_000)
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"entries", pieces(150_000, tar.Header{}, 0), "entries in the first "},
		{"records", pieces(40, tar.Header{PAXRecords: map[string]string{"comment": big}}, 0), "bytes of names and records in the first "},
		{"users", pieces(40, tar.Header{Uname: big}, 0), "bytes of names and records in the first "},
		{"holes", pieces(3, tar.Header{Size: 512, PAXRecords: map[string]string{"GNU?sparse?major": "1", "GNU?sparse?minor": "0", "GNU?sparse?realsize": "200000000", "GNU?sparse?name": "a"}}, 512), "entry a: bytes of tar for the first "},
		{"zeros", pieces(400, tar.Header{Size: 1 << 20}, 1<<20), "bytes of tar for the first "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := List(bytes.NewReader(c.data), DefaultLimits())
			if !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, expected %q", err, c.want)
			}
		})
	}
}

// Files in the opposite order would have to be looked for from the start again and
// again: some do without an offset.
func TestLocateIsBounded(t *testing.T) {
	side := func(name string, order func(i int) int) Source {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for i := range 100 {
			if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%03d", order(i)), Mode: 0o644, Size: 1}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(name)); err != nil {
				t.Fatal(err)
			}
		}
		opened := 0
		t.Cleanup(func() {
			if opened > maxPasses+1 {
				t.Errorf("%s was read %d times", name, opened)
			}
		})
		return Source{Name: name, Open: func() (io.ReadCloser, error) {
			opened++
			return io.NopCloser(bytes.NewReader(b.Bytes())), nil
		}}
	}
	r, err := DiffSources(t.Context(), side("a", func(i int) int { return i }), side("b", func(i int) int { return 99 - i }), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	located := 0
	for _, e := range r.Entries {
		for _, f := range e.Fields {
			if f.Field == "content" && f.Offset != nil {
				located++
			}
		}
	}
	if len(r.Entries) != 100 || located != maxPasses {
		t.Errorf("%d entries, %d located, expected 100 and %d", len(r.Entries), located, maxPasses)
	}
}

func TestIndexReaderFails(t *testing.T) {
	boom := errors.New("boom")
	data := packed(t, sampleTree(t), "top")
	for _, n := range []int{0, 5, 100, len(data) - 4} {
		_, err := List(io.MultiReader(bytes.NewReader(data[:n]), failing{boom}), DefaultLimits())
		if !errors.Is(err, boom) {
			t.Errorf("after %d bytes: got %v, want the reader's own error", n, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestSidesAreShown has a side's name, which may be any file's, stay on its line.
func TestSidesAreShown(t *testing.T) {
	var b strings.Builder
	if err := WriteText(&b, Difference{Grade: Differs, A: Side{Name: "one\n::error::two"}, B: Side{Name: "b"}}, 0); err != nil {
		t.Fatal(err)
	}
	if want := `differs: a "one\n::error::two", b b` + "\n"; b.String() != want {
		t.Errorf("got %q, expected %q", b.String(), want)
	}
}

// A count of nothing is not said.
func TestCounts(t *testing.T) {
	for _, c := range []struct {
		n        []int
		expected string
	}{
		{[]int{1, 0, 0}, "1 entry only in a"},
		{[]int{0, 2, 0}, "2 entries only in b"},
		{[]int{0, 0, 1}, "1 entry changed"},
		{[]int{3, 0, 1}, "3 entries only in a, 1 changed"},
		{[]int{1, 2, 3}, "1 entry only in a, 2 only in b, 3 changed"},
	} {
		if got := counts("entry", "entries", c.n, "only in a", "only in b", "changed"); got != c.expected {
			t.Errorf("%v: got %q, expected %q", c.n, got, c.expected)
		}
	}
}
