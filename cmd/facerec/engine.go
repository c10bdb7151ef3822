package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"facerec/internal/app"
)

// engine is a pool of engines and what it was opened with.
type engine struct {
	*app.Pool
	opts  app.EngineOptions
	cache *cache // may be nil
}

// openEngine checks that there is an engine and that its models are as pinned,
// or makes them so in the models cache; they are loaded when they are first needed.
func openEngine(ctx context.Context, w *world, o *options) (*engine, error) {
	opts, err := o.engineOptions()
	if err != nil {
		return nil, err
	}
	if o.checkModels != "quick" && o.checkModels != "full" {
		return nil, usagef("--check-models %q: expected quick or full", o.checkModels)
	}
	if err := w.built(); err != nil {
		return nil, err
	}
	if err := checkCPU(w.cpuLacks()); err != nil {
		return nil, err
	}
	cache := openCache(w, o.cache)
	if opts.ModelsDir, err = readyModels(ctx, w, o, cache); err != nil {
		return nil, err
	}
	pool := app.NewPool(o.workers(), func() (app.Engine, error) { return w.open(opts) })
	return &engine{pool, opts, cache}, nil
}

// salt is what besides the photo decides its descriptor: the engine and its
// models, which were found to be as pinned.
func (e *engine) salt(w *world) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", w.dlib(), w.engineOf, e.opts.Detector)
	for _, m := range w.pins.Models {
		fmt.Fprintf(&b, "%s %s\n", m.Name, m.SHA256)
	}
	return b.String()
}

// shut closes the engines unless the run was interrupted: then one of them may
// still be at work, and the process is about to end anyway.
func (e *engine) shut(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return errors.Join(err, e.Close())
}

// enroll reads persons/ and tells on standard error what was passed over.
func enroll(ctx context.Context, w *world, o *options, e *engine) (*app.Enrolment, error) {
	sizing, err := o.sizing()
	if err != nil {
		return nil, err
	}
	o.persons = w.beside(o.persons, "persons", o.quiet)
	if fi, err := os.Stat(o.persons); err != nil {
		return nil, fmt.Errorf("%s: %w; run facerec in the unpacked folder, or name a folder with --persons DIR", o.persons, plain(err))
	} else if !fi.IsDir() {
		return nil, fmt.Errorf("%s: not a folder; expected one with a folder of photos for each person", o.persons)
	}
	bar := newProgress(w, o.quiet, "enrolling")
	en := app.Enroller{
		Engine: e, Decoder: o.decoder(w), Sizing: sizing, TakeLargest: o.takeLargest,
		Threshold: o.threshold, Jobs: o.workers(), Salt: e.salt(w), Progress: bar.step,
	}
	if e.cache != nil {
		en.Cache = e.cache
	}
	res, err := en.Enroll(ctx, os.DirFS(o.persons))
	bar.done()
	if res != nil {
		tell(w, o, res)
	}
	if err != nil {
		if engineError(err) || ctx.Err() != nil {
			return nil, err
		}
		return res, fmt.Errorf("%s: %w", o.persons, err)
	}
	if n := len(res.Warnings()); o.strict && n > 0 {
		return res, fmt.Errorf("%s: %s (--strict)", o.persons, app.Plural(n, "complaint"))
	}
	return res, nil
}

// tell writes the warnings of an enrolment, as paths from here.
func tell(w *world, o *options, res *app.Enrolment) {
	if o.quiet && !o.strict {
		return
	}
	for _, line := range res.Warnings() {
		w.warn(o.persons + string(filepath.Separator) + line)
	}
}
