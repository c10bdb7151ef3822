package tarball

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"facerec/internal/release"
)

func compareJob(tree Tree, have []byte) CompareJob {
	return CompareJob{Name: "x", Tree: tree, Prefix: "top", Recipe: GNUGzip6, Have: bytes.NewReader(have), Size: int64(len(have))}
}

func TestCompare(t *testing.T) {
	tree := sampleTree(t)
	good := packed(t, tree, "top")
	plain := tarOf(t, tree, "top")
	flip := func(i int) []byte { b := slices.Clone(good); b[i] ^= 4; return b }
	cases := []struct {
		name string
		have []byte
		want Grade
	}{
		{"identical", good, SameTar},
		{"other level", gzipped(t, plain, flate.BestCompression), SameTar},
		{"header byte", flip(9), SameTar},
		{"bare tar", plain, SameTar},
		{"longer", append(slices.Clone(good), 0), SameTar},
		{"shorter", good[:len(good)-1], Differs},
		{"crc", flip(len(good) - 7), Differs},
		{"empty", nil, Differs},
		{"no archive", []byte("hello, world"), Differs},
		{"other modes", packed(t, changed(t, func(e []Entry) { find(e, "data").Mode = 0o600 }), "top"), SameContent},
		{"other content", packed(t, changed(t, func(e []Entry) { find(e, "LICENSE").Content = BytesContent([]byte("FREE")) }), "top"), Differs},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v, err := CompareFast(context.Background(), []CompareJob{compareJob(tree, c.have)}, Options{}, DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			if v[0].Grade != c.want {
				t.Errorf("got %s, want %s: %+v", v[0].Grade, c.want, v[0].Report)
			}
		})
	}
}

// TestCompareLarge: a tar stream of several windows, which the inflater is told of.
func TestCompareLarge(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	var big []byte // literals, matches, stored blocks
	for _, k := range kinds {
		big = append(big, k.make(r, 100_000)...)
	}
	tree := func(data []byte) Tree {
		return mustTree(t, file("a", 0o644, rep("text ", 9000)), Entry{Name: "big", Type: Regular, Mode: 0o644, Content: BytesContent(data)}, file("c", 0o644, "end"))
	}
	one, plain := tree(big), tarOf(t, tree(big), "top")
	other := slices.Clone(big)
	other[len(other)-1] ^= 1
	half := len(plain) / 2
	cases := []struct {
		name string
		have []byte
		want Grade
		tar  bool // its digest is known
	}{
		{"identical", packed(t, one, "top"), SameTar, true},
		{"by another program", gzipped(t, plain, flate.BestSpeed), SameTar, true},
		{"stored", gzipped(t, plain, flate.NoCompression), SameTar, true},
		{"two members", append(gzipped(t, plain[:half], 6), gzipped(t, plain[half:], 6)...), SameTar, true},
		{"bare tar", plain, SameTar, true},
		{"last byte", packed(t, tree(other), "top"), Differs, false},
		{"longer", gzipped(t, append(slices.Clone(plain), 0), 6), SameContent, false},
		{"shorter", gzipped(t, plain[:len(plain)-512], 6), SameContent, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v, err := CompareFast(context.Background(), []CompareJob{compareJob(one, c.have)}, Options{}, DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			var tar release.Digest
			if c.tar {
				tar = release.DigestBytes(plain)
			}
			if v[0].Grade != c.want || v[0].Rebuilt.Tar != tar {
				t.Errorf("got %s and tar %s, want %s and %s", v[0].Grade, v[0].Rebuilt.Tar, c.want, tar)
			}
		})
	}
}

// TestCompareFails: a file or a content that cannot be read is no difference.
func TestCompareFails(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	big := BytesContent(kinds[0].make(r, 1<<20))
	boom := errors.New("boom")
	broken := mustTree(t, Entry{Name: "big", Type: Regular, Mode: 0o644, Content: badContent{big, boom}})
	fine := mustTree(t, Entry{Name: "big", Type: Regular, Mode: 0o644, Content: big})
	good := packed(t, fine, "top")
	_, err := CompareFast(context.Background(), []CompareJob{compareJob(broken, good)}, Options{}, DefaultLimits())
	if !errors.Is(err, boom) || !strings.Contains(err.Error(), `entry "big"`) {
		t.Errorf("content that cannot be read: got %v", err)
	}
	j := compareJob(fine, good)
	j.Have = badContent{BytesContent(good), boom}
	if _, err = CompareFast(context.Background(), []CompareJob{j}, Options{}, DefaultLimits()); !errors.Is(err, boom) {
		t.Errorf("file that cannot be read: got %v", err)
	}
}

func TestRecipes(t *testing.T) {
	for _, r := range Recipes() {
		if got, err := ParseRecipe(string(r)); err != nil || got != r {
			t.Errorf("ParseRecipe(%q): got %q, %v", r, got, err)
		}
	}
	_, err := Pack(context.Background(), []Job{{Name: "cell", Recipe: "zstd-3"}}, Options{})
	if err == nil || !strings.Contains(err.Error(), `cell: recipe "zstd-3" is not known; known: gnu-gzip-6`) {
		t.Errorf("got %v, want the unknown recipe and the known ones named", err)
	}
	if _, err = CompareFast(context.Background(), []CompareJob{{Name: "cell", Recipe: "x", Have: strings.NewReader("")}}, Options{}, ArchiveLimits{}); err == nil {
		t.Error("CompareFast: an unknown recipe is not refused")
	}
}

// Many archives at once, with common contents in different orders and places,
// are what each would be alone.
func TestPackTogetherAndAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	var contents []Content
	for _, k := range kinds {
		contents = append(contents, BytesContent(k.make(r, 100000+r.IntN(200000))))
	}
	names := []string{"a", "b", "c", "d/e", "d/f", "g", "h"}
	var jobs []Job
	for i := range 7 {
		entries := []Entry{dir("d", 0o755)}
		for _, n := range names {
			entries = append(entries, Entry{Name: n, Type: Regular, Mode: 0o644, Content: contents[r.IntN(len(contents))]})
		}
		for range 200 {
			entries = append(entries, file("small-"+rep("x", r.IntN(5))+string(rune('a'+r.IntN(26)))+"-"+string(rune('a'+len(entries)%26))+string(rune('a'+len(entries)/26)), 0o644, rep("hi ", r.IntN(800))))
		}
		jobs = append(jobs, Job{Name: string(rune('A' + i)), Tree: mustTree(t, entries...), Prefix: "top" + rep("p", i/3), Recipe: GNUGzip6})
	}
	jobs = append(jobs, jobs[0]) // the very same twice
	var want []Result
	for _, j := range jobs {
		res, err := Pack(context.Background(), []Job{j}, Options{Workers: 1, ChunkSize: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, res...)
	}
	for _, o := range []Options{{}, {Workers: 1, ChunkSize: 4096, Window: 1}, {Workers: 8, ChunkSize: 20000, Window: 3}} {
		got, err := Pack(context.Background(), jobs, o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: got %v, want %v", o, got, want)
		}
	}
	// The order of jobs does not matter either.
	slices.Reverse(jobs)
	slices.Reverse(want)
	got, err := Pack(context.Background(), jobs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("reversed: got %v, want %v", got, want)
	}
}

// countedContent counts what is read of it.
type countedContent struct {
	Content
	n *atomic.Int64
}

func (c countedContent) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Content.ReadAt(p, off)
	c.n.Add(int64(n))
	return n, err
}

// TestPackTwins: archives that are the same are made once and written for each of them.
// What differs in anything is not taken for the same.
func TestPackTwins(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	var read atomic.Int64
	big := countedContent{BytesContent(kinds[0].make(r, 1<<20)), &read}
	tree := func(name string, mode uint32, last string) Tree {
		return mustTree(t, Entry{Name: name, Type: Regular, Mode: mode, Content: big}, file("z", 0o644, last))
	}
	small := func(content string) Tree { return mustTree(t, file("one", 0o644, content)) }
	jobs := []Job{
		{Name: "first", Tree: tree("big", 0o644, "end"), Prefix: "p"},
		{Name: "same", Tree: tree("big", 0o644, "end"), Prefix: "p"},
		{Name: "other end", Tree: tree("big", 0o644, "End"), Prefix: "p"},
		{Name: "longer end", Tree: tree("big", 0o644, rep("end", 9000)), Prefix: "p"},
		{Name: "same again", Tree: tree("big", 0o644, "end"), Prefix: "p"},
		{Name: "other prefix", Tree: tree("big", 0o644, "end"), Prefix: "q"},
		{Name: "other mode", Tree: tree("big", 0o755, "end"), Prefix: "p"},
		{Name: "other name", Tree: tree("Big", 0o644, "end"), Prefix: "p"},
		{Name: "small", Tree: small("x"), Prefix: "p"},
		{Name: "small too", Tree: small("x"), Prefix: "p"},
		{Name: "small other", Tree: small("y"), Prefix: "p"},
		{Name: "empty", Tree: mustTree(t)},
		{Name: "empty too", Tree: mustTree(t)},
	}
	outs := make([]bytes.Buffer, len(jobs))
	var want [][]byte
	var wanted []Result
	for i := range jobs {
		jobs[i].Recipe = GNUGzip6
		res, err := Pack(t.Context(), jobs[i:i+1], Options{})
		if err != nil {
			t.Fatal(err)
		}
		wanted = append(wanted, res...)
		want = append(want, packed(t, jobs[i].Tree, jobs[i].Prefix))
		jobs[i].Out = &outs[i]
	}
	jobs[4].Out = nil // who wants the digests only gets them
	want[4] = nil
	read.Store(0)
	var mu sync.Mutex
	done := map[string]int64{}
	got, err := Pack(t.Context(), jobs, Options{Workers: 1, Progress: func(job string, n, _ int64) {
		mu.Lock()
		defer mu.Unlock()
		done[job] = n
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("got %v, want %v", got, wanted)
	}
	for i, j := range jobs {
		sameBytes(t, j.Name, outs[i].Bytes(), want[i])
		if size := wanted[i].TarSize; done[j.Name] != size {
			t.Errorf("%s: told of %d bytes, expected %d", j.Name, done[j.Name], size)
		}
	}

	read.Store(0)
	if _, err = Pack(t.Context(), jobs[:1], Options{Workers: 1}); err != nil {
		t.Fatal(err)
	}
	alone := read.Swap(0)
	if _, err = Pack(t.Context(), []Job{jobs[0], jobs[1], jobs[4]}, Options{Workers: 1}); err != nil {
		t.Fatal(err)
	}
	if n := read.Load(); n != alone {
		t.Errorf("read %d bytes for three that are the same, expected %d, as for one", n, alone)
	}

	// Whose file it is that cannot be written is said.
	jobs[1].Out = &badWriter{300_000}
	if _, err = Pack(t.Context(), jobs, Options{}); err == nil || !strings.Contains(err.Error(), "same: disk full") {
		t.Errorf("a twin that cannot be written: got %v", err)
	}
	jobs[0].Out, jobs[1].Out = jobs[1].Out, nil
	if _, err = Pack(t.Context(), jobs, Options{}); err == nil || !strings.Contains(err.Error(), "first: disk full") {
		t.Errorf("the first that cannot be written: got %v", err)
	}
}

type badContent struct {
	Content
	err error
}

func (c badContent) ReadAt(p []byte, off int64) (int, error) {
	if off > 150000 {
		return 0, c.err
	}
	return c.Content.ReadAt(p, off)
}

type badWriter struct{ n int }

func (w *badWriter) Write(p []byte) (int, error) {
	if w.n -= len(p); w.n < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestPackFails(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	big := BytesContent(kinds[0].make(r, 1<<20))
	boom := errors.New("boom")
	broken := mustTree(t, Entry{Name: "big", Type: Regular, Mode: 0o644, Content: badContent{big, boom}})
	fine := mustTree(t, Entry{Name: "big", Type: Regular, Mode: 0o644, Content: big})
	_, err := Pack(context.Background(), []Job{{Name: "one", Tree: fine, Recipe: GNUGzip6}, {Name: "two", Tree: broken, Prefix: "p", Recipe: GNUGzip6}}, Options{})
	if !errors.Is(err, boom) || !strings.Contains(err.Error(), `entry "big"`) {
		t.Errorf("content that cannot be read: got %v", err)
	}
	for _, room := range []int{0, 100, 500000} {
		_, err = Pack(context.Background(), []Job{{Name: "one", Tree: fine, Recipe: GNUGzip6, Out: &badWriter{room}}}, Options{})
		if err == nil || !strings.Contains(err.Error(), "one: disk full") {
			t.Errorf("output that cannot be written: got %v", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err = Pack(ctx, []Job{{Name: "one", Tree: fine, Recipe: GNUGzip6}}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	short := mustTree(t, Entry{Name: "s", Type: Regular, Mode: 0o644, Content: shortContent{BytesContent([]byte("abc"))}})
	if _, err = Pack(context.Background(), []Job{{Name: "one", Tree: short, Recipe: GNUGzip6}}, Options{}); err == nil || !strings.Contains(err.Error(), `entry "s"`) {
		t.Errorf("content shorter than its size: got %v", err)
	}
}

type shortContent struct{ Content }

func (c shortContent) Size() int64 { return c.Content.Size() + 10 }
