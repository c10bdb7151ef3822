package tarball

import (
	"bufio"
	"errors"
	"hash"
	"io"

	"facerec/internal/inflate"
)

// GzipFacts are what the header of a gzip file tells (RFC 1952, 2.3).
type GzipFacts struct {
	Name    string `json:"name,omitempty"`
	Comment string `json:"comment,omitempty"`
	Mtime   int64  `json:"mtime"` // seconds since 1970; 0 for none
	OS      int    `json:"os"`    // 3 for Unix
	Flags   int    `json:"flags"` // of the header as they are
	XFL     int    `json:"xfl"`   // 2 for the slowest, 4 for the fastest method
	Members int    `json:"members"`
}

// fileReader hashes and counts the bytes of a file as they are read, and keeps
// the reader's own error apart from errors about the format.
type fileReader struct {
	r    io.Reader
	hash hash.Hash
	n    int64
	err  error // of r, other than io.EOF
}

func (f *fileReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.hash.Write(p[:n])
	f.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// inflater reads the tar stream out of a file that is a gzip file or is not
// compressed at all.
type inflater struct {
	in       *bufio.Reader
	gz       *inflate.Reader // nil: not compressed
	facts    *GzipFacts
	trailing int64 // bytes after the last member
	done     bool
}

var gzipMagic = []byte{0x1f, 0x8b}

// newInflater looks at the first bytes of r.
func newInflater(r io.Reader) (*inflater, error) {
	f := &inflater{in: bufio.NewReaderSize(r, 128<<10)}
	head, err := f.in.Peek(10)
	if len(head) < 2 || head[0] != gzipMagic[0] || head[1] != gzipMagic[1] {
		return f, nil
	}
	if len(head) < 10 {
		return nil, err
	}
	z, err := inflate.NewReader(f.in)
	if err != nil {
		return nil, err
	}
	f.gz = z
	f.facts = &GzipFacts{Name: z.Name, Comment: z.Comment, Mtime: int64(z.Mtime), OS: int(z.OS), Flags: int(z.Flags), XFL: int(z.XFL), Members: 1}
	return f, nil
}

// Read gives the tar stream, through all members. What follows the last one is
// counted in trailing and not given.
func (f *inflater) Read(p []byte) (int, error) {
	if f.gz == nil {
		return f.in.Read(p)
	}
	for !f.done {
		n, err := f.gz.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) {
			if n > 0 && errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
		head, err := f.in.Peek(2)
		if len(head) == 2 && head[0] == gzipMagic[0] && head[1] == gzipMagic[1] {
			if err := f.gz.Reset(f.in); err != nil {
				return 0, err
			}
			f.facts.Members++
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		f.done = true
		n64, err := io.Copy(io.Discard, f.in)
		f.trailing = n64
		if err != nil {
			return 0, err
		}
	}
	return 0, io.EOF
}
