package tarball

import (
	"bytes"

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
