package oci

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// The names by which a layer takes away what lower ones have (OCI image
// specification, "Image Layer Filesystem Changeset").
const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
	aufsPrefix     = ".wh..wh." // bookkeeping of an old driver
)

// maxSymlinks bounds how many links one name may lead through, as Linux does.
const maxSymlinks = 40

// inode is a file as the kernel knows it: hard links are names of one inode,
// and replacing one name leaves the others as they were.
type inode struct {
	kind     byte
	mode     uint32
	link     string
	size     int64
	owner    owner
	content  tarball.Content
	children map[string]*dirent // of a directory
	layer    int                // that wrote the content
	notes    []string
}

// dirent is a name in a directory. It remembers which layer put it there: a
// whiteout takes away only what comes from below.
type dirent struct {
	*inode
	from int
}

// filesystem is what a container would see after some layers.
type filesystem struct {
	root *dirent
}

func newFilesystem() *filesystem {
	return &filesystem{root: &dirent{inode: newDirectory(0o755), from: -1}}
}

func newDirectory(mode uint32) *inode {
	return &inode{kind: tar.TypeDir, mode: mode, children: map[string]*dirent{}}
}

// lookup follows a name from the root, through symbolic links, which can never
// lead outside it. With create, missing directories are made, as engines do.
// A name that is not there gives nil.
func (fs *filesystem) lookup(name string, layer int, create bool) (*dirent, error) {
	links := 0
	way, err := fs.walk([]*dirent{fs.root}, name, layer, create, &links)
	if err != nil || way == nil {
		return nil, err
	}
	return way[len(way)-1], nil
}

// walk goes on from the end of way. It returns the whole way, so that ".."
// behind a symbolic link means the parent of where the link led.
func (fs *filesystem) walk(way []*dirent, name string, layer int, create bool, links *int) ([]*dirent, error) {
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
			continue
		case "..":
			way = way[:max(1, len(way)-1)]
			continue
		}
		at := way[len(way)-1]
		if at.kind != tar.TypeDir {
			return nil, fmt.Errorf("what should be the folder of %q is not a directory", part)
		}
		next := at.children[part]
		if next == nil {
			if !create {
				return nil, nil
			}
			next = &dirent{newDirectory(0o755), layer}
			at.children[part] = next
		}
		if next.kind != tar.TypeSymlink {
			way = append(way[:len(way):len(way)], next)
			continue
		}
		if *links++; *links > maxSymlinks {
			return nil, fmt.Errorf("more than %d symbolic links on the way", maxSymlinks)
		}
		if path.IsAbs(next.link) {
			way = way[:1]
		}
		var err error
		if way, err = fs.walk(way, next.link, layer, create, links); err != nil || way == nil {
			return nil, err
		}
	}
	return way, nil
}

// apply puts one layer on top.
func (fs *filesystem) apply(layer int, entries []layerEntry) error {
	for _, e := range entries {
		if err := fs.add(layer, e); err != nil {
			return fmt.Errorf("entry %q: %w", e.name, err)
		}
	}
	return nil
}

func (fs *filesystem) add(layer int, e layerEntry) error {
	if e.name == "" { // the root itself
		if e.kind == tar.TypeDir {
			fs.root.mode, fs.root.owner = e.mode, e.owner
		}
		return nil
	}
	dir, base := path.Split(e.name)
	whiteout := strings.HasPrefix(base, whiteoutPrefix)
	parent, err := fs.lookup(dir, layer, !whiteout)
	if err != nil {
		return err
	}
	if whiteout {
		return fs.whiteout(parent, base, layer)
	}
	if parent.kind != tar.TypeDir {
		return fmt.Errorf("its folder is not a directory")
	}
	old := parent.children[base]
	switch e.kind {
	case tar.TypeDir:
		if old != nil && old.kind == tar.TypeDir {
			old.mode, old.owner, old.from, old.notes = e.mode, e.owner, layer, e.notes
			return nil
		}
		n := newDirectory(e.mode)
		n.layer, n.owner, n.notes = layer, e.owner, e.notes
		parent.children[base] = &dirent{n, layer}
	case tar.TypeLink:
		target, err := fs.lookupNoFollow(e.link)
		if err != nil {
			return fmt.Errorf("hard link to %q: %w", e.link, err)
		}
		if target == nil {
			return fmt.Errorf("hard link to %q, which is not there", e.link)
		}
		if target.kind == tar.TypeDir {
			return fmt.Errorf("hard link to the directory %q", e.link)
		}
		parent.children[base] = &dirent{target.inode, layer}
	default:
		parent.children[base] = &dirent{&inode{
			kind: e.kind, mode: e.mode, link: e.link, size: e.size, owner: e.owner, content: e.content, layer: layer, notes: e.notes,
		}, layer}
	}
	return nil
}

// lookupNoFollow resolves the folder of a name but not the name itself: a hard
// link to a symbolic link is a link to the link.
func (fs *filesystem) lookupNoFollow(name string) (*dirent, error) {
	dir, base := path.Split(name)
	parent, err := fs.lookup(dir, 0, false)
	if err != nil || parent == nil || parent.kind != tar.TypeDir {
		return nil, err
	}
	return parent.children[base], nil
}

func (fs *filesystem) whiteout(parent *dirent, base string, layer int) error {
	if parent == nil || parent.kind != tar.TypeDir {
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
	hidden := strings.TrimPrefix(base, whiteoutPrefix)
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
func prune(d *dirent, layer int) bool {
	if d.kind != tar.TypeDir {
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

// Flat is what one folder or file of an image looks like to a container.
type Flat struct {
	Tree    tarball.Tree
	Origins map[string]Origin // by entry name
}

// errContentNeeded asks for layers to be read again, this time whole: a name
// below the wanted folder turned out to have its bytes elsewhere.
var errContentNeeded = errors.New("content was not kept")

// Flatten reads the layers of an image and gives what lies in the folder root,
// an absolute path. Every layer's digest, size and diff ID is checked.
func (u *Unpacker) Flatten(ctx context.Context, img *Image, root string) (Flat, error) {
	file, flat, err := u.File(ctx, img, root)
	if err == nil && file != nil {
		err = fmt.Errorf("%s in %s is a file: want a folder", root, img.Ref)
	}
	return flat, err
}

// File is Flatten for a path that may also be a file: then the entry is not
// nil, and the tree is empty.
func (u *Unpacker) File(ctx context.Context, img *Image, name string) (*tarball.Entry, Flat, error) {
	below := folderName(name)
	file, flat, err := u.flatten(ctx, img, name, below)
	if errors.Is(err, errContentNeeded) {
		file, flat, err = u.flatten(ctx, img, name, "")
	}
	return file, flat, err
}

// folderName is how a folder is called inside of layers.
func folderName(root string) string { return strings.Trim(path.Clean("/"+root), "/") }

func (u *Unpacker) flatten(ctx context.Context, img *Image, root, below string) (*tarball.Entry, Flat, error) {
	fs := newFilesystem()
	for i, l := range img.Layers {
		entries, err := u.read(ctx, img, l, below)
		if err != nil {
			return nil, Flat{}, err
		}
		if err := fs.apply(i, entries); err != nil {
			return nil, Flat{}, fmt.Errorf("layer %s: %w", img.Ref.At(l.Digest), err)
		}
	}
	top, err := fs.lookup(root, 0, false)
	if err != nil {
		return nil, Flat{}, fmt.Errorf("%s in %s: %w", root, img.Ref, err)
	}
	if top == nil {
		return nil, Flat{}, &NotFoundError{What: root + " in " + img.Ref.String(), Hint: "list what is there with: releaser ls " + img.Ref.String()}
	}
	c := collector{image: img, first: map[*inode]string{}, flat: Flat{Origins: map[string]Origin{}}}
	if err := c.collect(".", top); err != nil {
		return nil, Flat{}, fmt.Errorf("%s in %s: %w", root, img.Ref, err)
	}
	if top.kind != tar.TypeDir {
		return &c.entries[0], c.flat, nil
	}
	c.flat.Tree, err = tarball.NewTree(c.entries)
	return nil, c.flat, err
}

type collector struct {
	image   *Image
	first   map[*inode]string
	entries []tarball.Entry
	flat    Flat
}

func (c *collector) collect(name string, d *dirent) error {
	e := tarball.Entry{Name: name, Mode: d.mode}
	if first, again := c.first[d.inode]; again && d.kind != tar.TypeDir {
		e.Type, e.Link = tarball.Hardlink, first
	} else {
		c.first[d.inode] = name
		switch d.kind {
		case tar.TypeDir:
			e.Type = tarball.Dir
		case tar.TypeSymlink:
			e.Type, e.Link = tarball.Symlink, d.link
		case tar.TypeReg:
			if d.content == nil {
				return errContentNeeded
			}
			e.Type, e.Content = tarball.Regular, d.content
		case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
			return fmt.Errorf("entry %q is a device or a named pipe: a tarball of a release must not have one; leave it out with extract.exclude", name)
		default:
			return fmt.Errorf("entry %q has the unknown type %q", name, d.kind)
		}
	}
	if d.layer >= 0 && d.layer < len(c.image.Layers) {
		c.flat.Origins[name] = Origin{c.image.Layers[d.layer].Digest, d.notes}
	}
	c.entries = append(c.entries, e)
	if d.kind != tar.TypeDir {
		return nil
	}
	names := make([]string, 0, len(d.children))
	for n := range d.children {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if err := c.collect(path.Join(name, n), d.children[n]); err != nil {
			return err
		}
	}
	return nil
}
