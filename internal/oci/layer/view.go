package layer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// The names by which a layer takes away what lower ones have (OCI image
// specification, "Image Layer Filesystem Changeset").
const (
	WhiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
	aufsPrefix     = ".wh..wh." // bookkeeping of an old driver
)

// maxSymlinks bounds how many links one name may lead through, as Linux does.
const maxSymlinks = 40

// Inode is a file as the kernel knows it: hard links are names of one inode,
// and replacing one name leaves the others as they were.
type Inode struct {
	*Entry             // as a layer has it, under the name that it came with
	Layer    int32     // that wrote the content, from 0
	linked   bool      // has another name, or had
	children *children // of a directory
}

// Dirent is a name in a directory. It remembers which layer put it there: a
// whiteout removes only what comes from below.
type Dirent struct {
	*Inode
	by     *Entry // that has the name
	from   int32
	length int32 // of its path, in bytes
}

// base is the name in the directory.
func (d *Dirent) base() string { return d.by.Name[strings.LastIndexByte(d.by.Name, '/')+1:] }

// node is a name with the file that it first stands for.
type node struct {
	Dirent
	inode Inode
}

// nodesTogether is how many are allocated at a time.
const nodesTogether = 256

// View is the file system that a container sees after some layers.
type View struct {
	root *Dirent
	free []node

	// What is left of the limits; each entry adds to them, so that time and
	// memory are linear in what was read.
	steps   int64 // names looked up
	nodes   int64 // directories that no entry names
	lengths int64 // bytes of all paths
	entries int64 // of all layers
}

// Limits of a view. The first of each pair is free, the second is added for each
// entry; for paths it is a multiple of the entry's own name.
const (
	freeSteps, stepsPerEntry = 20_000_000, 128
	freeNodes, nodesPerEntry = 100_000, 1
	freePaths, pathsPerName  = 64 << 20, 2
)

// maxApplied bounds the entries of all layers of an image, one that it has twice
// counted twice.
const maxApplied = 4_000_000

var errTooMuch = errors.New("links and missing directories that lead through too many names")

// create puts a new file into a directory.
func (v *View) create(parent *Dirent, n Inode, layer int32) (*Dirent, error) {
	if len(v.free) == 0 {
		v.free = make([]node, nodesTogether)
	}
	made := &v.free[0]
	v.free = v.free[1:]
	made.inode = n
	made.Dirent = Dirent{Inode: &made.inode, by: n.Entry, from: layer}
	return &made.Dirent, v.name(parent, &made.Dirent)
}

// name puts a name into a directory.
func (v *View) name(parent *Dirent, d *Dirent) error {
	d.length = parent.length + 1 + int32(len(d.base()))
	if v.lengths -= int64(d.length); v.lengths < 0 {
		return errTooMuch
	}
	parent.children.put(d)
	return nil
}

// NewView returns an empty file system.
func NewView() *View {
	root := newDirectory("")
	return &View{root: &Dirent{Inode: &root, by: root.Entry, from: -1}, steps: freeSteps, nodes: freeNodes, lengths: freePaths}
}

// Root returns the root directory.
func (v *View) Root() *Dirent { return v.root }

func newDirectory(base string) Inode {
	return Inode{Entry: &Entry{Name: base, Kind: tar.TypeDir, Mode: 0o755}, children: new(children)}
}

// Lookup follows an absolute name through symbolic links, which never lead
// outside the root. It returns nil for a name that does not exist.
func (v *View) Lookup(name string) (*Dirent, error) { return v.lookup(name, 0, false) }

// Walk visits every name in order, the root left out.
func (v *View) Walk(visit func(name string, d *Dirent) error) error {
	var walk func(name string, d *Dirent) error
	walk = func(name string, d *Dirent) error {
		if name != "/" {
			if err := visit(name, d); err != nil {
				return err
			}
		}
		for _, child := range d.children.sorted() {
			if err := walk(path.Join(name, child.base()), child); err != nil {
				return err
			}
		}
		return nil
	}
	return walk("/", v.root)
}

// lookup follows a name from the root, through symbolic links, which can never
// lead outside it. With create, missing directories are made, as engines do.
// A name that is missing gives nil.
func (v *View) lookup(name string, layer int32, create bool) (*Dirent, error) {
	links := 0
	var room [24]*Dirent // for most names
	way, err := v.walk(append(room[:0], v.root), name, layer, create, &links)
	if err != nil || way == nil {
		return nil, err
	}
	return way[len(way)-1], nil
}

// walk goes on from the end of way. It returns the whole way, so that ".."
// behind a symbolic link means the parent of where the link led.
func (v *View) walk(way []*Dirent, name string, layer int32, create bool, links *int) ([]*Dirent, error) {
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
			continue
		case "..":
			way = way[:max(1, len(way)-1)]
			continue
		}
		if v.steps--; v.steps < 0 {
			return nil, errTooMuch
		}
		if len(way) > maxDepth {
			return nil, fmt.Errorf("more than %d directories inside one another", maxDepth)
		}
		at := way[len(way)-1]
		if at.Kind != tar.TypeDir {
			return nil, fmt.Errorf("the parent of %s is not a directory", text.Quote(part))
		}
		next := at.children.find(part)
		if next == nil {
			if !create {
				return nil, nil
			}
			if v.nodes--; v.nodes < 0 {
				return nil, errTooMuch
			}
			var err error
			if next, err = v.create(at, newDirectory(part), layer); err != nil {
				return nil, err
			}
		}
		if next.Kind != tar.TypeSymlink {
			way = append(way, next)
			continue
		}
		if *links++; *links > maxSymlinks {
			return nil, fmt.Errorf("more than %d symbolic links on the way", maxSymlinks)
		}
		if path.IsAbs(next.Link()) {
			way = way[:1]
		}
		var err error
		if way, err = v.walk(way, next.Link(), layer, create, links); err != nil || way == nil {
			return nil, err
		}
	}
	return way, nil
}

// Apply puts one layer on top.
func (v *View) Apply(layer int, entries Entries) error {
	if v.entries += int64(entries.Len()); v.entries > maxApplied {
		return fmt.Errorf("more than %d entries in this layer and those below it", maxApplied)
	}
	for e := range entries.All() {
		v.steps += stepsPerEntry
		v.nodes += nodesPerEntry
		v.lengths += pathsPerName * int64(len(e.Name)+1)
		if err := v.add(int32(layer), e); err != nil {
			return fmt.Errorf("entry %s: %w", text.Quote(e.Name), err)
		}
	}
	return nil
}

// add puts one entry into the view, which keeps it and does not change it.
func (v *View) add(layer int32, e *Entry) error {
	if e.Name == "" { // the root itself
		if e.Kind == tar.TypeDir {
			now := *v.root.Entry
			now.Mode, now.rest = e.Mode, e.rest
			v.root.Entry = &now
		}
		return nil
	}
	dir, base := path.Split(e.Name)
	whiteout := strings.HasPrefix(base, WhiteoutPrefix)
	parent, err := v.lookup(dir, layer, !whiteout)
	if err != nil {
		return err
	}
	if whiteout {
		return v.whiteout(parent, base, layer)
	}
	if parent.Kind != tar.TypeDir {
		return fmt.Errorf("its parent is not a directory")
	}
	old := parent.children.find(base)
	switch e.Kind {
	case tar.TypeDir:
		if old != nil && old.Kind == tar.TypeDir {
			old.Entry, old.by, old.from = e, e, layer
			return nil
		}
		_, err := v.create(parent, Inode{Entry: e, Layer: layer, children: new(children)}, layer)
		return err
	case tar.TypeLink:
		target, err := v.LookupNoFollow(e.Link())
		if err != nil {
			return fmt.Errorf("hard link to %s: %w", text.Quote(e.Link()), err)
		}
		if target == nil {
			return fmt.Errorf("hard link to %s: not found", text.Quote(e.Link()))
		}
		if target.Kind == tar.TypeDir {
			return fmt.Errorf("hard link to the directory %s", text.Quote(e.Link()))
		}
		target.linked = true
		return v.name(parent, &Dirent{Inode: target.Inode, by: e, from: layer})
	default:
		_, err := v.create(parent, Inode{Entry: e, Layer: layer}, layer)
		return err
	}
}

// LookupNoFollow resolves the directory of a name but not the name itself: a hard
// link to a symbolic link is a link to the link.
func (v *View) LookupNoFollow(name string) (*Dirent, error) {
	dir, base := path.Split(name)
	parent, err := v.lookup(dir, 0, false)
	if err != nil || parent == nil || parent.Kind != tar.TypeDir {
		return nil, err
	}
	return parent.children.find(base), nil
}

func (v *View) whiteout(parent *Dirent, base string, layer int32) error {
	if parent == nil || parent.Kind != tar.TypeDir {
		return nil // what is to be hidden was never there
	}
	if base == opaqueMarker {
		parent.children.removeIf(func(d *Dirent) bool { return v.prune(d, layer) })
		return v.exhausted()
	}
	if strings.HasPrefix(base, aufsPrefix) {
		return nil
	}
	hidden := strings.TrimPrefix(base, WhiteoutPrefix)
	if hidden == "" || hidden == "." || hidden == ".." {
		return fmt.Errorf("a whiteout of %q is refused", hidden)
	}
	if child := parent.children.find(hidden); child != nil && v.prune(child, layer) {
		parent.children.remove(hidden)
	}
	return v.exhausted()
}

func (v *View) exhausted() error {
	if v.steps < 0 {
		return errTooMuch
	}
	return nil
}

// prune removes what layers below the given one put there. It reports whether
// nothing is left: the order of a whiteout and the files of its own layer must
// not matter.
func (v *View) prune(d *Dirent, layer int32) bool {
	if v.steps--; v.steps < 0 {
		return false
	}
	if d.Kind != tar.TypeDir {
		return d.from < layer
	}
	d.children.removeIf(func(child *Dirent) bool { return v.prune(child, layer) })
	return d.from < layer && d.children.empty()
}

// Origin tells where an entry of a flattened tree came from.
type Origin struct {
	Layer release.Digest
	Notes []string // what the layer has of it and a tarball will not
}

// Flattened is what one directory or file of an image looks like to a container.
type Flattened struct {
	Tree    tarball.Tree
	Devices []Device // which a tree cannot have

	// Where the top, and then each entry of Tree in its order, came from.
	layers  []release.Digest
	origins []int32          // index in layers
	notes   map[int][]string // by index in origins
}

// Origin tells where an entry, or the top ("."), came from; false if it is not
// known.
func (f Flattened) Origin(name string) (Origin, bool) {
	at, ok := 0, len(f.origins) > 0
	if name != "." {
		at, ok = f.Tree.Index(name)
		at++
	}
	if !ok || at >= len(f.origins) || int(f.origins[at]) >= len(f.layers) {
		return Origin{}, false
	}
	return Origin{f.layers[f.origins[at]], f.notes[at]}, true
}

// Device is a device or a named pipe.
type Device struct {
	Name  string // as entries are named
	What  string // "char 1:3", "block 8:0", "pipe"
	Mode  uint32
	Layer release.Digest
	Notes []string
}

// Lost describes the entries of a tree, f's own or a selection of it, whose
// extended attributes a tarball leaves out, sorted: "bin/ping: security.capability".
func (f Flattened) Lost(t tarball.Tree) []string {
	var out []string
	for at, notes := range f.notes {
		lost := Attributes(notes)
		if len(lost) == 0 {
			continue
		}
		name := "."
		if at > 0 {
			name = f.Tree.At(at - 1).Name
			if _, kept := t.Index(name); !kept {
				continue
			}
		}
		out = append(out, text.Show(name)+": "+strings.Join(lost, ", "))
	}
	slices.Sort(out)
	return out
}

// Attributes returns the extended attributes among the notes of an entry.
func Attributes(notes []string) []string {
	return slices.DeleteFunc(slices.Clone(notes), func(n string) bool { return n == sparseNote }) // whose bytes are all kept
}

// errContentNeeded asks for layers to be read again, this time whole: a name
// below the wanted directory turned out to have its bytes elsewhere.
var errContentNeeded = errors.New("content was not kept")

// Flatten reads the layers of an image and gives what lies in the directory root,
// an absolute path. Every layer's digest, size and diff ID is checked.
func (u *Unpacker) Flatten(ctx context.Context, img *oci.Image, root string) (Flattened, error) {
	file, flat, err := u.File(ctx, img, root)
	switch {
	case err != nil:
	case file != nil:
		err = fmt.Errorf("%s in %s: expected a directory, got a file", root, img.Ref)
	case len(flat.Devices) > 0:
		d := flat.Devices[0]
		err = fmt.Errorf("%s in %s: entry %s is a device or a named pipe (%s), which a release's tarball cannot have", root, img.Ref, text.Quote(d.Name), d.What)
	}
	return flat, err
}

// File is Flatten for a path that may also be a file, and with devices: for a
// file the entry is not nil, and the tree is empty.
func (u *Unpacker) File(ctx context.Context, img *oci.Image, name string) (*tarball.Entry, Flattened, error) {
	key := view{root: name, layers: fmt.Sprint(img.Layers)}
	u.mu.Lock()
	flat, known := u.views[key]
	u.mu.Unlock()
	if known {
		return nil, flat, nil
	}
	below := folderName(name)
	file, flat, err := u.flatten(ctx, img, name, below)
	if errors.Is(err, errContentNeeded) {
		u.forget(img, below)
		file, flat, err = u.flatten(ctx, img, name, "")
	}
	if err == nil && file == nil {
		u.mu.Lock()
		u.views[key] = flat
		u.mu.Unlock()
	}
	return file, flat, err
}

// view names what a directory of an image looks like: images with the same layers
// have the same.
type view struct{ root, layers string }

// folderName is how a directory is called inside of layers.
func folderName(root string) string { return strings.Trim(path.Clean("/"+root), "/") }

func (u *Unpacker) flatten(ctx context.Context, img *oci.Image, root, below string) (*tarball.Entry, Flattened, error) {
	v := NewView()
	for i, l := range img.Layers {
		entries, err := u.Read(ctx, img, l, below)
		if err != nil {
			return nil, Flattened{}, err
		}
		if err := v.Apply(i, entries); err != nil {
			return nil, Flattened{}, fmt.Errorf("layer %s: %w", img.Ref.At(l.Digest), err)
		}
	}
	top, err := v.lookup(root, 0, false)
	if err != nil {
		return nil, Flattened{}, fmt.Errorf("%s in %s: %w", root, img.Ref, err)
	}
	if top == nil {
		return nil, Flattened{}, &oci.NotFoundError{What: root + " in " + img.Ref.String(), Hint: "list the image with: releaser ls " + img.Ref.String()}
	}
	c := collector{first: map[*Inode]string{}, tree: tarball.NewBuilder(), flat: Flattened{layers: make([]release.Digest, len(img.Layers))}}
	for i, l := range img.Layers {
		c.flat.layers[i] = l.Digest
	}
	c.flat.origins = make([]int32, 0, top.count())
	if top.Kind != tar.TypeDir {
		e, fits, err := c.entry(".", top)
		switch {
		case err != nil:
			return nil, Flattened{}, fmt.Errorf("%s in %s: %w", root, img.Ref, err)
		case !fits:
			return nil, Flattened{}, fmt.Errorf("%s in %s: expected a file or a directory, got %s", root, img.Ref, c.flat.Devices[0].What)
		}
		return &e, c.flat, nil
	}
	if err := c.collect(".", top); err != nil {
		return nil, Flattened{}, fmt.Errorf("%s in %s: %w", root, img.Ref, err)
	}
	if c.refused != nil {
		return nil, Flattened{}, c.refused
	}
	c.flat.Tree, err = c.tree.Tree()
	return nil, c.flat, err
}

type collector struct {
	first   map[*Inode]string // of those that have several names
	tree    *tarball.Builder
	refused error // the first that it gave
	flat    Flattened
}

// entry is what a tree has of a name, and notes where it came from. A device does not
// fit into a tree: it is put among those of the view.
func (c *collector) entry(name string, d *Dirent) (e tarball.Entry, fits bool, err error) {
	e = tarball.Entry{Name: name, Mode: d.Mode}
	if first, again := c.first[d.Inode]; d.linked && again && d.Device() == "" {
		e.Type, e.Link = tarball.Hardlink, first
	} else {
		if d.linked {
			c.first[d.Inode] = name
		}
		switch d.Kind {
		case tar.TypeDir:
			e.Type = tarball.Dir
		case tar.TypeSymlink:
			e.Type, e.Link = tarball.Symlink, d.Link()
		case tar.TypeReg:
			if d.Content == nil {
				return e, false, errContentNeeded
			}
			e.Type, e.Content = tarball.Regular, d.Content
		case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
			special := Device{Name: name, What: d.Device(), Mode: d.Mode, Notes: d.Notes()}
			if int(d.Layer) < len(c.flat.layers) {
				special.Layer = c.flat.layers[d.Layer]
			}
			c.flat.Devices = append(c.flat.Devices, special)
			return e, false, nil
		default:
			return e, false, fmt.Errorf("entry %s has the unknown type %q", text.Quote(name), d.Kind)
		}
	}
	if notes := d.Notes(); len(notes) > 0 {
		if c.flat.notes == nil {
			c.flat.notes = map[int][]string{}
		}
		c.flat.notes[len(c.flat.origins)] = notes
	}
	c.flat.origins = append(c.flat.origins, d.Layer)
	return e, true, nil
}

// collect takes a name and all below it out of the view: what is in the tree need not
// be in both, as there may be very many.
func (c *collector) collect(name string, d *Dirent) error {
	e, fits, err := c.entry(name, d)
	if err != nil || !fits {
		return err
	}
	if err := c.tree.Add(e); err != nil && c.refused == nil {
		c.refused = err
	}
	if d.Kind != tar.TypeDir {
		return nil
	}
	for _, child := range d.children.sorted() {
		if err := c.collect(child.under(name, child.base()), child); err != nil {
			return err
		}
	}
	d.children = nil
	return nil
}

// count is how many names a directory has below it, and its own.
func (d *Dirent) count() int {
	n := 1
	for _, child := range d.children.sorted() {
		n += child.count()
	}
	return n
}

// under is the path of the name base in a directory of the tree. It is cut out of
// the name that the layer has, where that ends in it: the same bytes then serve
// every tree with the entry.
func (d *Dirent) under(dir, base string) string {
	if dir == "." {
		return base
	}
	n := len(dir) + 1 + len(base)
	if name := d.Name; len(name) >= n {
		if end := name[len(name)-n:]; end[:len(dir)] == dir && end[len(dir)] == '/' && end[len(dir)+1:] == base {
			return end
		}
	}
	return dir + "/" + base
}
