package oci

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// Limits of an archive. `docker save` writes a few entries per layer.
const (
	maxArchiveEntries = 1 << 16
	maxArchiveName    = 4 << 10  // bytes of a name or link in an archive
	maxArchiveNames   = 16 << 20 // bytes of all names and links
	maxArchiveLinks   = 8        // links followed to a file
)

// files gives access to the files of a layout or an archive by their names with
// slashes. A missing file is fs.ErrNotExist.
type files interface {
	open(name string) (io.ReadCloser, error)
	size(name string) (int64, error)
}

// dirFiles are the files in a directory.
type dirFiles string

func (d dirFiles) path(name string) string { return filepath.Join(string(d), filepath.FromSlash(name)) }

func (d dirFiles) open(name string) (io.ReadCloser, error) {
	f, err := atomicfile.Open(d.path(name))
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d dirFiles) size(name string) (int64, error) {
	fi, err := os.Stat(d.path(name))
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

// readAll reads a small file whole.
func readAll(f files, name string) ([]byte, error) {
	rc, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	raw, err := io.ReadAll(io.LimitReader(rc, maxManifest+1))
	if err == nil && len(raw) > maxManifest {
		err = fmt.Errorf("%s: larger than %d bytes", text.Show(name), maxManifest)
	}
	return raw, err
}

// archiveFiles are the files in a tar archive, read where they lie. One that is
// compressed with gzip is unpacked once, to a file without a name.
type archiveFiles struct {
	path    string
	plain   *os.File // of a compressed archive, what is inside; closed when nobody has it any more
	entries map[string]archiveEntry
	names   []string // of the entries, in the order of the archive

	fileSize, plainSize int64 // bytes
}

type archiveEntry struct {
	offset int64  // of the data
	bytes  int64  // size
	link   string // the name that a link leads to
}

// openArchiveFiles lists the files in an archive.
func openArchiveFiles(name string) (*archiveFiles, error) {
	a := &archiveFiles{path: name, entries: map[string]archiveEntry{}}
	f, err := atomicfile.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	a.fileSize = fi.Size()
	head := make([]byte, tarball.SniffLength)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		return nil, err
	}
	kind := tarball.Sniff(head[:n])
	if kind != "" && kind != "gzip" && kind != "tar" {
		err := fmt.Errorf("expected a tar archive, plain or compressed with gzip, got %s", kind)
		if tarball.IsArchive(kind) {
			err = text.WithHint(err, "decompress it first")
		}
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if kind == "gzip" {
		if f, err = a.unpack(f); err != nil {
			return nil, err
		}
	}
	return a, a.list(f)
}

// unpack makes plain.
func (a *archiveFiles) unpack(f *os.File) (*os.File, error) {
	z, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<16))
	if err != nil {
		return nil, err
	}
	if a.plain, err = atomicfile.Scratch(""); err != nil {
		return nil, err
	}
	limit := tarball.FreeBytes + tarball.DefaultRatio*a.fileSize
	if a.plainSize, err = io.Copy(a.plain, io.LimitReader(z, limit+1)); err != nil {
		return nil, fmt.Errorf("expected a tar archive: %w", err)
	}
	if a.plainSize > limit {
		return nil, fmt.Errorf("expected at most %d bytes in a compressed file of %d, got more", limit, a.fileSize)
	}
	_, err = a.plain.Seek(0, io.SeekStart)
	return a.plain, err
}

// list reads the headers. The reader of a file finds the offset of its data, so
// nothing is buffered.
func (a *archiveFiles) list(f *os.File) error {
	t := tar.NewReader(f)
	names := 0
	for number := 0; ; number++ {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("expected a tar archive: %w", err)
		}
		if number >= maxArchiveEntries {
			return fmt.Errorf("more than %d entries", maxArchiveEntries)
		}
		if len(h.Name) > maxArchiveName || len(h.Linkname) > maxArchiveName {
			return fmt.Errorf("a name of more than %d bytes", maxArchiveName)
		}
		if names += len(h.Name) + len(h.Linkname); names > maxArchiveNames {
			return fmt.Errorf("more than %d bytes of names", maxArchiveNames)
		}
		if tarball.IsSparse(h) {
			return fmt.Errorf("%s is a sparse file: expected none in an archive of images", text.Show(h.Name))
		}
		at := path.Clean(h.Name)
		e := archiveEntry{bytes: h.Size}
		switch h.Typeflag {
		case tar.TypeReg:
			if e.offset, err = f.Seek(0, io.SeekCurrent); err != nil {
				return err
			}
		case tar.TypeSymlink:
			e.link = path.Join(path.Dir(at), h.Linkname)
		case tar.TypeLink:
			e.link = path.Clean(h.Linkname)
		default:
			continue
		}
		if _, ok := a.entries[at]; !ok {
			a.names = append(a.names, at)
		}
		a.entries[at] = e // the last one counts, as for tar
	}
}

// stored is the share of the file that so many bytes in it take.
func (a *archiveFiles) stored(n int64) int64 {
	if a.plain == nil || a.plainSize == 0 {
		return n
	}
	return int64(float64(n) * float64(a.fileSize) / float64(a.plainSize))
}

// entry follows links to a file.
func (a *archiveFiles) entry(name string) (archiveEntry, error) {
	at := path.Clean(name)
	for range maxArchiveLinks {
		e, ok := a.entries[at]
		if !ok {
			return e, &fs.PathError{Op: "open", Path: text.Show(name) + " in " + a.path, Err: fs.ErrNotExist}
		}
		if e.link == "" {
			return e, nil
		}
		at = e.link
	}
	return archiveEntry{}, fmt.Errorf("%s in %s: more than %d links to follow", text.Show(name), a.path, maxArchiveLinks)
}

func (a *archiveFiles) size(name string) (int64, error) {
	e, err := a.entry(name)
	return e.bytes, err
}

// opened reads from a file that it closes.
type opened struct {
	io.Reader
	io.Closer
}

func (a *archiveFiles) open(name string) (io.ReadCloser, error) {
	e, err := a.entry(name)
	if err != nil {
		return nil, err
	}
	if a.plain != nil {
		return io.NopCloser(io.NewSectionReader(a.plain, e.offset, e.bytes)), nil
	}
	f, err := atomicfile.Open(a.path)
	if err != nil {
		return nil, err
	}
	return opened{io.NewSectionReader(f, e.offset, e.bytes), f}, nil
}

// has reports whether an archive has a file.
func (a *archiveFiles) has(name string) bool {
	_, err := a.entry(name)
	return err == nil
}

// existing splits a reference at the colon where its file or directory exists,
// as both paths and image names can have colons.
func (r Ref) existing() Ref {
	if _, err := os.Lstat(r.Name); err == nil || r.Tag == "" {
		return r
	}
	whole := r.Name + ":" + r.Tag
	for i := range len(whole) {
		if whole[i] != ':' {
			continue
		}
		if _, err := os.Lstat(whole[:i]); err == nil {
			r.Name, r.Tag = whole[:i], whole[i+1:]
			return r
		}
	}
	if _, err := os.Lstat(whole); err == nil {
		r.Name, r.Tag = whole, ""
	}
	return r
}

// A choice is an image that a layout or archive offers.
type choice struct {
	names []string // by which it can be chosen; none for an image without a name
	id    string   // @sha256:…, which can be chosen too
	of    string   // its platform, for an image without a name
	entry int      // of manifest.json
}

// fullName returns the full form of an image name, as Docker's tools complete it.
func fullName(s string) string {
	first, _, ok := strings.Cut(s, "/")
	switch {
	case !ok:
		return "docker.io/library/" + s
	case first == "index.docker.io":
		return "docker.io" + strings.TrimPrefix(s, first)
	case !strings.ContainsAny(first, ".:") && first != "localhost":
		return "docker.io/" + s
	}
	return s
}

// tagOf returns the tag of a name that is a tag or a full image name.
func tagOf(s string) string {
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, '/') {
		return s[i+1:]
	}
	return s
}

// choose returns the images that a name means: those with that very name, or
// else with the same full name, or else with that tag.
func choose(all []choice, name string) []choice {
	for _, same := range []func(n string) bool{
		func(n string) bool { return n == name },
		func(n string) bool { return strings.Contains(name, ":") && fullName(n) == fullName(name) },
		func(n string) bool { return !strings.ContainsAny(name, ":/") && tagOf(n) == name },
	} {
		var found []choice
		for _, c := range all {
			if slices.ContainsFunc(c.names, same) {
				found = append(found, c)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// merge joins the choices that are the same image.
func merge(all []choice) []choice {
	var out []choice
	at := map[string]int{}
	for _, c := range all {
		i, ok := at[c.id]
		if !ok {
			at[c.id] = len(out)
			out = append(out, c)
			continue
		}
		for _, n := range c.names {
			if !slices.Contains(out[i].names, n) {
				out[i].names = append(out[i].names, n)
			}
		}
	}
	return out
}

// maxListed bounds how many images a message lists.
const maxListed = 20

// list names the images that can be chosen. A name of several images chooses
// none of them and is left out.
func list(all []choice) string {
	count := map[string]int{}
	for _, c := range all {
		for _, n := range c.names {
			count[n]++
		}
	}
	var out []string
	for _, c := range all {
		named := false
		for _, n := range c.names {
			if count[n] == 1 {
				named, out = true, append(out, text.Show(n))
			}
		}
		if named {
			continue
		}
		s := c.id
		if c.of != "" {
			s += " (" + c.of + ")"
		}
		out = append(out, s)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if more := len(out) - maxListed; more > 0 {
		out = append(out[:maxListed], fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, ", ")
}

// ambiguous is the error about a reference that means several images.
func ambiguous(ref Ref, found []choice) error {
	return text.WithHint(fmt.Errorf("%s holds %d images: choose one of %s", ref, len(found), list(found)),
		"append :NAME or @sha256:… to %s", Ref{Kind: ref.Kind, Name: ref.Name})
}
