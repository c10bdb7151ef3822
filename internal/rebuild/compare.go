package rebuild

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/executable"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// Rebuilt is a release and what its sources made.
type Rebuilt struct {
	Record release.Record // release.json, as signed
	Cells  []string       // that were asked for

	// Dist is the directory of the release. Where it has a tarball as signed, that
	// explains differences.
	Dist string

	Made    release.Record // of what was built
	MadeDir string         // the directory of it
	Whole   []string       // lineages of which every cell was built

	NotBuilt map[string]NotBuilt // why, by cell
	Paths    []string            // directories of this machine in which was built
	Spool    *tarball.Spool      // for programs that are compared
}

// NotBuilt says why a cell was not built.
type NotBuilt struct {
	Why string

	// Failed is set if it was tried, and an error; otherwise it cannot be built here,
	// which is a skip.
	Failed bool
	Last   []string // lines that the build wrote; the outcome, which is signed, has none
}

// maxPrograms bounds of how many programs that differ the causes are looked for,
// maxProgram their sizes, and maxListed how many files that differ are listed.
const (
	maxPrograms = 4
	maxProgram  = 1 << 30
	maxListed   = 100
	maxLine     = 800
)

// Compare compares at every level. The outcome has no environment yet; the results
// are the links of a report.
func Compare(ctx context.Context, in Rebuilt) (Outcome, []verify.Result, error) {
	out := Outcome{Project: in.Record.Project, Version: in.Record.Version, Cells: []Cell{}, Indexes: []Index{}}
	out.Environment.Compilers = []Compiler{}
	var results []verify.Result
	indexes, after := in.indexes()
	out.Indexes = append(out.Indexes, indexes...)
	for _, want := range in.Record.Cells {
		if !slices.Contains(in.Cells, want.String()) {
			continue
		}
		c := &cell{in: in, want: want}
		if why, not := in.NotBuilt[want.String()]; not {
			c.notBuilt(why, after[want.String()])
		} else {
			got, ok := in.Made.Cell(want.String())
			if !ok {
				return out, nil, fmt.Errorf("cell %s was built and is not among what was made", want)
			}
			c.got = got
			if err := c.compare(ctx, after[want.String()]); err != nil {
				return out, nil, err
			}
		}
		out.Cells = append(out.Cells, c.outcome())
		out.Environment.Compilers = append(out.Environment.Compilers, c.compilers...)
		results = append(results, c.results...)
	}
	out.Environment.Compilers = sortCompilers(out.Environment.Compilers)
	return out, results, ctx.Err()
}

// indexes compares the index of each lineage of which every cell was asked for.
// The result belongs to each of its cells.
func (in Rebuilt) indexes() ([]Index, map[string]*verify.Result) {
	var out []Index
	links := map[string]*verify.Result{}
	for _, lineage := range lineages(in.Record) {
		var cells []release.RecordCell
		whole := true
		for _, c := range in.Record.Cells {
			if c.Lineage == lineage {
				cells = append(cells, c)
				whole = whole && slices.Contains(in.Cells, c.String())
			}
		}
		if !whole {
			continue
		}
		ix := Index{Lineage: lineage, Image: cells[0].Image, Digest: cells[0].IndexDigest, Verdict: Skipped, Why: "not every cell of lineage " + lineage + " was built"}
		if slices.Contains(in.Whole, lineage) {
			ix.Why = ""
			for _, c := range in.Made.Cells {
				if c.Lineage == lineage {
					ix.Got = c.IndexDigest
				}
			}
			ix.Verdict = verdict(ix.Digest == ix.Got)
		}
		out = append(out, ix)
		for _, c := range cells {
			r := result(c, verify.LinkIndex, c.Image, Comparison{Verdict: ix.Verdict, Why: ix.Why, Expected: ix.Digest, Got: ix.Got})
			links[c.String()] = &r
		}
	}
	return out, links
}

func lineages(r release.Record) []string {
	var out []string
	for _, c := range r.Cells {
		if !slices.Contains(out, c.Lineage) {
			out = append(out, c.Lineage)
		}
	}
	return out
}

func verdict(same bool) Verdict {
	if same {
		return Same
	}
	return Differs
}

// cell is one cell while it is compared.
type cell struct {
	in        Rebuilt
	want, got release.RecordCell
	not       NotBuilt // if it was not
	compared  []Comparison
	results   []verify.Result
	compilers []Compiler
}

func (c *cell) outcome() Cell {
	w := c.want
	out := Cell{Name: w.String(), Lineage: w.Lineage, Platform: w.Platform, Asset: w.Asset, Image: w.Image, Verdict: Skipped, Why: c.not.Why, Compared: c.compared}
	switch {
	case c.not.Failed:
		out.Verdict = Failed
	case c.not.Why == "":
		var all []Verdict
		for _, x := range c.compared {
			all = append(all, x.Verdict)
		}
		for _, r := range c.results { // modes and links have no digest of their own
			if r.Status == verify.Fail && r.Link != verify.LinkIndex {
				all = append(all, Differs)
			}
		}
		out.Verdict = worst(all...)
	}
	return out
}

// result is a comparison as a link of a report.
func result(c release.RecordCell, link, subject string, x Comparison) verify.Result {
	r := verify.Result{Cell: c.String(), Link: link, Subject: subject, Status: verify.Pass, Detail: x.Expected.String() + ", as in " + release.RecordFile}
	switch x.Verdict {
	case Differs:
		class := verify.Differs
		r.Status, r.Class, r.Detail = verify.Fail, &class, "differs from "+release.RecordFile
		r.Expected, r.Got = orNothing(x.Expected), orNothing(x.Got)
	case Skipped:
		class := verify.Incomplete
		r.Status, r.Class, r.Detail = verify.Skip, &class, x.Why
	case Same:
	}
	return r
}

func orNothing(d release.Digest) string {
	if d.IsZero() {
		return "nothing"
	}
	return d.String()
}

// notBuilt notes that the cell could not be built.
func (c *cell) notBuilt(not NotBuilt, index *verify.Result) {
	c.not = not
	built := result(c.want, verify.LinkBuilt, c.want.Asset, Comparison{Verdict: Skipped, Why: not.Why})
	if not.Failed {
		class := verify.Failed
		built.Status, built.Class = verify.Fail, &class
	}
	built.Output = not.Last
	c.add(built)
	for _, link := range []string{verify.LinkProgram, verify.LinkLayers, verify.LinkManifest, verify.LinkIndex, verify.LinkTar, verify.LinkRebuilt} {
		if link == verify.LinkIndex {
			c.addIndex(index)
			continue
		}
		c.add(result(c.want, link, c.want.Asset, Comparison{Verdict: Skipped, Why: "the cell was not built"}))
	}
	for _, p := range c.want.Packages {
		c.add(result(c.want, verify.LinkRepackaged, p.Asset, Comparison{Verdict: Skipped, Why: "the cell was not built"}))
	}
}

func (c *cell) add(r verify.Result) { c.results = append(c.results, r) }

func (c *cell) addIndex(r *verify.Result) {
	if r != nil {
		c.add(*r)
	}
}

// note adds a comparison of two digests.
func (c *cell) note(level Level, name string, expected, got release.Digest) Comparison {
	x := Comparison{Level: level, Name: name, Verdict: verdict(expected == got), Expected: expected, Got: got}
	c.compared = append(c.compared, x)
	return x
}

// compare compares the levels from the bottom up.
func (c *cell) compare(ctx context.Context, index *verify.Result) error {
	w, g := c.want, c.got
	c.add(verify.Result{Cell: w.String(), Link: verify.LinkBuilt, Subject: w.Asset, Status: verify.Pass, Detail: "build_cmd succeeded"})
	if err := c.program(ctx); err != nil {
		return err
	}
	if w.Layers != nil {
		c.layers()
	}
	if w.ConfigDigest != nil {
		var got release.Digest
		if g.ConfigDigest != nil {
			got = *g.ConfigDigest
		}
		c.note(LevelConfig, "image configuration", *w.ConfigDigest, got)
	}
	m := result(w, verify.LinkManifest, w.Image, c.note(LevelManifest, "manifest of "+w.Platform.String(), w.ManifestDigest, g.ManifestDigest))
	if m.Status == verify.Fail && slices.Equal(w.Layers, g.Layers) {
		m.Causes = []string{"the layers are the same and the image's configuration is not: compare image, maintainers and epoch in config.json"}
	}
	c.add(m)
	c.addIndex(index)
	c.add(result(w, verify.LinkTar, strings.TrimSuffix(w.Asset, ".gz"), c.note(LevelTar, strings.TrimSuffix(w.Asset, ".gz"), w.TarSHA256.Digest, g.TarSHA256.Digest)))
	if err := c.file(ctx); err != nil {
		return err
	}
	for _, p := range w.Packages {
		var got release.Digest
		if i := slices.IndexFunc(g.Packages, func(o release.RecordPackage) bool { return o.Asset == p.Asset }); i >= 0 {
			got = g.Packages[i].FileSHA256.Digest
		}
		c.add(result(w, verify.LinkRepackaged, p.Asset, c.note(LevelPackage, p.Asset, p.FileSHA256.Digest, got)))
	}
	return nil
}

func (c *cell) layers() {
	w, g := c.want.Layers, c.got.Layers
	var first *Comparison
	for i := range max(len(w), len(g)) {
		var x, y release.Digest
		if i < len(w) {
			x = w[i]
		}
		if i < len(g) {
			y = g[i]
		}
		if one := c.note(LevelLayer, fmt.Sprintf("layer %d", i+1), x, y); one.Verdict == Differs && first == nil {
			first = &one
		}
	}
	r := verify.Result{Cell: c.want.String(), Link: verify.LinkLayers, Subject: c.want.Image, Status: verify.Pass, Detail: text.Count(len(w), "layer") + " as in " + release.RecordFile}
	if first != nil {
		r = result(c.want, verify.LinkLayers, c.want.Image, *first)
		r.Field = first.Name
		r.Detail = first.Name + " " + r.Detail
	}
	c.add(r)
}

// program compares the files that the tarball holds.
func (c *cell) program(ctx context.Context) error {
	want, got := files(c.want.Entries), files(c.got.Entries)
	var names []string
	for name := range want {
		names = append(names, name)
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var differ []string
	var first *Comparison
	for _, name := range names {
		w, g := want[name], got[name]
		if same := digestOf(w) == digestOf(g); same && w.Mode&0o111 == 0 || !same && len(differ) >= maxListed {
			continue
		}
		if x := c.note(LevelProgram, name, digestOf(w), digestOf(g)); x.Verdict == Differs {
			differ = append(differ, name)
			if first == nil {
				first = &x
			}
		}
	}
	r := verify.Result{Cell: c.want.String(), Link: verify.LinkProgram, Subject: c.want.Path, Status: verify.Pass, Detail: text.Count(len(names), "file") + " as in release.json"}
	if lines := verify.EntryDifferences(c.want.Entries, c.got.Entries); len(lines) > 0 {
		if first == nil {
			first = &Comparison{Verdict: Differs}
		}
		r = result(c.want, verify.LinkProgram, c.want.Path, *first)
		r.Differences = lines
		if r.Field = first.Name; r.Field == "" {
			r.Expected, r.Got, r.Detail = "", "", "every file has the same bytes; names, modes or links differ"
		} else {
			r.Detail = text.Show(first.Name) + " " + r.Detail
			if len(lines) == 1 { // it says the same
				r.Differences = nil
			}
		}
	}
	var err error
	r.Causes, err = c.origins(ctx, differ)
	c.add(r)
	return err
}

// files are the regular files among entries, by name.
func files(entries []release.RecordEntry) map[string]release.RecordEntry {
	out := map[string]release.RecordEntry{}
	for _, e := range entries {
		if e.Type == release.EntryFile && e.SHA256 != nil {
			out[e.Name] = e
		}
	}
	return out
}

func digestOf(e release.RecordEntry) release.Digest {
	if e.SHA256 == nil {
		return release.Digest{}
	}
	return e.SHA256.Digest
}

// origins says of programs that differ in what their builds did, and collects the
// compilers that programs name.
func (c *cell) origins(ctx context.Context, differ []string) ([]string, error) {
	var programs []string
	for _, e := range c.got.Entries {
		if e.Type == release.EntryFile && e.Mode&0o111 != 0 && len(programs) < maxPrograms {
			programs = append(programs, e.Name)
		}
	}
	for _, name := range differ {
		if len(programs) < 2*maxPrograms && !slices.Contains(programs, name) {
			programs = append(programs, name)
		}
	}
	built, err := c.contents(ctx, filepath.Join(c.in.MadeDir, c.got.Asset), c.got, programs)
	if err != nil {
		return nil, err
	}
	released := map[string]tarball.Content{}
	if path, err := c.released(); err == nil && len(differ) > 0 {
		if released, err = c.contents(ctx, path, c.want, programs); err != nil {
			return nil, err
		}
	}
	var causes []string
	for _, name := range programs {
		b, ok := built[name]
		if !ok {
			continue
		}
		here, err := executable.ReadOrigin(b, b.Size(), c.in.Paths)
		if err != nil || here == nil {
			continue // malformed, or not a program: then its bytes say it all
		}
		c.compilers = append(c.compilers, compilersOf(*here)...)
		a, ok := released[name]
		if !ok || !slices.Contains(differ, name) {
			continue
		}
		there, err := executable.ReadOrigin(a, a.Size(), nil)
		if err != nil || there == nil {
			continue
		}
		for _, line := range executable.Differences("released", "built here", *there, *here) {
			causes = append(causes, text.Line(text.Show(name)+": "+line, maxLine))
		}
	}
	return causes, nil
}

// compilersOf names what built a program.
func compilersOf(o executable.Origin) []Compiler {
	var out []Compiler
	if o.Go != "" {
		out = append(out, Compiler{Name: "go", Version: text.Line(o.Go, 200)})
	}
	for _, m := range o.Made {
		name, version, found := strings.Cut(m, ": ")
		if !found {
			name, version, _ = strings.Cut(m, " ")
		}
		out = append(out, Compiler{Name: text.Line(name, 200), Version: text.Line(version, 200)})
	}
	return out
}

func sortCompilers(all []Compiler) []Compiler {
	slices.SortFunc(all, func(a, b Compiler) int { return strings.Compare(a.Name+"\x00"+a.Version, b.Name+"\x00"+b.Version) })
	return slices.Compact(all)
}

// errNoTarball says that the release's tarball cannot explain anything.
var errNoTarball = errors.New("the tarball of the release is missing or differs from its checksum")

// released is the path of the release's tarball.
func (c *cell) released() (string, error) {
	path := filepath.Join(c.in.Dist, c.want.Asset)
	d, err := release.DigestFile(path)
	if err != nil || d != c.want.FileSHA256.Digest {
		return "", errNoTarball
	}
	return path, nil
}

// contents reads files out of a tarball, those that it can.
func (c *cell) contents(ctx context.Context, path string, of release.RecordCell, names []string) (map[string]tarball.Content, error) {
	out := map[string]tarball.Content{}
	if len(names) == 0 {
		return out, nil
	}
	f, err := atomicfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t := tar.NewReader(io.LimitReader(z, of.TarSize)) // which is signed
	for len(out) < len(names) && ctx.Err() == nil {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		name, ok := strings.CutPrefix(h.Name, of.Prefix+"/")
		if !ok || h.Typeflag != tar.TypeReg || h.Size > maxProgram || !slices.Contains(names, name) {
			continue
		}
		if out[name], err = c.in.Spool.Add(t); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return out, ctx.Err()
}

// file compares the tarballs, and explains what differs between them.
func (c *cell) file(ctx context.Context) error {
	w, g := c.want, c.got
	x := c.note(LevelFile, w.Asset, w.FileSHA256.Digest, g.FileSHA256.Digest)
	r := result(w, verify.LinkRebuilt, w.Asset, x)
	grade := tarball.Identical
	if x.Verdict == Same {
		r.Detail = "the sources give the same file, byte for byte"
	} else {
		var err error
		if grade, err = c.explain(ctx, &r); err != nil {
			return err
		}
		r.Detail = map[tarball.Grade]string{
			tarball.SameTar:     "the tar stream is the same, its compression differs",
			tarball.SameContent: "every entry has the same bytes, the tar stream around them differs",
			tarball.Differs:     "the sources give other contents",
		}[grade]
	}
	r.Grade = &grade
	c.add(r)
	return nil
}

// explain grades a difference. Where the release's tarball is there, it says what
// explains it as well.
func (c *cell) explain(ctx context.Context, r *verify.Result) (tarball.Grade, error) {
	grade := tarball.Differs
	switch {
	case c.want.TarSHA256 == c.got.TarSHA256:
		grade = tarball.SameTar
	case sameContents(c.want.Entries, c.got.Entries):
		grade = tarball.SameContent
	}
	released, err := c.released()
	if err != nil {
		r.Notes = append(r.Notes, err.Error()+": the digests were compared, and no cause was looked for")
		return grade, nil
	}
	var sides [2]tarball.Source
	for i, path := range []string{released, filepath.Join(c.in.MadeDir, c.got.Asset)} {
		f, err := atomicfile.Open(path)
		if err != nil {
			return grade, err
		}
		defer func() { _ = f.Close() }()
		var fi fs.FileInfo
		if fi, err = f.Stat(); err != nil {
			return grade, err
		}
		sides[i] = tarball.FileSource(path, f, fi.Size())
	}
	d, err := tarball.DiffSources(ctx, sides[0], sides[1], tarball.DefaultLimits())
	if err != nil {
		return grade, err
	}
	for _, cause := range d.Causes {
		r.Causes = append(r.Causes, text.Line(fmt.Sprintf("%s: %s (a is the release's, b was built here)", cause.Kind, cause.Detail), maxLine))
	}
	for _, e := range d.Entries {
		switch e.Change {
		case "only in a":
			r.Differences = append(r.Differences, e.Name+": only in the release")
		case "only in b":
			r.Differences = append(r.Differences, e.Name+": only in what was built")
		default:
			for _, f := range e.Fields {
				r.Differences = append(r.Differences, text.Line(e.Name+": "+f.String(), maxLine))
			}
		}
	}
	if n := len(r.Differences) - maxListed; n > 0 {
		r.Differences = append(r.Differences[:maxListed], fmt.Sprintf("and %d more", n))
	}
	return d.Grade, nil
}

// sameContents reports whether both have the same names, types, links and bytes.
func sameContents(a, b []release.RecordEntry) bool {
	key := func(e release.RecordEntry) string {
		return fmt.Sprint(e.Name, "\x00", e.Type, "\x00", e.Link, "\x00", digestOf(e))
	}
	var x, y []string
	for _, e := range a {
		x = append(x, key(e))
	}
	for _, e := range b {
		y = append(y, key(e))
	}
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}
