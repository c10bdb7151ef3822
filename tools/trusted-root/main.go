// Trusted-root renews the trusted root of the public-good Sigstore that releaser
// carries, and shows who signed it.
//
//	go run ./tools/trusted-root [--dir internal/verify/roots] [--version VERSION] [--metadata DIR]
//	go run ./tools/trusted-root --check [--dir internal/verify/roots]
//
// It has the npm client fetch the package by its name, and takes a root of TUF and
// trusted_root.json out of seeds.json. npm's word for them is not enough. go-tuf
// goes up from the root that sigstore-go carries, through the roots in
// public-good.tuf, to the package's: each must be signed by the one before. Then
// targets.json must be signed by that root's targets role and list trusted_root.json
// with its hash.
//
// The package has no targets.json and no roots between. As long as the target does
// not change, those that are carried will do. Where they do not, the TUF repository
// is asked, as any client of TUF asks it; or DIR is searched for N.root.json and
// targets.json, where the repository cannot be reached (a clone of its sources has
// them).
//
// Nothing is written unless all of it could be fetched and proven. Refused: an older
// root, older targets, a root that has expired. What has changed goes to standard
// output, for somebody to read before it is committed, and then what is proven and
// what is not. --check says that of the carried files, without npm or network; the
// expiry of the root is then left to the program that uses it.
//
// Exit codes: 0 done, changed or not · 1 could not do it, or not proven · 2 usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
	"facerec/internal/trust"
	"facerec/internal/verify"
)

const (
	dataFile    = "public-good.json"
	recordFile  = "public-good.origin.json"
	evidenceDir = "public-good.tuf"
	targetsFile = "targets.json"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], time.Now(), os.Stdout, os.Stderr)
	stop()
	var wrong usageError
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "trusted-root: %v\n", err)
		os.Exit(2)
	}
	fmt.Fprintf(os.Stderr, "trusted-root: %v\n", err)
	os.Exit(1)
}

type usageError struct{ error }

// request says what to renew, and by what.
type request struct {
	dir, version string
	metadata     string // directory; "" to ask the repository
	repository   string
	anchor       []byte // nil for the one that sigstore-go carries
	now          time.Time
}

func run(ctx context.Context, args []string, now time.Time, out, errs io.Writer) error {
	r := request{now: now}
	fl := flag.NewFlagSet("trusted-root", flag.ContinueOnError)
	fl.SetOutput(errs)
	fl.StringVar(&r.dir, "dir", filepath.Join("internal", "verify", "roots"), "`DIR` of the files")
	fl.StringVar(&r.version, "version", "latest", "`VERSION` of the package")
	fl.StringVar(&r.metadata, "metadata", "", "`DIR` with N.root.json and targets.json, instead of asking the repository")
	fl.StringVar(&r.repository, "repository", trust.PublicGood, "`URL` of the TUF repository, as the package has it")
	anchor := fl.String("root", "", "root.json `FILE` to begin with (default: the one that sigstore-go carries)")
	check := fl.Bool("check", false, "renew nothing: say what is proven of the files that are there")
	if err := fl.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil || fl.NArg() > 0 {
		return usageError{errors.New("expected [--check] [--dir DIR] [--version VERSION] [--metadata DIR] [--repository URL] [--root FILE]")}
	}
	begins := "sigstore-go carries"
	if *anchor != "" {
		var err error
		if r.anchor, err = atomicfile.ReadFile(*anchor, maxMetadata); err != nil {
			return usageError{err}
		}
		begins = "--root names"
	}
	before, err := readRoot(r.dir)
	if err != nil {
		return err
	}
	if *check {
		proof, err := r.check(before)
		if err == nil {
			say(out, proof, begins)
		}
		return err
	}
	after, proof, err := r.renew(ctx, before)
	if err != nil {
		return err
	}
	if err := after.write(r.dir, before); err != nil {
		return err
	}
	if err := difference(out, before, after); err != nil {
		return err
	}
	say(out, proof, begins)
	return nil
}

// check holds the files that are there to each other.
func (r request) check(c carried) (trust.Proof, error) {
	if c.data == nil {
		return trust.Proof{}, fmt.Errorf("%s: has no %s", r.dir, recordFile)
	}
	proof, err := c.evidence.prove(r.anchor, c.data)
	if err != nil {
		return trust.Proof{}, err
	}
	if got := release.DigestBytes(c.data); got != c.record.SHA256 {
		return trust.Proof{}, fmt.Errorf("%s: expected %s, got %s", dataFile, c.record.SHA256, got)
	}
	if want, got := carriedTUF(proof.Root), c.record.TUFRoot; want != got {
		return trust.Proof{}, fmt.Errorf("%s: tuf_root: expected %+v, got %+v", recordFile, want, got)
	}
	if want, got := carriedTUF(proof.Targets), c.record.TUFTargets; want != got {
		return trust.Proof{}, fmt.Errorf("%s: tuf_targets: expected %+v, got %+v", recordFile, want, got)
	}
	return proof, nil
}

func carriedTUF(m trust.Metadata) verify.CarriedTUF {
	return verify.CarriedTUF{Version: m.Version, Expires: m.Expires}
}

// renew gets the package, and proves what is in it.
func (r request) renew(ctx context.Context, before carried) (carried, trust.Proof, error) {
	tmp, err := os.MkdirTemp("", "trusted-root-")
	if err != nil {
		return carried{}, trust.Proof{}, err
	}
	defer os.RemoveAll(tmp)
	p, err := npmPack(ctx, tmp, packageName+"@"+r.version)
	if err != nil {
		return carried{}, trust.Proof{}, err
	}
	c, err := p.seed(filepath.Join(tmp, p.Filename), r.repository)
	if err != nil {
		return carried{}, trust.Proof{}, fmt.Errorf("%s %s: %w", packageName, p.Version, err)
	}
	after, proof, err := r.prove(ctx, before, c)
	if err != nil {
		return carried{}, trust.Proof{}, fmt.Errorf("%s %s: %w", packageName, p.Version, err)
	}
	published, err := npmPublished(ctx, p.Version)
	after.record.Package, after.record.Version, after.record.Integrity, after.record.Published = packageName, p.Version, p.Integrity, published
	return after, proof, err
}

// prove shows who signed what the package has, by what is carried, or else by what
// the repository or a directory has besides.
func (r request) prove(ctx context.Context, before carried, c seed) (carried, trust.Proof, error) {
	tr, err := verify.ParseTrustedRoot(c.data)
	if err != nil {
		return carried{}, trust.Proof{}, err
	}
	root, err := trust.RootHead(c.root)
	if err != nil {
		return carried{}, trust.Proof{}, err
	}
	if was := before.record.TUFRoot.Version; root.Version < was {
		return carried{}, trust.Proof{}, fmt.Errorf("has TUF root %d, older than %d, which %s is of", root.Version, was, dataFile)
	}
	known, err := before.evidence.and(evidence{roots: map[int64][]byte{root.Version: c.root}})
	if err != nil {
		return carried{}, trust.Proof{}, err
	}
	proof, err := known.prove(r.anchor, c.data)
	if err != nil {
		if known, err = r.more(ctx, known, c.data, err); err != nil {
			return carried{}, trust.Proof{}, err
		}
		if proof, err = known.prove(r.anchor, c.data); err != nil {
			return carried{}, trust.Proof{}, err
		}
	}
	if was := before.record.TUFTargets.Version; proof.Targets.Version < was {
		return carried{}, trust.Proof{}, fmt.Errorf("TUF targets %d are older than %d, which are carried", proof.Targets.Version, was)
	}
	for _, m := range []trust.Metadata{proof.Root, proof.Targets} {
		if !m.Expires.After(r.now) {
			return carried{}, trust.Proof{}, fmt.Errorf("TUF %s %d expired at %s", m.Role, m.Version, m.Expires.Format(time.RFC3339))
		}
	}
	return carried{data: c.data, evidence: known.after(proof.Anchor), record: verify.CarriedOrigin{
		Target: target, SHA256: tr.Origin().SHA256, TUFRoot: carriedTUF(proof.Root), TUFTargets: carriedTUF(proof.Targets),
	}}, proof, nil
}

// more adds to evidence that did not do.
func (r request) more(ctx context.Context, known evidence, data []byte, why error) (evidence, error) {
	var other evidence
	var err error
	from := r.repository
	if r.metadata != "" {
		from = r.metadata
		other, err = readEvidence(r.metadata)
	} else {
		other, err = r.ask(ctx, data)
	}
	if err != nil {
		return evidence{}, fmt.Errorf("not proven by what is carried: %w; and %s does not help: %w", why, from, err)
	}
	return known.and(other)
}
