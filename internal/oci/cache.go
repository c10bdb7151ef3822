package oci

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
)

// Cache keeps blobs of registries from run to run, each under its digest:
//
//	DIR/sha256/HEX             a blob
//	DIR/sha256/.partial-*      one that a run is writing, or was when it was killed
//
// It is a convenience and never an authority. What is read from it is hashed on
// the way like what comes from a registry; a damaged entry is removed, a warning
// says so, and the blob is fetched. A directory that cannot be written to or is full
// costs one warning, and the run goes on without.
//
// Processes may share a directory: an entry appears by a rename when all its bytes
// are on the disk, and the loser of a race has written the same bytes. A nil
// *Cache is one that keeps nothing.
type Cache struct {
	dir   string
	limit int64
	now   time.Time
	warn  func(string)

	mu       sync.Mutex
	used     bool
	disabled bool                    // nothing more is written
	damaged  map[release.Digest]bool // not to be read again, should they not go away
}

// partialBlob begins the name of what is being written.
const partialBlob = ".partial-"

// partialAge is how old such a file is before it is taken for abandoned.
const partialAge = 24 * time.Hour

// NewCache keeps at most limit bytes in dir, counted when Prune is called; zero
// means no limit. Nothing is made on disk before there is something to keep. now
// is the time of this run; warn is told in one line what is wrong, by several at a
// time.
func NewCache(dir string, limit int64, now time.Time, warn func(string)) *Cache {
	return &Cache{dir: filepath.Join(dir, "sha256"), limit: limit, now: now, warn: warn, damaged: map[release.Digest]bool{}}
}

func (c *Cache) path(d release.Digest) string { return filepath.Join(c.dir, d.Hex()) }

// open gives a blob that is there, or nil. Its bytes are checked as they are
// read: other ones end in a *damagedError.
func (c *Cache) open(d Descriptor, where string) io.ReadCloser {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	c.used = true
	skip := c.damaged[d.Digest]
	c.mu.Unlock()
	if skip {
		return nil
	}
	f, err := atomicfile.Open(c.path(d.Digest))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.disable("cannot be read", err)
		}
		return nil
	}
	_ = os.Chtimes(c.path(d.Digest), c.now, c.now) // what was used last is pruned last; a read-only directory is not pruned
	return &cached{newChecked(f, d, "blob", where), c, d.Digest}
}

// cached reads an entry.
type cached struct {
	io.ReadCloser
	c *Cache
	d release.Digest
}

func (r *cached) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		r.c.remove(r.d, err)
		err = &damagedError{err}
	}
	return n, err
}

// damagedError says that an entry of the cache is not what its name says. The
// entry is gone: who can start over finds the blob in its registry.
type damagedError struct{ err error }

func (e *damagedError) Error() string { return "in the cache: " + e.err.Error() }
func (e *damagedError) Unwrap() error { return e.err }

func (c *Cache) remove(d release.Digest, why error) {
	c.mu.Lock()
	again := c.damaged[d]
	c.damaged[d] = true
	c.mu.Unlock()
	if again {
		return
	}
	var m *MismatchError
	text := why.Error()
	if errors.As(why, &m) {
		text = "expected " + m.Expected + ", got " + m.Got
	}
	if err := os.Remove(c.path(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.warn(fmt.Sprintf("cache entry %s is damaged (%s) and cannot be removed: %v", c.path(d), text, err))
		return
	}
	c.warn(fmt.Sprintf("cache entry %s was damaged (%s): removed, the blob is fetched again", c.path(d), text))
}

// disable stops writing, with one warning a run.
func (c *Cache) disable(what string, err error) {
	c.mu.Lock()
	before := c.disabled
	c.disabled = true
	c.mu.Unlock()
	if before {
		return
	}
	var pe *fs.PathError
	if errors.As(err, &pe) { // its path is a temporary one
		err = pe.Err
	}
	c.warn(fmt.Sprintf("cache %s %s: %v: continuing without it; --cache names another directory, --no-cache uses none", c.dir, what, err))
}

// keep has what is read from a checked stream written to the cache. The entry is
// there when the reader has met io.EOF, which is when the digest was right.
func (c *Cache) keep(rc io.ReadCloser, d Descriptor) io.ReadCloser {
	if c == nil || c.limit > 0 && d.Size > c.limit {
		return rc
	}
	c.mu.Lock()
	disabled := c.disabled
	c.mu.Unlock()
	if disabled {
		return rc
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		c.disable("cannot be made", err)
		return rc
	}
	f, err := os.CreateTemp(c.dir, partialBlob)
	if err != nil {
		c.disable("cannot be written", err)
		return rc
	}
	return &keeping{rc, c, f, d.Digest}
}

// keeping writes an entry as it is read.
type keeping struct {
	io.ReadCloser
	c *Cache
	f *os.File // nil: done, or not to be
	d release.Digest
}

func (k *keeping) Read(p []byte) (int, error) {
	n, err := k.ReadCloser.Read(p)
	if k.f == nil {
		return n, err
	}
	if n > 0 {
		if _, werr := k.f.Write(p[:n]); werr != nil {
			k.drop()
			k.c.disable("cannot be written", werr)
			return n, err
		}
	}
	switch err {
	case nil:
	case io.EOF:
		if werr := k.finish(); werr != nil {
			k.c.disable("cannot be written", werr)
		}
	default:
		k.drop()
	}
	return n, err
}

func (k *keeping) finish() error {
	f := k.f
	err := f.Sync()
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Rename(f.Name(), k.c.path(k.d))
	}
	if err != nil {
		k.drop()
	}
	if _, there := os.Stat(k.c.path(k.d)); there == nil {
		err = nil // the same bytes: on Windows a file that is open is not replaced
	}
	k.f = nil
	return err
}

func (k *keeping) drop() {
	_ = k.f.Close()
	_ = os.Remove(k.f.Name())
	k.f = nil
}

func (k *keeping) Close() error {
	if k.f != nil { // its reader gave up
		k.drop()
	}
	return k.ReadCloser.Close()
}

// Prune removes what killed runs left behind, and the entries that were not used
// for longest until the rest fits the limit; first one that alone is above it, as
// no other can make room for it. A run calls it when it is done, so
// that it finds all that it kept itself. Failures are not worth a word: the next
// run tries again.
func (c *Cache) Prune() {
	if c == nil {
		return
	}
	c.mu.Lock()
	idle := !c.used
	c.mu.Unlock()
	if idle {
		return
	}
	list, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	type entry struct {
		name string
		size int64
		used time.Time
	}
	var entries []entry
	var sum int64
	for _, e := range list {
		fi, err := e.Info()
		if err != nil || !fi.Mode().IsRegular() {
			continue
		}
		if strings.HasPrefix(e.Name(), partialBlob) {
			if c.now.Sub(fi.ModTime()) > partialAge {
				_ = os.Remove(filepath.Join(c.dir, e.Name()))
			}
			continue
		}
		if _, err := release.ParseHex(e.Name()); err != nil {
			continue // not ours
		}
		entries = append(entries, entry{e.Name(), fi.Size(), fi.ModTime()})
		sum += fi.Size()
	}
	if c.limit <= 0 {
		return
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		switch largeA, largeB := a.size > c.limit, b.size > c.limit; {
		case largeA && !largeB:
			return -1
		case largeB && !largeA:
			return 1
		}
		return a.used.Compare(b.used)
	})
	for _, e := range entries {
		if sum <= c.limit {
			return
		}
		if os.Remove(filepath.Join(c.dir, e.name)) == nil {
			sum -= e.size
		}
	}
}
