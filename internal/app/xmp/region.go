package xmp

import (
	"image"
	"math"
	"strconv"
	"strings"
)

// Region is a face in a picture: its centre and sides, in parts of the
// picture's, as it is stored.
type Region struct {
	X, Y, W, H float64
	Name       string // "" for somebody unknown
}

// Faces is what a sidecar is to say.
type Faces struct {
	// Size is the picture's, as it is stored.
	Size    image.Point
	Regions []Region
}

// Stored turns a size from upright to as it is stored, and back.
func Stored(upright image.Point, orientation int) image.Point {
	if orientation >= 5 {
		return image.Pt(upright.Y, upright.X)
	}
	return upright
}

// Place is the region of a box in the upright picture of this size, which is
// stored in an EXIF orientation. It is empty if the box is outside.
func Place(box image.Rectangle, upright image.Point, orientation int) Region {
	box = box.Intersect(image.Rectangle{Max: upright})
	if box.Empty() {
		return Region{}
	}
	pw, ph := float64(upright.X), float64(upright.Y)
	x, y := float64(box.Min.X+box.Max.X)/2/pw, float64(box.Min.Y+box.Max.Y)/2/ph
	w, h := float64(box.Dx())/pw, float64(box.Dy())/ph
	switch orientation {
	case 2:
		x = 1 - x
	case 3:
		x, y = 1-x, 1-y
	case 4:
		y = 1 - y
	case 5:
		x, y = y, x
	case 6:
		x, y = y, 1-x
	case 7:
		x, y = 1-y, 1-x
	case 8:
		x, y = 1-y, x
	}
	if orientation >= 5 {
		w, h = h, w
	}
	return Region{X: x, Y: y, W: w, H: h}
}

// overlaps reports whether two regions are one face: the centre of each is in
// the other.
func (r Region) overlaps(s Region) bool {
	dx, dy := math.Abs(r.X-s.X), math.Abs(r.Y-s.Y)
	return 2*dx <= min(r.W, s.W) && 2*dy <= min(r.H, s.H)
}

// found is a region in a document.
type found struct {
	Region
	node *node
	ours bool
	face bool // or of no type
}

// field looks for a property of a structure, however it is written: as an
// element or an attribute of it, or of a Description in it. The node is nil if
// it is an attribute.
func field(n *node, space, local string) (string, *node, bool) {
	for _, in := range structs(n) {
		if v, ok := in.attr(space, local); ok {
			return v, nil, true
		}
		if k := in.child(space, local); k != nil {
			if v := k.child(nsRDF, "value"); v != nil {
				return v.text(), k, true
			}
			return k.text(), k, true
		}
	}
	return "", nil, false
}

// structs lists the elements that hold the fields of a structure.
func structs(n *node) []*node {
	if n == nil {
		return nil
	}
	if d := n.child(nsRDF, "Description"); d != nil {
		return []*node{n, d}
	}
	return []*node{n}
}

// regionOf reads a list item of mwg-rs:RegionList.
func regionOf(li *node) found {
	f := found{node: li}
	if _, ext, ok := field(li, nsMWG, "Extensions"); ok && ext != nil {
		_, _, f.ours = field(ext, nsFacerec, "By")
	}
	f.Name, _, _ = field(li, nsMWG, "Name")
	kind, _, _ := field(li, nsMWG, "Type")
	f.face = kind == "" || kind == "Face"
	if _, area, ok := field(li, nsMWG, "Area"); ok && area != nil {
		for _, side := range []struct {
			name string
			to   *float64
		}{{"x", &f.X}, {"y", &f.Y}, {"w", &f.W}, {"h", &f.H}} {
			v, _, _ := field(area, nsArea, side.name)
			*side.to = number(v)
		}
	}
	return f
}

// number is a finite number, or 0.
func number(s string) float64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0
	}
	return f
}

// decimal is a number as it is written: six places are less than a pixel of
// any picture.
func decimal(f float64) string {
	s := strings.TrimRight(strconv.FormatFloat(f, 'f', 6, 64), "0")
	return strings.TrimSuffix(s, ".")
}
