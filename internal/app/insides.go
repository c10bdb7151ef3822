package app

import (
	"crypto/sha256"
	"slices"
)

// Insides collects the distances between the faces of one picture: nobody is in a
// picture twice, but for mirrors and collages. It is a Reporter.
type Insides struct {
	pictures  int
	distances []float64
	seen      map[[sha256.Size]byte]bool
}

// Picture takes in the pairs of a picture, once for all copies of it.
func (in *Insides) Picture(r *Result) error {
	if in.seen[r.Content] || len(r.Faces) < 2 {
		return nil
	}
	if in.seen == nil {
		in.seen = map[[sha256.Size]byte]bool{}
	}
	in.seen[r.Content] = true
	found := make([]Detection, len(r.Faces))
	for i := range r.Faces {
		found[i] = r.Faces[i].Detection
	}
	in.add(found)
	return nil
}

// Photos takes in the photos of persons/ that show several faces.
func (in *Insides) Photos(photos []Photo) {
	for i := range photos {
		in.add(photos[i].Faces)
	}
}

func (in *Insides) add(found []Detection) {
	if len(found) < 2 {
		return
	}
	in.pictures++
	for i := range found {
		for j := range i {
			in.distances = append(in.distances, Distance(&found[i].Descriptor, &found[j].Descriptor))
		}
	}
}

// End implements Reporter.
func (in *Insides) End(Summary) error { return nil }

// Add makes the pairs inside pictures the second measure.
func (c *Calibration) Add(in *Insides) {
	c.inside = slices.Clone(in.distances)
	slices.Sort(c.inside)
	c.Inside, c.InsidePictures = spread(c.inside), in.pictures
}
