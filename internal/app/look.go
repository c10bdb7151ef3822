package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"slices"

	"facerec/internal/app/picture"
)

// seen is what was found in one file.
type seen struct {
	found []Detection
	size  image.Point // of the picture, upright
	notes []string    // what is odd, or was done, one line each
	// stored is the EXIF orientation, 1 to 8, in which the file has the picture; 1
	// if every decoder of the format turns it.
	stored int
	image  image.Image // nil if nobody asked for it; it may be a smaller copy
	// reduced says that a smaller copy was searched for want of memory.
	reduced bool
	cached  bool  // the cache had it
	err     error // what is wrong with the file; then the rest is empty
}

// A Reserve waits until so many bytes of memory may be used. It is called once
// for each picture; its error is the context's.
type Reserve func(ctx context.Context, bytes int64) error

// Cache keeps what was found in pictures. Get answers false for whatever it has
// not, or cannot read; Put may forget. Values are not changed by either side, and
// both are called from several goroutines at once.
type Cache interface {
	Get(key [sha256.Size]byte) ([]byte, bool)
	Put(key [sha256.Size]byte, value []byte)
}

// looker looks at pictures, each once as long as the cache has it.
type looker struct {
	engine  Engine
	decoder picture.Decoder
	sizing  Sizing
	cache   Cache // may be nil
	// salt is what besides the picture and the sizing decides what is found,
	// such as the model's hashes and the detector.
	salt string
}

// key is what a picture is kept under, by the SHA-256 of its bytes. Whatever is
// applied to what was found is not in it.
func (l looker) key(sum [sha256.Size]byte) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "facerec seen v2\n%x\n%q\n%d\n%v\n%d\n%d\n", sum, l.salt, l.sizing.Upsample, l.sizing.Enlarge, l.sizing.WorkPixels, l.decoder.MaxPixels))
}

// recall is what the cache has of a picture.
func (l looker) recall(sum [sha256.Size]byte) (seen, bool) {
	if l.cache == nil {
		return seen{}, false
	}
	data, ok := l.cache.Get(l.key(sum))
	if !ok {
		return seen{}, false
	}
	s, err := unmarshalSeen(data)
	s.cached = true
	return s, err == nil
}

// look finds and describes the faces in a file with this SHA-256, or recalls
// them. What is wrong with the file goes into seen; the error is for what ends a
// batch: a context that is done, or an EngineError.
func (l looker) look(ctx context.Context, data []byte, sum [sha256.Size]byte, needImage bool, reserve Reserve) (seen, error) {
	s, ok := l.recall(sum)
	var err error
	switch {
	case !ok:
		s, err = lookAt(ctx, l.engine, l.decoder, l.sizing, data, needImage, reserve)
		if err == nil && s.err == nil && !s.reduced && l.cache != nil {
			l.cache.Put(l.key(sum), marshalSeen(s))
		}
	case needImage:
		s, err = l.show(ctx, s, data, reserve)
	}
	return l.fit(s), err
}

// fit leaves out the faces that are too small, or of which the detector is not
// sure enough.
func (l looker) fit(s seen) seen {
	if l.sizing.MinSize > 0 || l.sizing.MinScore > 0 {
		s.found = slices.DeleteFunc(s.found, func(d Detection) bool {
			return d.Box.Dy() < l.sizing.MinSize || d.Score < l.sizing.MinScore
		})
	}
	return s
}

// show adds the picture to what was recalled of it.
func (l looker) show(ctx context.Context, s seen, data []byte, reserve Reserve) (seen, error) {
	p, bad, err := l.decode(ctx, data, reserve)
	if err != nil || bad != nil {
		return seen{err: bad}, err
	}
	s.image = p.Image
	return s, nil
}

// decode reads the picture in a file, perhaps as a smaller copy. bad is what is
// wrong with the file; the error is the context's.
func (l looker) decode(ctx context.Context, data []byte, reserve Reserve) (p Picture, bad, err error) {
	if err := ctx.Err(); err != nil {
		return p, nil, err
	}
	f, err := l.decoder.Open(data)
	if err != nil {
		return p, err, nil
	}
	plan, err := l.sizing.plan(f)
	if err != nil {
		return p, err, nil
	}
	if reserve != nil {
		if err := reserve(ctx, plan.need); err != nil {
			return p, nil, err
		}
	}
	p, bad = f.Decode(plan.scale)
	return p, bad, nil
}

// lookAt finds and describes the faces in a file. What is wrong with the file
// goes into seen; the error is for what ends a batch: a context that is done, or
// an EngineError.
//
// A plain JPEG that is searched at its own size, and whose pixels nobody else
// needs, is decoded by the engine alone, once instead of twice. When the engine
// does not take it without a warning, it is decoded here like any other file.
//
//nolint:nilerr // errors that are the file's go into seen
func lookAt(ctx context.Context, e Engine, d picture.Decoder, sizing Sizing, data []byte, needImage bool, reserve Reserve) (seen, error) {
	if err := ctx.Err(); err != nil {
		return seen{}, err
	}
	f, err := d.Open(data)
	if err != nil {
		return seen{err: err}, nil
	}
	plan, err := sizing.plan(f)
	if err != nil {
		return seen{err: err}, nil
	}
	if reserve != nil {
		if err := reserve(ctx, plan.need); err != nil {
			return seen{}, err
		}
	}
	s := seen{size: f.Size, stored: f.Stored(), reduced: plan.reduced}
	if plan.reduced {
		s.notes = append(s.notes, fmt.Sprintf("searched at %d×%d of its %d×%d pixels to stay within %s of memory", plan.w, plan.h, f.Size.X, f.Size.Y, byteCount(sizing.Memory)))
	}
	own := plan.w == f.Size.X && plan.h == f.Size.Y
	looked := false
	if own && !needImage && plan.w >= minSide && plan.h >= minSide && f.Plain() {
		found, err := detect(ctx, e, f.JPEG())
		if fatal := ending(ctx, err); fatal != nil {
			return seen{}, fatal
		}
		s.found, looked = found, err == nil
		if looked && (len(found) > 0 || !sizing.enlarges(f.Size)) {
			return s, nil
		}
	}
	p, err := f.Decode(plan.scale)
	if err != nil {
		return seen{err: err}, nil
	}
	if p.Size != f.Size { // the contents are turned or cropped
		plan.w, plan.h = sizing.size(p.Size.X, p.Size.Y)
	}
	s.size, s.notes = p.Size, append(s.notes, p.Notes...)
	if needImage {
		s.image = p.Image
	}
	if !looked {
		if s.found, err = describe(ctx, e, p, plan.w, plan.h); err != nil {
			if fatal := ending(ctx, err); fatal != nil {
				return seen{}, fatal
			}
			return seen{err: err}, nil
		}
	}
	if len(s.found) == 0 && own && sizing.enlarges(p.Size) {
		found, err := describe(ctx, e, p, 2*plan.w, 2*plan.h)
		if fatal := ending(ctx, err); fatal != nil {
			return seen{}, fatal
		}
		if len(found) > 0 { // an error here is one of the larger copy only
			s.found = found
			s.notes = append(s.notes, "no face at its own size, which was searched first; found at twice its sides, which takes four times as long")
		}
	}
	return s, nil
}

// ending returns the error that ends a batch, or nil if err is the picture's.
func ending(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var fatal *EngineError
	if errors.As(err, &fatal) {
		return err
	}
	return nil
}
