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
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facerec/internal/app"
)

func (o *options) recognizeFlags(fs *pflag.FlagSet, out string) {
	fs.SortFlags = false
	o.gallery(fs)
	o.engine(fs)
	o.answer(fs, app.Formats...)
	fs.BoolVar(&o.descriptors, "descriptors", false, "add the 128 numbers of every face to JSON")
	fs.BoolVar(&o.failOnUnknown, "fail-on-unknown", false, "exit with 3 when somebody unknown or ambiguous was seen")
	o.outputs(fs, out)
}

func recognizeCommand(w *world) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "recognize [FILE | FOLDER | PATTERN | -]...",
		Short: "Name the people in pictures, with distances",
		Long: `Recognize reports every face of every picture: where it is, who is nearest and
how near, by which photo, and how far off the next person is. Without arguments it
looks at images/unknown.jpg. A folder is searched all the way down; - is a picture
on standard input. A broken picture is reported and passed over, and the exit code
is then 1. JPEG, PNG, WebP, BMP, TIFF and GIF can be read.`,
		Example: `  facerec recognize party.jpg --out named.jpg
  facerec recognize photos/ --format csv > faces.csv
  curl -s https://example.org/p.jpg | facerec recognize - --json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.inherit(cmd)
			if len(args) == 0 {
				picture := filepath.Join("images", "unknown.jpg")
				args = []string{w.beside(picture, picture, o.quiet)}
			}
			return recognize(cmd.Context(), w, o, args, false)
		},
	}
	o.recognizeFlags(cmd.Flags(), "")
	return cmd
}

// inherit takes over the flags that the root command owns.
func (o *options) inherit(cmd *cobra.Command) {
	if q, err := cmd.Flags().GetBool("quiet"); err == nil {
		o.quiet = q
	}
}

// recognize is the main job. In the short form (legacy) the text is the one
// that scripts have long read.
func recognize(ctx context.Context, w *world, o *options, args []string, legacy bool) (err error) {
	start := w.now()
	format, err := o.form(app.Formats...)
	if err != nil {
		return err
	}
	rule, err := o.matching()
	if err != nil {
		return err
	}
	job, err := newJob(w, o, args)
	if err != nil {
		return err
	}
	e, err := openEngine(ctx, w, o)
	if err != nil {
		return err
	}
	defer func() { err = e.shut(ctx, err) }()
	people, err := enroll(ctx, w, o, e)
	if err != nil {
		return err
	}
	if o.out != "" || o.report != "" {
		warnOfLetters(w, o, job.pen, people.Gallery)
	}
	job.recognizer = &app.Recognizer{Engine: e, Decoder: o.decoder(w), Sizing: job.sizing, Gallery: people.Gallery, Rule: rule}
	out := bufio.NewWriter(w.stdout)
	if legacy && format == "text" {
		job.report = &foundReport{w: out, start: start, now: w.now}
	} else if job.report, err = app.NewReporter(format, out, o.header(w, e.opts, rule, people.Gallery)); err != nil {
		return usageError{err}
	}
	return job.finish(ctx, out, o.header(w, e.opts, rule, people.Gallery))
}

// warnOfLetters tells whose names the font cannot write.
func warnOfLetters(w *world, o *options, pen *app.Pen, g *app.Gallery) {
	if o.quiet {
		return
	}
	for _, p := range g.Persons() {
		if name := app.Printable(p.Name); pen.Lacks(name) {
			w.warn(name + ": the font lacks letters of this name, and pictures will show boxes for them; name a font that has them with --font FILE")
		}
	}
}

// header is what a report begins with; a nil gallery is detect's.
func (o *options) header(w *world, opts app.EngineOptions, rule app.Rule, g *app.Gallery) app.Header {
	h := app.Header{Version: version, Detector: opts.Detector, Rule: rule, Descriptors: o.descriptors}
	if g != nil {
		h.Matching, h.Persons = true, g.Persons()
	}
	if w.color(w.outTerminal) {
		h.Paint = func(v app.Verdict, word string) string {
			return map[app.Verdict]string{app.Known: "\x1b[32m", app.Ambiguous: "\x1b[33m", app.Unknown: "\x1b[31m"}[v] + word + "\x1b[0m"
		}
	}
	return h
}

// foundReport is the short form of the answer.
type foundReport struct {
	w     io.Writer
	start time.Time
	now   func() time.Time
}

func (f *foundReport) Picture(r *app.Result) error {
	if r.Err != nil {
		return nil //nolint:nilerr // told on standard error
	}
	return app.WriteFound(f.w, r)
}

func (f *foundReport) End(s app.Summary) error {
	if s.Failed > 0 {
		return nil
	}
	_, err := fmt.Fprintf(f.w, "Total time: %s\n", f.now().Sub(f.start).Round(time.Millisecond))
	return err
}

// job is one batch of pictures: what to look at, and what to do with the results.
type job struct {
	w          *world
	o          *options
	inputs     []input
	sizing     app.Sizing
	pen        *app.Pen
	outIsDir   bool
	recognizer *app.Recognizer
	report     app.Reporter
	sheet      app.Reporter    // the contact sheet, or nil
	finished   bool            // every picture was looked at or passed over, and the answer given
	names      map[string]bool // files written, so that none is written twice
}

// newJob looks at everything that can be wrong before models are loaded.
func newJob(w *world, o *options, args []string) (*job, error) {
	j := &job{w: w, o: o, names: map[string]bool{}}
	var err error
	if j.sizing, err = o.sizing(); err != nil {
		return nil, err
	}
	var skip []string
	for _, d := range []string{o.out, o.crops} {
		if d != "" {
			if abs, err := filepath.Abs(d); err == nil {
				skip = append(skip, abs)
			}
		}
	}
	if j.inputs, err = expand(args, w.stdin, skip); err != nil {
		return nil, err
	}
	if o.out != "" {
		fi, err := os.Stat(o.out)
		j.outIsDir = err == nil && fi.IsDir() || strings.HasSuffix(o.out, "/") || len(j.inputs) > 1
		if err := app.PictureFile(o.out); !j.outIsDir && err != nil {
			return nil, usagef("--out: %w", err)
		}
		if err == nil && !fi.IsDir() && len(j.inputs) > 1 {
			return nil, usagef("--out %s: is a file, expected a folder for %d pictures", o.out, len(j.inputs))
		}
	}
	if o.report != "" {
		if fi, err := os.Stat(o.report); err == nil && fi.IsDir() {
			return nil, usagef("--report %s: is a folder, expected the name of an HTML file to write", o.report)
		}
	}
	j.pen, err = o.pen()
	return j, err
}

// finish runs the job, within the contact sheet if one was asked for. A run
// that was broken off leaves none.
func (j *job) finish(ctx context.Context, out *bufio.Writer, h app.Header) error {
	if j.o.report == "" {
		return j.run(ctx, out)
	}
	var verdict error
	brokenOff := errors.New("broken off")
	err := writeFile(j.o.report, func(w io.Writer) (err error) {
		if j.sheet, err = app.NewSheet(w, h, j.pen); err != nil {
			return err
		}
		if verdict = j.run(ctx, out); !j.finished {
			return brokenOff
		}
		return nil
	})
	if errors.Is(err, brokenOff) {
		return verdict
	}
	if err != nil {
		return err
	}
	return verdict
}

// run looks at the pictures and writes what was asked for, in order.
func (j *job) run(ctx context.Context, out *bufio.Writer) error {
	results := make([]*app.Result, len(j.inputs))
	j.recognizer.NoImage = j.o.out == "" && j.o.crops == "" && j.sheet == nil // nobody will draw on it
	var sum app.Summary
	var unwritten, last error
	bar := newProgress(j.w, j.o.quiet, "looking at pictures")
	err := app.Ordered(ctx, j.o.workers(), len(j.inputs), j.sizing.Memory, func(ctx context.Context, i int, reserve app.Reserve) error {
		in := j.inputs[i]
		data, err := in.read()
		if err != nil {
			results[i] = &app.Result{Name: in.name, Err: err}
			return nil //nolint:nilerr // it is the picture's, and went into the result
		}
		r, err := j.recognizer.Recognize(ctx, in.name, data, reserve)
		results[i] = &r
		return err
	}, func(i int) error {
		r := results[i]
		results[i] = nil // thousands of pictures must not pile up
		sum.Add(r)
		if r.Err != nil {
			last = fmt.Errorf("%s: %w", app.Printable(r.Name), r.Err)
		}
		if r.Err != nil && len(j.inputs) > 1 {
			bar.done()
			j.w.complain("%s: %v", app.Printable(r.Name), r.Err)
		}
		for _, n := range r.Notes {
			if !j.o.quiet {
				bar.done()
				j.w.warn(app.Printable(r.Name) + ": " + n)
			}
		}
		if err := j.report.Picture(r); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
		if err := j.draw(r); err != nil && unwritten == nil {
			unwritten = err
		}
		if j.sheet != nil {
			if err := j.sheet.Picture(r); err != nil {
				return writeHint(j.o.report, err)
			}
		}
		if j.w.outTerminal {
			bar.done()
			if err := out.Flush(); err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
		}
		bar.step(i+1, len(j.inputs))
		return nil
	})
	bar.done()
	if err != nil {
		return errors.Join(err, out.Flush())
	}
	if err := j.report.End(sum); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if j.sheet != nil {
		if err := j.sheet.End(sum); err != nil {
			return writeHint(j.o.report, err)
		}
	}
	j.finished = true
	switch {
	case unwritten != nil:
		return unwritten
	case sum.Failed > 0 && sum.Pictures == 1:
		return last
	case sum.Failed > 0:
		return fmt.Errorf("%d of %d pictures could not be looked at", sum.Failed, sum.Pictures)
	case j.o.failOnUnknown && sum.Unknown+sum.Ambiguous > 0:
		return fmt.Errorf("%w: %d unknown and %d ambiguous of %s", errUnknownSeen, sum.Unknown, sum.Ambiguous, app.Plural(sum.Faces, "face"))
	case sum.Faces == 0:
		return noFace(sum.Pictures, j.inputs[0].name)
	}
	return nil
}

// noFace says what can be tried when nothing was found.
func noFace(pictures int, name string) error {
	where := app.Printable(name)
	if pictures > 1 {
		where = app.Plural(pictures, "picture")
	}
	return fmt.Errorf("%w in %s; smaller faces may be found with --upsample 1, turned ones with --detector cnn", errNoFace, where)
}

// draw writes the annotated picture and the crops of one result.
func (j *job) draw(r *app.Result) error {
	if r.Err != nil || r.Image == nil {
		return nil //nolint:nilerr // told by the report
	}
	faces := r.Drawn()
	if j.o.out != "" {
		img, err := j.pen.Annotate(r.Image, faces)
		if err != nil {
			return err
		}
		name := j.o.out
		if j.outIsDir {
			name = j.nameIn(j.o.out, r.Name, "")
		}
		if err := j.write(name, img, j.outIsDir); err != nil {
			return err
		}
	}
	if j.o.crops != "" {
		for i := range faces {
			img := app.Crop(r.Image, faces[i].Box)
			if img.Rect.Empty() {
				continue // a box that lies outside of the picture
			}
			if err := j.write(j.nameIn(j.o.crops, r.Name, "-"+strconv.Itoa(i+1)), img, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *job) write(name string, img image.Image, makeDir bool) error {
	if makeDir {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return writeHint(name, err)
		}
	}
	return writeFile(name, func(w io.Writer) error { return app.Encode(w, name, img) })
}

// nameIn is a name in dir for something drawn from the picture called name:
// its last element, the format's ending, and a number if that is taken.
func (j *job) nameIn(dir, name, suffix string) string {
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
	for n := 2; j.names[out]; n++ {
		out = filepath.Join(dir, stem+"~"+strconv.Itoa(n)+suffix+ext)
	}
	j.names[out] = true
	return out
}
