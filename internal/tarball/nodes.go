package tarball

import (
	"slices"

	"facerec/internal/release"
)

// nodes is a list of entries, of which there may be very many: 40 bytes for each
// besides its name. They lie in blocks: one list, which grows by being copied, would
// need twice the memory for a moment.
type nodes struct {
	blocks [][]node // of nodesTogether each, but for the last
	links  []link   // where the entries' targets are, which few have; sorted
}

// node is an [Entry] but for its link.
type node struct {
	name    string
	content Content
	mode    uint16
	kind    Type
}

// link is the target of entry at.
type link struct {
	at     int
	target string
}

const nodesTogether = 1024

func (l *nodes) len() int {
	if len(l.blocks) == 0 {
		return 0
	}
	last := len(l.blocks) - 1
	return last*nodesTogether + len(l.blocks[last])
}

// node is where entry i is kept.
func (l *nodes) node(i int) *node { return &l.blocks[i/nodesTogether][i%nodesTogether] }

func (l *nodes) name(i int) string { return l.node(i).name }

// at is entry i.
func (l *nodes) at(i int) Entry {
	n := l.node(i)
	e := Entry{Name: n.name, Type: n.kind, Mode: uint32(n.mode), Content: n.content}
	if k, linked := l.link(i); linked {
		e.Link = l.links[k].target
	}
	return e
}

// link finds the target of entry i in links.
func (l *nodes) link(i int) (at int, found bool) {
	if kind := l.node(i).kind; kind != Symlink && kind != Hardlink {
		return 0, false
	}
	return slices.BinarySearchFunc(l.links, i, func(x link, i int) int { return x.at - i })
}

// add puts an entry at the end, whose mode fits.
func (l *nodes) add(e Entry) {
	i := l.len()
	last := i / nodesTogether
	if last == len(l.blocks) {
		var block []node // of a small tree; it grows
		if last > 0 {
			block = make([]node, 0, nodesTogether)
		}
		l.blocks = append(l.blocks, block)
	}
	l.blocks[last] = append(l.blocks[last], node{e.Name, e.Content, uint16(e.Mode), e.Type})
	if e.Type == Symlink || e.Type == Hardlink {
		l.links = append(l.links, link{i, e.Link})
	}
}

// set puts others in the place of entries, by their place in the list.
func (l *nodes) set(others map[int]Entry) {
	kept := slices.DeleteFunc(l.links, func(x link) bool {
		_, other := others[x.at]
		return other
	})
	for i, e := range others {
		*l.node(i) = node{e.Name, e.Content, uint16(e.Mode), e.Type}
		if e.Type == Symlink || e.Type == Hardlink {
			kept = append(kept, link{i, e.Link})
		}
	}
	slices.SortFunc(kept, func(a, b link) int { return a.at - b.at })
	l.links = kept
}

// sort puts the entries into the order of a [Tree].
func (l *nodes) sort() {
	n := l.len()
	byName := func(a, b uint32) int { return release.ComparePaths(l.name(int(a)), l.name(int(b))) }
	sorted := true
	for i := 1; i < n && sorted; i++ {
		sorted = byName(uint32(i-1), uint32(i)) <= 0
	}
	if sorted {
		return
	}
	order := make([]uint32, n)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, byName)
	var out nodes
	for _, i := range order {
		out.add(l.at(int(i)))
	}
	*l = out
}
