// Trusted-root renews the trusted root of the public-good Sigstore that releaser
// carries.
//
//	go run ./tools/trusted-root [--dir internal/verify/roots] [--version VERSION]
//
// It has the npm client fetch the package by its name, compares the file with the
// integrity that npm reports, takes the target out of seeds.json, and writes
// public-good.json and public-good.origin.json; what has changed goes to standard
// output, for somebody to read before it is committed. Nothing is written unless
// all of it could be fetched, and a package with an older TUF root is refused.
//
// Exit codes: 0 done, changed or not · 1 could not do it · 2 usage.
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
)

const (
	dataFile   = "public-good.json"
	recordFile = "public-good.origin.json"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
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

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	fl := flag.NewFlagSet("trusted-root", flag.ContinueOnError)
	fl.SetOutput(errs)
	dir := fl.String("dir", filepath.Join("internal", "verify", "roots"), "`DIR` of the two files")
	version := fl.String("version", "latest", "`VERSION` of the package")
	if err := fl.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil || fl.NArg() > 0 {
		return usageError{fmt.Errorf("expected [--dir DIR] [--version VERSION]")}
	}
	before, err := readRoot(*dir)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "trusted-root-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	p, err := npmPack(ctx, tmp, packageName+"@"+*version)
	if err != nil {
		return err
	}
	after, err := p.root(filepath.Join(tmp, p.Filename))
	if err != nil {
		return fmt.Errorf("%s %s: %w", packageName, p.Version, err)
	}
	if after.record.TUFRoot.Version < before.record.TUFRoot.Version {
		return fmt.Errorf("%s %s has TUF root %d, older than %d, which %s is of", packageName, p.Version, after.record.TUFRoot.Version, before.record.TUFRoot.Version, dataFile)
	}
	if after.record.Published, err = npmPublished(ctx, p.Version); err != nil {
		return err
	}
	if err := after.write(*dir); err != nil {
		return err
	}
	return difference(out, before, after)
}
