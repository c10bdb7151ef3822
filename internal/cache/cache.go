// Package cache keeps small values under SHA-256 keys, in a few files of one
// directory: packs, each written whole or not at all and never changed.
//
// What is put waits in memory until [Cache.Flush] writes a new pack. When there
// are many packs, the small ones are joined; when they take more than the limit,
// all are joined without what was not used for longest. Several processes may use
// one directory: each writes packs of its own, and removes only packs whose
// values it wrote anew. Nothing waits for a lock.
//
// A pack or a value that is not as it was written counts as absent; [Cache.Damage]
// tells, and the next flush removes the pack.
//
// # Format of a pack
//
//	"facerec cache 1\n"  magic
//	entries              8 bytes
//	SHA-256              32 bytes, of all entries
//	entry…               key (32 bytes), offset (8), size (4), first 8 bytes of the value's SHA-256
//	value…
//
// Numbers are little-endian, offsets count from the start of the file, and entries
// are sorted by key.
package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"

	"facerec/internal/atomicfile"
)

// Key is what a value is kept under.
type Key = [sha256.Size]byte

const (
	magic      = "facerec cache 1\n"
	headBytes  = len(magic) + 8 + sha256.Size
	entryBytes = sha256.Size + 8 + 4 + sumBytes
	sumBytes   = 8
	ending     = ".pack"

	// maxEntries and maxValue bound what is believed of a pack.
	maxEntries = 1 << 21
	maxValue   = 16 << 20

	// A flush is due when this much waits in memory.
	pendingEntries = 4096
	pendingBytes   = 8 << 20

	// maxPacks is how many packs there may be before some are joined.
	maxPacks = 8
)

// Cache is an open cache. Its methods may be called from several goroutines at
// once, and on nil: that is a cache that keeps nothing.
type Cache struct {
	dir   string
	limit int64

	mu      sync.Mutex
	packs   []*pack // oldest first
	pending map[Key][]byte
	waiting int // bytes in pending
	damage  []error
	remove  []string // damaged packs
	failed  error    // of the first flush that failed; nothing is kept from then on
}

// pack is one open file.
type pack struct {
	name  string
	file  *os.File
	size  int64
	index []byte // the entries
	used  []bool // by entry: it was asked for
}

// Open opens the packs in dir, which need not exist. limit is how many bytes
// they may take. Nothing is changed before the first flush. The error is for a
// directory that is there and cannot be read; the cache can be used all the same.
func Open(dir string, limit int64) (*Cache, error) {
	c := &Cache{dir: dir, limit: limit, pending: map[Key][]byte{}}
	var names []fs.DirEntry
	var err error
	for range 10 { // another process may be joining packs
		c.closePacks()
		gone := false
		if names, err = os.ReadDir(dir); err != nil {
			break
		}
		for _, d := range names {
			if filepath.Ext(d.Name()) != ending {
				continue
			}
			switch err := c.load(filepath.Join(dir, d.Name())); {
			case errors.Is(err, fs.ErrNotExist):
				gone = true
			case err != nil:
				c.damage = append(c.damage, err)
			}
		}
		if !gone {
			break
		}
		c.damage, c.remove = nil, nil
	}
	sort.SliceStable(c.packs, func(i, j int) bool { return older(c.packs[i].file, c.packs[j].file) })
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return c, err
}

func older(a, b *os.File) bool {
	fa, errA := a.Stat()
	fb, errB := b.Stat()
	return errA == nil && errB == nil && fa.ModTime().Before(fb.ModTime())
}

// errOther says that a file has another format.
var errOther = errors.New("of another version")

// load opens one pack. A damaged one is noted for removal.
func (c *Cache) load(name string) error {
	f, err := atomicfile.Open(name)
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	var index []byte
	if err == nil {
		index, err = readIndex(f, fi.Size())
	}
	if err != nil {
		_ = f.Close()
		if errors.Is(err, errOther) {
			return nil // a newer program's
		}
		c.remove = append(c.remove, name)
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	c.packs = append(c.packs, &pack{name, f, fi.Size(), index, make([]bool, len(index)/entryBytes)})
	return nil
}

// readIndex reads the entries of a pack of so many bytes and checks them.
func readIndex(r io.ReaderAt, size int64) ([]byte, error) {
	head := make([]byte, headBytes)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("shorter than %d bytes", headBytes)
	}
	if !bytes.HasPrefix(head, []byte(magic)) {
		if bytes.HasPrefix(head, []byte(magic[:strings.LastIndexByte(magic, ' ')+1])) {
			return nil, errOther
		}
		return nil, errors.New("not a cache file")
	}
	n := binary.LittleEndian.Uint64(head[len(magic):])
	if n > maxEntries || int64(n) > (size-int64(headBytes))/int64(entryBytes) {
		return nil, fmt.Errorf("%d entries in %d bytes", n, size)
	}
	index := make([]byte, int(n)*entryBytes)
	if _, err := r.ReadAt(index, int64(headBytes)); err != nil && n > 0 {
		return nil, err
	}
	if got := sha256.Sum256(index); !bytes.Equal(got[:], head[len(magic)+8:]) {
		return nil, fmt.Errorf("expected sha256 %x of its entries, got %x", head[len(magic)+8:], got)
	}
	for i := 0; i < len(index); i += entryBytes {
		_, offset, length, _ := entry(index[i:])
		if length > maxValue || offset < int64(headBytes+len(index)) || offset > size-int64(length) {
			return nil, fmt.Errorf("an entry of %d bytes at %d, in a file of %d", length, offset, size)
		}
		if i > 0 && bytes.Compare(index[i-entryBytes:i-entryBytes+sha256.Size], index[i:i+sha256.Size]) >= 0 {
			return nil, errors.New("its entries are not in order")
		}
	}
	return index, nil
}

// entry splits an entry of an index.
func entry(b []byte) (key Key, offset int64, size int, sum []byte) {
	copy(key[:], b)
	b = b[sha256.Size:entryBytes]
	offset = int64(min(binary.LittleEndian.Uint64(b), 1<<50)) // which is beyond any file
	return key, offset, int(min(binary.LittleEndian.Uint32(b[8:]), maxValue+1)), b[12:]
}

// find is the number of a key's entry, or -1.
func (p *pack) find(key Key) int {
	n := len(p.index) / entryBytes
	i := sort.Search(n, func(i int) bool { return bytes.Compare(p.index[i*entryBytes:i*entryBytes+sha256.Size], key[:]) >= 0 })
	if i < n && bytes.Equal(p.index[i*entryBytes:i*entryBytes+sha256.Size], key[:]) {
		return i
	}
	return -1
}

// value reads and checks the value of an entry.
func (p *pack) value(i int) ([]byte, error) {
	_, offset, size, sum := entry(p.index[i*entryBytes:])
	v := make([]byte, size)
	if _, err := p.file.ReadAt(v, offset); err != nil && size > 0 {
		return nil, err
	}
	if got := sha256.Sum256(v); !bytes.Equal(got[:sumBytes], sum) {
		return nil, fmt.Errorf("expected sha256 %x… of a value, got %x…", sum, got[:sumBytes])
	}
	return v, nil
}

// Get returns a value, which the caller does not change.
func (c *Cache) Get(key Key) ([]byte, bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.pending[key]; ok {
		return v, true
	}
	for i := len(c.packs) - 1; i >= 0; i-- {
		p := c.packs[i]
		at := p.find(key)
		if at < 0 {
			continue
		}
		v, err := p.value(at)
		if err != nil {
			c.drop(p, err)
			continue
		}
		p.used[at] = true
		return v, true
	}
	return nil, false
}

// drop does without a damaged pack.
func (c *Cache) drop(p *pack, err error) {
	c.damage = append(c.damage, fmt.Errorf("%s: %w", filepath.Base(p.name), err))
	c.remove = append(c.remove, p.name)
	_ = p.file.Close()
	c.packs = slices.DeleteFunc(c.packs, func(q *pack) bool { return q == p })
}

// Put keeps a value, which the caller does not change afterwards. One that is
// too large is not kept.
func (c *Cache) Put(key Key, value []byte) {
	if c == nil || len(value) > maxValue {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return
	}
	c.waiting += len(value) - len(c.pending[key])
	c.pending[key] = value
	if len(c.pending) >= pendingEntries || c.waiting >= pendingBytes {
		_ = c.flush() // the last flush tells
	}
}

// Damage returns what was found damaged since it was last asked, one error for a pack.
func (c *Cache) Damage() []error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.damage
	c.damage = nil
	return out
}

// Flush writes what waits, and removes what is damaged. After an error nothing is
// kept any more, and every flush returns it.
func (c *Cache) Flush() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flush()
}

func (c *Cache) flush() error {
	for _, name := range c.remove {
		_ = os.Remove(name) // another process may have done it
	}
	c.remove = nil
	if len(c.pending) == 0 || c.failed != nil {
		return c.failed
	}
	c.failed = c.save()
	clear(c.pending)
	c.waiting = 0
	return c.failed
}

// save writes what waits as a pack.
func (c *Cache) save() error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	var all []source
	for key, value := range c.pending {
		sum := sha256.Sum256(value)
		all = append(all, source{key: key, size: len(value), sum: sum[:sumBytes], read: func() ([]byte, error) { return value, nil }})
	}
	if err := c.write(all); err != nil {
		return err
	}
	return c.join()
}

// source is a value that goes into a new pack.
type source struct {
	key  Key
	size int
	sum  []byte
	read func() ([]byte, error)
}

// write makes a pack, sorting all, and takes it in as the newest.
func (c *Cache) write(all []source) error {
	slices.SortFunc(all, func(a, b source) int { return bytes.Compare(a.key[:], b.key[:]) })
	index := make([]byte, 0, len(all)*entryBytes)
	offset := headBytes + len(all)*entryBytes
	for _, s := range all {
		index = append(index, s.key[:]...)
		index = binary.LittleEndian.AppendUint64(index, uint64(offset))
		index = binary.LittleEndian.AppendUint32(index, uint32(s.size)) //nolint:gosec // at most maxValue
		index = append(index, s.sum...)
		offset += s.size
	}
	sum := sha256.Sum256(index)
	name := filepath.Join(c.dir, hex.EncodeToString(sum[:16])+ending)
	head := binary.LittleEndian.AppendUint64([]byte(magic), uint64(len(all)))
	err := atomicfile.Write(name, 0o600, func(w io.Writer) error {
		if _, err := w.Write(slices.Concat(head, sum[:], index)); err != nil {
			return err
		}
		for _, s := range all {
			v, err := s.read()
			if err != nil {
				return err
			}
			if _, err := w.Write(v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	// The same entries have the same name: what was open under it is replaced.
	c.packs = slices.DeleteFunc(c.packs, func(p *pack) bool {
		if p.name == name {
			_ = p.file.Close()
		}
		return p.name == name
	})
	err = c.load(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // cleared, or joined by another process
	}
	return err
}

// join makes one pack of several when there are too many of them, or when they
// take too much.
func (c *Cache) join() error {
	for {
		var total int64
		for _, p := range c.packs {
			total += p.size
		}
		var old []*pack
		switch {
		case c.limit > 0 && total > c.limit:
			old = c.packs
		case len(c.packs) > maxPacks:
			old = small(c.packs)
		default:
			return nil
		}
		old = slices.Clone(old)
		room := int64(math.MaxInt64)
		if c.limit > 0 && total > c.limit {
			room = c.limit / 4 * 3
		}
		all := within(newest(old), room)
		var bad *damagedPack
		sources := make([]source, len(all))
		for i, l := range all {
			sources[i] = l.source()
		}
		switch err := c.write(sources); {
		case errors.As(err, &bad):
			c.drop(bad.pack, bad.err)
			continue
		case err != nil:
			return err
		}
		made := c.packs[len(c.packs)-1].name
		for _, p := range old {
			if p.name == made {
				continue
			}
			_ = p.file.Close()
			_ = os.Remove(p.name)
			c.packs = slices.DeleteFunc(c.packs, func(q *pack) bool { return q == p })
		}
		return nil
	}
}

// small chooses the packs that are joined: the smallest, up to one that is larger
// than all before it, so that a large one is not written anew for each small one.
func small(packs []*pack) []*pack {
	bySize := slices.Clone(packs)
	slices.SortStableFunc(bySize, func(a, b *pack) int { return int(min(max(a.size-b.size, -1), 1)) })
	n, sum := 0, int64(0)
	for ; n < len(bySize) && (n < maxPacks/2 || bySize[n].size <= sum); n++ {
		sum += bySize[n].size
	}
	chosen := bySize[:n]
	return slices.DeleteFunc(slices.Clone(packs), func(p *pack) bool { return !slices.Contains(chosen, p) })
}

// lasting is an entry of a pack that goes into another.
type lasting struct {
	pack *pack
	at   int
}

// newest lists each key once, as the newest pack has it: newest packs first.
func newest(packs []*pack) []lasting {
	seen := map[Key]bool{}
	var out []lasting
	for i := len(packs) - 1; i >= 0; i-- {
		for at := range packs[i].used {
			key, _, _, _ := entry(packs[i].index[at*entryBytes:])
			if !seen[key] {
				seen[key] = true
				out = append(out, lasting{packs[i], at})
			}
		}
	}
	return out
}

// within keeps what was used in this run, then the newest, up to so many bytes.
func within(all []lasting, bytes int64) []lasting {
	slices.SortStableFunc(all, func(a, b lasting) int {
		ua, ub := a.pack.used[a.at], b.pack.used[b.at]
		switch {
		case ua == ub:
			return 0
		case ua:
			return -1
		}
		return 1
	})
	var sum int64
	for i, l := range all {
		_, _, size, _ := entry(l.pack.index[l.at*entryBytes:])
		if sum += int64(size + entryBytes); sum > bytes || i == maxEntries {
			return all[:i]
		}
	}
	return all
}

func (l lasting) source() source {
	key, _, size, sum := entry(l.pack.index[l.at*entryBytes:])
	return source{key, size, sum, func() ([]byte, error) {
		v, err := l.pack.value(l.at)
		if err != nil {
			err = &damagedPack{l.pack, err}
		}
		return v, err
	}}
}

// damagedPack says that a pack could not be joined.
type damagedPack struct {
	pack *pack
	err  error
}

func (e *damagedPack) Error() string { return e.err.Error() }

// Size returns how many values the packs have, and their bytes on disk.
func (c *Cache) Size() (values int, bytes int64) {
	if c == nil {
		return 0, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.packs {
		values += len(p.used)
		bytes += p.size
	}
	return values, bytes
}

// Close frees what is open, without writing anything.
func (c *Cache) Close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closePacks()
}

func (c *Cache) closePacks() {
	for _, p := range c.packs {
		_ = p.file.Close()
	}
	c.packs = nil
}

// Clear removes every pack in dir, and what killed runs left; other files stay.
// It returns how many files and bytes that were.
func Clear(dir string) (files int, bytes int64, err error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	for _, d := range names {
		if !d.Type().IsRegular() || filepath.Ext(d.Name()) != ending && !atomicfile.IsPartial(d.Name()) {
			continue
		}
		fi, ferr := d.Info()
		if rerr := os.Remove(filepath.Join(dir, d.Name())); rerr != nil {
			if !errors.Is(rerr, fs.ErrNotExist) {
				err = errors.Join(err, rerr)
			}
			continue
		}
		files++
		if ferr == nil {
			bytes += fi.Size()
		}
	}
	return files, bytes, err
}
