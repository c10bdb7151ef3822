package main

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/verify"
)

// rebuilderFlags say who must have rebuilt a release.
type rebuilderFlags struct {
	file         string
	require      int
	within       string
	statements   []string
	ignoreFailed bool
}

func (f *rebuilderFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.file, "rebuilders", "", "require that rebuilders listed in `FILE` (JSON) have signed that they got the same bytes")
	fl.IntVar(&f.require, "require", 0, "with --rebuilders: require `K` of them (default: require in the file, or 1)")
	fl.StringVar(&f.within, "rebuilt-within", "", "with --rebuilders: count only rebuilds of the last `DURATION`, such as 90d or 12h")
	fl.StringArrayVar(&f.statements, "rebuild-statement", nil, "with --rebuilders: also consider the signed rebuild in `FILE`; can be repeated")
	fl.BoolVar(&f.ignoreFailed, "ignore-failed-rebuilds", false, "with --rebuilders: do not fail if a listed rebuilder got other bytes")
}

// alone reports whether a flag was given that means nothing without the file.
func (f *rebuilderFlags) alone() bool {
	return f.file == "" && (f.require != 0 || f.within != "" || len(f.statements) > 0 || f.ignoreFailed)
}

// rebuilders reads the file, nil without one.
func (a *app) rebuilders(f rebuilderFlags, now time.Time) (*verify.Rebuilders, error) {
	switch {
	case f.alone():
		return nil, usage("--require, --rebuilt-within, --rebuild-statement and --ignore-failed-rebuilds go with --rebuilders")
	case f.file == "":
		return nil, nil
	case f.require < 0:
		return nil, usage("--require %d: expected a positive number", f.require)
	}
	raw, err := readNamed("rebuilders", f.file)
	if err != nil {
		return nil, err
	}
	r, err := verify.ParseRebuilders(f.file, raw, f.require, func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(f.file), name)
		}
		return readNamed("public key", name)
	})
	if err != nil {
		return nil, err
	}
	r.IgnoreFailed, r.Now = f.ignoreFailed, now
	if f.within != "" {
		if r.Within, err = parseAge(f.within); err != nil {
			return nil, err
		}
	}
	for _, path := range f.statements {
		if !exists(path) {
			return nil, usage("--rebuild-statement %s: not found", path)
		}
		r.Given = append(r.Given, verify.SignatureLayer{Place: path, Read: func(context.Context) ([]byte, error) {
			return atomicfile.ReadFile(path, verify.MaxBundle)
		}})
	}
	return &r, nil
}

// parseAge reads a duration of Go's, or days: "90d".
func parseAge(s string) (time.Duration, error) {
	const day = 24 * time.Hour
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); err == nil && n <= int(time.Duration(1<<63-1)/day) {
			d = time.Duration(n) * day
		}
	}
	if err != nil || d <= 0 {
		return 0, usage("--rebuilt-within %s: expected a duration such as 90d or 12h", s)
	}
	return d, nil
}

// rootOfRebuilders gives rebuilders the trusted root of the release's signer, or if
// that has none the one that would be used.
func (a *app) rootOfRebuilders(r *verify.Rebuilders, p verify.Policy, f trustFlags) (*verify.Rebuilders, error) {
	if r == nil {
		return nil, nil
	}
	with := *r
	with.Root = p.Root
	if with.Root == nil && r.NeedsRoot() {
		var err error
		if with.Root, err = a.trustedRoot(f.root, r.Now); err != nil {
			return nil, err
		}
	}
	return &with, nil
}
