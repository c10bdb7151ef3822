package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"facerec/internal/atomicfile"
	"facerec/internal/checksum"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// besideBundles are the suffixes of files that sign a list, the first that is found
// being used; cosign 2 and goreleaser's documentation have the later ones.
var besideBundles = []string{".sigstore.json", ".sigstore", ".bundle", ".cosign.bundle", ".jsonl"}

// besideCertificates are the suffixes of a certificate that goes with LIST.sig.
var besideCertificates = []string{".pem", ".crt", ".cert"}

// verifyList checks files of a release that others made, by the list that
// --checksums names.
func (a *app) verifyList(ctx context.Context, args []string, f verifyFlags) error {
	switch {
	case f.image != "" || f.signatures || f.fast || f.platform != "" || f.path != "" || f.cells != "" && f.cells != "all":
		return usage("--checksums compares files with a list alone: --image, --image-signatures, --cells, --platform, --path and --fast do not go with it")
	case f.rebuilders.file != "" || f.rebuilders.alone():
		return usage("--rebuilders does not go with --checksums")
	case f.version != "" || f.project != "":
		return usage("--version and --project do not go with --checksums: a list says of neither")
	case !f.trust.given():
		return text.WithHint(usage("--checksums: no expected signer"), "pass --key FILE, or --certificate-identity and --certificate-oidc-issuer")
	}
	if err := f.signed.check(); err != nil {
		return err
	}
	live, err := f.report.check(a.json)
	if err != nil {
		return err
	}
	dist, assets, err := listTarget(args)
	if err != nil {
		return err
	}
	list := f.checksums
	if !exists(list) && exists(filepath.Join(dist, list)) {
		list = filepath.Join(dist, list)
	}
	policy, err := a.policy(&f.trust)
	if err != nil {
		return a.untrusted(err)
	}
	raw, err := atomicfile.ReadFile(list, checksum.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return usage("checksums %s: not found", f.checksums)
	}
	if err != nil {
		return err
	}
	l := verify.SumList{Name: filepath.Base(list), Data: raw}
	signed := f.signed
	if !signed.given() {
		signed = besideList(list)
	}
	if signed.given() {
		l.BundleName = filepath.Base(signed.bundle + signed.signature)
		if l.Bundle, err = signed.read(verify.Data(bytes.NewReader(raw))); err != nil {
			return err
		}
	}
	for _, path := range []string{list, signed.bundle, signed.signature, signed.certificate, signed.logEntry} {
		if rel, err := filepath.Rel(dist, path); path != "" && err == nil {
			l.Own = append(l.Own, filepath.ToSlash(rel))
		}
	}
	a.note("verify: expecting %s", expected(policy))
	in := verify.Input{Dist: atomicfile.FS(dist), Policy: policy, Assets: assets}
	in.Progress = func(s verify.Result) {
		if live {
			a.sayAll(s.Text())
		}
	}
	report, err := verify.List(ctx, in, l)
	if err != nil {
		return err
	}
	return a.deliver(report, f.report)
}

// besideList finds what signs a list by the names that are in use.
func besideList(list string) signatureFlags {
	for _, suffix := range besideBundles {
		if exists(list + suffix) {
			return signatureFlags{bundle: list + suffix}
		}
	}
	if !exists(list + ".sig") {
		return signatureFlags{}
	}
	f := signatureFlags{signature: list + ".sig"}
	for _, suffix := range besideCertificates {
		if exists(list + suffix) {
			f.certificate = list + suffix
			break
		}
	}
	return f
}

// listTarget is the directory that is verified, and the files in it that were
// asked for; none means all.
func listTarget(args []string) (dist string, assets []string, err error) {
	for _, arg := range args {
		arg = filepath.Clean(arg)
		fi, err := os.Stat(arg)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil, usage("%s: not found", arg)
		}
		if err != nil {
			return "", nil, err
		}
		dir := arg
		if !fi.IsDir() {
			dir = filepath.Dir(arg)
			assets = append(assets, filepath.Base(arg))
		}
		if dist != "" && (dir != dist || fi.IsDir()) {
			return "", nil, usage("--checksums: expected one directory, or files of one directory")
		}
		dist = dir
	}
	return dist, assets, nil
}
