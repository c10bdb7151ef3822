package layer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"facerec/internal/inflate"
	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/sums"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// Limits bound what an image may cost to unpack. A zero field means its
// default.
type Limits struct {
	Entries int   // in one layer; default 2,000,000
	Bytes   int64 // of one layer, inflated; default 64 GiB
	Ratio   int64 // inflated to compressed, of all layers, beyond [tarball.FreeBytes]; default [tarball.DefaultRatio]
}

func (l Limits) withDefaults() Limits {
	if l.Entries == 0 {
		l.Entries = 2_000_000
	}
	if l.Bytes == 0 {
		l.Bytes = 64 << 30
	}
	if l.Ratio == 0 {
		l.Ratio = tarball.DefaultRatio
	}
	return l
}

// maxDepth is how many directories may be inside one another.
const maxDepth = 1024

// Entry is one header of a layer, its name made relative and clean. There may be
// very many.
type Entry struct {
	Name    string
	Content tarball.Content // nil when the caller did not want it kept
	Mode    uint32
	Kind    byte // a tar typeflag

	rest *rest // nil: nothing
}

// rest is what few entries of a layer have, and what nearly all have in common.
type rest struct {
	link string
	*common
}

type common struct {
	owner  Owner
	notes  []string
	device string
}

// Link is the target of a link.
func (e *Entry) Link() string {
	if e.rest == nil {
		return ""
	}
	return e.rest.link
}

// Owner is the user and group of a file. Tarballs leave them out; an engine
// does not.
type Owner struct {
	UID, GID    int
	User, Group string
}

// Owner is who the entry belongs to.
func (e *Entry) Owner() Owner {
	if e.rest == nil {
		return Owner{}
	}
	return e.rest.owner
}

// Notes are the names of extended attributes and the like, which a tarball leaves
// out.
func (e *Entry) Notes() []string {
	if e.rest == nil {
		return nil
	}
	return e.rest.notes
}

// Device is "char 1:3", "block 8:0", "pipe", or "".
func (e *Entry) Device() string {
	if e.rest == nil {
		return ""
	}
	return e.rest.device
}

// Entries are those of a layer, in its order. They lie in blocks: one list, which
// grows by being copied, would need twice the memory for a moment.
type Entries [][]Entry

// maxBlock is how many entries a block has at most.
const maxBlock = 1024

func (all *Entries) add(e Entry) {
	last := len(*all) - 1
	if last < 0 || len((*all)[last]) == cap((*all)[last]) {
		*all = append(*all, make([]Entry, 0, min(16<<min(len(*all), 6), maxBlock)))
		last++
	}
	(*all)[last] = append((*all)[last], e)
}

// Len is how many there are.
func (all Entries) Len() (n int) {
	for _, b := range all {
		n += len(b)
	}
	return n
}

// All yields them.
func (all Entries) All() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, b := range all {
			for i := range b {
				if !yield(&b[i]) {
					return
				}
			}
		}
	}
}

// Unpacker reads layers, each distinct one once however many images share it,
// and keeps file contents in a spool, each distinct one once.
type Unpacker struct {
	// Progress, if not nil, is told how many bytes of layers have been read, of how
	// many in those that were begun. It is called by several, one at a time.
	Progress func(done, total int64)

	progress    sync.Mutex // of these, and so that Progress hears of them in order
	done, total int64

	spool  *tarball.Spool
	limits Limits
	read   *readings

	mu    sync.Mutex
	begun map[begun]bool     // layers whose stored bytes are in sum
	uses  map[part]*layerUse // what is in sum of each part
	views map[view]Flattened

	sum counts
}

// readings are the layers that were read, shared by the Unpackers that
// [Unpacker.Another] made of one.
type readings struct {
	mu     sync.Mutex
	layers map[part]*reading
	held   int // entries of those that were read
}

// counts are what was read of all layers together: an image can have many small
// ones, and what they may cost grows with all bytes that are stored.
type counts struct{ stored, inflated, entries, names atomic.Int64 }

// part is a layer and the directory of it whose contents are kept: "" means all.
type part struct {
	layer oci.Layer
	below string
}

// begun is a part by its bytes alone: an image can name them in many ways.
type begun struct {
	layer release.Digest
	below string
}

type reading struct {
	by      *Unpacker
	image   *oci.Image
	use     *layerUse
	done    chan struct{}
	entries Entries
	err     error
}

// NewUnpacker keeps contents in spool, which outlives it.
func NewUnpacker(spool *tarball.Spool, limits Limits) *Unpacker {
	return newUnpacker(spool, limits.withDefaults(), &readings{layers: map[part]*reading{}})
}

func newUnpacker(spool *tarball.Spool, limits Limits, read *readings) *Unpacker {
	return &Unpacker{spool: spool, limits: limits, read: read, begun: map[begun]bool{}, uses: map[part]*layerUse{}, views: map[view]Flattened{}}
}

// Another returns an Unpacker for other images, which need not read a layer again
// that u has read, and the other way round. The limits hold for each on its own:
// what a layer has counts for all that use it, and images that cost too much do
// not use up what others may. Both may be used at the same time.
func (u *Unpacker) Another() *Unpacker { return newUnpacker(u.spool, u.limits, u.read) }

// Held is how many entries are kept of the layers that were read.
func (u *Unpacker) Held() int {
	u.read.mu.Lock()
	defer u.read.mu.Unlock()
	return u.read.held
}

// Drop lets go of the entries of all layers that were read, when none is being read:
// there may be very many, and trees that were made of them do without. A layer that
// is asked for again is read again.
func (u *Unpacker) Drop() {
	u.mu.Lock()
	for key, use := range u.uses {
		delete(u.uses, key)
		use.giveBack()
	}
	u.mu.Unlock()
	u.read.mu.Lock()
	defer u.read.mu.Unlock()
	clear(u.read.layers)
	u.read.held = 0
}

// Read returns a layer's entries, with the contents of files below the given
// directory only. The empty name stands for the root.
func (u *Unpacker) Read(ctx context.Context, img *oci.Image, l oci.Layer, below string) (Entries, error) {
	key := part{l, below}
	u.read.mu.Lock()
	r, known := u.read.layers[key]
	if !known {
		r = &reading{by: u, image: img, done: make(chan struct{})}
		u.read.layers[key] = r
	}
	u.read.mu.Unlock()
	if !known {
		r.err = u.fetch(ctx, r, l, below)
		u.read.mu.Lock()
		u.read.held += r.entries.Len()
		u.read.mu.Unlock()
		close(r.done)
		return r.entries, r.err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	switch {
	case r.err == nil:
		if err := u.charge(key, r); err != nil {
			return nil, err
		}
		return r.entries, nil
	case r.by == u && r.image.SameSource(img):
		return nil, r.err
	}
	// Another image may have it from a better place, and the limits of another
	// Unpacker are not ours.
	u.read.mu.Lock()
	if u.read.layers[key] == r {
		delete(u.read.layers, key)
	}
	u.read.mu.Unlock()
	return u.Read(ctx, img, l, below)
}

// store counts the stored bytes of a layer, once. u.mu is held.
func (u *Unpacker) store(img *oci.Image, key part) {
	if b := (begun{key.layer.Digest, key.below}); !u.begun[b] {
		u.begun[b] = true
		u.sum.stored.Add(img.Stored(key.layer))
	}
}

// charge counts a layer that was read, by another Unpacker perhaps.
func (u *Unpacker) charge(key part, r *reading) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if use := u.uses[key]; use != nil { // it is counted already
		return use.over
	}
	use := &layerUse{u: u}
	u.uses[key] = use
	u.store(r.image, key)
	if use.over = use.inflate(r.use.inflated); use.over == nil {
		use.over = use.countAll(r.use.entries, r.use.names)
	}
	if use.over != nil {
		use.over = fmt.Errorf("layer %s: %w", r.image.Ref.At(key.layer.Digest), use.over)
	}
	return use.over
}

// layerReader counts what is read of a layer.
type layerReader struct {
	io.Reader
	u *Unpacker
}

func (r layerReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.u.move(int64(n), 0)
	return n, err
}

// move counts bytes of layers that were read and bytes that are to be read.
func (u *Unpacker) move(done, total int64) {
	u.progress.Lock()
	defer u.progress.Unlock()
	u.done, u.total = u.done+done, u.total+total
	if done > 0 && u.Progress != nil {
		u.Progress(u.done, max(u.done, u.total))
	}
}

func (u *Unpacker) fetch(ctx context.Context, r *reading, l oci.Layer, below string) error {
	u.mu.Lock()
	u.store(r.image, part{l, below})
	u.mu.Unlock()
	return r.image.ReadLayer(ctx, l, func(in io.Reader) (err error) {
		u.move(0, max(l.Size, 0))
		if r.use != nil { // of a copy that was damaged
			r.use.giveBack()
		}
		r.use = &layerUse{u: u}
		u.mu.Lock()
		u.uses[part{l, below}] = r.use
		u.mu.Unlock()
		r.entries, err = u.unpack(layerReader{in, u}, r.use, r.image.Ref.At(l.Digest).String(), l, below)
		return err
	})
}

// forget takes off the counts what was read of an image's layers below a directory:
// they will be read whole.
func (u *Unpacker) forget(img *oci.Image, below string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, l := range img.Layers {
		key := part{l, below}
		if use := u.uses[key]; use != nil {
			delete(u.uses, key)
			use.giveBack()
		}
	}
}

// What reading a layer takes, for the next one: a list of releases has many small ones.
var (
	packedBuffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 32<<10) }}
	inflaters     = sync.Pool{New: func() any { return new(inflate.Reader) }}
	diffIDs       = sync.Pool{New: func() any { return sums.NewBehind() }}
)

// unpack reads the entries of a layer out of its stored bytes.
func (u *Unpacker) unpack(r io.Reader, use *layerUse, where string, l oci.Layer, below string) (Entries, error) {
	packed := packedBuffers.Get().(*bufio.Reader)
	packed.Reset(r)
	defer func() {
		packed.Reset(nil)
		packedBuffers.Put(packed)
	}()
	plain, closePlain, err := decompressed(packed)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", where, oci.Cause(err, packed))
	}
	defer closePlain()
	diff := diffIDs.Get().(*sums.Behind)
	diff.Reset()
	defer diffIDs.Put(diff)
	use.r = plain
	tee := io.TeeReader(use, diff)
	entries, err := u.entries(tee, diff, use, below)
	if err == nil { // the padding behind the archive belongs to the diff ID
		_, err = io.Copy(io.Discard, tee)
	}
	if err == nil { // and bytes behind the compressed stream to the digest
		_, err = io.Copy(io.Discard, packed)
	}
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", where, oci.Cause(err, packed))
	}
	if got := release.DigestOf(diff.Sum256()); got != l.DiffID {
		return nil, &oci.MismatchError{What: "diff ID of layer", Where: where, Expected: l.DiffID.String(), Got: got.String()}
	}
	return entries, nil
}

// decompressed goes by the bytes, not by the media type: the diff ID decides in the
// end whether it was right.
func decompressed(r *bufio.Reader) (io.Reader, func(), error) {
	magic, err := r.Peek(4)
	if err != nil && len(magic) == 0 && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		m := &members{in: r, z: inflaters.Get().(*inflate.Reader)}
		return m, m.close, nil
	case isZstd(magic):
		zr, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(tarball.MaxWindow))
		if err != nil {
			return nil, nil, err
		}
		return zr, zr.Close, nil
	}
	return r, func() {}, nil
}

// isZstd reports whether a frame of zstd begins, or a skippable frame, which
// may stand anywhere (RFC 8878, section 3.1).
func isZstd(magic []byte) bool {
	return bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		len(magic) == 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18})
}

// members reads all members of a gzip file, one after the other: some tools
// write layers that have several.
type members struct {
	in   *bufio.Reader
	z    *inflate.Reader
	more bool // z has begun
}

func (m *members) Read(p []byte) (int, error) {
	for {
		if !m.more {
			if err := m.z.Reset(m.in); err != nil {
				return 0, err
			}
			m.more = true
		}
		n, err := m.z.Read(p)
		if n > 0 || len(p) == 0 || !errors.Is(err, io.EOF) {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
		m.more = false
	}
}

// close ends the reading.
func (m *members) close() {
	inflaters.Put(m.z)
	m.in, m.z = nil, nil
}

// layerUse is what one layer is read from and has used of the limits.
type layerUse struct {
	u *Unpacker
	r io.Reader

	inflated, entries, names int64

	over error // of a layer that another Unpacker has read: it is more than this one may use
}

func (l *layerUse) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if over := l.inflate(int64(n)); over != nil {
		return n, over
	}
	return n, err
}

// inflate counts bytes that a layer unpacks to.
func (l *layerUse) inflate(n int64) error {
	if n > l.u.limits.Bytes-l.inflated {
		return text.WithHint(fmt.Errorf("inflates to more than the %d bytes that are allowed", l.u.limits.Bytes), "raise --max-layer-bytes if it is meant to")
	}
	l.inflated += n
	stored := l.u.sum.stored.Load()
	if sum := l.u.sum.inflated.Add(n); (sum-tarball.FreeBytes)/l.u.limits.Ratio > stored {
		return text.WithHint(fmt.Errorf("the layers inflate to more than %d bytes and %d times the %d bytes that are stored", tarball.FreeBytes, l.u.limits.Ratio, stored), "raise --max-ratio if they are meant to")
	}
	return nil
}

// count counts an entry.
func (l *layerUse) count(h *tar.Header) error {
	switch limits := l.u.limits; {
	case l.entries >= int64(limits.Entries):
		return text.WithHint(fmt.Errorf("more than %d entries, the last %q", limits.Entries, h.Name[:min(len(h.Name), 200)]), "raise --max-entries if it is meant to")
	case len(h.Name) > tarball.MaxName || len(h.Linkname) > tarball.MaxName:
		return fmt.Errorf("entry %s: name or link of more than %d bytes", text.Show(h.Name[:min(len(h.Name), 80)]), tarball.MaxName)
	}
	if err := l.countAll(1, tarball.NamesOf(h)); err != nil {
		return err
	}
	if tarball.IsSparse(h) { // the holes are written out
		return l.inflate(h.Size)
	}
	return nil
}

// countAll counts entries, and the bytes of their names and attributes.
func (l *layerUse) countAll(entries, names int64) error {
	stored := l.u.sum.stored.Load()
	l.entries, l.names = l.entries+entries, l.names+names
	if most := tarball.AllowedEntries(stored); l.u.sum.entries.Add(entries) > most {
		return fmt.Errorf("expected at most %d entries in layers of %d bytes, got more", most, stored)
	}
	if most := tarball.AllowedNames(stored); l.u.sum.names.Add(names) > most {
		return fmt.Errorf("expected at most %d bytes of names and attributes in layers of %d bytes, got more", most, stored)
	}
	return nil
}

// giveBack takes off the counts what was used.
func (l *layerUse) giveBack() {
	l.u.sum.inflated.Add(-l.inflated)
	l.u.sum.entries.Add(-l.entries)
	l.u.sum.names.Add(-l.names)
}

// entries reads a layer's tar stream, whose sum whole is.
func (u *Unpacker) entries(r io.Reader, whole *sums.Behind, use *layerUse, below string) (Entries, error) {
	var out Entries
	var last *rest // of an entry without a target
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if err := use.count(h); err != nil {
			return nil, err
		}
		name, err := cleanName(h.Name)
		if err != nil {
			return nil, err
		}
		last = last.of(h)
		e := Entry{Name: name, Kind: h.Typeflag, Mode: uint32(h.Mode) & 0o7777, rest: last}
		link := h.Linkname
		switch h.Typeflag {
		case tar.TypeReg, '\x00', tar.TypeGNUSparse, tar.TypeCont:
			e.Kind = tar.TypeReg
			if below == "" || name == below || strings.HasPrefix(name, below+"/") {
				if e.Content, err = u.spool.AddAlong(tr, whole); err != nil {
					return nil, fmt.Errorf("entry %q: %w", h.Name, err)
				}
				if e.Content.Size() != h.Size {
					return nil, fmt.Errorf("entry %q: expected %d bytes, got %d", h.Name, h.Size, e.Content.Size())
				}
			}
		case tar.TypeLink:
			if link, err = cleanName(h.Linkname); err != nil {
				return nil, fmt.Errorf("entry %q: link target: %w", h.Name, err)
			}
		case tar.TypeXGlobalHeader:
			continue
		}
		if link != "" {
			e.rest = &rest{link, last.common}
		}
		out.add(e)
	}
}

// of is what a header has of it but for a target: r itself if that is the same.
func (r *rest) of(h *tar.Header) *rest {
	now := common{Owner{h.Uid, h.Gid, h.Uname, h.Gname}, notes(h), device(h)}
	if r != nil && now.owner == r.owner && len(now.notes)+len(r.notes) == 0 && now.device == r.device {
		return r
	}
	other := now // only this one is allocated
	return &rest{common: &other}
}

// maxNotes bounds what is remembered of an entry's attributes.
const maxNotes = 16

// notes lists what the entry has that a tarball leaves out: the names of its
// extended attributes, and a sparse map.
func notes(h *tar.Header) []string {
	var out []string
	for k := range h.PAXRecords {
		for _, prefix := range []string{"SCHILY.xattr.", "LIBARCHIVE.xattr."} { // star's, and bsdtar's own
			if name, ok := strings.CutPrefix(k, prefix); ok {
				out = append(out, text.Show(name))
			}
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) > maxNotes {
		out = append(out[:maxNotes:maxNotes], fmt.Sprintf("and %d more", len(out)-maxNotes))
	}
	if tarball.IsSparse(h) {
		out = append(out, sparseNote)
	}
	return out
}

// sparseNote is the one note that is not an extended attribute's name.
const sparseNote = "sparse map"

// device describes a device or a pipe as ls shows it: "char 1:3", "block 8:0",
// "pipe". It is "" for everything else.
func device(h *tar.Header) string {
	switch h.Typeflag {
	case tar.TypeChar:
		return fmt.Sprintf("char %d:%d", h.Devmajor, h.Devminor)
	case tar.TypeBlock:
		return fmt.Sprintf("block %d:%d", h.Devmajor, h.Devminor)
	case tar.TypeFifo:
		return "pipe"
	}
	return ""
}

// cleanName makes a layer's name relative to the root. Engines read "/a", "./a"
// and "a" alike; a name that climbs above the root is refused.
func cleanName(name string) (string, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("entry %q: a name must not contain NUL", name)
	}
	depth := 0
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return "", fmt.Errorf("entry %q escapes from the image's root: refused", name)
			}
		default:
			if depth++; depth > maxDepth {
				return "", fmt.Errorf("entry %s…: more than %d directories inside one another", text.Show(name[:min(len(name), 80)]), maxDepth)
			}
		}
	}
	// Most names need nothing but to be cut at their ends.
	plain := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(name, "./"), "/"), "/")
	if plain != "" && plain != "." && plain[0] != '/' && path.Clean(plain) == plain {
		return plain, nil
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}
