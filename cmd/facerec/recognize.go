package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facerec/internal/app"
	"facerec/internal/text"
)

func (o *options) recognizeFlags(fs *pflag.FlagSet, out string) {
	fs.SortFlags = false
	o.gallery(fs)
	o.engine(fs)
	o.answer(fs, app.Formats...)
	fs.BoolVar(&o.descriptors, "descriptors", false, "add the 128 numbers of every face to JSON")
	fs.BoolVar(&o.failOnUnknown, "fail-on-unknown", false, "exit with code 3 if somebody unknown or ambiguous was seen")
	o.selection.flags(fs)
	o.outputs(fs, out)
	o.sidecarFlags(fs)
}

func recognizeCommand(env *environment, g *globals) *cobra.Command {
	o := &options{globals: g}
	cmd := &cobra.Command{
		Use:   "recognize [FILE | DIRECTORY | PATTERN | -]...",
		Short: "Name the people in pictures, with distances",
		Long: `Recognize reports every face of every picture: where it is, who is nearest and
how near, by which photo, and how far off the next person is. Without arguments it
looks at images/unknown.jpg. Directories are searched all the way down, without
following links; - is a picture on standard input. A picture or directory that
cannot be read is reported and skipped, and the exit code is then 1.

In one picture a name is given once: the nearer face keeps it, and another face
that is also near enough is ambiguous.

Nothing that is read is ever written to: --out, --crops and --report cannot be in
a directory that is searched, nor in --persons, and replace only files that
facerec wrote itself. --xmp alone writes next to the pictures: into sidecars
(photo.jpg.xmp, or a photo.xmp that is there), never into a picture.`,
		Example: `  facerec recognize party.jpg --out named.jpg
  facerec recognize photos/ --format csv > faces.csv
  facerec recognize photos/ --since 7d --report album.html
  facerec recognize photos/ --xmp
  find photos -name '*.jpg' -print0 | facerec recognize --files-from - -0 --format jsonl
  curl -s https://example.org/p.jpg | facerec recognize - --json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && o.filesFrom == "" {
				args = []string{env.locate(defaultPicture, defaultPicture)}
			}
			return recognizeBatch(cmd.Context(), env, o, args, false)
		},
	}
	o.recognizeFlags(cmd.Flags(), "")
	return cmd
}

// defaultPicture is looked at when none is named.
var defaultPicture = filepath.Join("images", "unknown.jpg")

// recognizeBatch enrols the people and names the faces of a batch of pictures.
// The short form of the text answer is the one that scripts have long read.
func recognizeBatch(ctx context.Context, env *environment, o *options, args []string, short bool) (err error) {
	start := env.now()
	format, err := o.form(app.Formats...)
	if err != nil {
		return err
	}
	rule, err := o.matching()
	if err != nil {
		return err
	}
	o.persons = env.locate(o.persons, "persons")
	job, err := newJob(env, o, args)
	if err != nil {
		return err
	}
	e, err := openEngine(ctx, env, o)
	if err != nil {
		return err
	}
	defer func() { err = e.shut(ctx, err) }()
	people, err := enroll(ctx, env, o, e, !o.quiet || o.strict)
	if err != nil {
		return err
	}
	if o.out != "" || o.report != "" {
		warnOfLetters(env, o, job.pen, people.Gallery)
	}
	job.use(env, e, people.Gallery, rule)
	out := bufio.NewWriter(env.stdout)
	h := o.header(env, e.opts, rule, people.Gallery)
	if short && format == "text" {
		job.answer = &foundReport{w: out, start: start, now: env.now}
	} else if job.answer, err = app.NewReporter(format, out, h); err != nil {
		return usageError{err}
	}
	job.answersErrors = format == "text" && !short
	return job.run(ctx, out, h)
}

// warnOfLetters warns of names that the font cannot write.
func warnOfLetters(env *environment, o *options, pen *app.Pen, g *app.Gallery) {
	if o.quiet {
		return
	}
	for _, p := range g.Persons() {
		if name := text.Show(p.Name); pen.Lacks(name) {
			env.warnf("%s: the font lacks letters of this name, and pictures will show boxes for them", name)
			fmt.Fprintln(env.stderr, "hint: choose a font that has them with --font FILE")
		}
	}
}

// header is what a report begins with; a nil gallery is detect's.
func (o *options) header(env *environment, opts app.EngineOptions, rule app.Rule, g *app.Gallery) app.Header {
	h := app.Header{Version: version, Detector: opts.Detector, Rule: rule, Descriptors: o.descriptors}
	if g != nil {
		h.Matching, h.Persons = true, g.Persons()
	}
	if env.color(env.outTerminal) {
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
