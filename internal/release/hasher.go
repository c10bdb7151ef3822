package release

import (
	"crypto/sha256"
	"hash"
	"io"

	"facerec/internal/atomicfile"
)

// Hasher is an io.Writer that gives the Digest and the number of bytes written
// to it.
type Hasher struct {
	h hash.Hash
	n int64
}

// NewHasher starts at no bytes.
func NewHasher() *Hasher { return &Hasher{h: sha256.New()} }

// Write never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	h.n += int64(len(p))
	return h.h.Write(p)
}

// Digest is that of the bytes so far.
func (h *Hasher) Digest() Digest {
	var sum [sha256.Size]byte
	h.h.Sum(sum[:0])
	return DigestOf(sum)
}

// Size is the number of bytes so far.
func (h *Hasher) Size() int64 { return h.n }

// DigestFile returns the digest of a regular file.
func DigestFile(path string) (Digest, error) {
	f, err := atomicfile.Open(path)
	if err != nil {
		return Digest{}, err
	}
	defer f.Close()
	return DigestReader(f)
}

// DigestReader returns the digest of all that r gives.
func DigestReader(r io.Reader) (Digest, error) {
	h := NewHasher()
	if _, err := io.Copy(h, r); err != nil {
		return Digest{}, err
	}
	return h.Digest(), nil
}
