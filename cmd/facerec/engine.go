package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"facerec/internal/app"
	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

// engine is a pool of engines and what it was opened with.
type engine struct {
	*app.Pool
	opts  app.EngineOptions
	cache *store // may be nil
	o     *options
}

// openEngine checks that there is an engine and that its models are as pinned,
// or makes them so in the models cache; they are loaded when they are first needed.
func openEngine(ctx context.Context, env *environment, o *options) (*engine, error) {
	opts, err := o.engineOptions()
	if err != nil {
		return nil, err
	}
	if o.checkModels != "quick" && o.checkModels != "full" {
		return nil, usagef("--check-models %q: expected quick or full", o.checkModels)
	}
	if err := env.built(); err != nil {
		return nil, err
	}
	if o.minScore > 0 && !env.scores() {
		return nil, text.WithHint(usagef("--min-score: this facerec has no scores: it was built against an installed dlib"), "leave it out, or use a released facerec")
	}
	if err := checkCPU(env.cpuLacks()); err != nil {
		return nil, err
	}
	if o.persons != "" {
		g := &guard{}
		g.readsDir("the directory of", env.locate(o.persons, "persons"))
		if err := g.cacheOutside(env, o); err != nil {
			return nil, err
		}
	}
	cache := openStore(env, o)
	if opts.ModelsDir, err = readyModels(ctx, env, o, cache); err != nil {
		return nil, err
	}
	pool := app.NewPool(o.workers(), func() (app.Engine, error) { return env.open(opts) })
	return &engine{pool, opts, cache, o}, nil
}

// salt is what besides the photo decides its descriptor: the engine and its
// models, which were found to be as pinned. Architectures of a lineage give the same
// answer; each has its own entries, so that this can be tested.
func (e *engine) salt(env *environment) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n%s\n%s\n%v\n", runtime.GOARCH, env.dlib(), env.engineOf, env.lineage(), e.opts.Detector, env.scores())
	for _, m := range env.pins.Models {
		fmt.Fprintf(&b, "%s %s\n", m.Name, m.SHA256)
	}
	return b.String()
}

// shut saves the cache, and closes the engines unless the run was interrupted: then one of them may
// still be at work, and the process is about to end anyway.
func (e *engine) shut(ctx context.Context, err error) error {
	e.cache.save(e.o)
	if ctx.Err() != nil {
		return err
	}
	return errors.Join(err, e.Close())
}

// use sets up what looks at the pictures; a nil gallery names nobody.
func (j *job) use(env *environment, e *engine, g *app.Gallery, rule app.Rule) {
	j.recognizer = &app.Recognizer{Engine: e, Decoder: j.o.decoder(env), Sizing: j.sizing, Gallery: g, Rule: rule, Salt: e.salt(env)}
	j.store = e.cache
	if e.cache != nil {
		j.recognizer.Cache = e.cache
	}
}

// enroll reads persons/. With warn, what was skipped is reported on standard
// error: not where the answer reports it.
func enroll(ctx context.Context, env *environment, o *options, e *engine, warn bool) (*app.Enrolment, error) {
	sizing, err := o.sizing()
	if err != nil {
		return nil, err
	}
	o.persons = env.locate(o.persons, "persons")
	if fi, err := os.Stat(o.persons); err != nil {
		return nil, text.WithHint(fmt.Errorf("%s: %w", text.Show(o.persons), plain(err)), "put photos of each person into persons/NAME/, or name another directory with --persons DIR; facerec group PICTURES groups unknown faces")
	} else if !fi.IsDir() {
		return nil, fmt.Errorf("%s: not a directory, expected one with a directory of photos per person", text.Show(o.persons))
	}
	bar := newProgress(env, o.quiet, "enrolling")
	en := app.Enroller{
		Engine: e, Decoder: o.decoder(env), Sizing: sizing, TakeLargest: o.takeLargest,
		Threshold: o.threshold, Jobs: o.workers(), Salt: e.salt(env), Progress: bar.step,
	}
	if e.cache != nil {
		en.Cache = e.cache
	}
	res, err := en.Enroll(ctx, atomicfile.FS(o.persons))
	bar.done()
	if res != nil && warn {
		for _, w := range res.Warnings() {
			env.warnf("%s%c%v", text.Show(o.persons), filepath.Separator, w)
			env.hint(w)
		}
		for _, n := range res.Notes {
			env.warnf("%s: %s", text.Show(o.persons), n)
		}
	}
	if err != nil {
		if engineError(err) || ctx.Err() != nil {
			return nil, err
		}
		return res, fmt.Errorf("%s: %w", text.Show(o.persons), err)
	}
	if n := len(res.Warnings()); o.strict && n > 0 {
		return res, fmt.Errorf("%s: %s (--strict)", text.Show(o.persons), text.Count(n, "problem"))
	}
	return res, nil
}
