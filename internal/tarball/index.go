package tarball

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"facerec/internal/release"
	"facerec/internal/text"
)

// Listing is what is known of an archive after reading it once: everything but
// the bytes of its files.
type Listing struct {
	Entries  []ListedEntry  `json:"entries"`       // in the archive's order
	Tar      release.Digest `json:"tar,omitzero"`  // of the tar stream; zero if it was not read
	TarSize  int64          `json:"tar_size"`      // bytes
	File     release.Digest `json:"file,omitzero"` // of the file; zero if there is none
	FileSize int64          `json:"file_size"`
	Gzip     *GzipFacts     `json:"gzip,omitempty"` // nil: not compressed with gzip
	Body     release.Digest `json:"body,omitzero"`  // of what follows the gzip header; zero without one

	// Compression is gzip, zstd, xz, bzip2, or "" for none.
	Compression string `json:"compression,omitempty"`

	Format   string    `json:"format"`  // gnu, ustar, pax, v7, or several joined by "+"
	Padding  int64     `json:"padding"` // zero bytes after the last entry
	Problems []Problem `json:"problems,omitempty"`
}

// ListedEntry is one entry of an archive, as its header tells it.
type ListedEntry struct {
	Name   string         `json:"name"` // without a directory's trailing slash
	Type   string         `json:"type"` // dir, file, symlink, hardlink, char, block, fifo, or another word
	Mode   int64          `json:"mode"`
	Size   int64          `json:"size"` // bytes of content
	UID    int            `json:"uid"`
	GID    int            `json:"gid"`
	Uname  string         `json:"uname,omitempty"`
	Gname  string         `json:"gname,omitempty"`
	Mtime  string         `json:"mtime"`            // seconds since 1970, with a fraction if there is one
	Link   string         `json:"link,omitempty"`   // target
	Digest release.Digest `json:"digest,omitzero"`  // of a file's content
	Device string         `json:"device,omitempty"` // major:minor
	Extra  []string       `json:"extra,omitempty"`  // PAX records "key=value", sorted; extended attributes are among them

	header [sha256.Size]byte // of the header blocks as they are
}

// Problem is something that is wrong with an archive as a whole. The index has
// what could be read in spite of it.
type Problem struct {
	Kind   string `json:"kind"` // one of the Problem… constants
	Detail string `json:"detail"`
}

// The kinds of problems.
const (
	ProblemTruncated = "truncated" // the file ends too early
	ProblemCorrupt   = "corrupt"   // a checksum or the structure is wrong
	ProblemTrailing  = "trailing"  // there is something after the end
	ProblemMembers   = "members"   // the gzip file has more than one member
	ProblemNotTar    = "not a tar" // it is a file of another kind
)

// Has reports whether the archive has a problem of that kind.
func (x *Listing) Has(kind string) bool {
	return slices.ContainsFunc(x.Problems, func(p Problem) bool { return p.Kind == kind })
}

func (x *Listing) problem(kind, format string, args ...any) {
	x.Problems = append(x.Problems, Problem{kind, fmt.Sprintf(format, args...)})
}

// List reads a tar archive, compressed with gzip or not, to its end as
// a stream, in memory that does not depend on the sizes of files.
//
// An archive that is truncated, corrupt, continues after its end or has
// several gzip members gives an index all the same, with Problems: whoever
// trusts an index must look at them. The error is for a reader that fails and
// for archives beyond the limits (see [ErrLimit]); it names the entry.
func List(r io.Reader, l ArchiveLimits) (*Listing, error) {
	x := &Listing{}
	err := walk(r, l, x, nil)
	if err != nil {
		return nil, err
	}
	return x, nil
}

// walk reads an archive into x. visit, if not nil, gets each file's content to
// read, whole or in part.
func walk(r io.Reader, l ArchiveLimits, x *Listing, visit func(i int, content io.Reader) error) error {
	f := &fileReader{r: r, hash: sha256.New()}
	t := &tarReader{limits: l, file: f, hash: sha256.New()}
	defer func() {
		if t.in != nil {
			t.in.release()
		}
	}()
	err := t.open(x)
	if err == nil {
		err = t.entries(x, visit)
	}
	if f.err != nil {
		return f.err
	}
	if errors.Is(err, ErrLimit) || errors.Is(err, errStop) {
		return err
	}
	if err != nil {
		x.describe(err)
	}
	if err := t.rest(x); err != nil {
		return err
	}
	if f.err != nil {
		return f.err
	}
	x.Tar, x.TarSize = release.DigestOf([sha256.Size]byte(t.hash.Sum(nil))), t.n
	if f.body != nil {
		x.Body = release.DigestOf([sha256.Size]byte(f.body.Sum(nil)))
	}
	x.File, x.FileSize = release.DigestOf([sha256.Size]byte(f.hash.Sum(nil))), f.n
	x.resolveLinks()
	return nil
}

// describe turns an error about the format into a problem.
func (x *Listing) describe(err error) {
	at := "before the first entry"
	if n := len(x.Entries); n > 0 {
		at = "at or after entry " + text.Show(x.Entries[n-1].Name)
	}
	var other *notTarError
	if errors.As(err, &other) {
		x.problem(ProblemNotTar, "%v", err)
		return
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		x.problem(ProblemTruncated, "the archive ends too early, %s", at)
		return
	}
	x.problem(ProblemCorrupt, "%s: %v", at, err)
}

// tarReader counts and hashes the tar stream, and the header blocks by
// themselves while archive/tar reads them.
type tarReader struct {
	limits ArchiveLimits
	file   *fileReader
	in     *inflater
	hash   hash.Hash
	n      int64
	zeros  int64 // zero bytes at the end of what was read so far
	holes  int64 // bytes of sparse files, which are not in the stream
	names  int64 // bytes of names, see NamesOf

	lastPad int64 // bytes that fill up the last file's last block

	header hash.Hash // nil: not in a header
	skip   int64     // padding that comes before the header
}

func (t *tarReader) Read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	t.hash.Write(p[:n])
	t.n += int64(n)
	t.countZeros(p[:n])
	if t.header != nil {
		k := min(int64(n), t.skip)
		t.skip -= k
		t.header.Write(p[k:n])
	}
	if err != nil && !errors.Is(err, io.EOF) && t.in.gz == nil {
		return n, err
	}
	if over := t.bytes(); over != nil {
		return n, over
	}
	return n, err
}

// bytes holds what was unpacked against the limits.
func (t *tarReader) bytes() error {
	l, n := t.limits, t.n+t.holes
	switch {
	case l.Total > 0 && n > l.Total:
		return l.over("bytes of the tar stream", n, l.Total)
	case l.Ratio > 0 && n > l.RatioFrom && (n-l.RatioFrom)/l.Ratio > t.file.n:
		return l.over(fmt.Sprintf("bytes of tar for the first %d bytes of the file", t.file.n), n, l.RatioFrom+l.Ratio*t.file.n)
	}
	return nil
}

func (t *tarReader) countZeros(p []byte) {
	n := len(p)
	for n > 0 && p[n-1] == 0 {
		n--
	}
	if n > 0 {
		t.zeros = 0
	}
	t.zeros += int64(len(p) - n)
}

func (t *tarReader) open(x *Listing) (err error) {
	if t.in, err = newInflater(t.file); err != nil {
		return err
	}
	x.Gzip = t.in.facts
	if t.in.gz != nil || t.in.other != nil {
		x.Compression = t.in.kind
	}
	t.file.headerEnds(t.in.header)
	if kind := t.in.notTar(); kind != "" {
		return &notTarError{kind}
	}
	return nil
}

// notTarError says what kind of file was taken for an archive.
type notTarError struct{ kind string }

func (e *notTarError) Error() string { return "expected a tar archive, got " + e.kind }

// entries reads all entries.
func (t *tarReader) entries(x *Listing, visit func(int, io.Reader) error) error {
	tr := tar.NewReader(t)
	formats := map[string]bool{}
	pad := int64(0)
	h := sha256.New()
	buf := make([]byte, 128<<10)
	for {
		h.Reset()
		t.header, t.skip = h, pad
		before := t.n
		hdr, err := tr.Next()
		t.header = nil
		if errors.Is(err, io.EOF) {
			if t.n-before < pad+2*blockSize {
				x.problem(ProblemTruncated, "the two zero blocks at the end are missing")
			}
			t.lastPad = pad
			return nil
		}
		if err != nil {
			return err
		}
		e := entryOf(hdr)
		e.header = [sha256.Size]byte(h.Sum(nil))
		if f := formatOf(hdr); !formats[f] {
			formats[f] = true
			x.Format = joinFormats(x.Format, f)
		}
		if err := t.check(x, &e, hdr); err != nil {
			return err
		}
		x.Entries = append(x.Entries, e)
		start := t.n
		if e.Size > 0 && hdr.Typeflag != tar.TypeSymlink && hdr.Typeflag != tar.TypeLink {
			c := sha256.New()
			body := io.TeeReader(tr, c)
			if visit != nil {
				if err := visit(len(x.Entries)-1, body); err != nil {
					return err
				}
			}
			if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{body}, buf); err != nil {
				return err
			}
			x.Entries[len(x.Entries)-1].Digest = release.DigestOf([sha256.Size]byte(c.Sum(nil)))
		} else if e.Type == Regular.String() {
			x.Entries[len(x.Entries)-1].Digest = release.DigestBytes(nil)
		}
		pad = padded(t.n-start) - (t.n - start)
		t.zeros = 0
	}
}

// check holds an entry against the limits.
func (t *tarReader) check(x *Listing, e *ListedEntry, h *tar.Header) error {
	l := t.limits
	t.names += NamesOf(h)
	if IsSparse(h) && (l.Total == 0 || e.Size <= l.Total) { // a larger one is refused below, and the sum stays in range
		t.holes += e.Size
	}
	switch {
	case l.Entries > 0 && len(x.Entries) >= l.Entries:
		return fmt.Errorf("entry %s: %w", text.Show(e.Name), l.over("entries", int64(len(x.Entries)+1), int64(l.Entries)))
	case l.EntrySize > 0 && e.Size > l.EntrySize:
		return fmt.Errorf("entry %s: %w", text.Show(e.Name), l.over("bytes of the file", e.Size, l.EntrySize))
	case l.Name > 0 && max(len(e.Name), len(e.Link)) > l.Name:
		return fmt.Errorf("entry %s…: %w", text.Show(e.Name[:min(len(e.Name), 80)]), l.over("bytes of its name or link target", int64(max(len(e.Name), len(e.Link))), int64(l.Name)))
	case l.Grow && int64(len(x.Entries)) >= AllowedEntries(t.file.n):
		return fmt.Errorf("entry %s: %w", text.Show(e.Name), l.over(fmt.Sprintf("entries in the first %d bytes of the file", t.file.n), int64(len(x.Entries)+1), AllowedEntries(t.file.n)))
	case l.Grow && t.names > AllowedNames(t.file.n):
		return fmt.Errorf("entry %s: %w", text.Show(e.Name), l.over(fmt.Sprintf("bytes of names and records in the first %d bytes of the file", t.file.n), t.names, AllowedNames(t.file.n)))
	}
	if err := t.bytes(); err != nil {
		return fmt.Errorf("entry %s: %w", text.Show(e.Name), err)
	}
	return nil
}

// rest reads what is left of the stream and of the file, for their digests.
func (t *tarReader) rest(x *Listing) error {
	if t.in != nil {
		before, whole := t.n-t.zeros, len(x.Problems) == 0
		_, err := io.Copy(io.Discard, t)
		if errors.Is(err, ErrLimit) {
			return err
		}
		x.Padding = max(0, t.zeros-t.lastPad)
		switch {
		case err != nil && whole:
			x.describe(err)
		case whole && t.n-t.zeros > before:
			x.problem(ProblemTrailing, "after the end of the tar archive come %d bytes that are not zero blocks", t.n-t.zeros-before)
		}
		if t.in.facts != nil && t.in.facts.Members > 1 {
			x.problem(ProblemMembers, "the gzip file has %d members, expected 1", t.in.facts.Members)
		}
		if t.in.trailing > 0 {
			x.problem(ProblemTrailing, "after the end of the gzip stream come %d more bytes", t.in.trailing)
		}
		_, err = io.Copy(io.Discard, t.in.in)
		if err != nil && t.file.err == nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, t.file)
	return err
}

// resolveLinks gives each hard link the digest and size of what it links to.
func (x *Listing) resolveLinks() {
	at := map[string]int{}
	for i := range x.Entries {
		e := &x.Entries[i]
		if e.Type == Hardlink.String() {
			if k, ok := at[e.Link]; ok {
				e.Digest = x.Entries[k].Digest
			}
		}
		at[e.Name] = i
	}
}

func entryOf(h *tar.Header) ListedEntry {
	e := ListedEntry{
		Name: h.Name, Type: typeOf(h.Typeflag), Mode: h.Mode, Size: h.Size,
		UID: h.Uid, GID: h.Gid, Uname: h.Uname, Gname: h.Gname, Link: h.Linkname,
		Mtime: fmt.Sprint(h.ModTime.Unix()),
	}
	if n := h.ModTime.Nanosecond(); n != 0 {
		e.Mtime = strings.TrimRight(fmt.Sprintf("%d.%09d", h.ModTime.Unix(), n), "0")
	}
	if e.Type == Dir.String() && len(e.Name) > 1 {
		e.Name = strings.TrimSuffix(e.Name, "/")
	}
	if e.Type == "char" || e.Type == "block" {
		e.Device = fmt.Sprintf("%d:%d", h.Devmajor, h.Devminor)
	}
	for k, v := range h.PAXRecords {
		e.Extra = append(e.Extra, k+"="+v)
	}
	slices.Sort(e.Extra)
	return e
}

func typeOf(flag byte) string {
	switch flag {
	case tar.TypeReg, 0, tar.TypeCont:
		return Regular.String()
	case tar.TypeLink:
		return Hardlink.String()
	case tar.TypeSymlink:
		return Symlink.String()
	case tar.TypeDir:
		return Dir.String()
	case tar.TypeChar:
		return "char"
	case tar.TypeBlock:
		return "block"
	case tar.TypeFifo:
		return "fifo"
	case tar.TypeGNUSparse:
		return "sparse file"
	case tar.TypeXGlobalHeader:
		return "pax globals"
	}
	return fmt.Sprintf("type %q", flag)
}

func formatOf(h *tar.Header) string {
	switch {
	case h.Format&tar.FormatPAX != 0:
		return "pax"
	case h.Format&tar.FormatGNU != 0:
		return "gnu"
	case h.Format&tar.FormatUSTAR != 0:
		return "ustar"
	}
	return "v7"
}

func joinFormats(list, f string) string {
	if list == "" {
		return f
	}
	all := append(strings.Split(list, "+"), f)
	slices.Sort(all)
	return strings.Join(all, "+")
}
