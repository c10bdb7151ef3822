package app

import (
	"context"
	"errors"
	"image"
)

// Recognizer names the faces of pictures. It is safe for use by several
// goroutines at once.
type Recognizer struct {
	Engine  Engine
	Decoder Decoder
	Sizing  Sizing
	// Gallery may be nil or empty: then every face is unknown.
	Gallery *Gallery
	Rule    Rule
	// NoImage leaves Result.Image out, which saves decoding most pictures here.
	NoImage bool
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
	// Faces are in reading order. None is no error.
	Faces []Face
	// Err says why the picture could not be looked at; then the rest is empty.
	Err error
	// Image is the picture, upright, for drawing; nil with Recognizer.NoImage.
	Image image.Image
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

// Recognize looks at one picture. What is wrong with the picture is told in
// the result's Err; the error is for what ends a batch: a context that is
// done, or an EngineError.
func (r *Recognizer) Recognize(ctx context.Context, name string, data []byte) (Result, error) {
	res := Result{Name: name}
	if r.NoImage {
		found, size, ok, err := r.Decoder.glance(ctx, r.Engine, data, r.Sizing)
		if err != nil {
			return res, err
		}
		if ok {
			res.Size = size
			r.name(&res, found)
			return res, nil
		}
	}
	pic, err := r.Decoder.Decode(data)
	if err != nil {
		res.Err = err
		return res, nil //nolint:nilerr // it is the picture's, and went into res
	}
	found, err := Describe(ctx, r.Engine, pic, r.Sizing)
	if err != nil {
		if ctx.Err() != nil {
			return res, ctx.Err()
		}
		var fatal *EngineError
		if errors.As(err, &fatal) {
			return res, err
		}
		res.Err = err
		return res, nil
	}
	if !r.NoImage {
		res.Image = pic.Image
	}
	res.Size = pic.Image.Bounds().Size()
	r.name(&res, found)
	return res, nil
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
}
