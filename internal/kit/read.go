package kit

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// Kit is a kit that was opened: the archive is a kit's, and has the files that
// kit.json lists. Their contents were not looked at: [Kit.Check] does that.
type Kit struct {
	Manifest Manifest

	r        io.ReaderAt
	stored   map[string]section // every file, kit.json too
	manifest []byte
}

// section is where a file lies in the archive.
type section struct{ off, size int64 }

// firstBlock is how every kit begins.
var firstBlock = sync.OnceValue(func() []byte {
	tree, err := tarball.NewTree([]tarball.Entry{{Name: "blobs", Type: tarball.Dir, Mode: dirMode}})
	var b bytes.Buffer
	if err == nil {
		err = tarball.WriteTar(context.Background(), &b, tree, "")
	}
	if err != nil {
		panic(err)
	}
	return b.Bytes()[:tarball.BlockSize]
})

// Begins reports whether a file begins as a kit does.
func Begins(r io.ReaderAt) bool {
	first := firstBlock()
	b := make([]byte, len(first))
	n, _ := r.ReadAt(b, 0)
	return n == len(b) && bytes.Equal(b, first)
}

// Open reads the list of files in a kit and its manifest. Whatever keeps the file
// from being a kit is a [*DamagedError].
func Open(r io.ReaderAt, size int64) (*Kit, error) {
	k := &Kit{r: r, stored: map[string]section{}}
	in := &readErrors{r: r}
	names, err := k.scan(in, size)
	if s, ok := k.stored[ManifestFile]; err == nil && (!ok || s.off < 0) {
		err = damagedf(ManifestFile, "not found: not a kit, or only a part of one")
	}
	if err == nil {
		err = k.frame(in, size, names)
	}
	if err == nil {
		err = k.readManifest(names)
	}
	if in.err != nil {
		return nil, in.err
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// readErrors tells a file that cannot be read from one that is damaged.
type readErrors struct {
	r   io.ReaderAt
	err error
}

func (r *readErrors) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.r.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) && r.err == nil {
		r.err = err
	}
	return n, err
}

// kindOf says what a file that is not a tar archive is.
func kindOf(r io.ReaderAt) string {
	head := make([]byte, tarball.SniffLength)
	n, _ := r.ReadAt(head, 0) // what is there
	return cmp.Or(tarball.Sniff(head[:n]), "a file of another kind")
}

// scan lists the entries. What their headers say besides is compared with what a
// kit's say by frame.
func (k *Kit) scan(r io.ReaderAt, size int64) ([]string, error) {
	in := io.NewSectionReader(r, 0, size)
	t := tar.NewReader(in)
	var names []string
	last := "the beginning"
	for {
		h, err := t.Next()
		if err == io.EOF {
			return names, nil
		}
		if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("the kit ends there: it was cut")
			}
			if len(names) == 0 && errors.Is(err, tar.ErrHeader) {
				return nil, damagedf("", "expected a kit, got %s", kindOf(in))
			}
			return nil, damagedf("", "after %s: %w", last, err)
		}
		name := strings.TrimSuffix(h.Name, "/")
		last = text.Show(text.Line(name, maxName))
		switch {
		case len(name) > maxName || len(h.Linkname) > maxName:
			return nil, damagedf("", "a name of more than %d bytes", maxName)
		case h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir || tarball.IsSparse(h) || len(h.PAXRecords) > 0:
			return nil, damagedf(name, "expected a regular file or a directory, as GNU tar's own format has them")
		case len(names) >= maxFiles:
			return nil, damagedf("", "more than %d entries", maxFiles)
		}
		if _, twice := k.stored[name]; twice {
			return nil, damagedf(name, "duplicate entry")
		}
		off, err := in.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeDir {
			off = -1
		} else if h.Size < 0 || h.Size > size-off {
			return nil, damagedf(name, "expected %d bytes, got %d: the kit was cut", h.Size, size-off)
		}
		k.stored[name] = section{off, h.Size}
		names = append(names, name)
	}
}

// The modes of everything in a kit.
const (
	dirMode  = 0o755
	fileMode = 0o644
)

// frame compares the archive with the one that a kit with such files is.
func (k *Kit) frame(r io.ReaderAt, size int64, names []string) error {
	var entries []tarball.Entry
	needed := map[string]bool{}
	for _, name := range names {
		e := tarball.Entry{Name: name, Type: tarball.Dir, Mode: dirMode}
		if s := k.stored[name]; s.off >= 0 {
			e.Type, e.Mode, e.Content = tarball.Regular, fileMode, space(s.size)
			for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
				needed[dir] = true
			}
		}
		entries = append(entries, e)
	}
	tree, err := tarball.NewTree(entries)
	if err != nil {
		return damaged("", err)
	}
	for i, e := range tree.Entries() {
		if e.Name != names[i] {
			return damagedf(names[i], "is not in its place: expected %s there", text.Show(e.Name))
		}
		if e.Type == tarball.Dir && !needed[e.Name] {
			return damagedf(e.Name, "a directory too many: no file is in it")
		}
	}
	if err := tarball.CheckFrame(r, size, tree, ""); err != nil {
		return damaged("", err)
	}
	return nil
}

// space stands for the content of a file whose bytes are not needed.
type space int64

func (s space) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (s space) Size() int64                       { return int64(s) }
func (s space) Digest() release.Digest            { return release.Digest{} }

// Digest is that of kit.json, which names every other file with its digest.
func (k *Kit) Digest() release.Digest { return release.DigestBytes(k.manifest) }

// readManifest reads kit.json and compares its list with the archive's.
func (k *Kit) readManifest(names []string) error {
	s := k.stored[ManifestFile]
	if s.size > maxManifest {
		return damagedf(ManifestFile, "expected at most %d bytes, got %d", maxManifest, s.size)
	}
	k.manifest = make([]byte, s.size)
	if _, err := io.ReadFull(io.NewSectionReader(k.r, s.off, s.size), k.manifest); err != nil {
		return err
	}
	var err error
	if k.Manifest, err = parseManifest(k.manifest); err != nil {
		return damaged(ManifestFile, err)
	}
	listed := k.Manifest.Files
	for _, name := range names {
		s := k.stored[name]
		if s.off < 0 || name == ManifestFile {
			continue
		}
		switch {
		case len(listed) == 0 || listed[0].Name != name && !slices.ContainsFunc(listed, func(f File) bool { return f.Name == name }):
			return damagedf(name, "a file too many: %s does not list it", ManifestFile)
		case listed[0].Name != name:
			return damagedf(listed[0].Name, "not in the kit, and %s lists it", ManifestFile)
		case listed[0].Size != s.size:
			return damagedf(name, "expected %d bytes, got %d", listed[0].Size, s.size)
		}
		listed = listed[1:]
	}
	if len(listed) > 0 {
		return damagedf(listed[0].Name, "not in the kit, and %s lists it", ManifestFile)
	}
	return nil
}

// Fault is a file in a kit whose bytes are other ones than kit.json lists.
type Fault struct {
	Name          string
	Expected, Got release.Digest
}

// Check hashes every file, and derives the manifest and the image layout from them
// again. at is the path of the kit, which is opened as an OCI archive. Other bytes
// are in faults; everything else that is wrong is a [*DamagedError].
func (k *Kit) Check(ctx context.Context, at string, progress func(done, total int64)) (faults []Fault, err error) {
	total, done := int64(0), int64(0)
	for _, f := range k.Manifest.Files {
		total += f.Size
	}
	buf := make([]byte, 1<<20)
	for _, f := range k.Manifest.Files {
		h := release.NewHasher()
		for r := k.section(f.Name); ; {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			n, err := r.Read(buf)
			_, _ = h.Write(buf[:n])
			if done += int64(n); progress != nil && n > 0 {
				progress(done, total)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", text.Show(f.Name), err)
			}
		}
		if got := h.Digest(); got != f.SHA256.Digest {
			faults = append(faults, Fault{f.Name, f.SHA256.Digest, got})
		}
	}
	if len(faults) > 0 {
		return faults, nil
	}
	m, err := derive(k)
	if err != nil {
		return nil, err
	}
	again, err := m.marshal()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, k.manifest) {
		return nil, damagedf(ManifestFile, "does not say of the releases what their own files say")
	}
	return nil, checkLayout(ctx, m, oci.Ref{Kind: oci.OCIArchive, Name: at})
}

// checkLayout wants in a layout the images of the releases, what refers to them, and
// nothing else.
func checkLayout(ctx context.Context, m Manifest, at oci.Ref) error {
	inv, err := oci.TakeInventory(ctx, at)
	if err != nil {
		return damaged(indexFile, err)
	}
	wanted := map[Image]bool{}
	for _, r := range m.Releases {
		for _, i := range r.Images {
			wanted[i] = true
		}
	}
	for _, top := range inv.Tops {
		i := Image{top.Name, top.Digest}
		switch {
		case top.Subject.IsZero() && !wanted[i]:
			return damagedf(indexFile, "image %s (%s): an image too many: no release names it", text.Show(top.Name), top.Digest)
		case !top.Subject.IsZero() && !inv.Manifests[top.Subject]:
			return damagedf(indexFile, "manifest %s: refers to %s, which no release has", top.Digest, top.Subject)
		}
		delete(wanted, i)
	}
	for _, r := range m.Releases {
		for _, i := range r.Images {
			if wanted[i] {
				return damagedf(indexFile, "image %s (%s): not in the kit, and %s names it", text.Show(i.Name), i.Digest, r.Name())
			}
		}
	}
	have := map[release.Digest]bool{}
	for _, f := range m.Files {
		if f.Role != RoleBlob {
			continue
		}
		d := f.SHA256.Digest
		if path.Base(f.Name) != d.Hex() {
			return damagedf(f.Name, "expected the blob of that digest, got sha256 %s", d.Hex())
		}
		if _, reached := inv.Blobs[d]; !reached {
			return damagedf(f.Name, "a blob too many: no image and no referrer needs it")
		}
		have[d] = true
	}
	missing := ""
	for d, needed := range inv.Blobs {
		if needed && !have[d] && (missing == "" || d.Hex() < missing) {
			missing = d.Hex()
		}
	}
	if missing != "" {
		return damagedf(blobsDir+"/"+missing, "not in the kit, and an image or a referrer needs it")
	}
	return nil
}

// section reads a file that the kit has.
func (k *Kit) section(name string) *io.SectionReader {
	s := k.stored[name]
	return io.NewSectionReader(k.r, s.off, s.size)
}

func (k *Kit) list() []File { return k.Manifest.Files }

func (k *Kit) open(name string) (io.ReadCloser, error) {
	if s, ok := k.stored[name]; !ok || s.off < 0 {
		return nil, fmt.Errorf("not in the kit: %w", fs.ErrNotExist)
	}
	return io.NopCloser(k.section(name)), nil
}

// Root is the trusted root in the kit, nil for none. Whoever made the kit chose it.
func (k *Kit) Root() ([]byte, error) {
	if _, ok := k.stored[RootFile]; !ok {
		return nil, nil
	}
	return small(k, RootFile, maxManifest)
}

// Files is the directory of a release in the kit. Its files can be read at an offset.
func (k *Kit) Files(r Release) fs.FS {
	d := &directory{k: k, at: r.dir() + "/"}
	for _, f := range k.Manifest.Files {
		if base, inside := strings.CutPrefix(f.Name, d.at); inside {
			d.entries = append(d.entries, fs.FileInfoToDirEntry(info{base, f.Size, fileMode}))
		}
	}
	slices.SortFunc(d.entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return d
}

// directory is a flat directory in a kit.
type directory struct {
	k       *Kit
	at      string
	entries []fs.DirEntry
}

func (d *directory) Open(name string) (fs.File, error) {
	if name == "." {
		return &opened{info: info{".", 0, fs.ModeDir | dirMode}, entries: d.entries}, nil
	}
	s, ok := d.k.stored[d.at+name]
	if !fs.ValidPath(name) || !ok || s.off < 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &opened{SectionReader: d.k.section(d.at + name), info: info{name, s.size, fileMode}}, nil
}

// opened is a file, or the directory.
type opened struct {
	*io.SectionReader
	info    info
	entries []fs.DirEntry
}

func (o *opened) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *opened) Close() error               { return nil }

func (o *opened) Read(p []byte) (int, error) {
	if o.SectionReader == nil {
		return 0, &fs.PathError{Op: "read", Path: ".", Err: errors.New("is a directory")}
	}
	return o.SectionReader.Read(p)
}

func (o *opened) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		all := o.entries
		o.entries = nil
		return all, nil
	}
	if len(o.entries) == 0 {
		return nil, io.EOF
	}
	some := o.entries[:min(n, len(o.entries))]
	o.entries = o.entries[len(some):]
	return some, nil
}

// info describes a file in a kit.
type info struct {
	name string
	size int64
	mode fs.FileMode
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Unix(0, 0) }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }
