package app

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"io"
	"math"
	"slices"

	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"facerec/internal/text"
)

// CalibrateSchema is the schema of Calibration.WriteJSON.
const CalibrateSchema = "facerec.calibrate/v1"

// Spread is how far apart some pairs of faces are, as Euclidean distances.
type Spread struct {
	Pairs          int
	Min, Mean, Max float64 // 0 without pairs
}

// Errors is how a threshold does.
type Errors struct {
	Threshold float64
	// FalseRejects of Genuine: photos that would not be given to their own
	// person, were they not enrolled themselves. Only people with two photos
	// or more are asked.
	FalseRejects, Genuine int
	// FalseAccepts of Strangers: photos that would be given to somebody else,
	// were their own person not enrolled at all.
	FalseAccepts, Strangers int
}

// Calibration says which threshold would suit the people who are enrolled.
type Calibration struct {
	People, Photos  int
	Same, Different Spread
	// Table is for thresholds from 0.30 to 0.90 in steps of 0.05.
	Table []Errors
	// Suggested makes the fewest errors, and lies in the middle of the widest
	// range that does.
	Suggested Errors
	// Inside are pairs of faces inside one picture, two different people, whoever
	// they are; InsidePictures is how many pictures have such pairs.
	Inside         Spread
	InsidePictures int
	// Grouping is how Group does with the same photos; nil if there are more
	// than maxMeasured.
	Grouping *Grouping
	// same, different and inside are all distances, sorted.
	same, different, inside []float64
}

// Calibrate leaves out one photo at a time and asks the rest who it shows; and
// one person at a time, and asks the rest whether they know the stranger. Then it
// groups all photos, as if nobody were enrolled.
func Calibrate(ctx context.Context, g *Gallery) (*Calibration, error) {
	c := &Calibration{People: len(g.persons), Photos: len(g.samples)}
	var own, other []float64 // the nearest for each photo
	for i := range g.samples {
		nearOwn, nearOther := math.Inf(1), math.Inf(1)
		for j := range g.samples {
			if i == j {
				continue
			}
			d := Distance(&g.samples[i].Descriptor, &g.samples[j].Descriptor)
			same := g.samples[i].Person == g.samples[j].Person
			if same {
				nearOwn = min(nearOwn, d)
			} else {
				nearOther = min(nearOther, d)
			}
			if j > i && same {
				c.same = append(c.same, d)
			} else if j > i {
				c.different = append(c.different, d)
			}
		}
		if !math.IsInf(nearOwn, 1) {
			own = append(own, nearOwn)
		}
		if !math.IsInf(nearOther, 1) {
			other = append(other, nearOther)
		}
	}
	if len(own) == 0 || len(other) == 0 {
		return nil, errors.New("too few photos to calibrate: expected at least two people, one of them with two photos")
	}
	slices.Sort(own)
	slices.Sort(other)
	slices.Sort(c.same)
	slices.Sort(c.different)
	c.Same, c.Different = spread(c.same), spread(c.different)
	at := func(t float64) Errors {
		return Errors{
			Threshold:    t,
			FalseRejects: len(own) - below(own, t), Genuine: len(own),
			FalseAccepts: below(other, t), Strangers: len(other),
		}
	}
	for n := 30; n <= 90; n += 5 {
		c.Table = append(c.Table, at(float64(n)/100))
	}
	c.Suggested = at(suggest(own, other))
	var err error
	c.Grouping, err = measureGrouping(ctx, g)
	return c, err
}

// below counts the numbers of a sorted list that are less than t.
func below(sorted []float64, t float64) int {
	n, _ := slices.BinarySearch(sorted, t)
	return n
}

func spread(sorted []float64) Spread {
	if len(sorted) == 0 {
		return Spread{}
	}
	var sum float64
	for _, d := range sorted {
		sum += d
	}
	return Spread{len(sorted), sorted[0], sum / float64(len(sorted)), sorted[len(sorted)-1]}
}

// suggest finds the threshold with the lowest sum of both error rates. Between
// two neighbouring distances nothing changes, so only the gaps are tried; of
// equally good ones the widest wins, then the lowest. What lets everybody in is
// never suggested, what lets nobody in only if nothing does better. The figure
// is rounded to three decimals, if that stays in the gap.
func suggest(own, other []float64) float64 {
	all := append(slices.Clone(own), other...)
	slices.Sort(all)
	best, bestRate, bestGap := 0.0, math.Inf(1), 0.0
	try := func(lo, hi float64) {
		if hi-lo < 1e-6 { // rounding, no gap
			return
		}
		t := lo + (hi-lo)/2
		// Rates over one denominator, in whole numbers: ties are exact.
		rate := float64((len(own)-below(own, t))*len(other) + below(other, t)*len(own))
		if rate < bestRate || rate == bestRate && hi-lo > bestGap {
			best, bestRate, bestGap = t, rate, hi-lo
			if r := math.Round(t*1000) / 1000; r > lo && r < hi {
				best = r
			}
		}
	}
	try(0, all[0])
	for i := 1; i < len(all); i++ {
		try(all[i-1], all[i])
	}
	if math.IsInf(bestRate, 1) {
		return 0.001 // all photos are the same
	}
	return best
}

// advice says in one line what the suggestion is worth.
func (c *Calibration) advice() string {
	s := c.Suggested
	switch {
	case s.FalseRejects == 0 && s.FalseAccepts == 0 && c.Photos < 20:
		return "no errors here, but few photos: more of them would make the figure firmer"
	case s.FalseRejects == 0 && s.FalseAccepts == 0:
		return "no errors on these photos"
	}
	return fmt.Sprintf("not without errors: %d of %d own photos not recognised, %d of %d strangers let in; look at facerec enroll for photos that do not fit", s.FalseRejects, s.Genuine, s.FalseAccepts, s.Strangers)
}

// WriteText writes the calibration for people.
func (c *Calibration) WriteText(w io.Writer) error {
	p := &printer{w: w}
	p.f("These figures rest on %s with %s. Others may be nearer to each other than these are.\n", people(c.People), text.Count(c.Photos, "photo"))
	p.f("same person:      %d pairs, distance %.3f to %.3f, mean %.3f\n", c.Same.Pairs, c.Same.Min, c.Same.Max, c.Same.Mean)
	p.f("different people: %d pairs, distance %.3f to %.3f, mean %.3f\n", c.Different.Pairs, c.Different.Min, c.Different.Max, c.Different.Mean)
	p.f("\nthreshold  squared  own photo not recognised      stranger let in\n")
	for _, e := range c.Table {
		p.f("%9.2f  %7.4f  %s  %s\n", e.Threshold, e.Threshold*e.Threshold, share(e.FalseRejects, e.Genuine, 24), share(e.FalseAccepts, e.Strangers, 19))
	}
	s := c.Suggested
	p.f("\nsuggested threshold: %.3f (squared %.3f): %s\n", s.Threshold, s.Threshold*s.Threshold, c.advice())
	if c.InsidePictures > 0 {
		p.f("second measure, faces inside one picture, which are different people: %s in %s, distance %.3f to %.3f, mean %.3f; %d of them below the suggested threshold\n",
			text.Count(c.Inside.Pairs, "pair"), text.Count(c.InsidePictures, "picture"), c.Inside.Min, c.Inside.Max, c.Inside.Mean, below(c.inside, s.Threshold))
	} else {
		p.f("second measure, faces inside one picture: none; name pictures of several people to have it\n")
	}
	if c.Grouping != nil {
		c.Grouping.write(p)
	}
	return p.err
}

func share(n, of, width int) string {
	return fmt.Sprintf("%*s", width, fmt.Sprintf("%d of %d (%5.1f %%)", n, of, 100*float64(n)/float64(of)))
}

// printer keeps the first error of a row of writes.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) f(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// WriteJSON writes the calibration as CalibrateSchema.
func (c *Calibration) WriteJSON(w io.Writer) error {
	type spreadJSON struct {
		Pairs int      `json:"pairs"`
		Min   distance `json:"min"`
		Mean  distance `json:"mean"`
		Max   distance `json:"max"`
	}
	type errorsJSON struct {
		Threshold        distance `json:"threshold"`
		ThresholdSquared distance `json:"threshold_squared"`
		FalseRejects     int      `json:"false_rejects"`
		Genuine          int      `json:"genuine"`
		FalseAccepts     int      `json:"false_accepts"`
		Strangers        int      `json:"strangers"`
	}
	spreadOf := func(s Spread) spreadJSON {
		return spreadJSON{s.Pairs, distance(s.Min), distance(s.Mean), distance(s.Max)}
	}
	errorsOf := func(e Errors) errorsJSON {
		return errorsJSON{distance(e.Threshold), distance(e.Threshold * e.Threshold), e.FalseRejects, e.Genuine, e.FalseAccepts, e.Strangers}
	}
	type insideJSON struct {
		Pictures int `json:"pictures"`
		spreadJSON
		BelowSuggested int `json:"below_suggested"`
	}
	doc := struct {
		Schema    string       `json:"schema"`
		People    int          `json:"people"`
		Photos    int          `json:"photos"`
		Same      spreadJSON   `json:"same"`
		Different spreadJSON   `json:"different"`
		Table     []errorsJSON `json:"table"`
		Suggested errorsJSON   `json:"suggested"`
		Advice    string       `json:"advice"`
		Grouping  any          `json:"grouping,omitempty"`
		Inside    insideJSON   `json:"inside"`
	}{CalibrateSchema, c.People, c.Photos, spreadOf(c.Same), spreadOf(c.Different), nil, errorsOf(c.Suggested), c.advice(), c.Grouping.json(),
		insideJSON{c.InsidePictures, spreadOf(c.Inside), below(c.inside, c.Suggested.Threshold)}}
	for _, e := range c.Table {
		doc.Table = append(doc.Table, errorsOf(e))
	}
	return writeJSON(w, doc)
}

// Plot draws both kinds of distances as bars over 0 to 1.2, with the suggested
// threshold: 640 by 320 pixels.
func (p *Pen) Plot(c *Calibration) (*image.RGBA, error) {
	const (
		w, h              = 640, 320
		left, right       = 20, 620
		top, bottom       = 50, 280
		bins              = 60
		reach             = 1.2 // the distance at the right
		width             = (right - left) / bins
		titleY, legend, y = 20, 38, 300
	)
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	face, err := opentype.NewFace(p.font, &opentype.FaceOptions{Size: 13, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, fmt.Errorf("font: %w", err)
	}
	defer face.Close()
	write := func(x, y int, c color.Color, s string) {
		d := font.Drawer{Dst: out, Src: image.NewUniform(c), Face: face, Dot: fixed.P(x, y)}
		d.DrawString(s)
	}
	fill := func(r image.Rectangle, c color.Color) {
		draw.Draw(out, r.Intersect(out.Rect), image.NewUniform(c), image.Point{}, draw.Src)
	}
	// Each kind is scaled to its own number of pairs; there are always far
	// fewer of the same person's.
	for kind, list := range [][]float64{c.different, c.same} {
		var counts [bins]int
		most := 1
		for _, d := range list {
			i := min(bins-1, int(d/reach*bins))
			counts[i]++
			most = max(most, counts[i])
		}
		col := []color.RGBA{unknownColor, knownColor}[kind]
		for i, n := range counts {
			if n == 0 {
				continue
			}
			// Two bars side by side, so that none hides the other.
			x := left + i*width + kind*width/2
			fill(image.Rect(x, bottom-max(1, n*(bottom-top)/most), x+width/2, bottom), col)
		}
	}
	fill(image.Rect(left, bottom, right, bottom+1), darkColor)
	for n := 0; n <= 12; n += 2 {
		x := left + n*(right-left)/12
		fill(image.Rect(x, bottom, x+1, bottom+5), darkColor)
		write(x-8, y, darkColor, fmt.Sprintf("%.1f", float64(n)/10))
	}
	x := left + int(c.Suggested.Threshold/reach*(right-left))
	fill(image.Rect(x, top-4, x+2, bottom), darkColor)
	write(left, titleY, darkColor, fmt.Sprintf("Distances of %s with %s; suggested threshold %.3f", people(c.People), text.Count(c.Photos, "photo"), c.Suggested.Threshold))
	write(left, legend, knownColor, fmt.Sprintf("same person (%d)", c.Same.Pairs))
	write(left+170, legend, unknownColor, fmt.Sprintf("different people (%d)", c.Different.Pairs))
	return out, nil
}
