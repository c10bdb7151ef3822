package tarball

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"

	"facerec/internal/release"
)

// BytesContent is content kept in memory. The caller must not change b
// afterwards.
func BytesContent(b []byte) Content {
	return bytesContent{bytes.NewReader(b), release.DigestBytes(b)}
}

type bytesContent struct {
	r      *bytes.Reader
	digest release.Digest
}

func (c bytesContent) ReadAt(p []byte, off int64) (int, error) { return c.r.ReadAt(p, off) }
func (c bytesContent) Size() int64                             { return c.r.Size() }
func (c bytesContent) Digest() release.Digest                  { return c.digest }

// ReaderAtContent reads size bytes from off on in r, once, to learn their
// digest, and returns them as content that stays where it is. r must not
// change as long as the content is in use; an *os.File will do.
func ReaderAtContent(r io.ReaderAt, off, size int64) (Content, error) {
	s := io.NewSectionReader(r, off, size)
	h := sha256.New()
	n, err := io.Copy(h, s)
	if err != nil {
		return nil, fmt.Errorf("reading content: %w", err)
	}
	if n != size {
		return nil, fmt.Errorf("reading content at offset %d: want %d bytes, got %d", off, size, n)
	}
	return sectionContent{s, release.DigestOf([sha256.Size]byte(h.Sum(nil)))}, nil
}

type sectionContent struct {
	*io.SectionReader
	digest release.Digest
}

func (c sectionContent) Digest() release.Digest { return c.digest }
