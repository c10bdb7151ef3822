package tarball

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sort"
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
	nodes  nodes  // sorted; without "."; hard links normalised
	top    uint32 // mode of the top directory
	topSet bool
}

// NewTree checks and sorts entries. Every entry's directory must itself be an
// entry (only the top, ".", may be left out: its mode is then 0755). A hard
// link's target must be a Regular or Symlink entry, or another hard link that
// leads to one; the link takes over that entry's mode. Symlinks have mode
// 0777, as they have on Linux. The error names the entry.
func NewTree(entries []Entry) (Tree, error) { return treeOf(slices.Values(entries)) }

// treeOf is NewTree for several lists.
func treeOf(lists ...iter.Seq[Entry]) (Tree, error) {
	b := NewBuilder()
	for _, list := range lists {
		for e := range list {
			if err := b.Add(e); err != nil {
				return Tree{}, err
			}
		}
	}
	return b.Tree()
}

// Builder makes a tree as [NewTree] does of entries that come one by one, best in
// the tree's order: very many are better not in a list besides.
type Builder struct{ t Tree }

// NewBuilder has no entries yet.
func NewBuilder() *Builder { return &Builder{Tree{top: topMode}} }

// Add adds an entry.
func (b *Builder) Add(e Entry) error {
	if err := checkEntry(e); err != nil {
		return err
	}
	switch {
	case e.Name != ".":
		b.t.nodes.add(e)
	case b.t.topSet:
		return errors.New(`entry "." appears twice`)
	default:
		b.t.top, b.t.topSet = e.Mode, true
	}
	return nil
}

// Tree is the tree of all entries, to which none can be added any more.
func (b *Builder) Tree() (Tree, error) {
	t := b.t
	b.t = Tree{}
	list := &t.nodes
	list.sort()
	for i := 1; i < list.len(); i++ {
		if list.name(i) == list.name(i-1) {
			return Tree{}, fmt.Errorf("entry %q appears twice", list.name(i))
		}
	}
	last := -1 // the directory that was found for the entry before
	for at := range list.len() {
		dir, ok := parent(list.name(at))
		if !ok || last >= 0 && list.name(last) == dir {
			continue
		}
		i, found := t.Index(dir)
		if !found {
			return Tree{}, fmt.Errorf("entry %q: its directory %q is not in the tree; add it", list.name(at), dir)
		}
		if kind := list.node(i).kind; kind != Dir {
			return Tree{}, fmt.Errorf("entry %q: its parent %q is a %s, expected a dir", list.name(at), dir, kind)
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
func (t *Tree) groupLinks() error {
	list := &t.nodes
	n := list.len()
	// target follows links to the entry that holds the content.
	target := func(i int) (int, error) {
		seen := 0
		for j := i; ; {
			e := list.at(j)
			if e.Type != Hardlink {
				return j, nil
			}
			k, ok := t.Index(e.Link)
			if !ok {
				return 0, fmt.Errorf("entry %q: its hard link target %q is not in the tree", list.name(i), e.Link)
			}
			if seen++; seen > n {
				return 0, fmt.Errorf("entry %q: its hard links form a cycle", list.name(i))
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
	for i := range n {
		node := list.node(i)
		if node.kind == Symlink {
			node.mode = 0o777
		}
		if node.kind != Hardlink {
			continue
		}
		h, err := target(i)
		if err != nil {
			return err
		}
		if list.node(h).kind == Dir {
			return fmt.Errorf("entry %q: its hard link target %q is a dir, expected a file or symlink", node.name, list.name(h))
		}
		// A holder behind all its links stays a file of its own, next to the first
		// of them: the golden vectors have it so. No image gives such a tree.
		if holderOf[i] = h; h < i {
			holderOf[h] = h
		}
		groups[h] = group{holder: list.at(h), first: -1}
	}
	if len(groups) == 0 {
		return nil
	}
	grouped := map[int]Entry{}
	for i := range n {
		h, ok := holderOf[i]
		if !ok {
			continue
		}
		g := groups[h]
		if g.first < 0 {
			g.first = i
			g.holder.Name = list.name(i)
			if g.holder.Type == Symlink { // perhaps it comes behind
				g.holder.Mode = 0o777
			}
			groups[h] = g
			grouped[i] = g.holder
			continue
		}
		grouped[i] = Entry{Name: list.name(i), Type: Hardlink, Mode: g.holder.Mode, Link: g.holder.Name}
	}
	list.set(grouped)
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
func (t Tree) Entries() []Entry { return slices.AppendSeq(make([]Entry, 0, t.Len()), t.All()) }

// All yields the entries in archive order, without the top itself.
func (t Tree) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range t.Len() {
			if !yield(t.At(i)) {
				return
			}
		}
	}
}

// At is entry i in that order.
func (t Tree) At(i int) Entry { return t.nodes.at(i) }

// Len is the number of entries, the top not counted.
func (t Tree) Len() int { return t.nodes.len() }

// TopMode is the mode of the top directory.
func (t Tree) TopMode() uint32 {
	if t.Len() == 0 && !t.topSet {
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
	return t.At(i), true
}

// Index is an entry's place in the order of [Tree.All].
func (t Tree) Index(name string) (int, bool) {
	return sort.Find(t.Len(), func(i int) int { return release.ComparePaths(name, t.nodes.name(i)) })
}

// Add returns a tree with more entries in it. A name that is there already, or
// whose directory is missing, is an error; an entry "." replaces the mode of
// the top.
func (t Tree) Add(entries ...Entry) (Tree, error) {
	if len(entries) == 0 {
		return t, nil
	}
	var more []Entry
	top := Entry{Name: ".", Type: Dir, Mode: t.TopMode()}
	for _, e := range entries {
		if e.Name == "." {
			top = e
			continue
		}
		more = append(more, e)
	}
	return treeOf(t.All(), slices.Values(append(more, top)))
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
	kept := t.keep(func(i int) bool { return strings.HasPrefix(t.nodes.name(i), name+"/") })
	return treeOf(func(yield func(Entry) bool) {
		for e := range kept {
			e.Name = e.Name[len(name)+1:]
			if e.Type == Hardlink {
				e.Link = e.Link[len(name)+1:]
			}
			if !yield(e) {
				return
			}
		}
	}, slices.Values([]Entry{{Name: ".", Type: Dir, Mode: d.Mode}}))
}

// keep yields the entries for which want holds. Where the first name of a
// hard-linked group is not kept, the next kept name becomes the first.
func (t Tree) keep(want func(i int) bool) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		moved := map[string]string{} // first name of a group that was dropped → its new first name
		for i := range t.Len() {
			if !want(i) {
				continue
			}
			e := t.At(i)
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
					e = t.At(at)
					e.Name = name
				}
			}
			if !yield(e) {
				return
			}
		}
	}
}
