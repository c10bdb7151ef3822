package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/attest"
	"facerec/internal/oci"
	"facerec/internal/oci/build"
	"facerec/internal/pack"
	"facerec/internal/rebuild"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
	"facerec/internal/verify"
)

type rebuildFlags struct {
	source    string
	out       string
	verify    verifyFlags // cells, version, project, jobs, and who must have signed
	reachable pageFlags
	attest    attestFlags
}

// rebuildAnswer is what rebuild --json prints. The report is the one of verify.
type rebuildAnswer struct {
	Schema  string           `json:"schema"`
	Outcome *rebuild.Outcome `json:"outcome,omitempty"` // left out if nothing was built
	Report  verify.Report    `json:"report"`

	Attested []attest.SignedRebuild `json:"attested,omitempty"`
}

func (a *app) rebuildVerb() *cobra.Command {
	var f rebuildFlags
	cmd := &cobra.Command{
		Use:   "rebuild DIST|PAGE[@VERSION]",
		Short: "Build a release again from its sources and compare at every level",
		Long: `Verify a release, build it again from its sources, and compare what was built with
what was released. In the sources of the project:

  git checkout v1.0.0
  releaser rebuild https://github.com/OWNER/REPOSITORY@1.0.0

The first argument is the release: its directory (DIST) or its page (PAGE): a
repository on GitHub, Gitea or Forgejo, a web root that publish made, or dir:PATH;
VERSION is the latest stable one unless it is given. The signature is verified first,
and nothing is built unless it holds. The images in the registry are not read: what
is compared is in release.json, which is signed.

The report has one line for each of these, for every cell (a lineage on a platform):

  source        the sources are those that the release names
  built         build_cmd made the cell
  program       the files in the image's directory are the same
  layers        the layers of the image
  manifest      the platform's manifest and its configuration
  index         the index of the lineage, if every cell of it was asked for
  tar           the tar stream in the tarball
  rebuilt       the tarball itself

Look at the first that differs. For programs that differ, the report shows what both
say about their builds: compilers, settings, paths, build IDs.

--source DIR has the sources: a git working tree at the release's commit, without
changes. The commit, config.json and inputs.lock.json must be as the release's
provenance names them; without provenance, the commit must be that of the git tag.
Other sources say nothing about the release: they are a usage error (exit 2).
Sources without git can be built too, but their commit is not checked (exit 5).

This runs build_cmd of the sources, as 'releaser build' does and with no more rights,
in a copy of the commit in a temporary directory (TMPDIR). The sources are not
written to. What git ignores is not copied, except below extern_data.

A cell that this machine cannot build is skipped, with the reason (exit 5): build_cmd
says so with exit status 127 or 126, as a shell does if a command is not found or not
for this machine, such as a cross compiler; and no cell can be built on Windows. Every
other failure is an error (exit 1), named with the command, its exit status and the
last lines that it wrote; the other cells are compared all the same.

--attest signs the outcome: an in-toto statement (a SLSA verification summary) about
the released tarballs, tar streams, manifests and indexes that were compared, with
PASSED or, if they differ, FAILED; compilers, locks and every digest are in it. It
is written next to the release, or for a PAGE to --attest-dir, as
NAME.rebuild.sigstore.json, and replaces nothing. --image REF also attaches it to
the index in a registry. --attest-key signs with a private key; without, signing is
keyless, as 'releaser sign' does it, and --attest-identity and --attest-oidc-issuer
say who signs. 'releaser verify --rebuilders' counts such statements.

The signer of the release is chosen as for 'releaser verify'; the identity in
config.json is that of the sources, and --config names a file in them.`,
		Example: `  releaser rebuild https://github.com/acme/tool@1.0.0
  releaser rebuild dist --source ../tool --cells linux/amd64 --format html --output report.html`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.rebuild(cmd.Context(), args[0], f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.source, "source", ".", "build the sources in `DIR`")
	fl.StringVar(&f.verify.cells, "cells", "all", "build `CELLS`: all, a lineage, a platform, or LINEAGE/OS/ARCH[/VARIANT]; several joined by commas")
	fl.StringVar(&f.out, "out", "", "write what was built to `DIR`, as pack does; an existing release there is replaced")
	fl.StringVar(&f.verify.version, "version", "", "require this `VERSION` of the release")
	fl.IntVar(&f.verify.jobs, "jobs", 0, "build up to `N` cells at the same time, and use N cores to pack (default: one per core)")
	f.verify.report.add(fl)
	f.verify.trust.add(cmd)
	f.verify.limits.add(cmd)
	f.reachable.add(cmd)
	f.attest.add(cmd)
	return cmd
}

// rebuild verifies, builds, compares and reports.
func (a *app) rebuild(ctx context.Context, arg string, f rebuildFlags) (err error) {
	if f.verify.jobs < 0 {
		return usage("--jobs %d: expected a positive number, or 0 for all cores", f.verify.jobs)
	}
	live, err := f.verify.report.check(a.json)
	if err != nil {
		return err
	}
	c, err := a.sources(f.source)
	if err != nil {
		return err
	}
	if err := a.checkAttest(&f, arg); err != nil {
		return err
	}
	if err := notAnInput(f.out, arg, f.source); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "releaser-rebuild-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeTree(tmp)) }()
	say := func(r verify.Result) {
		if live {
			a.sayAll(r.Text())
		}
	}
	dist, report, err := a.released(ctx, c, arg, filepath.Join(tmp, "release"), f, say)
	if err != nil {
		return err
	}
	var outcome *rebuild.Outcome
	if report.Released.Record == nil || report.ExitCode == verify.Untrusted.ExitCode() {
		report.Unchecked = append(report.Unchecked, "nothing was built: the release is not trusted")
		report = report.WithRebuild(nil)
	} else {
		made, results, err := a.rebuilt(ctx, c, dist, report, tmp, f, say)
		if err != nil {
			return err
		}
		outcome, report = &made, report.WithRebuild(results)
	}
	attested, err := a.attestRebuild(ctx, dist, outcome, report, f)
	if err != nil {
		return err
	}
	if f.verify.report.format != "json" {
		err := a.deliver(report, f.verify.report)
		a.sayAttested(attested, f)
		return err
	}
	document, err := text.JSON(rebuildAnswer{"releaser.rebuild/v1", outcome, report, attested})
	if err != nil {
		return err
	}
	return a.deliverAs(document, report, f.verify.report)
}

// notAnInput refuses a directory for what is built that is the release, or holds the
// sources: neither is ever written to.
func notAnInput(out, arg, source string) error {
	if out == "" {
		return nil
	}
	if fi, err := os.Stat(arg); err == nil && !fi.IsDir() {
		arg = filepath.Dir(arg) // of a tarball
	}
	for _, p := range []string{arg, source} {
		if same, err := isSame(out, p); err == nil && same {
			return usage("--out %s: expected another directory than that of the release and that of the sources", text.Show(out))
		}
	}
	return atomicfile.CheckReplaceable(out, release.IsFile)
}

// isSame reports whether two paths lead to the same directory.
func isSame(a, b string) (bool, error) {
	fa, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	fb, err := os.Stat(b)
	return err == nil && os.SameFile(fa, fb), err
}

// sources reads the configuration in the directory of the sources.
func (a *app) sources(dir string) (*chosen, error) {
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		return nil, usage("--source %s: expected the directory of the sources", text.Show(dir))
	}
	if !filepath.IsAbs(a.configFile) {
		a.configFile = filepath.Join(dir, a.configFile)
	}
	if !exists(a.configFile) {
		return nil, text.WithHint(usage("configuration %s not found", a.configFile), "name the directory that has it with --source, or another file in it with --config")
	}
	if inside, err := isInside(a.configFile, dir); err != nil || !inside {
		return nil, usage("--config %s: expected a file in --source %s", a.configFile, text.Show(dir))
	}
	return a.load()
}

// released finds the release, downloads it into temp if it is on a page, and
// verifies it without its images. It returns its directory.
func (a *app) released(ctx context.Context, c *chosen, arg, temp string, f rebuildFlags, say func(verify.Result)) (string, verify.Report, error) {
	in := verify.Input{Images: verify.WithoutImages("rebuilt from source")}
	in.Progress = func(r verify.Result) {
		if !r.ComparesImage() {
			say(r)
		}
	}
	var err error
	if in.Expect, err = f.verify.expectation(); err != nil {
		return "", verify.Report{}, err
	}
	dist := arg
	if isPage(arg) {
		dist = temp
		if in.Cells, err = a.download(ctx, c, arg, temp, f, &in.Expect); err != nil {
			return "", verify.Report{}, a.untrusted(err)
		}
	} else if in.Cells, in.Assets, err = distCells(c, &dist, f.verify.cells); err != nil {
		return "", verify.Report{}, err
	}
	var fallback []verify.CertificateIdentity
	if !f.verify.trust.given() {
		if fallback, err = a.configuredIdentity(c, dist, atomicfile.FS(dist), &in.Expect); err != nil {
			return "", verify.Report{}, a.untrusted(err)
		}
	}
	if in.Policy, err = a.policy(&f.verify.trust, fallback...); err != nil {
		return "", verify.Report{}, a.untrusted(err)
	}
	a.note("rebuild: expecting %s", expected(in.Policy))
	in.Dist = atomicfile.FS(dist)
	in.KeepEntries = true // they are compared with those that are made
	report, err := verify.Release(ctx, in)
	return dist, report, err
}

// distCells finds the directory of a release on this machine, and which of its cells
// or tarballs are meant.
func distCells(c *chosen, dist *string, cells string) (names, assets []string, err error) {
	targets, err := targetsOf([]string{*dist})
	if err != nil {
		return nil, nil, err
	}
	defer closeTargets(targets)
	t := targets[0]
	if t.dist == "" {
		return nil, nil, usage("%s: expected the directory of a release, which has %s", text.Show(*dist), release.ChecksumsFile)
	}
	if t.assets != nil && cells != "all" {
		return nil, nil, usage("--cells and the name of a tarball exclude each other")
	}
	*dist = t.dist
	names, err = verifiedCells(c, t.release(), cells)
	return names, t.assets, err
}

// isPage reports whether an argument is the address of a release page, and not a
// path.
func isPage(arg string) bool {
	return !exists(arg) && (strings.HasPrefix(arg, "dir:") || strings.Contains(arg, "://"))
}

// rebuilt checks the sources, builds the cells and compares them.
func (a *app) rebuilt(ctx context.Context, c *chosen, dist string, report verify.Report, tmp string, f rebuildFlags, say func(verify.Result)) (rebuild.Outcome, []verify.Result, error) {
	fail := func(err error) (rebuild.Outcome, []verify.Result, error) {
		return rebuild.Outcome{}, nil, err
	}
	record := *report.Released.Record
	c.version = record.Version
	tree, named, err := a.checkSources(ctx, c, report.Released, []string{dist, f.out, f.verify.report.output})
	if err != nil {
		return fail(err)
	}
	say(named)
	in := rebuild.Rebuilt{Record: record, Cells: report.Cells(), Dist: dist, NotBuilt: map[string]rebuild.NotBuilt{}, Paths: []string{tmp}}
	for _, name := range in.Cells {
		in.NotBuilt[name] = rebuild.NotBuilt{Why: a.configFile + " has no such cell"}
	}
	for _, cell := range c.config.Cells() { // in the order that they have in an index
		if _, wanted := in.NotBuilt[cell.String()]; wanted {
			delete(in.NotBuilt, cell.String())
			c.cells = append(c.cells, cell)
		}
	}
	copied, err := a.copySources(ctx, c, tree, filepath.Join(tmp, "sources"), []string{dist, f.out, tmp})
	if err != nil {
		return fail(err)
	}
	if in.Spool, err = tarball.NewSpool(tmp); err != nil {
		return fail(err)
	}
	defer in.Spool.Close()
	in.MadeDir = f.out
	if in.MadeDir == "" {
		in.MadeDir = filepath.Join(tmp, "dist")
	}
	if in.Made, err = a.remake(ctx, copied, tmp, &in, f); err != nil {
		return fail(err)
	}
	outcome, results, err := rebuild.Compare(ctx, in)
	if err != nil {
		return fail(err)
	}
	for _, r := range results {
		say(r)
	}
	outcome.Checksums = report.Released.Checksums
	outcome.Environment.Releaser, outcome.Environment.System = version, runtime.GOOS+"/"+runtime.GOARCH
	outcome.Environment.Commit, outcome.Environment.Inputs = tree.Commit, tree.Inputs
	var compiler release.Digest
	if outcome.Environment.Go, compiler, err = goHere(ctx, copied.root); err != nil {
		a.note("rebuild: %v", err)
	}
	for i, by := range outcome.Environment.Compilers {
		if by.Name == "go" && by.Version == outcome.Environment.Go {
			outcome.Environment.Compilers[i].SHA256 = compiler
		}
	}
	return outcome, append([]verify.Result{named}, results...), nil
}

// remake builds and packs the cells that can be built here. It notes why the others
// were not.
func (a *app) remake(ctx context.Context, c *chosen, tmp string, in *rebuild.Rebuilt, f rebuildFlags) (release.Record, error) {
	plan := &build.Plan{Config: c.config, Version: c.version, Cells: c.cells, Root: c.root, Spool: in.Spool}
	snapshots, failed, err := a.snapshots(ctx, c, plan, true, f.verify.jobs)
	switch {
	case ctx.Err() != nil:
		return release.Record{}, ctx.Err()
	case err != nil: // nothing can be built on this machine
		for _, cell := range c.cells {
			in.NotBuilt[cell.String()] = rebuild.NotBuilt{Why: text.Line(err.Error(), 400)}
		}
		return release.Record{}, nil
	}
	var taken []build.Snapshot
	plan.Cells = nil
	for i, cell := range c.cells {
		if failed[i] != nil {
			in.NotBuilt[cell.String()] = notBuilt(failed[i])
			continue
		}
		plan.Cells, taken = append(plan.Cells, cell), append(taken, snapshots[i])
	}
	if len(plan.Cells) == 0 {
		return release.Record{}, nil
	}
	for _, l := range c.config.Lineages {
		if !slices.ContainsFunc(c.config.Cells(), func(x release.Cell) bool { return x.Lineage == l && !slices.Contains(plan.Cells, x) }) {
			in.Whole = append(in.Whole, l.Name)
		}
	}
	layout := filepath.Join(tmp, "oci")
	if _, err := plan.Layout(ctx, layout, taken); err != nil {
		return release.Record{}, err
	}
	locks, err := pack.ReadLocks(c.root, c.config.Inputs)
	if err != nil {
		return release.Record{}, usageError(err)
	}
	record, err := pack.Release(ctx, pack.Input{
		Config: c.config, Version: c.version, Cells: plan.Cells, Root: c.root, Locks: locks,
		Images: oci.Ref{Kind: oci.Layout, Name: layout}, Access: a.access(), Limits: f.verify.limits.limits(), Workers: f.verify.jobs,
		Notice: func(line string) { a.note("pack: %s", line) },
	}, in.MadeDir)
	if err != nil {
		return release.Record{}, err
	}
	return record, pack.ReadEntries(&record, in.MadeDir)
}

// notBuilt says why there is nothing of a cell, and whether that is for want of what
// this machine does not have.
func notBuilt(err error) rebuild.NotBuilt {
	not := rebuild.NotBuilt{Why: text.Line(err.Error(), 400), Failed: true}
	var failed *buildError
	if errors.As(err, &failed) {
		not.Failed, not.Last = !failed.cannotBuild(), failed.last
	}
	return not
}

// removeTree removes a directory, also what a build made read-only in it.
func removeTree(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	werr := filepath.WalkDir(dir, func(path string, d os.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil // RemoveAll says what remains
	})
	if err = errors.Join(werr, os.RemoveAll(dir)); err != nil {
		return fmt.Errorf("temporary directory %s: %w", dir, err)
	}
	return nil
}
