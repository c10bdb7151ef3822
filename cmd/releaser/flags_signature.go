package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// signatureFlags name what signs a file: a bundle, or the separate files that
// cosign up to version 2 writes.
type signatureFlags struct {
	bundle, signature, certificate, logEntry string
}

func (f *signatureFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.bundle, "bundle", "", "read the Sigstore bundle, or several, from `FILE`")
	fl.StringVar(&f.signature, "signature", "", "instead of --bundle: read the signature that cosign 2 wrote (.sig) from `FILE`")
	fl.StringVar(&f.certificate, "certificate", "", "with --signature: read the certificate that cosign 2 wrote (.pem) from `FILE`")
	fl.StringVar(&f.logEntry, "log-entry", "", "with --signature: read the transparency log's entry, as Rekor's API gives it, or cosign 2's .bundle, from `FILE`")
}

func (f *signatureFlags) given() bool { return *f != signatureFlags{} }

func (f *signatureFlags) check() error {
	switch {
	case f.bundle != "" && f.signature != "":
		return usage("--bundle and --signature exclude each other")
	case f.signature == "" && (f.certificate != "" || f.logEntry != ""):
		return usage("--certificate and --log-entry go with --signature")
	}
	return nil
}

// read gives the bundle, or makes one of the separate files.
func (f *signatureFlags) read(a verify.Artifact) ([]byte, error) {
	if f.signature == "" {
		return readSigner("bundle", f.bundle)
	}
	var p verify.Parts
	for _, part := range []struct {
		what, path string
		to         *[]byte
	}{{"signature", f.signature, &p.Signature}, {"certificate", f.certificate, &p.Certificate}, {"log entry", f.logEntry, &p.LogEntry}} {
		if part.path == "" {
			continue
		}
		var err error
		if *part.to, err = readSigner(part.what, part.path); err != nil {
			return nil, err
		}
	}
	var err error
	if p.Artifact, err = a.SHA256(); err != nil {
		return nil, err
	}
	b, err := p.Bundle()
	if err != nil {
		err = fmt.Errorf("%s: %w", f.signature, err)
	}
	return b, err
}

// advise adds to a refusal what separate files may lack.
func (f *signatureFlags) advise(err error) error {
	var failed *verify.Error
	if f.signature == "" || f.logEntry != "" || !errors.As(err, &failed) || failed.Check != verify.CheckLog {
		return err
	}
	if f.certificate == "" {
		return text.WithHint(err, "pass what cosign wrote with --bundle FILE, or the entry of Rekor with --log-entry FILE; --unsafe-no-transparency-log accepts the key's signature without")
	}
	return text.WithHint(err, "pass what cosign wrote with --bundle FILE, or the entry of Rekor with --log-entry FILE; without one, nobody can verify this certificate any more")
}

// readSigner reads a file that signs another. Of one that is too large it reads
// only as much as shows that.
func readSigner(what, path string) ([]byte, error) {
	f, err := atomicfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("%s %s: not found", what, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer func(f *os.File) { _ = f.Close() }(f)
	raw, err := io.ReadAll(io.LimitReader(f, verify.MaxBundle+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return raw, nil
}
