package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"facerec/internal/atomicfile"
)

func keyOf(i int) Key       { return sha256.Sum256(fmt.Append(nil, "key ", i)) }
func valueOf(i int) []byte  { return bytes.Repeat(fmt.Append(nil, "value ", i, "\n"), i%7) }
func damaged(c *Cache) bool { return len(c.Damage()) > 0 }

func open(t testing.TB, dir string, limit int64) *Cache {
	t.Helper()
	c, err := Open(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func flush(t testing.TB, c *Cache) {
	t.Helper()
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
}

// wants checks which of the keys 0 to n-1 are there, with their values.
func wants(t *testing.T, c *Cache, n int, there func(i int) bool) {
	t.Helper()
	for i := range n {
		v, ok := c.Get(keyOf(i))
		if ok != there(i) || ok && !bytes.Equal(v, valueOf(i)) {
			t.Fatalf("key %d: %q, %v", i, v, ok)
		}
	}
}

func all(int) bool { return true }

func packsIn(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if filepath.Ext(name) != ending {
			t.Errorf("%s was left behind", name)
		}
	}
	return names
}

// What was put is there at once, after a flush, and in the next run, over many
// runs, in few files.
func TestKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	const runs, each = 40, 25
	for run := range runs {
		c := open(t, dir, 0)
		wants(t, c, run*each, all)
		for i := range each {
			c.Put(keyOf(run*each+i), valueOf(run*each+i))
		}
		wants(t, c, (run+1)*each, all)
		flush(t, c)
		wants(t, c, (run+1)*each, all)
		c.Close()
		if n := len(packsIn(t, dir)); n > maxPacks {
			t.Fatalf("%d files after %d runs", n, run+1)
		}
	}
	c := open(t, dir, 0)
	if n, size := c.Size(); n != runs*each || size < 1000 {
		t.Errorf("%d values in %d bytes", n, size)
	}
	if _, ok := c.Get(Key{}); ok || damaged(c) {
		t.Error("there is what nobody put")
	}
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", fi.Mode(), err)
	}
}

// The last value counts.
func TestReplaces(t *testing.T) {
	dir := t.TempDir()
	for i := range 12 {
		c := open(t, dir, 0)
		c.Put(keyOf(0), []byte("wrong"))
		c.Put(keyOf(0), fmt.Append(nil, "now ", i))
		flush(t, c)
		if v, _ := c.Get(keyOf(0)); string(v) != fmt.Sprint("now ", i) {
			t.Fatalf("%d: %q", i, v)
		}
	}
}

// A large batch is written on the way, not only at its end.
func TestFlushesOnTheWay(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 0)
	for i := range pendingEntries + 10 {
		c.Put(keyOf(i), valueOf(i))
	}
	other := open(t, dir, 0)
	wants(t, other, pendingEntries, all)
	c.Put(keyOf(-1), make([]byte, maxValue+1))
	if _, ok := c.Get(keyOf(-1)); ok {
		t.Error("a value of any size is kept")
	}
}

// The limit is kept; what this run used stays longest, then what is newest.
func TestLimit(t *testing.T) {
	dir := t.TempDir()
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1000) }
	const limit = 100_000
	for run := range 10 {
		c := open(t, dir, limit)
		if run > 0 {
			if _, ok := c.Get(keyOf(0)); !ok {
				t.Fatalf("run %d: what every run used is gone", run)
			}
		}
		for i := range 30 {
			c.Put(keyOf(run*30+i), value(run*30+i))
		}
		flush(t, c)
		if _, size := c.Size(); size > limit {
			t.Fatalf("run %d: %d bytes, expected at most %d", run, size, limit)
		}
		c.Close()
	}
	c := open(t, dir, limit)
	for i := 270; i < 300; i++ {
		if v, ok := c.Get(keyOf(i)); !ok || !bytes.Equal(v, value(i)) {
			t.Errorf("key %d of the last run is gone", i)
		}
	}
	if _, ok := c.Get(keyOf(1)); ok {
		t.Error("the oldest is still there")
	}
}

// Whatever happens to a file, no wrong value comes out, it is told, and after
// the next flush all is well again.
func TestDamage(t *testing.T) {
	for name, harm := range map[string]func([]byte) []byte{
		"empty":              func([]byte) []byte { return nil },
		"cut in the head":    func(b []byte) []byte { return b[:headBytes-1] },
		"cut in the index":   func(b []byte) []byte { return b[:headBytes+5] },
		"cut in the values":  func(b []byte) []byte { return b[:len(b)-3] },
		"a bit of the magic": func(b []byte) []byte { b[3] ^= 1; return b },
		"a bit of the index": func(b []byte) []byte { b[headBytes+40] ^= 1; return b },
		"a bit of a value":   func(b []byte) []byte { b[len(b)-5] ^= 1; return b },
		"too many entries":   func(b []byte) []byte { binary.LittleEndian.PutUint64(b[len(magic):], 1<<62); return b },
		"something else":     func([]byte) []byte { return bytes.Repeat([]byte("photo"), 500) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := open(t, dir, 0)
			for i := range 20 {
				c.Put(keyOf(i), valueOf(i))
			}
			flush(t, c)
			c.Close()
			file := packsIn(t, dir)[0]
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, harm(b), 0o600); err != nil {
				t.Fatal(err)
			}
			c = open(t, dir, 0)
			for i := range 20 {
				if v, ok := c.Get(keyOf(i)); ok && !bytes.Equal(v, valueOf(i)) {
					t.Fatalf("key %d: %q", i, v)
				}
			}
			if !damaged(c) {
				t.Fatal("nobody saw it")
			}
			for i := range 20 {
				c.Put(keyOf(i), valueOf(i))
			}
			flush(t, c)
			c.Close()
			c = open(t, dir, 0)
			wants(t, c, 20, all)
			if damaged(c) {
				t.Error("it is still damaged")
			}
		})
	}
}

// A value that is found damaged only when packs are joined is left out.
func TestDamageWhileJoining(t *testing.T) {
	dir := t.TempDir()
	for run := range maxPacks {
		c := open(t, dir, 0)
		c.Put(keyOf(6*run+1), valueOf(6*run+1))
		flush(t, c)
		c.Close()
		if run == 0 {
			file := packsIn(t, dir)[0]
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)-1] ^= 1
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := open(t, dir, 0)
	c.Put(keyOf(1000), valueOf(1000))
	flush(t, c)
	if !damaged(c) {
		t.Error("nobody saw it")
	}
	flush(t, c)
	if n := len(packsIn(t, dir)); n > maxPacks {
		t.Errorf("%d files", n)
	}
	for i := 6 + 1; i < 6*maxPacks; i += 6 {
		if v, ok := c.Get(keyOf(i)); !ok || !bytes.Equal(v, valueOf(i)) {
			t.Errorf("key %d: %q %v", i, v, ok)
		}
	}
}

// Runs that work at the same time lose nothing that each flushed, and see what
// was there when they began.
func TestAtOnce(t *testing.T) {
	dir := t.TempDir()
	const runs, each = 6, 60
	var wg sync.WaitGroup
	for run := range runs {
		wg.Go(func() {
			for i := range each {
				c, err := Open(dir, 0)
				if err != nil {
					t.Error(err)
					return
				}
				n := run*each + i
				if i > 0 {
					if v, ok := c.Get(keyOf(n - 1)); !ok || !bytes.Equal(v, valueOf(n-1)) {
						t.Errorf("run %d does not see its own last value", run)
					}
				}
				c.Put(keyOf(n), valueOf(n))
				if err := c.Flush(); err != nil {
					t.Error(err)
				}
				if damaged(c) {
					t.Error("damaged")
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	c := open(t, dir, 0)
	wants(t, c, runs*each, all)
}

// A pack of a newer program is neither used nor removed.
func TestOtherVersion(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "new"+ending)
	if err := os.WriteFile(name, append([]byte("facerec cache 9\n"), make([]byte, 100)...), 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir, 0)
	c.Put(keyOf(1), nil)
	flush(t, c)
	if _, err := os.Stat(name); err != nil || damaged(c) {
		t.Errorf("%v", err)
	}
}

// What cannot be written is an error of the flush, once and for all, and
// nothing piles up.
func TestUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(file, 0)
	if err == nil {
		t.Error("a file is no directory")
	}
	c.Put(keyOf(1), []byte("x"))
	for range 2 {
		if c.Flush() == nil {
			t.Error("written into a file")
		}
	}
	c.Put(keyOf(2), []byte("x"))
	if _, ok := c.Get(keyOf(2)); ok {
		t.Error("kept for nobody")
	}
}

func TestNil(t *testing.T) {
	var c *Cache
	c.Put(Key{}, nil)
	if _, ok := c.Get(Key{}); ok || c.Flush() != nil || c.Damage() != nil {
		t.Error("nil keeps something")
	}
	c.Close()
}

// Clear removes packs and nothing else.
func TestClear(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 0)
	c.Put(keyOf(1), valueOf(1))
	flush(t, c)
	for _, name := range []string{"photo.jpg", atomicfile.Prefix + "1"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, size, err := Clear(dir)
	if files != 2 || size < 50 || err != nil {
		t.Errorf("%d files, %d bytes, %v", files, size, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || !slices.Equal(left, []string{filepath.Join(dir, "photo.jpg")}) {
		t.Errorf("%q %v", left, err)
	}
	if _, ok := c.Get(keyOf(1)); !ok {
		t.Error("a run that is under way lost what it had opened")
	}
	if files, _, err := Clear(filepath.Join(dir, "absent")); files != 0 || err != nil {
		t.Errorf("%d, %v", files, err)
	}
}

func FuzzReadIndex(f *testing.F) {
	dir := f.TempDir()
	c := open(f, dir, 0)
	for i := range 3 {
		c.Put(keyOf(i), valueOf(i))
	}
	flush(f, c)
	b, err := os.ReadFile(c.packs[0].name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		index, err := readIndex(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for i := 0; i < len(index); i += entryBytes {
			if _, offset, size, _ := entry(index[i:]); offset+int64(size) > int64(len(data)) {
				t.Errorf("a value that ends at %d, in %d bytes", offset+int64(size), len(data))
			}
		}
	})
}
