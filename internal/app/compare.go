package app

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"facerec/internal/text"
)

// Pair is two faces of two pictures, by index, and how far apart they are.
type Pair struct {
	A, B     int
	Distance float64 // Euclidean
	Same     bool    // below the threshold
	// Match says that these two are taken for one person: see Compare.
	Match bool
}

// Comparison is every face of one picture against every face of another.
type Comparison struct {
	A, B      Result
	Threshold float64
	Pairs     []Pair // by A, then B
}

// Compare measures every face of a against every face of b, and matches them one
// to one: the nearest pair below the threshold is a match, then the nearest pair
// of the other faces, and so on. So no face is matched with two, though it may be
// near both; of equal distances the pair that comes first counts.
func Compare(a, b Result, threshold float64) Comparison {
	c := Comparison{A: a, B: b, Threshold: threshold}
	for i := range a.Faces {
		for j := range b.Faces {
			d := Distance(&a.Faces[i].Descriptor, &b.Faces[j].Descriptor)
			c.Pairs = append(c.Pairs, Pair{A: i, B: j, Distance: d, Same: d < threshold})
		}
	}
	order := make([]int, len(c.Pairs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(c.Pairs[i].Distance, c.Pairs[j].Distance) })
	takenA, takenB := map[int]bool{}, map[int]bool{}
	for _, i := range order {
		if p := &c.Pairs[i]; p.Same && !takenA[p.A] && !takenB[p.B] {
			p.Match, takenA[p.A], takenB[p.B] = true, true, true
		}
	}
	return c
}

// Same reports whether any two faces are the same person's.
func (c *Comparison) Same() bool {
	for _, p := range c.Pairs {
		if p.Same {
			return true
		}
	}
	return false
}

// WriteText writes the comparison for people.
func (c *Comparison) WriteText(w io.Writer) error {
	for _, r := range []*Result{&c.A, &c.B} {
		if _, err := fmt.Fprintf(w, "%s: %s\n", text.Show(r.Name), text.Count(len(r.Faces), "face")); err != nil {
			return err
		}
	}
	for _, p := range c.Pairs {
		word := "different people"
		switch {
		case p.Match:
			word = "same person"
		case p.Same:
			word = "near, but one of them is nearer to another face"
		}
		if _, err := fmt.Fprintf(w, "  face %d (%s) and face %d (%s): distance %.3f (squared %.3f): %s\n",
			p.A+1, faceText(c.A.Faces[p.A].Detection), p.B+1, faceText(c.B.Faces[p.B].Detection), p.Distance, p.Distance*p.Distance, word); err != nil {
			return err
		}
	}
	return nil
}

// WriteJSON writes the comparison as CompareSchema.
func (c *Comparison) WriteJSON(w io.Writer) error {
	type pairJSON struct {
		A               int      `json:"a"`
		B               int      `json:"b"`
		Distance        distance `json:"distance"`
		DistanceSquared distance `json:"distance_squared"`
		Same            bool     `json:"same"`
		Match           bool     `json:"match"`
	}
	h := Header{}
	doc := struct {
		Schema    string      `json:"schema"`
		Threshold distance    `json:"threshold"`
		A         pictureJSON `json:"a"`
		B         pictureJSON `json:"b"`
		Pairs     []pairJSON  `json:"pairs"`
		Same      bool        `json:"same"`
	}{CompareSchema, distance(c.Threshold), h.pictureOf(&c.A), h.pictureOf(&c.B), []pairJSON{}, c.Same()}
	for _, p := range c.Pairs {
		doc.Pairs = append(doc.Pairs, pairJSON{p.A + 1, p.B + 1, distance(p.Distance), distance(p.Distance * p.Distance), p.Same, p.Match})
	}
	return writeJSON(w, doc)
}

func writeJSON(w io.Writer, v any) error {
	doc, err := marshal(v, "")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", doc)
	return err
}
