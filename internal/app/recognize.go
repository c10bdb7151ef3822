package app

import (
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	"slices"

	"facerec/internal/app/picture"
	"facerec/internal/text"
)

// Recognizer names the faces of pictures. It is safe for use by several
// goroutines at once.
type Recognizer struct {
	Engine  Engine
	Decoder picture.Decoder
	Sizing  Sizing
	// Gallery may be nil or empty: then every face is unknown.
	Gallery *Gallery
	Rule    Rule
	// NoImage leaves Result.Image out, which saves decoding most pictures here.
	NoImage bool
	// Cache may be nil. Salt goes into its keys: whatever besides the picture and
	// the sizing decides what is found, such as the models' hashes and the detector.
	Cache Cache
	Salt  string
}

// Face is one face of a picture and whose it is.
type Face struct {
	Detection
	Match Match
}

// Result is what was seen in one picture.
type Result struct {
	// Name is what the picture is called in reports, usually its path.
	Name string
	// Size is the picture's, upright.
	Size image.Point
	// Stored is the EXIF orientation in which the file has it, 1 to 8.
	Stored int
	// Content is the SHA-256 of the file.
	Content [sha256.Size]byte
	// Faces are in reading order. None is not an error.
	Faces []Face
	// Notes say what is odd about the picture, or what was done about its size,
	// one line each.
	Notes []string
	// Err says why the picture could not be read; then the rest is empty.
	Err error
	// Image is the picture, upright, for drawing; nil with Recognizer.NoImage.
	// It may be smaller than Size: see Drawn.
	Image image.Image
	// Cached says that the faces came from the cache.
	Cached bool
}

// Count is how many faces of a result have the verdict.
func (r *Result) Count(v Verdict) int {
	n := 0
	for i := range r.Faces {
		if r.Faces[i].Match.Verdict == v {
			n++
		}
	}
	return n
}

// Recognize looks at one picture. What is wrong with the picture goes into the
// result's Err; the error is for what ends a batch: a context that is done, or
// an EngineError. reserve may be nil.
func (r *Recognizer) Recognize(ctx context.Context, name string, data []byte, reserve Reserve) (Result, error) {
	res := Result{Name: name, Content: sha256.Sum256(data)}
	s, err := r.looker().look(ctx, data, res.Content, !r.NoImage, reserve)
	if err != nil {
		return res, err
	}
	r.fill(&res, s)
	return res, nil
}

// Recall is Recognize for a picture whose bytes have this SHA-256, without them.
// It answers false if the cache has it not, or if the picture itself is asked for.
func (r *Recognizer) Recall(name string, sum [sha256.Size]byte) (Result, bool) {
	if !r.NoImage {
		return Result{}, false
	}
	s, ok := r.looker().recall(sum)
	if !ok {
		return Result{}, false
	}
	res := Result{Name: name, Content: sum}
	r.fill(&res, r.looker().fit(s))
	return res, true
}

func (r *Recognizer) looker() looker {
	return looker{r.Engine, r.Decoder, r.Sizing, r.Cache, r.Salt}
}

// fill puts what was seen into the result, and says whose the faces are.
func (r *Recognizer) fill(res *Result, s seen) {
	if s.err != nil {
		res.Err = s.err
		return
	}
	res.Size, res.Stored, res.Notes, res.Image, res.Cached = s.size, s.stored, s.notes, s.image, s.cached
	r.name(res, s.found)
}

// Drawn returns the faces with their boxes in pixels of Image, which may be a
// smaller copy of the picture.
func (r *Result) Drawn() []Face {
	if r.Image == nil || r.Image.Bounds().Size() == r.Size {
		return r.Faces
	}
	size := r.Image.Bounds().Size()
	out := slices.Clone(r.Faces)
	for i := range out {
		out[i].Detection = scaleBack(out[i].Detection, size.X, size.Y, r.Size.X, r.Size.Y)
	}
	return out
}

// name says whose the faces are.
func (r *Recognizer) name(res *Result, found []Detection) {
	g := r.Gallery
	if g == nil {
		g = NewGallery(nil)
	}
	res.Faces = make([]Face, 0, len(found))
	for _, d := range found {
		res.Faces = append(res.Faces, Face{Detection: d, Match: g.Classify(&d.Descriptor, r.Rule)})
	}
	onePerName(res)
}

// onePerName leaves each name in a picture to the nearest face, the first of
// equals; the others become ambiguous, with a note. Nobody is in a picture twice,
// but for mirrors and collages.
func onePerName(res *Result) {
	nearest := map[string]int{}
	for i := range res.Faces {
		m := &res.Faces[i].Match
		if m.Verdict != Known {
			continue
		}
		if j, taken := nearest[m.Best.Person]; !taken || m.Best.Distance < res.Faces[j].Match.Best.Distance {
			nearest[m.Best.Person] = i
		}
	}
	for i := range res.Faces {
		m := &res.Faces[i].Match
		if j, taken := nearest[m.Best.Person]; taken && m.Verdict == Known && j != i {
			m.Verdict = Ambiguous
			res.Notes = append(res.Notes, fmt.Sprintf("face %d is near %s too, but face %d is nearer and keeps the name", i+1, text.Show(m.Best.Person), j+1))
		}
	}
}
