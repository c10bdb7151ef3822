package tarball

import (
	"errors"
	"fmt"
)

// ErrLimit is in the chain of every error about an archive that is larger than
// its reader allows.
var ErrLimit = errors.New("limit exceeded")

// ArchiveLimits say how large an archive from outside may be. A zero means no limit.
type ArchiveLimits struct {
	Entries   int   // how many
	EntrySize int64 // bytes of one file
	Total     int64 // bytes of the tar stream
	Ratio     int64 // bytes of tar for each byte of file, asked once the tar is over RatioFrom
	RatioFrom int64 // bytes of tar that are let through at any ratio
	Name      int   // bytes of a name or link target
}

// DefaultLimits are far above any release and far below what would hurt.
func DefaultLimits() ArchiveLimits {
	return ArchiveLimits{
		Entries:   2_000_000,
		EntrySize: 64 << 30,
		Total:     256 << 30,
		Ratio:     500,
		RatioFrom: 2 << 30,
		Name:      64 << 10,
	}
}

func (l ArchiveLimits) over(what string, got, limit int64) error {
	return fmt.Errorf("%s: %d, the limit is %d: %w", what, got, limit, ErrLimit)
}
