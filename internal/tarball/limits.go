package tarball

import (
	"archive/tar"
	"errors"
	"fmt"
)

// ErrLimit is in the chain of every error about an archive that is larger than
// its reader allows.
var ErrLimit = errors.New("limit exceeded")

// What a small archive may make its readers hold or compute. Each limit is a free
// share and more for every byte as it is stored, so that an archive below 1 MB stays
// cheap, and a large one is not refused.
const (
	FreeEntries  = 100_000 // entries …
	EntryBytes   = 32      // … and one more for so many stored bytes
	FreeNames    = 16 << 20
	NamesPerByte = 16        // names, links, users, groups and extended records, in bytes
	FreeBytes    = 256 << 20 // bytes as unpacked …
	DefaultRatio = 200       // … and so many more for each stored byte
	MaxName      = 64 << 10  // bytes of one name, link or target; Linux itself allows 4,096

	recordCost = 32 // bytes that an extended record takes besides its own
)

// AllowedEntries is how many entries so many stored bytes may hold.
func AllowedEntries(stored int64) int64 { return FreeEntries + max(0, stored)/EntryBytes }

// AllowedNames is how many bytes their names and the like may have.
func AllowedNames(stored int64) int64 { return FreeNames + NamesPerByte*max(0, stored) }

// NamesOf counts the bytes of an entry's header that are kept, or may be.
func NamesOf(h *tar.Header) int64 {
	n := len(h.Name) + len(h.Linkname) + len(h.Uname) + len(h.Gname)
	for k, v := range h.PAXRecords {
		n += len(k) + len(v) + recordCost
	}
	return int64(n)
}

// IsSparse reports whether an entry has holes: its size is not that of what is
// stored.
func IsSparse(h *tar.Header) bool {
	return h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.realsize"] != "" || h.PAXRecords["GNU.sparse.size"] != ""
}

// ArchiveLimits say how large an archive from outside may be. A zero means no limit.
type ArchiveLimits struct {
	Entries   int   // how many
	EntrySize int64 // bytes of one file
	Total     int64 // bytes of the tar stream, holes of sparse files included
	Ratio     int64 // bytes of tar for each byte of file, asked once the tar is over RatioFrom
	RatioFrom int64 // bytes of tar that are let through at any ratio
	Name      int   // bytes of a name or link target
	Grow      bool  // [AllowedEntries] and [AllowedNames] hold, for what was read of the file
}

// DefaultLimits are far above any release and far below what would hurt.
func DefaultLimits() ArchiveLimits {
	return ArchiveLimits{
		Entries:   2_000_000,
		EntrySize: 64 << 30,
		Total:     256 << 30,
		Ratio:     DefaultRatio,
		RatioFrom: FreeBytes,
		Name:      MaxName,
		Grow:      true,
	}
}

func (l ArchiveLimits) over(what string, got, limit int64) error {
	return fmt.Errorf("%s: %d, the limit is %d: %w", what, got, limit, ErrLimit)
}
