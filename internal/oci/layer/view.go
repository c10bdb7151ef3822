package layer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/tarball"
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
	Kind     byte // a tar typeflag
	Mode     uint32
	Link     string // target of a symbolic link
	Size     int64
	Owner    Owner
	Content  tarball.Content
	Layer    int // that wrote the content, from 0
	Notes    []string
	children map[string]*Dirent // of a directory
}

// Dirent is a name in a directory. It remembers which layer put it there: a
// whiteout removes only what comes from below.
type Dirent struct {
	*Inode
	from int
}

// View is the file system that a container sees after some layers.
type View struct {
	root *Dirent
}

// NewView returns an empty file system.
func NewView() *View {
	return &View{root: &Dirent{Inode: newDirectory(0o755), from: -1}}
}

// Root returns the root directory.
func (v *View) Root() *Dirent { return v.root }

func newDirectory(mode uint32) *Inode {
	return &Inode{Kind: tar.TypeDir, Mode: mode, children: map[string]*Dirent{}}
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
		for _, n := range slices.Sorted(maps.Keys(d.children)) {
			if err := walk(path.Join(name, n), d.children[n]); err != nil {
				return err
			}
		}
		return nil
	}
	return walk("/", v.root)
}

// lookup follows a name from the root, through symbolic links, which can never
// lead outside it. With create, missing directories are made, as engines do.
// A name that is not there gives nil.
func (v *View) lookup(name string, layer int, create bool) (*Dirent, error) {
	links := 0
	way, err := v.walk([]*Dirent{v.root}, name, layer, create, &links)
	if err != nil || way == nil {
		return nil, err
	}
	return way[len(way)-1], nil
}

// walk goes on from the end of way. It returns the whole way, so that ".."
// behind a symbolic link means the parent of where the link led.
func (v *View) walk(way []*Dirent, name string, layer int, create bool, links *int) ([]*Dirent, error) {
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
			continue
		case "..":
			way = way[:max(1, len(way)-1)]
			continue
		}
		at := way[len(way)-1]
		if at.Kind != tar.TypeDir {
			return nil, fmt.Errorf("what should be the folder of %q is not a directory", part)
		}
		next := at.children[part]
		if next == nil {
			if !create {
				return nil, nil
			}
			next = &Dirent{newDirectory(0o755), layer}
			at.children[part] = next
		}
		if next.Kind != tar.TypeSymlink {
			way = append(way[:len(way):len(way)], next)
			continue
		}
		if *links++; *links > maxSymlinks {
			return nil, fmt.Errorf("more than %d symbolic links on the way", maxSymlinks)
		}
		if path.IsAbs(next.Link) {
			way = way[:1]
		}
		var err error
		if way, err = v.walk(way, next.Link, layer, create, links); err != nil || way == nil {
			return nil, err
		}
	}
	return way, nil
}

// Apply puts one layer on top.
func (v *View) Apply(layer int, entries []Entry) error {
	for _, e := range entries {
		if err := v.add(layer, e); err != nil {
			return fmt.Errorf("entry %q: %w", e.Name, err)
		}
	}
	return nil
}

func (v *View) add(layer int, e Entry) error {
	if e.Name == "" { // the root itself
		if e.Kind == tar.TypeDir {
			v.root.Mode, v.root.Owner = e.Mode, e.Owner
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
		return fmt.Errorf("its folder is not a directory")
	}
	old := parent.children[base]
	switch e.Kind {
	case tar.TypeDir:
		if old != nil && old.Kind == tar.TypeDir {
			old.Mode, old.Owner, old.from, old.Notes = e.Mode, e.Owner, layer, e.Notes
			return nil
		}
		n := newDirectory(e.Mode)
		n.Layer, n.Owner, n.Notes = layer, e.Owner, e.Notes
		parent.children[base] = &Dirent{n, layer}
	case tar.TypeLink:
		target, err := v.LookupNoFollow(e.Link)
		if err != nil {
			return fmt.Errorf("hard link to %q: %w", e.Link, err)
		}
		if target == nil {
			return fmt.Errorf("hard link to %q, which is not there", e.Link)
		}
		if target.Kind == tar.TypeDir {
			return fmt.Errorf("hard link to the directory %q", e.Link)
		}
		parent.children[base] = &Dirent{target.Inode, layer}
	default:
		parent.children[base] = &Dirent{&Inode{
			Kind: e.Kind, Mode: e.Mode, Link: e.Link, Size: e.Size, Owner: e.Owner, Content: e.Content, Layer: layer, Notes: e.Notes,
		}, layer}
	}
	return nil
}

// LookupNoFollow resolves the folder of a name but not the name itself: a hard
// link to a symbolic link is a link to the link.
func (v *View) LookupNoFollow(name string) (*Dirent, error) {
	dir, base := path.Split(name)
	parent, err := v.lookup(dir, 0, false)
	if err != nil || parent == nil || parent.Kind != tar.TypeDir {
		return nil, err
	}
	return parent.children[base], nil
}

func (v *View) whiteout(parent *Dirent, base string, layer int) error {
	if parent == nil || parent.Kind != tar.TypeDir {
		return nil // what is to be hidden was never there
	}
	if base == opaqueMarker {
		for name, child := range parent.children {
			if prune(child, layer) {
				delete(parent.children, name)
			}
		}
		return nil
	}
	if strings.HasPrefix(base, aufsPrefix) {
		return nil
	}
	hidden := strings.TrimPrefix(base, WhiteoutPrefix)
	if hidden == "" || hidden == "." || hidden == ".." {
		return fmt.Errorf("a whiteout of %q is refused", hidden)
	}
	if child := parent.children[hidden]; child != nil && prune(child, layer) {
		delete(parent.children, hidden)
	}
	return nil
}

// prune takes away what layers below the given one put there. It says whether
// nothing is left: the order of a whiteout and the files of its own layer must
// not matter.
func prune(d *Dirent, layer int) bool {
	if d.Kind != tar.TypeDir {
		return d.from < layer
	}
	for name, child := range d.children {
		if prune(child, layer) {
			delete(d.children, name)
		}
	}
	return d.from < layer && len(d.children) == 0
}

// Origin tells where an entry of a flattened tree came from.
type Origin struct {
	Layer release.Digest
	Notes []string // what the layer has of it and a tarball will not
}

// Flattened is what one folder or file of an image looks like to a container.
type Flattened struct {
	Tree    tarball.Tree
	Origins map[string]Origin // by entry name
}

// errContentNeeded asks for layers to be read again, this time whole: a name
// below the wanted folder turned out to have its bytes elsewhere.
var errContentNeeded = errors.New("content was not kept")

// Flatten reads the layers of an image and gives what lies in the folder root,
// an absolute path. Every layer's digest, size and diff ID is checked.
func (u *Unpacker) Flatten(ctx context.Context, img *oci.Image, root string) (Flattened, error) {
	file, flat, err := u.File(ctx, img, root)
	if err == nil && file != nil {
		err = fmt.Errorf("%s in %s is a file: want a folder", root, img.Ref)
	}
	return flat, err
}

// File is Flatten for a path that may also be a file: then the entry is not
// nil, and the tree is empty.
func (u *Unpacker) File(ctx context.Context, img *oci.Image, name string) (*tarball.Entry, Flattened, error) {
	below := folderName(name)
	file, flat, err := u.flatten(ctx, img, name, below)
	if errors.Is(err, errContentNeeded) {
		file, flat, err = u.flatten(ctx, img, name, "")
	}
	return file, flat, err
}

// folderName is how a folder is called inside of layers.
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
		return nil, Flattened{}, &oci.NotFoundError{What: root + " in " + img.Ref.String(), Hint: "list what is there with: releaser ls " + img.Ref.String()}
	}
	c := collector{image: img, first: map[*Inode]string{}, flat: Flattened{Origins: map[string]Origin{}}}
	if err := c.collect(".", top); err != nil {
		return nil, Flattened{}, fmt.Errorf("%s in %s: %w", root, img.Ref, err)
	}
	if top.Kind != tar.TypeDir {
		return &c.entries[0], c.flat, nil
	}
	c.flat.Tree, err = tarball.NewTree(c.entries)
	return nil, c.flat, err
}

type collector struct {
	image   *oci.Image
	first   map[*Inode]string
	entries []tarball.Entry
	flat    Flattened
}

func (c *collector) collect(name string, d *Dirent) error {
	e := tarball.Entry{Name: name, Mode: d.Mode}
	if first, again := c.first[d.Inode]; again && d.Kind != tar.TypeDir {
		e.Type, e.Link = tarball.Hardlink, first
	} else {
		c.first[d.Inode] = name
		switch d.Kind {
		case tar.TypeDir:
			e.Type = tarball.Dir
		case tar.TypeSymlink:
			e.Type, e.Link = tarball.Symlink, d.Link
		case tar.TypeReg:
			if d.Content == nil {
				return errContentNeeded
			}
			e.Type, e.Content = tarball.Regular, d.Content
		case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
			return fmt.Errorf("entry %q is a device or a named pipe: a tarball of a release must not have one; leave it out with extract.exclude", name)
		default:
			return fmt.Errorf("entry %q has the unknown type %q", name, d.Kind)
		}
	}
	if d.Layer >= 0 && d.Layer < len(c.image.Layers) {
		c.flat.Origins[name] = Origin{c.image.Layers[d.Layer].Digest, d.Notes}
	}
	c.entries = append(c.entries, e)
	if d.Kind != tar.TypeDir {
		return nil
	}
	for _, n := range slices.Sorted(maps.Keys(d.children)) {
		if err := c.collect(path.Join(name, n), d.children[n]); err != nil {
			return err
		}
	}
	return nil
}
