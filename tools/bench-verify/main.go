// Bench-verify measures what verifying costs, beside what people use today.
//
//	go run ./tools/bench-verify [-n 3] [-blobs 7] [-cells 6] [-weights 100] [-dir DIR]
//
// Two comparisons, each in turn, A B A B, medians with their ratios:
//
//   - releaser verify-blob beside the real cosign verify-blob, over the same
//     checksums.txt with the same bundle, trusted root and identity;
//   - releaser verify, exact and with --fast, beside a shell script that does as
//     much with stock tools: cosign verify-blob and sha256sum -c, and once a cell
//     crane export | tar -x, tar | gzip -n | cmp.
//
// Release and images are those of bench-archive's set "cells", signed keyless by a
// whole Sigstore on loopback, which idles while it is measured. Images come from
// distribution's registry on loopback, through a proxy that counts the bytes. CPU
// is the sum over all processes a command waited for, as the kernel accounts it,
// peak memory that of the largest single one.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"

	"facerec/internal/benchset"
	"facerec/internal/loopback"
	"facerec/internal/measure"
)

// signer is who signs the release.
const signer = "https://github.com/acme/set/.github/workflows/release.yml@refs/tags/v1.0.0"

// chainScript is the whole chain as people walk it today: $1 is the image, $2 where
// to work, $3 the release.
const chainScript = `set -eu
"$COSIGN" verify-blob --bundle "$3/checksums.txt.sigstore.json" --trusted-root "$ROOT" --certificate-identity "$SIGNER" --certificate-oidc-issuer "$ISSUER" "$3/checksums.txt"
` + benchset.VerifyScript

func main() {
	measure.Init()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "bench-verify: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	s := benchset.Stage{}
	var blobs, cells int
	flag.IntVar(&s.Runs, "n", 3, "runs of each command")
	flag.IntVar(&blobs, "blobs", 7, "runs of each verify-blob, which is short")
	flag.IntVar(&cells, "cells", 6, "how many cells: 3 for each lineage")
	flag.IntVar(&s.Weights, "weights", 100, "MB of float weights a lineage")
	flag.StringVar(&s.Dir, "dir", "", "where to work (default: a temporary folder)")
	flag.Parse()
	if s.Lineages = cells / 3; cells < 3 || cells%3 != 0 {
		return fmt.Errorf("%d cells: want 3, 6, 9 …: a lineage has three platforms", cells)
	}
	cosign, err := loopback.Tool(ctx, "cosign")
	if err != nil {
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
	benchset.Machine()
	p, err := s.Set("cells")
	if err != nil {
		return err
	}
	b := &bench{
		Stage: &s, Project: p, dist: filepath.Join(p.Dir, "dist"), cosign: cosign, sigstore: sigstore,
		trust: []string{"--trusted-root", sigstore.TrustedRoot, "--certificate-identity", signer, "--certificate-oidc-issuer", sigstore.URL(signer)},
	}
	if err := b.release(); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	benchset.Head(w)
	if err := b.blob(w, blobs); err != nil {
		return err
	}
	if err := b.chain(w); err != nil {
		return err
	}
	return w.Flush()
}

// bench is a signed release to be verified.
type bench struct {
	*benchset.Stage
	benchset.Project
	dist     string
	cosign   string
	sigstore *loopback.Sigstore
	trust    []string
}

func (b *bench) releaser(args ...string) benchset.Command {
	return benchset.Command{Args: append(append([]string{b.Releaser, "-q", "--config", b.Config()}, args...), b.trust...)}
}

// release packs and signs, which is not measured here.
func (b *bench) release() error {
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
func (b *bench) blob(w *tabwriter.Writer, runs int) error {
	sums := filepath.Join(b.dist, "checksums.txt")
	args := append([]string{"--bundle", sums + ".sigstore.json", sums}, b.trust...)
	short := *b.Stage
	short.Runs = runs
	got, err := short.InTurn(filepath.Join(b.Stage.Dir, "scratch"),
		benchset.Command{Args: append([]string{b.cosign, "verify-blob"}, args...)},
		benchset.Command{Args: append([]string{b.Releaser, "-q", "verify-blob"}, args...)})
	if err != nil {
		return err
	}
	benchset.Rows(w, "verify-blob", got[0], got[1])
	return nil
}

// chain compares the whole way from the signature to the bytes.
func (b *bench) chain(w *tabwriter.Writer) error {
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
