package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/publish"
	"facerec/internal/rebuild"
	"facerec/internal/release"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// download gets the tarballs of the chosen cells, and what vouches for them, from a
// page. It returns the cells.
func (a *app) download(ctx context.Context, c *chosen, arg, dir string, f rebuildFlags, expect *verify.Expectation) ([]string, error) {
	address, wanted, err := pageAndVersion(arg)
	if err != nil {
		return nil, err
	}
	if wanted != "" {
		if expect.Version != "" && expect.Version != wanted {
			return nil, usage("--version %s: expected %s, as in %s", expect.Version, wanted, text.Show(arg))
		}
		expect.Version = wanted
	}
	o, err := a.pageOptions(f.reachable)
	if err != nil {
		return nil, err
	}
	page, err := publish.Open(ctx, address, o)
	if err != nil {
		return nil, badAddress(err)
	}
	partial := filepath.Join(dir, "partial")
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(partial)
	got, err := publish.Fetch(ctx, publish.Fetching{
		Page: page, Dir: dir, Temp: partial, Retry: o.Retry,
		Signed: func(_ context.Context, record release.Record, sums, bundle []byte) error {
			return a.signedOnPage(c, f.verify.trust, record.Version, sums, bundle)
		},
		Wanted: publish.Wanted{
			Version: expect.Version, Choose: func(r release.Record) ([]release.RecordCell, error) { return recordCells(r, f.verify.cells) },
			Also: []string{release.ProvenanceFile}, // verify checks it
		},
		Progress: func(s publish.Step) { a.note("rebuild: %s", stepLine(s, false)) },
	})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, cell := range got.Cells {
		names = append(names, cell.String())
	}
	return names, nil
}

// signedOnPage checks the signature of checksums.txt by the flags, or by the identity in
// the configuration of the sources.
func (a *app) signedOnPage(c *chosen, f trustFlags, v release.Version, sums, bundle []byte) error {
	var fallback []verify.CertificateIdentity
	if !f.given() {
		var err error
		if fallback, err = a.expectedIdentity(c, v); err != nil {
			return err
		}
	}
	_, _, err := a.checkSums(&f, sums, bundle, fallback...)
	return err
}

// recordCells are the cells of a release that --cells means.
func recordCells(r release.Record, patterns string) ([]release.RecordCell, error) {
	var all []release.Cell
	for _, c := range r.Cells {
		all = append(all, release.Cell{Lineage: release.Lineage{Name: c.Lineage}, Platform: c.Platform})
	}
	chosen, err := release.SelectCells(all, patterns)
	if err != nil {
		return nil, usageError(err)
	}
	var out []release.RecordCell
	for _, c := range chosen {
		rc, _ := r.Cell(c.String())
		out = append(out, rc)
	}
	return out, nil
}

// checkSources compares the sources with what the release names, and says so as a
// link of the report.
func (a *app) checkSources(ctx context.Context, c *chosen, of verify.Released, own []string) (rebuild.Sources, verify.Result, error) {
	s := rebuild.Sources{Dir: c.root, Tag: c.version.Tag()}
	link := verify.Result{Link: verify.LinkSource, Subject: text.Show(c.root), Status: verify.Pass}
	named, err := rebuild.NamedBy(of.Provenance)
	if err != nil {
		return s, link, err
	}
	inputs, err := a.inputFiles()
	if err != nil {
		return s, link, err
	}
	for _, in := range inputs {
		s.Inputs = append(s.Inputs, rebuild.Input{Name: in.Name, SHA256: in.Digest})
	}
	if s.Commit, err = commitOf(ctx, a.configFile); err != nil {
		s.NoGit = text.Line(err.Error(), 300)
	}
	if ctx.Err() != nil {
		return s, link, ctx.Err()
	}
	if s.Commit != "" {
		own = slices.DeleteFunc(own, func(p string) bool { return p == "" })
		tree, err := readTree(ctx, c, c.version, append(own, c.artifacts()...))
		if err != nil {
			return s, link, err
		}
		s.Tagged, s.Changes = tree.Tagged, tree.Changes
	}
	compared, gap, err := named.Check(s)
	if err == nil {
		err = sameProject(c, *of.Record)
	}
	if err != nil {
		return s, link, usageError(err)
	}
	link.Detail = compared
	if gap != "" {
		class := verify.Incomplete
		link.Status, link.Class, link.Detail = verify.Skip, &class, gap
		if compared != "" {
			link.Detail += "; as the provenance names them: " + compared
		}
	}
	return s, link, nil
}

// sameProject refuses the configuration of another project or version.
func sameProject(c *chosen, r release.Record) error {
	switch {
	case c.config.ProjectName != r.Project:
		return &rebuild.SourceError{Dir: c.root, What: "project_name", Expected: r.Project, Got: c.config.ProjectName, Advice: "name the project's sources with --source, and its configuration in them with --config"}
	case c.config.Version != "" && c.config.Version != r.Version:
		return &rebuild.SourceError{Dir: c.root, What: "version", Expected: string(r.Version), Got: string(c.config.Version), Advice: "git checkout " + r.Version.Tag()}
	}
	return nil
}

// copySources puts the sources into the directory to and gives the same choice
// there: the commit that was checked, or all files where there is no git. What is in
// the paths skip is not copied.
func (a *app) copySources(ctx context.Context, c *chosen, s rebuild.Sources, to string, skip []string) (*chosen, error) {
	copied := *c
	if s.Commit == "" {
		copied.root = to
		return &copied, copyTree(ctx, c.root, to, skip)
	}
	top, err := git(ctx, c.root, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	below, err := git(ctx, c.root, "rev-parse", "--show-prefix")
	if err != nil {
		return nil, err
	}
	// The copy borrows the objects, has the tags, and runs no hooks.
	if _, err := git(ctx, top, "clone", "--quiet", "--shared", "--no-checkout", "--template=", filepath.FromSlash(top), to); err != nil {
		return nil, err
	}
	if _, err := git(ctx, to, "checkout", "--quiet", "--detach", s.Commit); err != nil {
		return nil, err
	}
	if exists(filepath.Join(to, ".gitmodules")) {
		return nil, text.WithHint(usage("sources in %s: git submodules are not supported", text.Show(c.root)), "give a directory without git that has all files")
	}
	copied.root = filepath.Join(to, filepath.FromSlash(below))
	return &copied, a.copyIgnored(ctx, c, copied.root)
}

// copyIgnored copies those files below extern_data that git ignores: what a project
// fetches, and checks itself, before it builds.
func (a *app) copyIgnored(ctx context.Context, c *chosen, to string) error {
	args := []string{"--literal-pathspecs", "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--"}
	most := len(args)
	for _, cell := range c.cells {
		for _, it := range c.config.ExternData {
			args = append(args, it.Source(c.version, cell))
		}
	}
	if len(args) == most {
		return nil
	}
	list, err := git(ctx, c.root, args...)
	if err != nil {
		return err
	}
	n := 0
	for name := range strings.SplitSeq(list, "\x00") {
		if name == "" {
			continue
		}
		n++
		if err := copySource(filepath.Join(c.root, filepath.FromSlash(name)), filepath.Join(to, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
	if n > 0 {
		a.note("rebuild: also copied: %s below extern_data that git ignores", text.Count(n, "file"))
	}
	return nil
}

// copyTree copies a directory.
func copyTree(ctx context.Context, from, to string, skip []string) error {
	var left []os.FileInfo
	for _, p := range skip {
		if fi, err := os.Stat(p); p != "" && err == nil {
			left = append(left, fi)
		}
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if !d.IsDir() {
			return copySource(path, filepath.Join(to, rel))
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		for _, l := range left {
			if os.SameFile(l, fi) {
				return fs.SkipDir
			}
		}
		return os.MkdirAll(filepath.Join(to, rel), 0o755)
	})
}

// copySource copies a file or a symbolic link, with its time and execute bits.
func copySource(from, to string) (err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	fi, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if fi.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	f, err := atomicfile.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := atomicfile.Write(to, 0o644|fi.Mode()&0o111, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	}); err != nil {
		return err
	}
	return os.Chtimes(to, fi.ModTime(), fi.ModTime())
}

// goHere is the Go that builds in a directory, if it is one of Go's: its version, and
// the hash of its compiler.
func goHere(ctx context.Context, dir string) (v string, compiler release.Digest, err error) {
	if !exists(filepath.Join(dir, "go.mod")) {
		return "", compiler, nil
	}
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOTOOLDIR", "GOEXE")
	cmd.Dir = dir
	out, err := cmd.Output()
	lines := strings.Split(string(out), "\n")
	if err != nil || len(lines) < 3 {
		return "", compiler, fmt.Errorf("go env: %w", err)
	}
	compiler, err = release.DigestFile(filepath.Join(strings.TrimSpace(lines[1]), "compile"+strings.TrimSpace(lines[2])))
	return text.Line(strings.TrimSpace(lines[0]), 100), compiler, err
}
