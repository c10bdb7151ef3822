package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"facerec/internal/app"
	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

// job is one batch of pictures: what to look at, and what to do with the results.
type job struct {
	env        *environment
	o          *options
	inputs     []input
	unread     int // files and directories that were named and could not be read
	sizing     app.Sizing
	pen        *app.Pen
	guard      *guard
	outIsDir   bool
	recognizer *app.Recognizer
	store      *store // may be nil
	answer     app.Reporter
	sidecars   *sidecars // nil without --xmp
	// answersErrors reports whether the answer says what is wrong with a picture.
	answersErrors bool
	names         map[string]bool // files written, so that none is written twice
}

// newJob finds the pictures, and everything that can be wrong before models are
// loaded. Nothing was written when it fails.
func newJob(env *environment, o *options, args []string) (*job, error) {
	j := &job{env: env, o: o, names: map[string]bool{}, guard: &guard{}}
	var err error
	if j.sizing, err = o.sizing(); err != nil {
		return nil, err
	}
	f := finder{env: env, sel: &o.selection, quiet: o.quiet, guard: j.guard}
	if err := f.find(args); err != nil {
		return nil, err
	}
	j.inputs, j.unread = f.inputs, f.failed
	if len(j.inputs) == 0 {
		if j.unread > 0 {
			return nil, errors.New("no picture to look at")
		}
		return nil, fmt.Errorf("%w: no picture was selected", errNoFace)
	}
	if o.persons != "" {
		j.guard.readsDir("the directory of", o.persons)
	}
	if err := j.checkOutputs(); err != nil {
		return nil, err
	}
	if err := j.checkSidecars(); err != nil {
		return nil, err
	}
	if o.xmp {
		j.sidecars = &sidecars{job: j}
	}
	if err := j.guard.cacheOutside(env, o); err != nil {
		return nil, err
	}
	j.pen, err = o.pen()
	return j, err
}

// checkOutputs refuses outputs that are inputs, or files of somebody else.
func (j *job) checkOutputs() error {
	o := j.o
	if o.out != "" {
		fi, err := os.Stat(o.out)
		exists := err == nil
		j.outIsDir = exists && fi.IsDir() || strings.HasSuffix(o.out, "/") || len(j.inputs) > 1
		switch {
		case exists && !fi.IsDir() && j.outIsDir:
			return usagef("--out %s: is a file, expected a directory for %s", text.Show(o.out), text.Count(len(j.inputs), "picture"))
		case !j.outIsDir:
			if err := app.PictureFile(o.out); err != nil {
				return usagef("--out: %w", err)
			}
			if err := j.guard.file("--out", o.out); err != nil {
				return err
			}
		default:
			if err := j.guard.dir("--out", o.out); err != nil {
				return err
			}
			names := map[string]bool{}
			for _, in := range j.inputs {
				if err := j.guard.file("--out", nameIn(names, o.out, in.name, "")); err != nil {
					return err
				}
			}
		}
	}
	if o.crops != "" {
		if fi, err := os.Stat(o.crops); err == nil && !fi.IsDir() {
			return usagef("--crops %s: is a file, expected a directory", text.Show(o.crops))
		}
		if err := j.guard.dir("--crops", o.crops); err != nil {
			return err
		}
	}
	if o.report != "" {
		if fi, err := os.Stat(o.report); err == nil && fi.IsDir() {
			return usagef("--report %s: is a directory, expected the name of an HTML file to write", text.Show(o.report))
		}
		return j.guard.file("--report", o.report)
	}
	return nil
}

// run looks at the pictures and gives the answer, and the album if one was
// asked for. A run that does not come to its end leaves no album.
func (j *job) run(ctx context.Context, out *bufio.Writer, h app.Header) error {
	reports := []app.Reporter{j.answer}
	var pages *albumPages
	if j.o.report != "" {
		pages = &albumPages{env: j.env, first: j.o.report}
		defer pages.discard()
		album, err := app.NewAlbum(pages.create, h, j.pen, len(j.inputs), filepath.Base(j.o.report))
		if err != nil {
			return err
		}
		reports = append(reports, album)
	}
	sum, unwritten, err := j.batch(ctx, out, reports)
	if err != nil {
		return errors.Join(err, out.Flush())
	}
	for _, r := range reports {
		if err := r.End(sum.Summary); err != nil {
			return j.reportError(r, err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if pages != nil {
		if err := pages.commit(); err != nil {
			return err
		}
	}
	if j.sidecars != nil {
		if err := j.sidecars.done(); err != nil && unwritten == nil {
			unwritten = err
		}
	}
	if unwritten != nil {
		return unwritten
	}
	return j.verdict(sum)
}

// reportError says which report could not be written.
func (j *job) reportError(r app.Reporter, err error) error {
	if r == j.answer {
		return fmt.Errorf("standard output: %w", err)
	}
	return err
}

// total is what a batch has seen.
type total struct {
	app.Summary
	last error // what was wrong with the last picture that failed
}

// batch looks at the pictures, in order, and draws what was requested for. The
// second result is the first thing that could not be drawn; the rest is done
// all the same.
func (j *job) batch(ctx context.Context, out *bufio.Writer, reports []app.Reporter) (sum total, unwritten, err error) {
	results := make([]*app.Result, len(j.inputs))
	j.recognizer.NoImage = j.o.out == "" && j.o.crops == "" && len(reports) == 1 // nobody draws on it
	bar := newProgress(j.env, j.o.quiet, "reading pictures")
	defer bar.done()
	err = app.Ordered(ctx, j.o.workers(), len(j.inputs), j.sizing.Memory, func(ctx context.Context, i int, reserve app.Reserve) error {
		r, err := j.look(ctx, j.inputs[i], reserve)
		results[i] = &r
		return err
	}, func(i int) error {
		r := results[i]
		results[i] = nil // thousands of pictures must not pile up
		sum.Add(r)
		bar.done()
		if r.Err != nil {
			sum.last = fmt.Errorf("%s: %w", text.Show(r.Name), r.Err)
			j.complain(r)
		}
		for _, n := range r.Notes {
			if !j.o.quiet {
				j.env.warnf("%s: %s", text.Show(r.Name), n)
			}
		}
		for _, report := range reports {
			if err := report.Picture(r); err != nil {
				return j.reportError(report, err)
			}
		}
		if err := j.draw(r); err != nil && unwritten == nil {
			unwritten = err
		}
		if j.sidecars != nil {
			j.sidecars.picture(j.inputs[i], r)
		}
		if j.env.outTerminal {
			if err := out.Flush(); err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
		}
		j.store.step(j.o)
		bar.step(i+1, len(j.inputs))
		return nil
	})
	return sum, unwritten, err
}

// look looks at one picture, or recalls it without reading it.
func (j *job) look(ctx context.Context, in input, reserve app.Reserve) (app.Result, error) {
	if err := ctx.Err(); err != nil {
		return app.Result{}, err
	}
	sum, known := j.store.sum(in.name, in.info)
	if known {
		if r, ok := j.recognizer.Recall(in.name, sum); ok {
			return r, nil
		}
	}
	data, err := in.read()
	if err != nil {
		return app.Result{Name: in.name, Err: err}, nil //nolint:nilerr // it is the picture's
	}
	r, err := j.recognizer.Recognize(ctx, in.name, data, reserve)
	if err == nil && r.Err == nil && (!known || r.Content != sum) {
		j.store.keepSum(in.name, in.info, r.Content)
	}
	return r, err
}

// complain reports on standard error what is wrong with one of several pictures.
// When both streams are one terminal, the text answer says it already.
func (j *job) complain(r *app.Result) {
	if len(j.inputs) == 1 || j.told() {
		return
	}
	j.env.errorf("%s: %v", text.Show(r.Name), r.Err)
	j.env.hint(r.Err)
}

// told reports whether whoever reads standard error reads in the answer what is
// wrong with a picture: both are one terminal.
func (j *job) told() bool { return j.answersErrors && j.env.outTerminal && j.env.errTerminal }

// verdict is what a batch that came to its end returns.
func (j *job) verdict(sum total) error {
	switch {
	case sum.Failed > 0 && sum.Pictures == 1 && j.unread == 0 && j.told():
		return text.WithHint(errors.New("the picture could not be read"), "%s", text.Hint(sum.last))
	case sum.Failed > 0 && sum.Pictures == 1 && j.unread == 0:
		return sum.last
	case sum.Failed > 0:
		return fmt.Errorf("%d of %d pictures could not be read", sum.Failed, sum.Pictures)
	case j.unread > 0:
		return fmt.Errorf("%s could not be read", text.CountForms(j.unread, "name", "names"))
	case j.o.failOnUnknown && sum.Unknown+sum.Ambiguous > 0:
		return fmt.Errorf("%w: %d unknown and %d ambiguous of %s", errUnknownSeen, sum.Unknown, sum.Ambiguous, text.Count(sum.Faces, "face"))
	case sum.Faces == 0:
		return noFace(sum.Pictures, j.inputs[0].name, j.o.upsample)
	}
	return nil
}

// noFace says what can be tried when nothing was found.
func noFace(pictures int, name, upsample string) error {
	where := text.Show(name)
	if pictures > 1 {
		where = text.Count(pictures, "picture")
	}
	more := map[string]string{"auto": "2", "0": "1", "1": "2", "2": "3"}[upsample] // auto has tried 1 on small pictures
	if more == "" {
		return text.WithHint(fmt.Errorf("%w in %s", errNoFace, where), "try --detector cnn for turned faces")
	}
	return text.WithHint(fmt.Errorf("%w in %s", errNoFace, where), "try --upsample %s for smaller faces, --detector cnn for turned ones", more)
}

// draw writes the annotated picture and the crops of one result.
func (j *job) draw(r *app.Result) error {
	if r.Err != nil || r.Image == nil {
		return nil //nolint:nilerr // told by the report
	}
	faces := r.Drawn()
	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	if j.o.out != "" {
		img, err := j.pen.Annotate(r.Image, faces)
		if err != nil {
			return err
		}
		if j.outIsDir {
			keep(j.writePicture(nameIn(j.names, j.o.out, r.Name, ""), img, true))
		} else {
			keep(j.writePicture(j.o.out, img, false))
		}
	}
	if j.o.crops != "" {
		for i := range faces {
			img := app.Crop(r.Image, faces[i].Box)
			if img.Rect.Empty() {
				continue // a box that lies outside of the picture
			}
			keep(j.writePicture(nameIn(j.names, j.o.crops, r.Name, "-"+strconv.Itoa(i+1)), img, true))
		}
	}
	return first
}

func (j *job) writePicture(name string, img image.Image, makeDir bool) error {
	write := j.env.write
	if makeDir {
		write = j.env.writeIn
	}
	return write(name, func(w io.Writer) error { return app.Encode(w, name, img) })
}

// nameIn is a name in dir for something drawn from the picture called name:
// its last element, the format's ending, and a number if that is taken.
func nameIn(taken map[string]bool, dir, name, suffix string) string {
	base := filepath.Base(name)
	if name == "-" {
		base = "stdin.jpg"
	}
	ext := filepath.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	switch strings.ToLower(ext) {
	case ".jpg", ".jpeg", ".png":
	default:
		ext = ".jpg"
	}
	out := filepath.Join(dir, stem+suffix+ext)
	for n := 2; taken[strings.ToLower(out)]; n++ { // some file systems ignore case
		out = filepath.Join(dir, stem+"~"+strconv.Itoa(n)+suffix+ext)
	}
	taken[strings.ToLower(out)] = true
	return out
}

// albumPages are the files of an album, which appear when all are written.
type albumPages struct {
	env   *environment
	first string
	files []*atomicfile.File
}

// create begins the page with this name, next to the first.
func (p *albumPages) create(name string) (io.Writer, error) {
	full := filepath.Join(filepath.Dir(p.first), name)
	if err := replaceable(full); err != nil {
		return nil, err
	}
	f, err := atomicfile.Create(full, 0o666&^p.env.umask)
	if err != nil {
		return nil, err
	}
	p.files = append(p.files, f)
	return f, nil
}

func (p *albumPages) commit() error {
	for _, f := range p.files {
		if err := f.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func (p *albumPages) discard() {
	for _, f := range p.files {
		f.Discard()
	}
}
