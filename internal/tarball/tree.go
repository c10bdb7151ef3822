package tarball

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

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

// String gives the word that reports use: dir, file, symlink or hardlink.
func (t Type) String() string {
	switch t {
	case Dir:
		return "dir"
	case Regular:
		return "file"
	case Symlink:
		return "symlink"
	case Hardlink:
		return "hardlink"
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// Content is the immutable bytes of a regular file, kept somewhere that can be
// read at any offset: a [Spool], a file, memory. It must be safe for
// concurrent use, and ReadAt must give the bytes that Digest names.
type Content interface {
	io.ReaderAt
	Size() int64
	Digest() release.Digest
}

// Entry is one name in a Tree.
type Entry struct {
	Name    string  // slash-separated, relative, no leading "./", no trailing "/"; any bytes but NUL; "." is the top itself
	Type    Type    // what it is
	Mode    uint32  // permission, set-id and sticky bits: 07777 at most
	Link    string  // target, for Symlink (verbatim) and Hardlink (a Name)
	Content Content // for Regular only
}

// topMode is the mode of the top directory of a Tree that has no entry ".".
const topMode = 0o755

// Tree is an immutable set of entries in the order in which GNU tar
// --sort=name visits them: depth first, the names of each directory in byte
// order. The zero value is an empty tree with a top directory of mode 0755.
//
// Names that share one file (hard links) form a group. Whichever name of the
// group comes first in the order carries the content, and the others link to
// it, exactly as GNU tar sees inodes and not names: which name was called
// Regular when the tree was made is of no consequence.
type Tree struct {
	entries []Entry // sorted; without "."; hard links normalised
	top     uint32  // mode of the top directory
	topSet  bool
}

// NewTree checks and sorts entries. Every entry's directory must itself be an
// entry (only the top, ".", may be left out: its mode is then 0755). A hard
// link's target must be a Regular or Symlink entry, or another hard link that
// leads to one; the link takes over that entry's mode. Symlinks have mode
// 0777, as they have on Linux. The error names the entry.
func NewTree(entries []Entry) (Tree, error) { return TakeTree(slices.Clone(entries)) }

// TakeTree is NewTree for a list that nobody else has, as very long ones are better
// not copied: it is the tree's from then on.
func TakeTree(entries []Entry) (Tree, error) {
	t := Tree{top: topMode}
	list := entries[:0]
	for _, e := range entries {
		if err := checkEntry(e); err != nil {
			return Tree{}, err
		}
		if e.Name == "." {
			if t.topSet {
				return Tree{}, errors.New(`entry "." appears twice`)
			}
			t.top, t.topSet = e.Mode, true
			continue
		}
		list = append(list, e)
	}
	byName := func(a, b Entry) int { return release.ComparePaths(a.Name, b.Name) }
	if !slices.IsSortedFunc(list, byName) {
		slices.SortFunc(list, byName)
	}
	t.entries = list
	for i := 1; i < len(list); i++ {
		if list[i].Name == list[i-1].Name {
			return Tree{}, fmt.Errorf("entry %q appears twice", list[i].Name)
		}
	}
	last := -1 // the directory that was found for the entry before
	for _, e := range list {
		dir, ok := parent(e.Name)
		if !ok || last >= 0 && list[last].Name == dir {
			continue
		}
		i, found := t.Index(dir)
		if !found {
			return Tree{}, fmt.Errorf("entry %q: its directory %q is not in the tree; add it", e.Name, dir)
		}
		if list[i].Type != Dir {
			return Tree{}, fmt.Errorf("entry %q: its parent %q is a %s, expected a dir", e.Name, dir, list[i].Type)
		}
		last = i
	}
	if err := t.groupLinks(); err != nil {
		return Tree{}, err
	}
	return t, nil
}

// checkEntry checks what can be seen of one entry alone.
func checkEntry(e Entry) error {
	if err := checkName(e.Name); err != nil {
		return err
	}
	if e.Mode&^0o7777 != 0 {
		return fmt.Errorf("entry %q: mode %#o has bits beyond 07777", e.Name, e.Mode)
	}
	if e.Name == "." && e.Type != Dir {
		return fmt.Errorf(`entry ".": is a %s, expected a directory`, e.Type)
	}
	switch e.Type {
	case Dir, Regular:
		if e.Link != "" {
			return fmt.Errorf("entry %q: a %s cannot have a link target, got %q", e.Name, e.Type, e.Link)
		}
	case Symlink:
		if e.Link == "" {
			return fmt.Errorf("entry %q: a symlink needs a target", e.Name)
		}
		if strings.IndexByte(e.Link, 0) >= 0 {
			return fmt.Errorf("entry %q: its target %q holds a NUL byte", e.Name, e.Link)
		}
	case Hardlink:
		if err := checkName(e.Link); err != nil {
			return fmt.Errorf("entry %q: its hard link target is not a valid name: %w", e.Name, err)
		}
	default:
		return fmt.Errorf("entry %q: unknown %s", e.Name, e.Type)
	}
	if (e.Type == Regular) != (e.Content != nil) {
		if e.Type == Regular {
			return fmt.Errorf("entry %q: a file needs content (BytesContent(nil) for an empty one)", e.Name)
		}
		return fmt.Errorf("entry %q: a %s cannot have content", e.Name, e.Type)
	}
	if e.Content != nil && e.Content.Size() < 0 {
		return fmt.Errorf("entry %q: its content has the size %d", e.Name, e.Content.Size())
	}
	return nil
}

// checkName accepts "." and clean relative paths.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("entry with an empty name")
	case name == ".":
		return nil
	case name[0] == '/':
		return fmt.Errorf("entry %q: the name is absolute, expected it relative to the top", name)
	case strings.IndexByte(name, 0) >= 0:
		return fmt.Errorf("entry %q: the name holds a NUL byte", name)
	}
	for elem := range strings.SplitSeq(name, "/") {
		switch elem {
		case "":
			return fmt.Errorf("entry %q: the name has an empty element, expected it without doubled or trailing slashes", name)
		case ".", "..":
			return fmt.Errorf("entry %q: the name has the element %q, expected a clean path", name, elem)
		}
	}
	return nil
}

// groupLinks lets the first name of each group of hard links carry what the group
// shares.
func (t Tree) groupLinks() error {
	list := t.entries
	// target follows links to the entry that holds the content.
	target := func(i int) (int, error) {
		seen := 0
		for j := i; ; {
			if list[j].Type != Hardlink {
				return j, nil
			}
			k, ok := t.Index(list[j].Link)
			if !ok {
				return 0, fmt.Errorf("entry %q: its hard link target %q is not in the tree", list[i].Name, list[j].Link)
			}
			if seen++; seen > len(list) {
				return 0, fmt.Errorf("entry %q: its hard links form a cycle", list[i].Name)
			}
			j = k
		}
	}
	type group struct {
		holder Entry
		first  int
	}
	groups := map[int]group{} // by the holder's index; read only by key
	holderOf := map[int]int{} // of the members of groups, by index; read only by key
	for i := range list {
		if list[i].Type != Hardlink {
			continue
		}
		h, err := target(i)
		if err != nil {
			return err
		}
		if list[h].Type == Dir {
			return fmt.Errorf("entry %q: its hard link target %q is a dir, expected a file or symlink", list[i].Name, list[h].Name)
		}
		// A holder behind all its links stays a file of its own, next to the first
		// of them: the golden vectors have it so. No image gives such a tree.
		if holderOf[i] = h; h < i {
			holderOf[h] = h
		}
		groups[h] = group{holder: list[h], first: -1}
	}
	for i := range list {
		h, grouped := holderOf[i]
		if !grouped {
			if list[i].Type == Symlink {
				list[i].Mode = 0o777
			}
			continue
		}
		g := groups[h]
		name := list[i].Name
		if g.first < 0 {
			g.first = i
			groups[h] = g
			list[i] = g.holder
			list[i].Name = name
			if list[i].Type == Symlink {
				list[i].Mode = 0o777
			}
			continue
		}
		first := list[g.first]
		list[i] = Entry{Name: name, Type: Hardlink, Mode: first.Mode, Link: first.Name}
	}
	return nil
}

// parent gives the directory of a name; false when that is the top.
func parent(name string) (string, bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", false
	}
	return name[:i], true
}

// Entries returns the entries in archive order, without the top itself. The
// slice is the caller's; the first name of a hard-linked group is the one that
// has the content.
func (t Tree) Entries() []Entry { return slices.Clone(t.entries) }

// All yields the entries in archive order, without the top itself.
func (t Tree) All() iter.Seq[Entry] { return slices.Values(t.entries) }

// At is entry i in that order.
func (t Tree) At(i int) Entry { return t.entries[i] }

// Len is the number of entries, the top not counted.
func (t Tree) Len() int { return len(t.entries) }

// TopMode is the mode of the top directory.
func (t Tree) TopMode() uint32 {
	if t.entries == nil && !t.topSet {
		return topMode
	}
	return t.top
}

// Lookup finds an entry by name; "." finds the top.
func (t Tree) Lookup(name string) (Entry, bool) {
	if name == "." {
		return Entry{Name: ".", Type: Dir, Mode: t.TopMode()}, true
	}
	i, ok := t.Index(name)
	if !ok {
		return Entry{}, false
	}
	return t.entries[i], true
}

// Index is an entry's place in the order of [Tree.All].
func (t Tree) Index(name string) (int, bool) {
	return slices.BinarySearchFunc(t.entries, name, func(e Entry, name string) int { return release.ComparePaths(e.Name, name) })
}

// Add returns a tree with more entries in it. A name that is there already, or
// whose directory is missing, is an error; an entry "." replaces the mode of
// the top.
func (t Tree) Add(entries ...Entry) (Tree, error) {
	if len(entries) == 0 {
		return t, nil
	}
	list := slices.Grow(slices.Clone(t.entries), len(entries)+1)
	top := Entry{Name: ".", Type: Dir, Mode: t.TopMode()}
	for _, e := range entries {
		if e.Name == "." {
			top = e
			continue
		}
		list = append(list, e)
	}
	return TakeTree(append(list, top))
}

// Sub returns what lies below the directory name, named relative to it, with
// that directory's mode on top. A hard link whose first name lies outside
// becomes a file of its own. Sub(".") is the tree itself.
func (t Tree) Sub(name string) (Tree, error) {
	if name == "." {
		return t, nil
	}
	if err := checkName(name); err != nil {
		return Tree{}, err
	}
	d, ok := t.Lookup(name)
	if !ok {
		return Tree{}, fmt.Errorf("entry %q is not in the tree", name)
	}
	if d.Type != Dir {
		return Tree{}, fmt.Errorf("entry %q: is a %s, expected a dir", name, d.Type)
	}
	sub := t.keep(func(i int) bool { return strings.HasPrefix(t.entries[i].Name, name+"/") })
	for i := range sub {
		sub[i].Name = sub[i].Name[len(name)+1:]
		if sub[i].Type == Hardlink {
			sub[i].Link = sub[i].Link[len(name)+1:]
		}
	}
	return TakeTree(append(sub, Entry{Name: ".", Type: Dir, Mode: d.Mode}))
}

// keep gives the entries for which want holds. Where the first name of a
// hard-linked group is not kept, the next kept name becomes the first.
func (t Tree) keep(want func(i int) bool) []Entry {
	var out []Entry
	moved := map[string]string{} // first name of a group that was dropped → its new first name
	for i, e := range t.entries {
		if !want(i) {
			continue
		}
		if e.Type == Hardlink {
			at, _ := t.Index(e.Link)
			first, ok := moved[e.Link]
			switch {
			case want(at):
			case ok:
				e.Link = first
			default:
				moved[e.Link] = e.Name
				name := e.Name
				e = t.entries[at]
				e.Name = name
			}
		}
		out = append(out, e)
	}
	return out
}
