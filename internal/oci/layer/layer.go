package layer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"facerec/internal/inflate"
	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

// Limits bound what an image may cost to unpack. A zero field means its
// default.
type Limits struct {
	Entries int   // in one layer; default 2,000,000
	Bytes   int64 // of one layer, inflated; default 64 GiB
	Ratio   int64 // inflated to compressed, beyond the first 64 MiB; default 1,000
}

func (l Limits) withDefaults() Limits {
	if l.Entries == 0 {
		l.Entries = 2_000_000
	}
	if l.Bytes == 0 {
		l.Bytes = 64 << 30
	}
	if l.Ratio == 0 {
		l.Ratio = 1_000
	}
	return l
}

// ratioFree is how much any layer may inflate to before its ratio counts.
const ratioFree = 64 << 20

// Entry is one header of a layer, its name made relative and clean.
type Entry struct {
	Name    string
	Kind    byte // a tar typeflag
	Mode    uint32
	Link    string
	Size    int64
	Owner   Owner
	Content tarball.Content // nil when the caller did not want it kept
	Notes   []string        // what the archive has and a tarball leaves out
}

// Owner is the user and group of a file. Tarballs leave them out; an engine
// does not.
type Owner struct {
	UID, GID    int
	User, Group string
}

// Unpacker reads layers, each distinct one once however many images share it,
// and keeps file contents in a spool, each distinct one once.
type Unpacker struct {
	// Progress, if not nil, is told how many bytes of layers have been read, of how
	// many in those that were begun. Calls can come at the same time.
	Progress func(done, total int64)

	done, total atomic.Int64

	spool  *tarball.Spool
	limits Limits

	mu     sync.Mutex
	layers map[part]*reading
}

// part is a layer and the directory of it whose contents are kept: "" means all.
type part struct {
	layer oci.Layer
	below string
}

type reading struct {
	image   *oci.Image
	done    chan struct{}
	entries []Entry
	err     error
}

// NewUnpacker keeps contents in spool, which outlives it.
func NewUnpacker(spool *tarball.Spool, limits Limits) *Unpacker {
	return &Unpacker{spool: spool, limits: limits.withDefaults(), layers: map[part]*reading{}}
}

// Read returns a layer's entries, with the contents of files below the given
// directory only. The empty name stands for the root.
func (u *Unpacker) Read(ctx context.Context, img *oci.Image, l oci.Layer, below string) ([]Entry, error) {
	key := part{l, below}
	u.mu.Lock()
	r, known := u.layers[key]
	if !known {
		r = &reading{image: img, done: make(chan struct{})}
		u.layers[key] = r
	}
	u.mu.Unlock()
	if !known {
		r.entries, r.err = u.fetch(ctx, img, l, below)
		close(r.done)
		return r.entries, r.err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if r.err == nil || r.image.SameSource(img) {
		return r.entries, r.err
	}
	// Another image may have it from a better place.
	u.mu.Lock()
	if u.layers[key] == r {
		delete(u.layers, key)
	}
	u.mu.Unlock()
	return u.Read(ctx, img, l, below)
}

// layerReader counts what is read of a layer.
type layerReader struct {
	io.Reader
	u *Unpacker
}

func (r layerReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	done := r.u.done.Add(int64(n))
	if r.u.Progress != nil && n > 0 {
		r.u.Progress(done, max(done, r.u.total.Load()))
	}
	return n, err
}

func (u *Unpacker) fetch(ctx context.Context, img *oci.Image, l oci.Layer, below string) ([]Entry, error) {
	var entries []Entry
	err := img.ReadLayer(ctx, l, func(r io.Reader) (err error) {
		u.total.Add(max(l.Size, 0))
		entries, err = u.unpack(layerReader{r, u}, img.Ref.At(l.Digest).String(), l, below)
		return err
	})
	return entries, err
}

// unpack reads the entries of a layer out of its stored bytes.
func (u *Unpacker) unpack(r io.Reader, where string, l oci.Layer, below string) ([]Entry, error) {
	packed := bufio.NewReaderSize(r, 128<<10)
	plain, closePlain, err := decompressed(packed)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", where, oci.Cause(err, packed))
	}
	defer closePlain()
	diff := release.NewHasher()
	limited := &limitedReader{r: plain, left: u.limits.Bytes, where: where}
	if l.Size > 0 {
		limited.ratioAt = max(ratioFree, l.Size*u.limits.Ratio)
	}
	tee := io.TeeReader(limited, diff)
	entries, err := u.entries(tee, where, below)
	if err == nil { // the padding behind the archive belongs to the diff ID
		_, err = io.Copy(io.Discard, tee)
	}
	if err == nil { // and bytes behind the compressed stream to the digest
		_, err = io.Copy(io.Discard, packed)
	}
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", where, oci.Cause(err, packed))
	}
	if got := diff.Digest(); got != l.DiffID {
		return nil, &oci.MismatchError{What: "diff ID of layer", Where: where, Expected: l.DiffID.String(), Got: got.String()}
	}
	return entries, nil
}

// decompressed goes by the bytes, not by the media type: the diff ID decides in the
// end whether it was right.
func decompressed(r *bufio.Reader) (io.Reader, func(), error) {
	magic, err := r.Peek(4)
	if err != nil && len(magic) == 0 {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return &members{in: r}, func() {}, nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		zr, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, nil, err
		}
		return zr, zr.Close, nil
	}
	return r, func() {}, nil
}

// members reads all members of a gzip file, one after the other: some tools
// write layers that have several.
type members struct {
	in *bufio.Reader
	z  *inflate.Reader
}

func (m *members) Read(p []byte) (int, error) {
	for {
		if m.z == nil {
			z, err := inflate.NewReader(m.in)
			if err != nil {
				return 0, err
			}
			m.z = z
		}
		n, err := m.z.Read(p)
		if n > 0 || len(p) == 0 || !errors.Is(err, io.EOF) {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
		if err := m.z.Reset(m.in); err != nil {
			return 0, err
		}
	}
}

// limitedReader stops what inflates without end.
type limitedReader struct {
	r       io.Reader
	n, left int64
	ratioAt int64
	where   string
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.n += int64(n)
	l.left -= int64(n)
	if l.left < 0 {
		return n, fmt.Errorf("inflates to more than the allowed number of bytes: raise --max-layer-bytes if it is meant to")
	}
	if l.ratioAt > 0 && l.n > l.ratioAt {
		return n, fmt.Errorf("inflates to more than the allowed multiple of its size: raise --max-ratio if it is meant to")
	}
	return n, err
}

func (u *Unpacker) entries(r io.Reader, where, below string) ([]Entry, error) {
	var out []Entry
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if len(out) >= u.limits.Entries {
			return nil, fmt.Errorf("more than %d entries, the last %q: raise --max-entries if it is meant to", u.limits.Entries, h.Name)
		}
		name, err := cleanName(h.Name)
		if err != nil {
			return nil, err
		}
		e := Entry{Name: name, Kind: h.Typeflag, Mode: uint32(h.Mode) & 0o7777, Link: h.Linkname, Size: h.Size,
			Owner: Owner{h.Uid, h.Gid, h.Uname, h.Gname}, Notes: notes(h)}
		switch h.Typeflag {
		case tar.TypeReg, '\x00', tar.TypeGNUSparse, tar.TypeCont:
			e.Kind = tar.TypeReg
			if below == "" || name == below || strings.HasPrefix(name, below+"/") {
				if e.Content, err = u.spool.Add(tr); err != nil {
					return nil, fmt.Errorf("entry %q: %w", h.Name, err)
				}
				if e.Content.Size() != h.Size {
					return nil, fmt.Errorf("entry %q: expected %d bytes, got %d", h.Name, h.Size, e.Content.Size())
				}
			}
		case tar.TypeLink:
			if e.Link, err = cleanName(h.Linkname); err != nil {
				return nil, fmt.Errorf("entry %q: link target: %w", h.Name, err)
			}
		case tar.TypeXGlobalHeader:
			continue
		}
		out = append(out, e)
	}
}

// notes lists what the entry has that GNU tar leaves out without being asked.
func notes(h *tar.Header) []string {
	var out []string
	xattr := false
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "SCHILY.xattr.") {
			xattr = true
		}
	}
	if xattr {
		out = append(out, "extended attributes")
	}
	if h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.realsize"] != "" || h.PAXRecords["GNU.sparse.size"] != "" {
		out = append(out, "sparse map")
	}
	return out
}

// cleanName makes a layer's name relative to the root. Engines read "/a", "./a"
// and "a" alike; a name that climbs above the root is refused.
func cleanName(name string) (string, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("entry %q: a name must not contain NUL", name)
	}
	depth := 0
	for _, part := range strings.Split(name, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return "", fmt.Errorf("entry %q escapes from the image's root: refused", name)
			}
		default:
			depth++
		}
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}
