package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"facerec/internal/atomicfile"
	"facerec/internal/kit"
	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// openedKit is a kit that releases are verified in.
type openedKit struct {
	path string
	file *os.File
	kit  *kit.Kit // nil: step says why
	step *verify.Result

	asked   bool // for the trusted root in it
	root    *verify.TrustedRoot
	rootErr error
}

// kitSuffix ends the names of kits; a kit may have another name.
const kitSuffix = ".kit"

// isKit reports whether a regular file is, or is called, a kit.
func isKit(path string) bool {
	f, err := atomicfile.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return strings.HasSuffix(path, kitSuffix) || kit.Begins(f)
}

// openKit makes a target of each release in a kit, and one of a kit that cannot be
// read.
func openKit(path string) ([]target, error) {
	k := &openedKit{path: path}
	var err error
	k.file, k.kit, err = readKit(path)
	var damaged *kit.DamagedError
	if errors.As(err, &damaged) {
		k.fail(err)
		return []target{{name: path, kit: k}}, nil
	}
	if err != nil {
		return nil, err
	}
	var out []target
	for _, r := range k.kit.Manifest.Releases {
		name := path
		if len(k.kit.Manifest.Releases) > 1 {
			name += ": " + r.Name()
		}
		out = append(out, target{name: name, kit: k, files: k.kit.Files(r)})
	}
	return out, nil
}

// readKit opens a kit; the caller closes the file.
func readKit(path string) (*os.File, *kit.Kit, error) {
	f, err := atomicfile.Open(path)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	k, err := kit.Open(f, fi.Size())
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, k, nil
}

func closeTargets(targets []target) {
	for _, t := range targets {
		if t.kit != nil && t.kit.file != nil {
			_ = t.kit.file.Close() // only read; of several releases in a kit once is enough
		}
	}
}

// images is where the images in the kit are.
func (k *openedKit) images() *oci.Ref { return &oci.Ref{Kind: oci.OCIArchive, Name: k.path} }

func (k *openedKit) fail(err error) {
	class := verify.Differs
	k.step = &verify.Result{Link: verify.LinkKit, Subject: k.path, Status: verify.Fail, Class: &class, Detail: err.Error()}
}

// maxFaults is how many damaged files of a kit a report names.
const maxFaults = 12

// check reads the kit to its end, the first time.
func (k *openedKit) check(ctx context.Context, p *progress) error {
	if k.step != nil {
		return nil
	}
	faults, err := k.kit.Check(ctx, k.path, func(done, total int64) { p.move("kit", done, total) })
	var damaged *kit.DamagedError
	switch {
	case errors.As(err, &damaged):
		k.fail(err)
	case err != nil:
		return err
	case len(faults) > 0:
		first := faults[0]
		k.fail(fmt.Errorf("%s is damaged", first.Name))
		k.step.Field, k.step.Expected, k.step.Got = "sha256 of "+first.Name, first.Expected.Hex(), first.Got.Hex()
		for i, f := range faults[1:] {
			if i == maxFaults {
				k.step.Differences = append(k.step.Differences, fmt.Sprintf("and %d more", len(faults)-1-i))
				break
			}
			k.step.Differences = append(k.step.Differences, f.Name+": sha256 differs too")
		}
	default:
		k.step = &verify.Result{Link: verify.LinkKit, Subject: k.path, Status: verify.Pass,
			Detail: fmt.Sprintf("%d files as %s lists them, and nothing else", len(k.kit.Manifest.Files), kit.ManifestFile)}
	}
	return nil
}

// verifyKitOr is verifyTarget, for a target in a kit too, which is checked first. The
// images that in has are those in the kit, unless --image names others.
func (a *app) verifyKitOr(ctx context.Context, t target, in verify.Input, f verifyFlags, p *progress) (verify.Report, error) {
	if t.kit == nil {
		return a.verifyTarget(ctx, t, in, f)
	}
	if err := t.kit.check(ctx, p); err != nil {
		return verify.Report{}, err
	}
	in.Before = []verify.Result{*t.kit.step}
	if t.kit.kit == nil {
		if in.Progress != nil {
			in.Progress(*t.kit.step)
		}
		return verify.Unopened(in), nil
	}
	var err error
	if f.trust.chosen, err = f.kitRoot.root(a, t.kit); err != nil {
		return verify.Report{}, a.untrusted(err)
	}
	report, err := a.verifyTarget(ctx, t, in, f)
	if err != nil || f.silent {
		return report, err
	}
	return report, a.tellKitRoot(t.kit, report)
}

// tellKitRoot notes that a kit has another trusted root than the one that is used.
func (a *app) tellKitRoot(k *openedKit, report verify.Report) error {
	raw, err := k.kit.Root()
	if err != nil || raw == nil || report.TrustRoot == nil {
		return err
	}
	if d := release.DigestBytes(raw); d != report.TrustRoot.SHA256 {
		a.note("verify: %s has another trusted root (%s), which was not used; --kit-root %s uses it", k.path, d, d)
	}
	return nil
}

// kitRootFlags say when the trusted root in a kit is used.
type kitRootFlags struct {
	digest string
	unsafe bool
}

func (f *kitRootFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.digest, "kit-root", "", "use the trusted root in the kit, which must have this `DIGEST` (sha256:HEX)")
	fl.BoolVar(&f.unsafe, "unsafe-kit-root", false, "use the trusted root in the kit, whatever it is: whoever made the kit chose it")
}

func (f kitRootFlags) given() bool { return f.digest != "" || f.unsafe }

// check refuses flags that do not go together.
func (f kitRootFlags) check(trust trustFlags, targets []target) error {
	switch {
	case !f.given():
		return nil
	case f.digest != "" && f.unsafe:
		return usage("--kit-root and --unsafe-kit-root exclude each other")
	case trust.root != "":
		return usage("--trusted-root names a file: --kit-root and --unsafe-kit-root do not go with it")
	}
	for _, t := range targets {
		if t.kit == nil {
			return usage("--kit-root and --unsafe-kit-root are for kits: %s is none", t.name)
		}
	}
	return nil
}

// root is the trusted root in a kit if a flag asks for it, else nil. A kit is asked
// once.
func (f kitRootFlags) root(a *app, k *openedKit) (*verify.TrustedRoot, error) {
	if k.asked {
		return k.root, k.rootErr
	}
	k.asked = true
	k.root, k.rootErr = f.rootIn(a, k)
	return k.root, k.rootErr
}

func (f kitRootFlags) rootIn(a *app, k *openedKit) (*verify.TrustedRoot, error) {
	raw, err := k.kit.Root()
	if err != nil {
		return nil, err
	}
	if !f.given() {
		return nil, nil //nolint:nilnil // none is asked for
	}
	if raw == nil {
		return nil, text.WithHint(usage("%s has no trusted root", k.path), "give --trusted-root FILE")
	}
	got := release.DigestBytes(raw)
	if f.digest != "" {
		want, err := release.ParseDigest(f.digest)
		if err != nil {
			return nil, usage("--kit-root: %w", err)
		}
		if want != got {
			return nil, &verify.Error{Class: verify.Untrusted, Check: verify.CheckTrustRoot, Field: kit.RootFile + " in " + k.path, Expected: want.String(), Got: got.String()}
		}
	} else {
		a.warn("the trusted root in %s (%s) is used, and whoever made the kit chose it", k.path, got)
	}
	root, err := verify.ParseTrustedRoot(raw)
	if err != nil {
		return nil, err
	}
	return root.From(verify.TrustOrigin{From: verify.FromKit, Source: k.path}, time.Now())
}

// readWithin reads a small file of a release.
func readWithin(files fs.FS, name string, limit int64) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s: expected at most %d bytes", name, limit)
	}
	return raw, err
}
