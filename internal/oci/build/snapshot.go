package build

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// Snapshot holds the files of one cell as they were when it was taken: what
// another cell's build does to the same files later does not matter.
type Snapshot struct {
	cell   release.Cell
	layers []namedTree
}

type namedTree struct {
	name string
	tree tarball.Tree
}

// Snapshot reads the files of a cell. Every artifact must be there, and its
// programs must be what the configuration asks for. It may be called for
// several cells at the same time.
//
// Layers come in the order in which they are first named, those that were there
// before the build first: they change least, and a registry keeps them.
func (p *Plan) Snapshot(cell release.Cell) (Snapshot, error) {
	s := Snapshot{cell: cell}
	var order []string
	entries := map[string][]tarball.Entry{}
	take := func(it release.Item, kind, binary string) error {
		if _, known := entries[it.Layer]; !known {
			order = append(order, it.Layer)
		}
		more, err := p.item(it, cell, kind, binary)
		entries[it.Layer] = append(entries[it.Layer], more...)
		return err
	}
	for _, it := range p.Config.ExternData {
		if err := take(it, "extern_data", release.BinaryAny); err != nil {
			return s, err
		}
	}
	for _, it := range p.Config.Artifacts {
		if err := take(it, "artifact", p.Config.WantedBinary(it)); err != nil {
			return s, err
		}
	}
	for _, name := range order {
		list, err := withParents(entries[name])
		if err != nil {
			return s, fmt.Errorf("layer %s: %w", name, err)
		}
		tree, err := tarball.NewTree(list)
		if err != nil {
			return s, fmt.Errorf("layer %s: %w", name, err)
		}
		s.layers = append(s.layers, namedTree{name, tree})
	}
	return s, nil
}

// SharedArtifact returns the path into which two cells build, or "". Such cells
// must be built one after the other, with a snapshot of each before the next
// starts.
func (p *Plan) SharedArtifact() string {
	type place struct {
		src  string
		cell int
	}
	var all []place
	for i, cell := range p.Cells {
		for _, it := range p.Config.Artifacts {
			all = append(all, place{path.Clean(it.Source(p.Version, cell)), i})
		}
	}
	for _, a := range all {
		for _, b := range all {
			if a.cell != b.cell && (a.src == b.src || a.src == "." || strings.HasPrefix(b.src, a.src+"/")) {
				return a.src
			}
		}
	}
	return ""
}

// withParents adds the directories above the entries, and merges those that
// several items have in common.
func withParents(entries []tarball.Entry) ([]tarball.Entry, error) {
	byName := map[string]tarball.Entry{}
	for _, e := range entries {
		if other, taken := byName[e.Name]; taken && (other.Type != tarball.Dir || e.Type != tarball.Dir) {
			return nil, fmt.Errorf("/%s comes from two places", e.Name)
		}
		byName[e.Name] = e
	}
	for _, e := range entries {
		for dir := path.Dir(e.Name); dir != "."; dir = path.Dir(dir) {
			if other, there := byName[dir]; !there {
				byName[dir] = tarball.Entry{Name: dir, Type: tarball.Dir, Mode: 0o755}
			} else if other.Type != tarball.Dir {
				return nil, fmt.Errorf("/%s is a file, but /%s lies in it", dir, e.Name)
			}
		}
	}
	out := make([]tarball.Entry, 0, len(byName))
	for _, e := range byName {
		out = append(out, e)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// MissingError says that something that config.json names does not exist.
type MissingError struct {
	Path string
	Kind string // "artifact" or "extern_data"
}

func (e *MissingError) Error() string {
	if e.Kind == "artifact" {
		return fmt.Sprintf("artifact %s not found: build_cmd succeeded but did not produce it", e.Path)
	}
	return fmt.Sprintf("extern_data %s not found", e.Path)
}

// Hint says what to do about it.
func (e *MissingError) Hint() string {
	if e.Kind == "artifact" {
		return "check its src in config.json"
	}
	return "check its src in config.json, or fetch it first"
}

// item reads the files of one item of the configuration.
func (p *Plan) item(it release.Item, cell release.Cell, kind, binary string) ([]tarball.Entry, error) {
	src := it.Source(p.Version, cell)
	full := filepath.Join(p.Root, filepath.FromSlash(src))
	if _, err := os.Lstat(full); err != nil {
		return nil, &MissingError{src, kind}
	}
	dest := strings.TrimPrefix(it.Dest, "/")
	var out []tarball.Entry
	err := filepath.WalkDir(full, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(full, file)
		if err != nil {
			return err
		}
		where := path.Join(src, filepath.ToSlash(rel))
		e, err := p.entry(file, path.Join(dest, filepath.ToSlash(rel)), it.Mode)
		if err != nil {
			return fmt.Errorf("%s %s: %w", kind, where, err)
		}
		if e.Type == tarball.Regular {
			if err := checkBinary(e.Content, e.Content.Size(), where, cell.Platform, binary); err != nil {
				return err
			}
		}
		out = append(out, e)
		return nil
	})
	return out, err
}

// entry reads one file. Of its mode only the owner's execute bit counts: the
// rest is the umask of whoever checked the file out.
func (p *Plan) entry(file, name string, mode *uint32) (tarball.Entry, error) {
	fi, err := os.Lstat(file)
	if err != nil {
		return tarball.Entry{}, err
	}
	switch {
	case fi.IsDir():
		return tarball.Entry{Name: name, Type: tarball.Dir, Mode: 0o755}, nil
	case fi.Mode()&fs.ModeSymlink != 0:
		link, err := os.Readlink(file)
		return tarball.Entry{Name: name, Type: tarball.Symlink, Mode: 0o777, Link: link}, err
	case fi.Mode().IsRegular():
		content, err := p.Spool.AddFile(file)
		if err != nil {
			return tarball.Entry{}, err
		}
		e := tarball.Entry{Name: name, Type: tarball.Regular, Mode: 0o644, Content: content}
		if fi.Mode()&0o100 != 0 {
			e.Mode = 0o755
		}
		if mode != nil {
			e.Mode = *mode
		}
		return e, nil
	}
	return tarball.Entry{}, fmt.Errorf("is neither a file, a directory nor a symbolic link")
}

// ExtraFiles reads the files that extract.files adds to a tarball.
func ExtraFiles(spool *tarball.Spool, root string, files []release.ExtraFile) ([]tarball.Entry, error) {
	var out []tarball.Entry
	for _, f := range files {
		content, err := spool.AddFile(filepath.Join(root, filepath.FromSlash(f.Src)))
		if err != nil {
			return nil, fmt.Errorf("extract.files: %w", err)
		}
		out = append(out, tarball.Entry{Name: f.Dest, Type: tarball.Regular, Mode: f.Mode, Content: content})
	}
	return out, nil
}
