package release

import (
	"cmp"
	"fmt"
	"slices"
)

// RecordSchema is the first field of every record: the version of its form.
const RecordSchema = "releaser.release/v1"

// Record is release.json: for every cell, which image its tarball came out of
// and what the tarball must be. It is signed through checksums.txt, so that
// whoever verified the signature can take an image by digest, rebuild the
// tarball and compare, with nothing but this file to go by.
//
// A Record never carries what a machine or a clock could change. It is encoded
// in one way only, see [Record.Marshal] and [ParseRecord].
type Record struct {
	Schema  string       `json:"schema"`
	Project string       `json:"project"`
	Version Version      `json:"version"`
	Epoch   int64        `json:"epoch"` // of the image's layers and the build, in seconds since 1970
	Signer  *Signer      `json:"signer,omitempty"`
	Cells   []RecordCell `json:"cells"` // sorted by lineage, then platform
}

// Signer is who the release says signs it. It informs people and hints; it is
// never what a verification goes by, for it comes with what is being verified.
type Signer struct {
	Identity string `json:"identity"` // the certificate's subject alternative name
	Issuer   string `json:"issuer"`   // the OIDC issuer's URL
}

// RecordCell is one tarball and where it came from.
type RecordCell struct {
	Lineage  string   `json:"lineage"`
	Platform Platform `json:"platform"`
	Asset    string   `json:"asset"` // file name of the tarball

	Image          string `json:"image"`           // REPOSITORY:TAG, as it was resolved when packing
	IndexDigest    Digest `json:"index_digest"`    // what the tag named
	ManifestDigest Digest `json:"manifest_digest"` // the platform's manifest in that index
	// What the manifest names. Releases that were packed before these were written
	// down go without.
	ConfigDigest *Digest  `json:"config_digest,omitempty"` // the image's configuration
	Layers       []Digest `json:"layers,omitempty"`        // compressed, lowest first

	Path   string `json:"path"`   // directory in the image, absolute
	Prefix string `json:"prefix"` // top directory in the tarball

	// What was taken of Path: globs as in config.json's extract. Empty means all
	// and none.
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`

	Recipe     string    `json:"recipe"` // how the tar stream was compressed, such as gnu-gzip-6
	TarSHA256  HexDigest `json:"tar_sha256"`
	TarSize    int64     `json:"tar_size"` // bytes
	FileSHA256 HexDigest `json:"file_sha256"`
	FileSize   int64     `json:"file_size"` // bytes

	Packages []RecordPackage `json:"packages,omitempty"` // made of the same tree, sorted by asset

	Entries []RecordEntry `json:"entries"` // in the order of the tar stream

	sum EntriesSum // of the entries, if they were left out; see [SumRecord]
}

// RecordPackage is a system package that is made of a cell's tree. Its version and
// architecture follow from those of the release: [PackageVersion], [PackageArch].
type RecordPackage struct {
	Format      PackageFormat `json:"format"`
	Asset       string        `json:"asset"`  // file name
	Recipe      string        `json:"recipe"` // how the package is made, such as deb-1
	Name        string        `json:"name"`
	Maintainer  string        `json:"maintainer"`
	Description string        `json:"description"`
	Section     string        `json:"section,omitempty"`
	Licence     string        `json:"licence,omitempty"`
	Homepage    string        `json:"homepage,omitempty"`
	Depends     []string      `json:"depends,omitempty"`
	Files       []PackageFile `json:"files"` // what of the tree goes where
	FileSHA256  HexDigest     `json:"file_sha256"`
	FileSize    int64         `json:"file_size"` // bytes
}

// String is "dlib19/linux/arm/v7", the spelling of --cells.
func (c RecordCell) String() string { return c.Lineage + "/" + c.Platform.String() }

// RecordEntry is one entry of a tarball, below its top directory.
type RecordEntry struct {
	Name   string     // slash-separated; "." is the top directory itself; any bytes but NUL
	Type   string     // one of the Entry constants
	Mode   uint32     // permission, set-id and sticky bits
	Size   int64      // bytes; files only
	SHA256 *HexDigest // of the content; files only
	Link   string     // target; links only
}

// The types of a RecordEntry.
const (
	EntryDir      = "dir"
	EntryFile     = "file"
	EntrySymlink  = "symlink"
	EntryHardlink = "hardlink"
)

// HexDigest is a [Digest] that is written as 64 hexadecimal digits, as in
// checksums.txt.
type HexDigest struct{ Digest }

// MarshalText writes the digits; a zero digest is an error.
func (d HexDigest) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, fmt.Errorf("cannot write an unset digest")
	}
	return []byte(d.Hex()), nil
}

// UnmarshalText reads the digits.
func (d *HexDigest) UnmarshalText(b []byte) (err error) {
	d.Digest, err = ParseHex(string(b))
	return err
}

// Cell finds a cell by its spelling, "dlib19/linux/arm/v7".
func (r Record) Cell(name string) (RecordCell, bool) {
	for _, c := range r.Cells {
		if c.String() == name {
			return c, true
		}
	}
	return RecordCell{}, false
}

// sortCells puts the cells into the one order that a record has.
func sortCells(cells []RecordCell) []RecordCell {
	sorted := slices.Clone(cells)
	slices.SortStableFunc(sorted, compareCells)
	return sorted
}

func compareCells(a, b RecordCell) int {
	return cmp.Or(cmp.Compare(a.Lineage, b.Lineage), cmp.Compare(a.Platform.String(), b.Platform.String()))
}
