package kit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

// part is a file that goes into a kit. Its bytes are checked while they are copied.
type part struct {
	File
	open func() (io.ReadCloser, error)
}

// staged are the files of a kit that is being made, by name.
type staged map[string]part

func (s staged) list() []File {
	all := make([]File, 0, len(s))
	for _, f := range s {
		all = append(all, f.File)
	}
	slices.SortFunc(all, func(a, b File) int { return release.ComparePaths(a.Name, b.Name) })
	return all
}

func (s staged) open(name string) (io.ReadCloser, error) {
	f, ok := s[name]
	if !ok {
		return nil, fmt.Errorf("not in the kit: %w", fs.ErrNotExist)
	}
	return f.open()
}

// add puts a file in, once it was hashed.
func (s staged) add(name string, open func() (io.ReadCloser, error)) error {
	role, _, err := roleOf(name)
	if err != nil {
		return damaged(name, err)
	}
	if len(s) >= maxFiles/2 { // directories and kit.json count too
		return fmt.Errorf("expected at most %d files in a kit", maxFiles/2)
	}
	r, err := open()
	if err != nil {
		return err
	}
	h := release.NewHasher()
	_, err = io.Copy(h, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	s[name] = part{File{name, role, h.Size(), release.HexDigest{Digest: h.Digest()}}, open}
	return nil
}

func (s staged) bytes(name string, data []byte) error {
	return s.add(name, func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(tarball.BytesContent(data), 0, int64(len(data)))), nil
	})
}

// disk puts in a file from the disk.
func (s staged) disk(name, file string) error {
	return s.add(name, func() (io.ReadCloser, error) {
		f, err := atomicfile.Open(file)
		if err != nil {
			return nil, err
		}
		return f, nil
	})
}

// write writes the kit. Everything in it was derived and checked as [Kit.Check] does,
// but for the layout.
func (s staged) write(ctx context.Context, w io.Writer) (Manifest, error) {
	m, err := derive(s)
	if err != nil {
		return m, err
	}
	raw, err := m.marshal()
	if err != nil {
		return m, err
	}
	if len(raw) > maxManifest {
		return m, fmt.Errorf("%s: expected at most %d bytes, got %d", ManifestFile, maxManifest, len(raw))
	}
	entries := []tarball.Entry{{Name: ManifestFile, Type: tarball.Regular, Mode: fileMode, Content: tarball.BytesContent(raw)}}
	dirs := map[string]bool{}
	var streams []*stream
	for _, f := range m.Files {
		in := &stream{of: s[f.Name]}
		streams = append(streams, in)
		entries = append(entries, tarball.Entry{Name: f.Name, Type: tarball.Regular, Mode: fileMode, Content: in})
		for dir := path.Dir(f.Name); dir != "." && !dirs[dir]; dir = path.Dir(dir) {
			dirs[dir] = true
			entries = append(entries, tarball.Entry{Name: dir, Type: tarball.Dir, Mode: dirMode})
		}
	}
	defer func() {
		for _, in := range streams {
			in.close()
		}
	}()
	tree, err := tarball.NewTree(entries)
	if err != nil {
		return m, err
	}
	return m, tarball.WriteTar(ctx, w, tree, "")
}

// stream is a file that is read once from its beginning to its end, and must be
// what was hashed before.
type stream struct {
	of   part
	in   io.ReadCloser
	hash *release.Hasher
	done bool
}

func (s *stream) Size() int64            { return s.of.Size }
func (s *stream) Digest() release.Digest { return s.of.SHA256.Digest }

func (s *stream) close() {
	if s.in != nil {
		_ = s.in.Close()
		s.in = nil
	}
}

// ReadAt goes on where the last call ended.
func (s *stream) ReadAt(p []byte, off int64) (int, error) {
	if s.in == nil && !s.done {
		var err error
		if s.in, err = s.of.open(); err != nil {
			return 0, err
		}
		s.hash = release.NewHasher()
	}
	if s.done || off != s.hash.Size() {
		return 0, fmt.Errorf("%s: read at %d, which is not where the last read ended", s.of.Name, off)
	}
	n, err := io.ReadFull(s.in, p)
	_, _ = s.hash.Write(p[:n])
	if err != nil {
		return n, err
	}
	if s.hash.Size() == s.of.Size {
		s.done = true
		s.close()
		if got := s.hash.Digest(); got != s.of.SHA256.Digest {
			return n, fmt.Errorf("%s changed while it was read: expected sha256 %s, got %s", s.of.Name, s.of.SHA256.Hex(), got.Hex())
		}
	}
	return n, nil
}

// layout puts the files of an OCI layout in.
func (s staged) layout(dir string) error {
	for _, name := range []string{indexFile, layoutFile} {
		if err := s.disk(name, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	blobs, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(blobsDir)))
	if err != nil {
		return err
	}
	for _, b := range blobs {
		name := blobsDir + "/" + b.Name()
		if err := s.disk(name, filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
	return nil
}
