package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/app"
	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

// groupOptions are the flags that only group has.
type groupOptions struct {
	*options
	groupThreshold float64
	minFaces       int
	dir            string
}

func groupCommand(env *environment, g *globals) *cobra.Command {
	o := &groupOptions{options: &options{globals: g}}
	cmd := &cobra.Command{
		Use:   "group [FILE | DIRECTORY | PATTERN]...",
		Short: "Group the unknown faces of a library by person",
		Long: `Group looks at every picture and joins the faces that are one person's. Faces of
people in --persons are left out; without persons/ every face is unknown. Two faces
of one picture are never joined, and any two faces of a group are less than
--group-threshold apart. The groups depend on the pictures alone, not on their
names, their order or --jobs.

--out writes a directory of cut-out faces for each group. Look through it, remove
what does not belong, rename it to the person's name and move it into persons/.
--report writes a contact sheet of the groups.`,
		Example: `  facerec group photos/ --report groups.html
  facerec group photos/ --out people && mv people/group-1 persons/Alice`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && o.filesFrom == "" {
				return usagef("expected at least 1 picture or directory, got 0: %s", cmd.UseLine())
			}
			return group(cmd.Context(), env, o, args)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o.gallery(fs)
	fs.Float64Var(&o.groupThreshold, "group-threshold", app.DefaultGroupThreshold, "Euclidean `distance` below which any two faces of a group are")
	fs.IntVar(&o.minFaces, "min-faces", 2, "leave out groups of fewer than `N` faces")
	o.engine(fs)
	o.answer(fs, "text", "json")
	fs.BoolVar(&o.descriptors, "descriptors", false, "add the 128 numbers of every face to JSON")
	o.selection.flags(fs)
	fs.StringVarP(&o.dir, "out", "o", "", "write a directory of cut-out faces for each group into this `directory`, which must be new or empty")
	fs.StringVar(&o.report, "report", "", "write a contact sheet of the groups, HTML pages, into this `file`")
	return cmd
}

// group is the verb group.
func group(ctx context.Context, env *environment, o *groupOptions, args []string) (err error) {
	format, err := o.form("text", "json")
	if err != nil {
		return err
	}
	rule, err := o.matching()
	if err != nil {
		return err
	}
	if err := (app.Rule{Threshold: o.groupThreshold}).Check(); err != nil {
		return usagef("--group-threshold: %w", err)
	}
	if o.minFaces < 1 {
		return usagef("--min-faces %d: expected 1 or more", o.minFaces)
	}
	if slices.Contains(args, "-") {
		return text.WithHint(usagef("-: expected files or directories, got standard input"), "to read the names of pictures there, use --files-from -")
	}
	if o.persons != "" {
		o.persons = env.locate(o.persons, "persons")
	}
	job, err := newJob(env, o.options, args)
	if err != nil {
		return err
	}
	if err := o.checkDir(job.guard); err != nil {
		return err
	}
	e, err := openEngine(ctx, env, o.options)
	if err != nil {
		return err
	}
	defer func() { err = e.shut(ctx, err) }()
	people, err := knownPeople(ctx, env, o.options, e)
	if err != nil {
		return err
	}
	job.use(env, e, people, rule)
	grouper := &app.Grouper{Memory: job.sizing.Memory}
	out := bufio.NewWriter(env.stdout)
	sum, _, err := job.batch(ctx, out, []app.Reporter{grouper})
	if err != nil {
		return err
	}
	if err := grouper.End(sum.Summary); err != nil {
		return err
	}
	groups, err := grouper.Group(ctx, o.header(env, e.opts, rule, people), o.groupThreshold, o.minFaces)
	if err != nil {
		return err
	}
	w := &groupWriter{job: job, groups: groups, dir: o.dir, pages: &albumPages{env: env, first: o.report}}
	defer w.pages.discard()
	if err := w.write(ctx); err != nil {
		return err
	}
	answer := groups.WriteText
	if format == "json" {
		answer = groups.WriteJSON
	}
	if err := answer(out); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if err := w.pages.commit(); err != nil {
		return err
	}
	if groups.Directories != nil && !o.quiet {
		fmt.Fprintf(env.stderr, "hint: look through the directories, rename one to the person's name, and move it into %s\n", text.Show(cmp.Or(o.persons, "persons")))
	}
	if w.unread > 0 {
		return fmt.Errorf("%s could not be read again", text.Count(w.unread, "picture"))
	}
	return job.verdict(sum)
}

// checkDir refuses an --out that is not new or empty, or in a place where
// nothing is written. Groups of two runs in one directory would mix people.
func (o *groupOptions) checkDir(g *guard) error {
	if o.dir == "" {
		return nil
	}
	if err := g.dir("--out", o.dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(o.dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if fi, err := os.Lstat(o.dir); err == nil {
			return usagef("--out %s: is %s, expected a directory that is new or empty", text.Show(o.dir), atomicfile.Kind(fi.Mode()))
		}
	case err != nil:
		return usagef("--out %s: expected a directory that is new or empty: %v", text.Show(o.dir), plain(err))
	case len(entries) > 0:
		return text.WithHint(usagef("--out %s: expected a directory that is new or empty, got one with %s", text.Show(o.dir), text.CountForms(len(entries), "entry", "entries")),
			"name another directory: groups of two runs are not mixed")
	}
	if o.report != "" {
		if rel, err := filepath.Rel(real(o.dir), real(o.report)); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return text.WithHint(usagef("--report %s: this is in the directory of --out", text.Show(o.report)), "name a place outside of it")
		}
	}
	return nil
}

// knownPeople enrols persons/, in which nobody has to be.
func knownPeople(ctx context.Context, env *environment, o *options, e *engine) (*app.Gallery, error) {
	if o.persons == "" {
		return app.NewGallery(nil), nil
	}
	if _, err := os.Stat(o.persons); o.persons == "persons" && errors.Is(err, os.ErrNotExist) {
		return app.NewGallery(nil), nil
	}
	res, err := enroll(ctx, env, o, e, !o.quiet || o.strict)
	if errors.Is(err, app.ErrNobody) && !o.strict {
		return app.NewGallery(nil), nil
	}
	if err != nil {
		return nil, err
	}
	return res.Gallery, nil
}

// groupWriter makes the directories and the contact sheet.
type groupWriter struct {
	job    *job
	groups *app.Groups
	dir    string
	pages  *albumPages
	unread int
	// notAlone counts portraits that will not be enrolled.
	portraits, notAlone int
}

// member is where a face of a picture belongs.
type member struct {
	face         *app.GroupFace
	group, index int
}

// cuts are what is made of a picture, for each of its members.
type cuts struct {
	portraits, thumbs [][]byte
	alone             []bool
	err               error // what is wrong with the picture
}

// write reads the pictures of the groups again and writes what was requested for.
// The directories appear when all are complete.
func (w *groupWriter) write(ctx context.Context) error {
	thumbs := map[*app.GroupFace][]byte{}
	sheet := func() error {
		if w.pages.first == "" {
			return nil
		}
		return w.groups.WriteSheet(w.pages.create, filepath.Base(w.pages.first), func(f *app.GroupFace) []byte { return thumbs[f] })
	}
	if w.dir == "" || len(w.groups.Groups) == 0 {
		if w.pages.first != "" {
			if err := w.cut(ctx, "", thumbs); err != nil {
				return err
			}
		}
		return sheet()
	}
	width := len(strconv.Itoa(len(w.groups.Groups)))
	for i := range w.groups.Groups {
		w.groups.Directories = append(w.groups.Directories, filepath.Join(w.dir, fmt.Sprintf("group-%0*d", width, i+1)))
	}
	err := atomicfile.ReplaceDir(w.dir, func(tmp string) error {
		if err := os.Chmod(tmp, 0o777&^w.job.env.umask); err != nil {
			return &atomicfile.WriteError{Path: w.dir, Err: err}
		}
		if err := w.cut(ctx, tmp, thumbs); err != nil {
			return err
		}
		return sheet()
	})
	if err == nil && w.notAlone > 0 && !w.job.o.quiet {
		w.job.env.warnf("%s: %d of %s will be skipped when they are enrolled: no face is found in them, or more than one", text.Show(w.dir), w.notAlone, text.Count(w.portraits, "portrait"))
	}
	return err
}

// cut reads the pictures again, in the order of their names, and cuts faces out:
// portraits into the directories of their groups below dir, unless dir is "", and
// thumbnails for the sheet, if there is one.
func (w *groupWriter) cut(ctx context.Context, dir string, thumbs map[*app.GroupFace][]byte) error {
	byPicture := map[string][]member{}
	for n, faces := range w.groups.Groups {
		for i := range faces {
			f := &faces[i]
			byPicture[f.Picture] = append(byPicture[f.Picture], member{f, n, i})
		}
	}
	var names []string
	for name := range byPicture {
		names = append(names, name)
	}
	slices.Sort(names)
	results := make([]*cuts, len(names))
	bar := newProgress(w.job.env, w.job.o.quiet, "cutting out faces")
	defer bar.done()
	return app.Ordered(ctx, w.job.o.workers(), len(names), w.job.sizing.Memory, func(ctx context.Context, i int, reserve app.Reserve) error {
		c, err := w.picture(ctx, names[i], byPicture[names[i]], dir, reserve)
		results[i] = c
		return err
	}, func(i int) error {
		c := results[i]
		results[i] = nil
		defer bar.step(i+1, len(names))
		if c.err != nil {
			bar.done()
			w.job.env.errorf("%s: %v", text.Show(names[i]), c.err)
			w.unread++
			return nil
		}
		for k, m := range byPicture[names[i]] {
			if c.thumbs[k] != nil {
				thumbs[m.face] = c.thumbs[k]
			}
			if c.portraits[k] == nil {
				continue
			}
			w.portraits++
			if !c.alone[k] {
				w.notAlone++
			}
			at := filepath.Join(dir, filepath.Base(w.groups.Directories[m.group]))
			name := nameIn(w.job.names, at, names[i], "-"+strconv.Itoa(m.face.Index+1))
			if err := w.job.env.writeIn(name, func(f io.Writer) error {
				_, err := f.Write(c.portraits[k])
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// picture cuts the members out of one picture.
func (w *groupWriter) picture(ctx context.Context, name string, members []member, dir string, reserve app.Reserve) (*cuts, error) {
	n := len(members)
	c := &cuts{portraits: make([][]byte, n), thumbs: make([][]byte, n), alone: make([]bool, n)}
	data, err := fileInput(name, nil).read()
	if err != nil {
		c.err = err
		return c, nil //nolint:nilerr // it is the picture's, and reported there
	}
	var faces []app.Detection
	for _, m := range members {
		faces = append(faces, m.face.Detection)
	}
	r := w.job.recognizer
	res, err := r.Reopen(ctx, name, data, faces, reserve)
	if err != nil {
		return nil, err
	}
	if res.Err == nil && res.Content != members[0].face.Content {
		res.Err = errors.New("changed while facerec was running")
	}
	if res.Err != nil {
		c.err = res.Err
		return c, nil //nolint:nilerr // as above
	}
	for i, m := range members {
		if dir != "" {
			if c.portraits[i], c.alone[i], err = r.Portrait(ctx, &res, i, nameIn(map[string]bool{}, "", name, "")); err != nil {
				return nil, err
			}
		}
		if w.pages.first != "" && app.OnSheet(m.index) {
			if c.thumbs[i], err = app.Thumbnail(&res, i); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}
