package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/checksum"
	"facerec/internal/kit"
	"facerec/internal/oci"
	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
	"facerec/internal/verify"
)

type kitCreateFlags struct {
	out       outFlags
	image     string
	source    string
	pins, yes string
	trust     trustFlags
	limits    limitFlags
	reachable pageFlags
	jobs      int
}

func (a *app) kitCreateVerb() *cobra.Command {
	var f kitCreateFlags
	cmd := &cobra.Command{
		Use:   "create PAGE[@VERSION]|DIST… -o FILE",
		Short: "Verify releases and put them into one file with their images",
		Long: `Put each release, from the directory DIST or from its PAGE (as 'releaser fetch' takes
it), into the kit FILE. Its signature is checked first. Then its images are pulled by
digest with everything that refers to them, from where release.json says or from
--image, and the whole chain is verified against these very images. A release that is
not verified, or not completely, is not put in, and no file is written.

You name the expected signer, as for verify and fetch: --certificate-identity and
--certificate-oidc-issuer, --key, config.json, or for a page the file of pins. The
trusted root that the releases are verified by goes into the kit.

The same releases, referrers, rebuilders' attestations, trusted root and --source give
the same bytes, in any order of the arguments, from page or directory, on any machine.
--source DIR adds the files that the provenance of the releases names, such as
config.json and inputs.lock.json, from DIR.`,
		Example: `  releaser kit create https://github.com/acme/tool@1.0.0 -o tool.kit
  releaser kit create dist --image oci-layout:layout --key release.pub --unsafe-no-transparency-log -o tool.kit`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.kitCreate(cmd.Context(), args, f) },
	}
	a.registries.add(cmd)
	f.out.add(cmd)
	f.trust.add(cmd)
	f.limits.add(cmd)
	f.reachable.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.image, "image", "", "look for images in `REF`: REGISTRY/NAME, oci-layout:DIR or oci-archive:FILE")
	fl.StringVar(&f.source, "source", "", "add the sources that the provenance names from `DIR`")
	fl.StringVar(&f.pins, "trust", "", "read pins, which say who signs which page, from `FILE` (default: releaser/releaser.trust.json in the user's configuration directory)")
	fl.StringVar(&f.yes, "yes", "", "accept the pin with this `DIGEST` (sha256:HEX) without asking")
	fl.IntVar(&f.jobs, "jobs", 0, "use `N` cores (default: all)")
	return cmd
}

// trusted is a release whose signature was found good.
type trusted struct {
	dir    string
	policy verify.Policy // that expects this very signer
}

func (a *app) kitCreate(ctx context.Context, args []string, f kitCreateFlags) error {
	if err := f.out.check(); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(f.out.path), atomicfile.Prefix+"kit-")
	if err != nil {
		return &atomicfile.WriteError{Path: f.out.path, Err: err}
	}
	defer os.RemoveAll(temp)
	in := kit.Input{Temp: temp, Sources: f.source, Notice: func(line string) { a.warn("%s", line) }}
	policies := map[string]verify.Policy{} // by the release's name
	var targets []target
	for i, arg := range args {
		t, err := a.trustedRelease(ctx, arg, filepath.Join(temp, fmt.Sprint(i)), f)
		if err != nil {
			return a.untrusted(err)
		}
		if inside, err := isInside(filepath.Dir(f.out.path), t.dir); err != nil || inside {
			return errors.Join(err, usage("%s lies in a release that goes into it", f.out.path))
		}
		record, err := a.recordOf(t.dir)
		if err != nil {
			return err
		}
		policies[recordName(record)] = t.policy
		if t.policy.Root != nil {
			in.Root = t.policy.Root.Data()
		}
		in.Dirs, targets = append(in.Dirs, t.dir), append(targets, target{name: arg, dist: t.dir})
	}
	p := a.progress("kit")
	defer p.close()
	var named []oci.Ref
	if f.image != "" {
		ref, err := oci.ParseRef(f.image)
		if err != nil {
			return usageError(err)
		}
		if ref.Kind == oci.DockerArchive {
			return text.WithHint(usage("--image %s: a docker archive has no digests to go by", f.image), "name a registry or an OCI layout")
		}
		in.Place, named = &ref, []oci.Ref{ref}
	} else {
		named = a.callersWord(targets)
	}
	in.Transfer = a.transfer(p, false, 0, named...)
	in.Transfer.Access.Trusted = in.Place == nil // its signature was found good
	in.Verify = func(ctx context.Context, r release.Record, files fs.FS, images oci.Ref) (verify.Report, error) {
		found, done, err := a.imagesIn(&images, a.accessFor(true), verifyFlags{limits: f.limits, jobs: f.jobs}, p, placesOf(targets)...)
		if err != nil {
			return verify.Report{}, err
		}
		defer done()
		return verify.Release(ctx, verify.Input{
			Dist: files, Policy: policies[recordName(r)], Expect: verify.Expectation{Project: r.Project, Version: r.Version},
			Images: verify.CompareWith(found), Pack: tarball.Options{Workers: f.jobs, Progress: p.move},
		})
	}
	err = a.writeKit(f.out, func(w io.Writer) (kit.Manifest, error) {
		m, err := kit.Create(ctx, in, w)
		p.close()
		return m, err
	})
	var unverified *kit.UnverifiedError
	if errors.As(err, &unverified) {
		return &codedError{unverified.Report.ExitCode, err}
	}
	return err
}

func recordName(r release.Record) string {
	return kit.Release{Project: r.Project, Version: r.Version}.Name()
}

func (a *app) recordOf(dir string) (release.Record, error) {
	raw, err := readWithin(atomicfile.FS(dir), release.RecordFile, maxUnsignedRecord)
	if err != nil {
		return release.Record{}, err
	}
	return release.ParseRecord(raw)
}

// trustedRelease checks the signature of a release before anything is done in its
// name. One on a page is downloaded below temp.
func (a *app) trustedRelease(ctx context.Context, arg, temp string, f kitCreateFlags) (trusted, error) {
	if isPage(arg) {
		return a.trustedPage(ctx, arg, temp, f)
	}
	if fi, err := os.Stat(arg); err != nil || !fi.IsDir() {
		return trusted{}, usage("%s: expected the directory of a release, which has %s, or its page", text.Show(arg), checksum.File)
	}
	return a.trustedDist(arg, f)
}

func (a *app) trustedDist(dir string, f kitCreateFlags) (trusted, error) {
	t := target{name: dir, dist: dir}
	c, err := a.callersConfig(dir)
	if err != nil {
		return trusted{}, err
	}
	var fallback []verify.CertificateIdentity
	var expect verify.Expectation // no version: a kit can have several
	if !f.trust.given() {
		if fallback, err = a.configuredIdentity(c, dir, t.release(), &expect); err != nil {
			return trusted{}, err
		}
	}
	policy, err := a.policy(&f.trust, fallback...)
	if err != nil {
		return trusted{}, err
	}
	a.note("kit: expecting %s", expected(policy))
	got, err := a.exactly(dir, policy)
	if err != nil || c == nil {
		return got, err
	}
	record, err := a.recordOf(dir)
	if err == nil && record.Project != c.config.ProjectName {
		err = &verify.Error{Class: verify.Untrusted, Field: "project of " + dir, Expected: c.config.ProjectName, Got: text.Show(record.Project)}
	}
	return got, err
}

// exactly checks the signature of a release, and expects its signer from then on: two
// people who name one signer in two ways get the same report.
func (a *app) exactly(dir string, p verify.Policy) (trusted, error) {
	files := atomicfile.FS(dir)
	sums, err := readWithin(files, checksum.File, checksum.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return trusted{}, text.WithHint(usage("%s: %s not found", dir, checksum.File), "name the directory of a release, or its page")
	}
	if err != nil {
		return trusted{}, err
	}
	bundle, err := readWithin(files, release.BundleFile, verify.MaxBundle)
	if errors.Is(err, fs.ErrNotExist) {
		return trusted{}, &verify.Error{Class: verify.Untrusted, Check: verify.CheckBundle, Err: fmt.Errorf("%s: %s not found: the release is not signed", dir, release.BundleFile)}
	}
	if err != nil {
		return trusted{}, err
	}
	s, err := verify.Blob(bundle, verify.Data(bytes.NewReader(sums)), p)
	if err != nil {
		return trusted{}, fmt.Errorf("%s: %w", filepath.Join(dir, release.BundleFile), err)
	}
	if p.Key == nil {
		p.Identities = []verify.CertificateIdentity{{SAN: s.SAN, Issuer: s.Issuer}}
	}
	if p.Root != nil {
		root, err := verify.ParseTrustedRoot(p.Root.Data())
		if err != nil {
			return trusted{}, err
		}
		if p.Root, err = root.From(verify.TrustOrigin{From: verify.FromKit, Source: kit.RootFile}, time.Time{}); err != nil {
			return trusted{}, err
		}
	}
	return trusted{dir, p}, nil
}

func (a *app) trustedPage(ctx context.Context, arg, temp string, f kitCreateFlags) (trusted, error) {
	address, wanted, err := pageAndVersion(arg)
	if err != nil {
		return trusted{}, err
	}
	o, err := a.pageOptions(f.reachable)
	if err != nil {
		return trusted{}, err
	}
	page, err := publish.Open(ctx, address, o)
	if err != nil {
		return trusted{}, badAddress(err)
	}
	partial := filepath.Join(temp, "partial")
	dir := filepath.Join(temp, "dist")
	for _, d := range []string{partial, dir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return trusted{}, err
		}
	}
	fetched := fetchFlags{all: true, pins: f.pins, yes: f.yes, verify: verifyFlags{trust: f.trust}}
	s := &signers{a: a, f: &fetched, page: address}
	_, err = publish.Fetch(ctx, publish.Fetching{
		Page: page, Dir: dir, Temp: partial, Signed: s.signed, Retry: o.Retry,
		Wanted:   publish.Wanted{Version: wanted, All: true, Choose: fetched.choose},
		Progress: func(st publish.Step) { a.note("kit: %s", stepLine(st, false)) },
	})
	if err != nil {
		return trusted{}, err
	}
	if err := s.keep(); err != nil {
		return trusted{}, err
	}
	policy, err := a.policy(&fetched.verify.trust) // signed has put the pin's signer in
	if err != nil {
		return trusted{}, err
	}
	return a.exactly(dir, policy)
}
