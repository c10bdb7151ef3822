package oci

import (
	"path"
	"strings"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// Take reads the artifacts of a cell now, so that what another cell's build
// does to the same files has no part in its image. Every artifact must be
// there, and its programs must be what the configuration wants of them. It may
// be called for several cells at a time.
func (b *Build) Take(cell release.Cell) error {
	taken := map[string][]tarball.Entry{}
	for _, it := range b.Config.Artifacts {
		entries, err := b.item(it, cell)
		if err != nil {
			return err
		}
		taken[it.Dest] = entries
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken == nil {
		b.taken = map[release.Cell]map[string][]tarball.Entry{}
	}
	b.taken[cell] = taken
	return nil
}

// entriesOf gives an item as it was taken, or else as it lies there now.
func (b *Build) entriesOf(it release.Item, cell release.Cell) ([]tarball.Entry, error) {
	b.mu.Lock()
	entries, ok := b.taken[cell][it.Dest]
	b.mu.Unlock()
	if ok {
		return entries, nil
	}
	return b.item(it, cell)
}

// SharedArtifact says whether two cells build into the same place, and which:
// then they must be built one after the other, and each taken before the next
// starts. An empty answer means that all can be built at the same time.
func (b *Build) SharedArtifact() string {
	type place struct {
		src  string
		cell int
	}
	var all []place
	for i, cell := range b.Cells {
		for _, it := range b.Config.Artifacts {
			all = append(all, place{path.Clean(it.Source(b.Version, cell)), i})
		}
	}
	for _, p := range all {
		for _, q := range all {
			if p.cell != q.cell && (p.src == q.src || p.src == "." || strings.HasPrefix(q.src, p.src+"/")) {
				return p.src
			}
		}
	}
	return ""
}

// isArtifact tells what build_cmd makes from what was there before.
func (b *Build) isArtifact(it release.Item) bool {
	for _, a := range b.Config.Artifacts {
		if a.Dest == it.Dest {
			return true
		}
	}
	return false
}
