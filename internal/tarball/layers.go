package tarball

import (
	"fmt"
	"slices"
)

// LayerMap tells which layer of an image each entry of an archive came from.
type LayerMap struct {
	Layers []Layer               // the lowest first
	Of     func(name string) int // index of the layer that has the entry of this name; -1 if none has
}

// Layer is a layer of an image. Two are the same if their diff IDs are:
// compressing one again changes its digest and nothing of what it holds.
type Layer struct {
	Digest string
	DiffID string
}

func (o *LayerMap) layer(x *Listing, entry int) (Layer, bool) {
	if o == nil || entry < 0 {
		return Layer{}, false
	}
	if i := o.Of(x.Entries[entry].Name); i >= 0 {
		return o.Layers[i], true
	}
	return Layer{}, false
}

func (o *LayerMap) has(l Layer) bool {
	return slices.ContainsFunc(o.Layers, func(m Layer) bool { return m.DiffID == l.DiffID })
}

// attribute adds to each entry the layers it came from and, when both archives
// were made from images, the layers that are not in both as the first cause:
// whatever else is found follows from a layer that was made anew.
func (r *Difference) attribute(a, b *Listing, from [2]*LayerMap) {
	changed := 0
	for i := range r.Entries {
		e := &r.Entries[i]
		la, inA := from[0].layer(a, e.a)
		lb, inB := from[1].layer(b, e.b)
		e.LayerA, e.LayerB = la.Digest, lb.Digest
		if from[0] != nil && from[1] != nil && (inA && !from[1].has(la) || inB && !from[0].has(lb)) {
			changed++
		}
	}
	if changed == 0 {
		return
	}
	la, lb := from[0].Layers, from[1].Layers
	first := 0
	for first < min(len(la), len(lb)) && la[first].DiffID == lb[first].DiffID {
		first++
	}
	at := func(layers []Layer) string {
		if first < len(layers) {
			return layers[first].Digest
		}
		return "none"
	}
	r.Causes = slices.Insert(r.Causes, 0, Cause{CauseLayer, fmt.Sprintf(
		"%d of %d layers of a and %d of %d of b are not in the other; the first is layer %d, %s in a, %s in b; %d of the %d entries that differ come from such layers",
		from[1].lacks(la), len(la), from[0].lacks(lb), len(lb), first+1, at(la), at(lb), changed, len(r.Entries))})
}

// lacks counts the layers that o does not have.
func (o *LayerMap) lacks(layers []Layer) (n int) {
	for _, l := range layers {
		if !o.has(l) {
			n++
		}
	}
	return n
}
