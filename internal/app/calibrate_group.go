package app

import (
	"context"
	"crypto/sha256"
	"fmt"
)

// maxMeasured is how many photos Calibrate groups: it does so more than a dozen
// times, and again for each person.
const maxMeasured = 2000

// GroupErrors is how Group does at a threshold, in pairs of photos.
type GroupErrors struct {
	Threshold float64
	// Groups are those of two photos and more.
	Groups int
	// Right are the pairs of one person that were joined, Joined all that were,
	// Pairs all of one person.
	Right, Joined, Pairs int
}

// Precision is the share of the joined pairs that show one person, 1 if none were.
func (e GroupErrors) Precision() float64 { return part(e.Right, e.Joined) }

// Recall is the share of one person's pairs that were joined.
func (e GroupErrors) Recall() float64 { return part(e.Right, e.Pairs) }

func part(n, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(n) / float64(of)
}

// Grouping is how Group does with the photos of people who are known.
type Grouping struct {
	// Table is for the thresholds of Calibration's.
	Table []GroupErrors
	// HeldOut is about the pairs of each person in turn, with anybody, at the
	// threshold that is best for all others. Its Threshold and Groups are 0.
	HeldOut GroupErrors
	// HeldOutFrom and HeldOutTo are the least and the largest of those thresholds.
	HeldOutFrom, HeldOutTo float64
}

// grouped is a grouping of people's photos.
type grouped struct {
	person []int // of each photo
	first  []int // photo of each photo's group
}

// count counts the pairs in which who takes part, or all if who is -1.
func (g grouped) count(who int) GroupErrors {
	var e GroupErrors
	size := map[int]int{}
	for i := range g.person {
		size[g.first[i]]++
		for j := range i {
			if who >= 0 && g.person[i] != who && g.person[j] != who {
				continue
			}
			same, joined := g.person[i] == g.person[j], g.first[i] == g.first[j]
			if same {
				e.Pairs++
			}
			if joined {
				e.Joined++
			}
			if same && joined {
				e.Right++
			}
		}
	}
	for _, n := range size {
		if n > 1 {
			e.Groups++
		}
	}
	return e
}

// measureGrouping groups the photos of a gallery. Each photo counts as a picture
// of its own.
func measureGrouping(ctx context.Context, g *Gallery) (*Grouping, error) {
	if len(g.samples) > maxMeasured {
		return nil, nil //nolint:nilnil // there is none
	}
	faces := make([]*GroupFace, len(g.samples))
	person := make([]int, len(g.samples))
	names := map[string]int{}
	for i, p := range g.persons {
		names[p.Name] = i
	}
	for i, s := range g.samples {
		faces[i] = &GroupFace{Picture: s.Photo, Content: sha256.Sum256(fmt.Appendf(nil, "%d", i)), Detection: Detection{Descriptor: s.Descriptor}}
		person[i] = names[s.Person]
	}
	all, err := distances(ctx, faces)
	if err != nil {
		return nil, err
	}
	group := func(photos []int, threshold float64) (grouped, error) {
		d := all.only(photos)
		d.part(threshold)
		first, err := chain(ctx, d)
		out := grouped{first: first}
		for _, i := range photos {
			out.person = append(out.person, person[i])
		}
		return out, err
	}
	everybody := func(but int) []int {
		var out []int
		for i := range person {
			if person[i] != but {
				out = append(out, i)
			}
		}
		return out
	}
	table := func(photos []int) ([]GroupErrors, error) {
		var out []GroupErrors
		for n := 30; n <= 90; n += 5 {
			t := float64(n) / 100
			made, err := group(photos, t)
			if err != nil {
				return nil, err
			}
			e := made.count(-1)
			e.Threshold = t
			out = append(out, e)
		}
		return out, nil
	}
	res := &Grouping{}
	if res.Table, err = table(everybody(-1)); err != nil {
		return nil, err
	}
	for who := range g.persons {
		others, err := table(everybody(who))
		if err != nil {
			return nil, err
		}
		t := best(others)
		made, err := group(everybody(-1), t)
		if err != nil {
			return nil, err
		}
		e := made.count(who)
		res.HeldOut.Right += e.Right
		res.HeldOut.Joined += e.Joined
		res.HeldOut.Pairs += e.Pairs
		if who == 0 {
			res.HeldOutFrom, res.HeldOutTo = t, t
		}
		res.HeldOutFrom, res.HeldOutTo = min(res.HeldOutFrom, t), max(res.HeldOutTo, t)
	}
	return res, nil
}

// best is the threshold with the highest F1, the harmonic mean of precision and
// recall: the middle of the longest row of equals, and the first of those.
func best(table []GroupErrors) float64 {
	// 2PR/(P+R), in whole numbers but for the division: ties are exact.
	f1 := func(e GroupErrors) float64 { return part(2*e.Right, e.Joined+e.Pairs) }
	most, long, middle := -1.0, 0, 0
	for from := 0; from < len(table); {
		f, to := f1(table[from]), from
		for to < len(table) && f1(table[to]) == f {
			to++
		}
		if f > most || f == most && to-from > long {
			most, long, middle = f, to-from, (from+to-1)/2
		}
		from = to
	}
	return table[middle].Threshold
}

func (g *Grouping) write(p *printer) {
	rate := func(n, of, width int) string {
		if of == 0 {
			return fmt.Sprintf("%*s", width, "none")
		}
		return share(n, of, width)
	}
	p.f("\nall photos grouped, as if nobody were enrolled:\n")
	p.f("threshold  groups  joined pairs of one person  one person's pairs joined\n")
	for _, e := range g.Table {
		p.f("%9.2f  %6d  %s  %s\n", e.Threshold, e.Groups, rate(e.Right, e.Joined, 26), rate(e.Right, e.Pairs, 25))
	}
	e := g.HeldOut
	p.f("each person at the threshold that is best for the others (%.2f to %.2f): precision %.3f, recall %.3f\n", g.HeldOutFrom, g.HeldOutTo, e.Precision(), e.Recall())
}

// json is the grouping for Calibration.WriteJSON, or nil.
func (g *Grouping) json() any {
	if g == nil {
		return nil
	}
	type errorsJSON struct {
		Threshold *distance `json:"threshold,omitempty"`
		Groups    *int      `json:"groups,omitempty"`
		Right     int       `json:"right"`
		Joined    int       `json:"joined"`
		Pairs     int       `json:"pairs"`
		Precision distance  `json:"precision"`
		Recall    distance  `json:"recall"`
	}
	of := func(e GroupErrors) errorsJSON {
		return errorsJSON{nil, nil, e.Right, e.Joined, e.Pairs, distance(e.Precision()), distance(e.Recall())}
	}
	doc := struct {
		Table       []errorsJSON `json:"table"`
		HeldOut     errorsJSON   `json:"held_out"`
		HeldOutFrom distance     `json:"held_out_threshold_from"`
		HeldOutTo   distance     `json:"held_out_threshold_to"`
	}{nil, of(g.HeldOut), distance(g.HeldOutFrom), distance(g.HeldOutTo)}
	for _, e := range g.Table {
		j, t := of(e), distance(e.Threshold)
		j.Threshold, j.Groups = &t, &e.Groups
		doc.Table = append(doc.Table, j)
	}
	return doc
}
