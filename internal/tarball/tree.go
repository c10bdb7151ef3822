package tarball

import (
	"io"

	"facerec/internal/release"
)

// Type is what an entry is.
type Type uint8

// The types that a Tree can hold. Devices and FIFOs cannot be in a Tree:
// whoever makes the entries refuses them by name.
const (
	Dir Type = iota
	Regular
	Symlink
	Hardlink // Link names another entry of the same Tree
)

// Content is the immutable bytes of a regular file, kept somewhere that can be
// read at any offset: a Spool, a file, memory.
type Content interface {
	io.ReaderAt
	Size() int64
	Digest() release.Digest
}

// Entry is one name in a Tree.
type Entry struct {
	Name    string // slash-separated, relative, no leading "./", no trailing "/"; any bytes but NUL
	Type    Type
	Mode    uint32  // permission, set-id and sticky bits: 07777 at most
	Link    string  // target, for Symlink (verbatim) and Hardlink (a Name)
	Content Content // for Regular only
}
