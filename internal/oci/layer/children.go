package layer

import (
	"maps"
	"slices"
	"strings"
)

// children are the names in a directory. Nearly all layers have them in order: names
// that rise are kept in a list, which takes a fraction of what a map does.
type children struct {
	rising []*Dirent          // by name; one that was removed has no inode
	late   map[string]*Dirent // came when a greater one was there
}

// find is the name in the directory, or nil.
func (c *children) find(base string) *Dirent {
	if c == nil {
		return nil
	}
	if i, ok := c.place(base); ok && c.rising[i].Inode != nil {
		return c.rising[i]
	}
	return c.late[base]
}

// place is where a name is in rising, or false.
func (c *children) place(base string) (int, bool) {
	last := len(c.rising) - 1
	if last < 0 || c.rising[last].base() < base { // most names are new
		return 0, false
	}
	return slices.BinarySearchFunc(c.rising, base, func(d *Dirent, base string) int { return strings.Compare(d.base(), base) })
}

// put puts a name in, in the place of one that is the same.
func (c *children) put(d *Dirent) {
	base := d.base()
	last := len(c.rising) - 1
	switch i, ok := c.place(base); {
	case ok:
		c.rising[i] = d
	case c.late[base] == nil && (last < 0 || c.rising[last].base() < base):
		c.rising = append(c.rising, d)
	case c.late == nil:
		c.late = map[string]*Dirent{base: d}
	default:
		c.late[base] = d
	}
}

// remove takes a name out.
func (c *children) remove(base string) {
	if i, ok := c.place(base); ok {
		c.rising[i].Inode = nil
	}
	delete(c.late, base)
}

// removeIf takes out those for which gone holds.
func (c *children) removeIf(gone func(*Dirent) bool) {
	c.rising = slices.DeleteFunc(c.rising, func(d *Dirent) bool { return d.Inode == nil || gone(d) })
	maps.DeleteFunc(c.late, func(_ string, d *Dirent) bool { return gone(d) })
}

// empty reports whether there are none, after removeIf.
func (c *children) empty() bool { return len(c.rising)+len(c.late) == 0 }

// sorted are all, by name.
func (c *children) sorted() []*Dirent {
	if c == nil {
		return nil
	}
	c.removeIf(func(*Dirent) bool { return false })
	if len(c.late) > 0 {
		c.rising = slices.AppendSeq(c.rising, maps.Values(c.late))
		c.late = nil
		slices.SortFunc(c.rising, func(a, b *Dirent) int { return strings.Compare(a.base(), b.base()) })
	}
	return c.rising
}
