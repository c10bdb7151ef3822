package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"facerec/internal/loopback"
	"facerec/tools/bench/internal/benchset"
)

// signer is who signs the release.
const signer = "https://github.com/acme/set/.github/workflows/release.yml@refs/tags/v1.0.0"

// chainScript is the whole chain as people walk it today: $1 is the image, $2 where
// to work, $3 the release.
const chainScript = `set -eu
"$COSIGN" verify-blob --bundle "$3/checksums.txt.sigstore.json" --trusted-root "$ROOT" --certificate-identity "$SIGNER" --certificate-oidc-issuer "$ISSUER" "$3/checksums.txt"
` + benchset.VerifyScript

func benchVerify(ctx context.Context, flags *flag.FlagSet, args []string) error {
	s := benchset.Stage{}
	var blobs, cells int
	flags.IntVar(&s.Runs, "n", 3, "runs of each command; 0: verify-blob alone")
	flags.IntVar(&blobs, "blobs", 7, "runs of each verify-blob, which is short")
	flags.IntVar(&cells, "cells", 6, "how many cells: 3 for each lineage")
	flags.IntVar(&s.Weights, "weights", 100, "MB of float weights per lineage")
	flags.StringVar(&s.Dir, "dir", "", "where to work (default: a temporary directory)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	defer s.Close()
	b, err := releasedCells(ctx, &s, cells)
	if err != nil {
		return err
	}
	defer b.sigstore.Close()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	benchset.Head(w)
	if err := b.blob(w, blobs); err != nil {
		return err
	}
	if s.Runs > 0 {
		if err := b.chain(w); err != nil {
			return err
		}
	}
	return w.Flush()
}

// signedRelease is a signed release to be verified.
type signedRelease struct {
	*benchset.Stage
	benchset.Project
	dist     string
	cosign   string
	sigstore *loopback.Sigstore
	trust    []string
}

// releasedCells is a signed release of so many cells, and says on what machine it is.
// The caller closes the stage and the Sigstore.
func releasedCells(ctx context.Context, s *benchset.Stage, cells int) (*signedRelease, error) {
	if s.Lineages = cells / 3; cells < 3 || cells%3 != 0 {
		return nil, fmt.Errorf("%d cells: expected 3, 6, 9 …: a lineage has three platforms", cells)
	}
	b, err := newSignedRelease(ctx, s, "cells")
	if err != nil {
		return nil, err
	}
	benchset.Machine()
	if err := b.release(); err != nil {
		b.sigstore.Close()
		return nil, err
	}
	return b, nil
}

// newSignedRelease opens the stage, starts a Sigstore and makes the images of a set;
// release then signs. The caller closes the stage and the Sigstore.
func newSignedRelease(ctx context.Context, s *benchset.Stage, set string) (_ *signedRelease, err error) {
	cosign, err := loopback.Tool(ctx, "cosign")
	if err != nil {
		return nil, err
	}
	if err := s.Open(ctx); err != nil {
		return nil, err
	}
	services := filepath.Join(s.Dir, "sigstore")
	if err := os.MkdirAll(services, 0o755); err != nil {
		return nil, err
	}
	sigstore, err := loopback.NewSigstore(ctx, services)
	if err != nil {
		return nil, err
	}
	p, err := s.Set(set)
	if err != nil {
		sigstore.Close()
		return nil, err
	}
	return &signedRelease{
		Stage: s, Project: p, dist: filepath.Join(p.Dir, "dist"), cosign: cosign, sigstore: sigstore,
		trust: []string{"--trusted-root", sigstore.TrustedRoot, "--certificate-identity", signer, "--certificate-oidc-issuer", sigstore.URL(signer)},
	}, nil
}

func (b *signedRelease) releaser(args ...string) benchset.Command {
	return benchset.Command{Args: append(append([]string{b.Releaser, "-q", "--config", b.Config()}, args...), b.trust...)}
}

// release packs and signs, which is not measured here.
func (b *signedRelease) release() error {
	token, err := b.sigstore.Token(signer)
	if err != nil {
		return err
	}
	file := filepath.Join(b.Stage.Dir, "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return err
	}
	pack := benchset.Command{Args: []string{b.Releaser, "-q", "--config", b.Config(), "pack", "--image", b.Image, "--out", b.dist}}
	sign := b.releaser("sign", b.dist, "--signing-config", b.sigstore.SigningConfig, "--identity-token", file)
	for _, c := range []benchset.Command{pack, sign} {
		if _, err := b.Measure(c); err != nil {
			return err
		}
	}
	return nil
}

// blob compares the two verify-blobs.
func (b *signedRelease) blob(w *tabwriter.Writer, runs int) error {
	sums := filepath.Join(b.dist, "checksums.txt")
	args := append([]string{"--bundle", sums + ".sigstore.json", sums}, b.trust...)
	before := b.Runs
	b.Runs = runs
	got, err := b.InTurn(filepath.Join(b.Stage.Dir, "scratch"),
		benchset.Command{Args: append([]string{b.cosign, "verify-blob"}, args...)},
		benchset.Command{Args: append([]string{b.Releaser, "-q", "verify-blob"}, args...)})
	b.Runs = before
	if err != nil {
		return err
	}
	benchset.Rows(w, "verify-blob", got[0], got[1])
	return nil
}

// chain compares the whole way from the signature to the bytes.
func (b *signedRelease) chain(w *tabwriter.Writer) error {
	theirs := filepath.Join(b.Stage.Dir, "theirs")
	script := b.Shell(chainScript, theirs, b.dist)
	script.Env = []string{"COSIGN=" + b.cosign, "ROOT=" + b.sigstore.TrustedRoot, "SIGNER=" + signer, "ISSUER=" + b.sigstore.URL(signer)}
	got, err := b.InTurn(theirs, script, b.releaser("verify", b.dist), b.releaser("verify", b.dist, "--fast"))
	if err != nil {
		return err
	}
	benchset.Rows(w, "verify, exact rebuild", got[0], got[1])
	benchset.Rows(w, "verify --fast", got[0], got[2])
	return nil
}
