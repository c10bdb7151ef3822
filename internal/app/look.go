package app

import (
	"context"
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
	image image.Image // nil if nobody asked for it; it may be a smaller copy
	// reduced says that a smaller copy was searched for want of memory.
	reduced bool
	err     error // what is wrong with the file; then the rest is empty
}

// A Reserve waits until so many bytes of memory may be used. It is called once
// for each picture; its error is the context's.
type Reserve func(ctx context.Context, bytes int64) error

// look is lookAt without the faces that are too small.
func look(ctx context.Context, e Engine, d picture.Decoder, sizing Sizing, data []byte, needImage bool, reserve Reserve) (seen, error) {
	s, err := lookAt(ctx, e, d, sizing, data, needImage, reserve)
	if sizing.MinSize > 0 {
		s.found = slices.DeleteFunc(s.found, func(d Detection) bool { return d.Box.Dy() < sizing.MinSize })
	}
	return s, err
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
	s := seen{size: f.Size, reduced: plan.reduced}
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
