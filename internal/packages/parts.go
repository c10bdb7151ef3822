package packages

import (
	"io"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// Part is what a package's file is made of, as one digest.
type Part struct {
	Kind   string // one of the tarball.Cause… constants below
	Digest release.Digest
}

// partKinds are the parts, the innermost first: what is installed, what a manager goes
// by, who signed, and the bytes around them.
var partKinds = []string{tarball.CausePayload, tarball.CauseControl, tarball.CauseSignature, tarball.CauseWrapping}

// span is where a part lies. A part may have several.
type span struct {
	kind       string
	start, end int64
}

// digest hashes a file and its parts: the spans, which are in order, and the rest.
func (c *Contents) digest(f io.ReaderAt, size int64) error {
	whole, parts := release.NewHasher(), map[string]*release.Hasher{}
	add := func(kind string, start, end int64) error {
		if parts[kind] == nil {
			parts[kind] = release.NewHasher()
		}
		_, err := io.Copy(io.MultiWriter(whole, parts[kind]), io.NewSectionReader(f, start, end-start))
		return err
	}
	at := int64(0)
	for _, s := range append(c.spans, span{tarball.CauseWrapping, size, size}) {
		if err := add(tarball.CauseWrapping, at, s.start); err != nil {
			return err
		}
		if err := add(s.kind, s.start, s.end); err != nil {
			return err
		}
		at = s.end
	}
	c.File, c.Size = whole.Digest(), size
	for _, kind := range partKinds {
		if h := parts[kind]; h != nil {
			c.Parts = append(c.Parts, Part{kind, h.Digest()})
		}
	}
	return nil
}

// part is the digest of a part, zero if there is none.
func (c Contents) part(kind string) release.Digest {
	for _, p := range c.Parts {
		if p.Kind == kind {
			return p.Digest
		}
	}
	return release.Digest{}
}
