package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"facerec/internal/loopback"
	"facerec/tools/bench/internal/benchset"
)

// eachScript verifies the releases that standard input names, one call for each.
const eachScript = `set -eu
while read -r dist; do "$@" "$dist" >&2; done`

func benchList(ctx context.Context, flags *flag.FlagSet, args []string) error {
	s := benchset.Stage{}
	var releases, program int
	flags.IntVar(&s.Runs, "n", 3, "runs of each command")
	flags.IntVar(&releases, "releases", 50, "how many releases")
	flags.IntVar(&s.Weights, "weights", 4, "MB of float weights, in all releases")
	flags.IntVar(&s.Small, "small", 60, "small files, in all releases")
	flags.IntVar(&program, "program", 64, "KB of a program, in each release another")
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
	all, err := s.Versions(releases, program)
	if err != nil {
		return err
	}
	if err := signAll(&s, sigstore, all); err != nil {
		return err
	}
	benchset.Machine()
	fmt.Printf("%d releases of one cell: %d MB in all of them, %d small files too, %d KB in each\n\n", releases, s.Weights, s.Small, program)
	var names strings.Builder
	for _, r := range all {
		fmt.Fprintln(&names, r.Dist)
	}
	verify := []string{s.Releaser, "-q", "--config", "none.json", "verify", "--json", "--trusted-root", sigstore.TrustedRoot, "--certificate-identity", signer, "--certificate-oidc-issuer", sigstore.URL(signer)}
	list := filepath.Join(s.Dir, "list")
	if err := os.WriteFile(list, []byte(names.String()), 0o644); err != nil {
		return err
	}
	each := func(more ...string) benchset.Command {
		return benchset.Command{Args: append(append([]string{"sh", "-c", eachScript, "sh"}, verify...), more...), Stdin: []byte(names.String())}
	}
	together := func(more ...string) benchset.Command {
		return benchset.Command{Args: append(append([]string{}, verify...), append(more, "--list", list)...)}
	}
	state := filepath.Join(s.Dir, "scratch", "state")
	got, err := s.InTurn(filepath.Dir(state),
		each(), together(), each("--fast"), together("--fast"), together("--jobs", "1"),
		together("--state", state), together("--state", state))
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
