package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"facerec/internal/loopback"
	"facerec/tools/bench/internal/benchset"
)

// eachScript verifies the releases that standard input names, one call for each.
const eachScript = `set -eu
while read -r dist; do "$@" "$dist" >&2; done`

// lists is what verify --list is measured on.
type lists struct {
	*benchset.Stage
	sigstore *loopback.Sigstore
	verify   []string // the call without what is verified
}

func benchList(ctx context.Context, flags *flag.FlagSet, args []string) error {
	s := benchset.Stage{}
	var releases, program int
	var costs bool
	flags.IntVar(&s.Runs, "n", 3, "runs of each command")
	flags.IntVar(&releases, "releases", 50, "how many releases")
	flags.IntVar(&s.Weights, "weights", 4, "MB of float weights, in all releases")
	flags.IntVar(&s.Small, "small", 60, "small files, in all releases")
	flags.IntVar(&program, "program", 64, "KB of a program, in each release another")
	flags.BoolVar(&costs, "costs", false, "what each part of the work costs, for tools/schedule")
	flags.StringVar(&s.Dir, "dir", "", "where to work (default: a temporary directory)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	defer s.Close()
	if err := s.Open(ctx); err != nil {
		return err
	}
	services := filepath.Join(s.Dir, "sigstore")
	if err := os.MkdirAll(services, 0o755); err != nil {
		return err
	}
	sigstore, err := loopback.NewSigstore(ctx, services)
	if err != nil {
		return err
	}
	defer sigstore.Close()
	l := lists{&s, sigstore, []string{s.Releaser, "-q", "--config", "none.json", "verify", "--json", "--trusted-root", sigstore.TrustedRoot, "--certificate-identity", signer, "--certificate-oidc-issuer", sigstore.URL(signer)}}
	if costs {
		return l.costs()
	}
	return l.compare(releases, program)
}

// make makes releases, and returns their directories and a file that lists them.
func (l lists) make(name string, releases, program int) (names, list string, err error) {
	all, err := l.Versions(name, releases, program)
	if err != nil {
		return "", "", err
	}
	if err := signAll(l.Stage, l.sigstore, all); err != nil {
		return "", "", err
	}
	for _, r := range all {
		names += r.Dist + "\n"
	}
	list = filepath.Join(l.Dir, name+".list")
	return names, list, os.WriteFile(list, []byte(names), 0o644)
}

func (l lists) together(list string, more ...string) benchset.Command {
	return benchset.Command{Args: slices.Concat(l.verify, more, []string{"--list", list})}
}

// compare has a list next to a call for each release.
func (l lists) compare(releases, program int) error {
	names, list, err := l.make("versions", releases, program)
	if err != nil {
		return err
	}
	benchset.Machine()
	fmt.Printf("%d releases of one cell: %d MB in all of them, %d small files too, %d KB in each\n\n", releases, l.Weights, l.Small, program)
	each := func(more ...string) benchset.Command {
		return benchset.Command{Args: slices.Concat([]string{"sh", "-c", eachScript, "sh"}, l.verify, more), Stdin: []byte(names)}
	}
	state := filepath.Join(l.Dir, "scratch", "state")
	got, err := l.InTurn(filepath.Dir(state),
		each(), l.together(list), each("--fast"), l.together(list, "--fast"), l.together(list, "--jobs", "1"),
		l.together(list, "--state", state), l.together(list, "--state", state))
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	benchset.Head(w)
	benchset.Rows(w, fmt.Sprintf("verify of %d, one call each", releases), got[0], got[1])
	benchset.Rows(w, "verify --fast", got[2], got[3])
	benchset.Rows(w, "one core, two", got[4], got[1])
	benchset.Rows(w, "first run with a state, second", got[5], got[6])
	return w.Flush()
}

// costs finds out what the parts of the work cost: lists that differ in one thing
// alone are measured in turn, with one core, and the differences solved.
func (l lists) costs() error {
	const releases, more, small, large = 10, 40, 2, 10 // MB of weights
	const program, bigger = 64, 4096                   // KB of programs
	l.Weights, l.Numbers = small, true
	names, long, err := l.make("base", more, program)
	if err != nil {
		return err
	}
	base := filepath.Join(l.Dir, "short.list")
	if err := os.WriteFile(base, []byte(strings.Join(strings.SplitAfter(names, "\n")[:releases], "")), 0o644); err != nil {
		return err
	}
	l.Weights = large
	_, shared, err := l.make("shared", releases, program)
	if err != nil {
		return err
	}
	l.Weights = small
	_, own, err := l.make("own", releases, bigger)
	if err != nil {
		return err
	}
	l.Programs = true
	_, few, err := l.make("few-programs", releases, program)
	if err != nil {
		return err
	}
	_, many, err := l.make("programs", releases, bigger)
	if err != nil {
		return err
	}
	var commands []benchset.Command
	for _, list := range []string{base, long, shared, own, few, many} {
		commands = append(commands, l.together(list, "--jobs", "1"))
	}
	got, err := l.InTurn(filepath.Join(l.Dir, "scratch"), commands...)
	if err != nil {
		return err
	}
	benchset.Machine()
	// One core: a list of ten is compressed in one call, one of forty in two.
	moreShared := (got[2].CPU - got[0].CPU) / (large - small) // 10 coded, 1 searched
	perOwnMB := releases * float64(bigger-program) / 1024
	moreOwn := (got[3].CPU - got[0].CPU) / perOwnMB      // coded and searched
	morePrograms := (got[5].CPU - got[4].CPU) / perOwnMB // the same of programs
	code := (moreShared - moreOwn) / (releases - 1)
	search := moreOwn - code
	each := (got[1].CPU-got[0].CPU)/(more-releases) - code*small - moreOwn*program/1024 - search*small/(more-releases)
	start := got[0].CPU - releases*(each+code*small+moreOwn*program/1024) - search*small
	fmt.Printf("CPU ms: %.0f for a run, %.1f for each release with %d small files, %.2f for each MB of a tarball's contents, and where no other release has them %.1f more for weights, %.1f for programs\n",
		start*1e3, each*1e3, l.Small, code*1e3, search*1e3, (morePrograms-code)*1e3)
	return nil
}

// signAll signs every release, which is not measured.
func signAll(s *benchset.Stage, sigstore *loopback.Sigstore, all []benchset.Release) error {
	token, err := sigstore.Token(signer)
	if err != nil {
		return err
	}
	file := filepath.Join(s.Dir, "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return err
	}
	for _, r := range all {
		_, serr := s.Measure(benchset.Command{Args: []string{s.Releaser, "-q", "--config", r.Config, "sign", r.Dist,
			"--trusted-root", sigstore.TrustedRoot, "--certificate-identity", signer, "--certificate-oidc-issuer", sigstore.URL(signer),
			"--signing-config", sigstore.SigningConfig, "--identity-token", file}})
		err = errors.Join(err, serr)
	}
	return err
}
