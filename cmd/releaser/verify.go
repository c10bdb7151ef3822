package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"facerec/internal/oci"
	"facerec/internal/oci/build"
	"facerec/internal/oci/layer"
	"facerec/internal/pack"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
	"facerec/internal/verify"
)

type verifyFlags struct {
	named      []oci.Ref // by the caller, besides image and config.json
	trust      trustFlags
	policy     *verify.Policy // instead of trust, of a verb that has one
	limits     limitFlags
	image      string
	cells      string
	platform   string
	version    string
	project    string
	path       string
	offline    bool
	fast       bool
	signatures bool
	jobs       int
	report     reportFlags
	checksums  string
	signed     signatureFlags
	kitRoot    kitRootFlags
	rebuilders rebuilderFlags
	many       manyFlags
	silent     bool // whom each of many releases is expected from is not printed
}

func (a *app) verifyVerb() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify DIST|KIT… | --list FILE",
		Short: "Verify a release from the signature down to every byte",
		Long: `Verify the chain for every cell, and continue after a failure:

  bundle        checksums.txt is signed by the expected signer
  checksums     checksums.txt can be read and covers the files of the release
  tarball       the file matches its signed digest
  release.json  it names the image that the tarball was made from
  index         the index, by digest, lists the platform's manifest
  manifest      the manifest and its configuration match their digests
  layers        every layer matches its digest and diff ID
  entries       the tarball has the entries that release.json lists
  rebuilt       the image's directory, packed again, gives the same tarball

DIST is the directory of a release, or a tarball. A tarball next to a
checksums.txt is verified as part of that release. Any other tarball is compared
with the image that --image names; nobody signed it, so the result is incomplete
at best (exit 5). Its lineage, version and platform follow from its name, or from
--platform and the tag or digest of --image. A signed release without release.json
is compared with --image in the same way. Several DIST make one report; the run
exits with the worst code.

The expected signer is the identity in config.json, unless --certificate-identity
and --certificate-oidc-issuer, or --key, name another; it is never read from the
release. Images are read from where release.json says, always by digest; --image
names another repository or oci-layout:DIR. --image-signatures also requires a
signature of each image by the same signer. With --offline, no network is used:
images are then read from --image oci-layout:DIR, or not compared (exit 5).

Output is one line per check; --format selects a document instead: json, sarif
(2.1.0) or html. --output writes that document to a file and prints the text. In
GitHub Actions, failed checks are annotated and the step summary gets the table.

KIT is a file that 'releaser kit create' made: the kit itself is checked first (link
kit), then each release in it, with the images in it and without a network. The
trusted root in it is used only with --kit-root or --unsafe-kit-root.

--fast compares the tar stream inside each tarball with the image and does not
compress it again: the contents are verified, the compression is not, and the
report says so.

--rebuilders FILE names independent rebuilders, each by the identity in a
certificate or by a public key, and --require how many of them must have signed that
they built the same tarballs from source ('releaser rebuild --attest'). Their
statements are looked for next to the release (NAME.rebuild.sigstore.json), among the
referrers of the images, and in --rebuild-statement. Whoever signed the release does
not count, and nobody counts twice. A rebuilder who got other bytes is named first,
and fails the run (exit 3) unless --ignore-failed-rebuilds; too few is exit 5, or 4
if a statement was refused.

--checksums FILE verifies a release that others made, which has no release.json:
the signature of the list FILE, and the checksum of each file that it names. FILE
is a path or a name in DIST, with SHA-256, SHA-384 or SHA-512 sums as sha256sum,
goreleaser, BSD and openssl write them. Its signature is found next to it
(FILE.sigstore.json, .sigstore, .bundle, .cosign.bundle, .jsonl, or .sig with
.pem), or named with --bundle, or --signature and --certificate. No image is
compared, and the report says so.

--list FILE verifies many releases, one per line of FILE: directories, tarballs, kits, and
pages as fetch takes them (PAGE[@VERSION]), whose files are downloaded to a
temporary directory. Each gives one line as it finishes, with --json a document;
the last line sums up. Layers that several have are read once, and what tarballs
have in common is compressed once. One bad release does not stop the others. With
--state FILE, a run that was stopped goes on: a release that is finished is not
verified again unless its checksums.txt, its signatures, the sizes or times of its
files, the flags, the trusted root or this program have changed; with --rebuilders,
also if the file, a key in it or what rebuilders have signed has: that is looked for
each time, among the referrers of the images too. --shard I/N takes
one of N parts of the list, as 'releaser matrix --list FILE --shards N' cuts it.`,
		Example: `  releaser verify dist
  releaser verify dist --offline --image oci-layout:layout
  releaser verify dist --key release.pub --unsafe-no-transparency-log
  releaser verify tool_1.0.0_linux_amd64.tar.gz --image ghcr.io/acme/tool
  releaser verify . --checksums checksums.txt --certificate-identity ann@example.org --certificate-oidc-issuer https://accounts.google.com
  releaser verify --list releases.txt --state verified.state`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.many.list != "" {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.MinimumNArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.many.list != "" {
				return a.verifyMany(cmd.Context(), f)
			}
			if err := f.many.check(); err != nil {
				return err
			}
			if f.checksums != "" {
				return a.verifyList(cmd.Context(), args, f)
			}
			if f.signed.given() {
				return usage("--bundle, --signature, --certificate and --log-entry go with --checksums")
			}
			return a.verify(cmd.Context(), args, f)
		},
	}
	f.trust.add(cmd)
	f.limits.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.version, "version", "", "require this `VERSION` of the release (default: version in config.json)")
	fl.StringVar(&f.project, "project", "", "require a release of this `PROJECT` (default: project_name in config.json)")
	fl.StringVar(&f.image, "image", "", "look for images in `REF`: REGISTRY/NAME or oci-layout:DIR")
	fl.BoolVar(&f.signatures, "image-signatures", false, "also require a signature of each image")
	fl.StringVar(&f.cells, "cells", "all", "verify `CELLS`: all, a lineage, a platform, or LINEAGE/OS/ARCH[/VARIANT]; several joined by commas")
	fl.StringVar(&f.platform, "platform", "", "`OS/ARCH[/VARIANT]` of a tarball without release.json (default: from its name)")
	fl.StringVar(&f.path, "path", "", "`DIR` of the image that a tarball without release.json holds (default: extract.path of config.json, or /app)")
	fl.BoolVar(&f.offline, "offline", false, "use no network")
	fl.BoolVar(&f.fast, "fast", false, "compare tar streams without compressing them again")
	fl.StringVar(&f.checksums, "checksums", "", "verify the files that the signed list `FILE` names: a release that others made")
	f.signed.add(cmd)
	f.kitRoot.add(fl)
	f.rebuilders.add(cmd)
	f.many.add(cmd)
	f.report.add(fl)
	fl.IntVar(&f.jobs, "jobs", 0, "use `N` cores (default: all)")
	return cmd
}

// verify walks each target in turn and makes one report.
func (a *app) verify(ctx context.Context, args []string, f verifyFlags) error {
	targets, err := targetsOf(args)
	if err != nil {
		return err
	}
	defer closeTargets(targets)
	a.foreign = a.isForeign(placesOf(targets))
	if err := f.kitRoot.check(f.trust, targets); err != nil {
		return err
	}
	live, err := f.report.check(a.json)
	if err != nil {
		return err
	}
	in := verify.Input{Pack: tarball.Options{Workers: f.jobs}, Fast: f.fast, ImageSignatures: f.signatures}
	if in.Expect, err = f.expectation(); err != nil {
		return err
	}
	if in.Rebuilders, err = a.rebuilders(f.rebuilders, time.Now()); err != nil {
		return err
	}
	p := a.progress("verify")
	defer p.close()
	f.report.late = live && p.live() && onScreen(a.out) // the text and the bars would be in each other's way
	live = live && !f.report.late
	in.Pack.Progress = p.move
	in.Progress = func(s verify.Result) {
		if live {
			a.sayAll(s.Text())
		}
		if s.Link == verify.LinkRebuilt {
			p.finish(s.Cell, s.Outcome())
		}
	}
	done, err := a.chooseImages(&in, f, p, targets...)
	if err != nil {
		return err
	}
	defer done()
	var names []string
	var reports []verify.Report
	for _, t := range targets {
		if live && len(targets) > 1 {
			a.say("%s:", t.name)
		}
		if len(targets) > 1 {
			p.under(t.name + ": ")
		}
		report, err := a.verifyWithImages(ctx, t, in, f, p)
		if err != nil {
			return err
		}
		names, reports = append(names, t.name), append(reports, report)
	}
	p.close()
	return a.deliver(verify.Join(names, reports), f.report)
}

// verifyWithImages is verifyKitOr with the images in the kit.
func (a *app) verifyWithImages(ctx context.Context, t target, in verify.Input, f verifyFlags, p *progress) (verify.Report, error) {
	if t.kit != nil && f.image == "" {
		images, done, err := a.imagesIn(t.kit.images(), a.accessFor(true), f, p, t.place())
		if err != nil {
			return verify.Report{}, err
		}
		defer done()
		in.Images = verify.CompareWith(images)
	}
	return a.verifyKitOr(ctx, t, in, f, p)
}

// maxUnsignedRecord bounds, in bytes, the release.json that --cells is compared
// with before anybody has signed for it.
const maxUnsignedRecord = 64 << 20

// verifiedCells returns the names of the cells that --cells means, nil for all of
// them: those of release.json, or of config.json where release.json cannot be read.
func verifiedCells(c *chosen, files fs.FS, patterns string) ([]string, error) {
	if patterns == "" || patterns == "all" {
		return nil, nil
	}
	var all []release.Cell
	raw, err := readWithin(files, release.RecordFile, maxUnsignedRecord)
	if err == nil {
		if record, err := release.ParseRecord(raw); err == nil {
			for _, rc := range record.Cells {
				all = append(all, release.Cell{Lineage: release.Lineage{Name: rc.Lineage}, Platform: rc.Platform})
			}
		}
	}
	switch {
	case all != nil:
	case c != nil:
		all = c.config.Cells()
	default: // verify says what is wrong with release.json
		return strings.Split(patterns, ","), nil
	}
	cells, err := release.SelectCells(all, patterns)
	if err != nil {
		return nil, usageError(err)
	}
	names := make([]string, len(cells))
	for i, cell := range cells {
		names[i] = cell.String()
	}
	return names, nil
}

func (a *app) verifyTarget(ctx context.Context, t target, in verify.Input, f verifyFlags) (verify.Report, error) {
	if t.loose != nil {
		return a.verifyTarballs(ctx, t.loose, in, f)
	}
	in, err := a.targetInput(t, in, f)
	if err != nil {
		return verify.Report{}, err
	}
	return verify.Release(ctx, in)
}

// targetInput adds what is expected of a release, and of whom.
func (a *app) targetInput(t target, in verify.Input, f verifyFlags) (verify.Input, error) {
	var fallback []verify.CertificateIdentity
	c, err := a.callersConfig(t.place())
	if err != nil {
		return in, err
	}
	if in.Cells, err = verifiedCells(c, t.release(), f.cells); err != nil {
		return in, err
	}
	if c != nil {
		in.Expect.Project = cmp.Or(in.Expect.Project, c.config.ProjectName)
		in.Expect.Version = cmp.Or(in.Expect.Version, c.config.Version)
	}
	if !f.trust.given() && f.policy == nil {
		if fallback, err = a.configuredIdentity(c, t.place(), t.release(), &in.Expect); err != nil {
			return in, a.untrusted(err)
		}
	}
	var policy verify.Policy
	if f.policy != nil {
		policy = *f.policy
	} else if policy, err = a.policy(&f.trust, fallback...); err != nil {
		return in, a.untrusted(err)
	}
	if !f.silent {
		a.note("verify: expecting %s", expected(policy))
	}
	if in.Rebuilders, err = a.rootOfRebuilders(in.Rebuilders, policy, f.trust); err != nil {
		return in, a.untrusted(err)
	}
	in.Dist, in.Policy, in.Assets = t.release(), policy, t.assets
	if f.image != "" {
		names, err := a.assetNames(f.image, t.place())
		if err != nil {
			return in, err
		}
		in.Describe = func(asset string) verify.Standalone {
			l, _ := names.loose(asset, f)
			return l
		}
	}
	return in, nil
}

// untrusted gives an unusable trust root its exit code.
func (a *app) untrusted(err error) error {
	var e *verify.Error
	if errors.As(err, &e) {
		return &codedError{e.Class.ExitCode(), err}
	}
	return err
}

// place is where images come from.
type place struct {
	override *oci.Ref // that the caller named
	access   oci.Access
}

// without says why no images are compared, "" if they are.
func (f verifyFlags) without(override *oci.Ref) string {
	if f.offline && (override == nil || override.Kind != oci.Layout && override.Kind != oci.OCIArchive) {
		return "--offline, and no --image oci-layout:DIR to compare with"
	}
	return ""
}

// override is what --image names.
func (f verifyFlags) override() (*oci.Ref, error) {
	if f.image == "" {
		return nil, nil
	}
	ref, err := oci.ParseRef(f.image)
	if err != nil {
		return nil, usageError(err)
	}
	if ref.Kind == oci.DockerArchive {
		return nil, text.WithHint(usage("--image %s: a docker archive has no digests to go by", f.image), "name a registry or an OCI layout")
	}
	return &ref, nil
}

// placeOf is where the images of targets are.
func (a *app) placeOf(f verifyFlags, override *oci.Ref, targets []target) place {
	named := slices.Concat(f.named, a.callersWord(targets))
	if override != nil {
		named = append(named, *override)
	}
	access := a.accessFor(f.offline, named...)
	access.Trusted = override == nil // else nothing is read before the signature holds
	return place{override, access}
}

// compare has tarballs compared with images.
func (p place) compare(found *pack.Images) verify.ImageAccess {
	if p.override != nil {
		return verify.CompareWithNamed(found)
	}
	return verify.CompareWith(found)
}

// chooseImages decides where images come from.
func (a *app) chooseImages(in *verify.Input, f verifyFlags, p *progress, targets ...target) (func(), error) {
	override, err := f.override()
	if err != nil {
		return nil, err
	}
	if why := f.without(override); why != "" {
		in.Images = verify.WithoutImages(why)
		return func() {}, nil
	}
	at := a.placeOf(f, override, targets)
	found, done, err := a.imagesIn(override, at.access, f, p, placesOf(targets)...)
	if err != nil {
		return nil, err
	}
	in.Images = at.compare(found)
	return done, nil
}

// imagesIn reads images from a place, nil for where release.json says, for releases
// in directories or kits.
func (a *app) imagesIn(place *oci.Ref, access oci.Access, f verifyFlags, p *progress, releases ...string) (*pack.Images, func(), error) {
	spool, err := tarball.NewSpool("")
	if err != nil {
		return nil, nil, err
	}
	extra, err := a.extraFiles(releases...)(spool)
	if err != nil {
		_ = spool.Close()
		return nil, nil, err
	}
	unpacker := layer.NewUnpacker(spool, f.limits.limits())
	unpacker.Progress = func(done, total int64) { p.move("layers", done, total) }
	return &pack.Images{Access: access, Override: place, Extra: extra, Unpacker: unpacker, Workers: f.jobs, Keep: len(releases) > 1}, func() { _ = spool.Close() }, nil
}

// extraFiles are those that the caller's configuration adds to tarballs, if there is
// one for what is in places.
func (a *app) extraFiles(places ...string) func(*tarball.Spool) ([]tarball.Entry, error) {
	return func(spool *tarball.Spool) ([]tarball.Entry, error) {
		c, err := a.callersConfig(places...)
		if err != nil || c == nil {
			return nil, err
		}
		return build.ExtraFiles(spool, c.root, c.config.Extract.Files)
	}
}

// expectation is which release the flags require.
func (f verifyFlags) expectation() (e verify.Expectation, err error) {
	e.Project = f.project
	if f.version != "" {
		if e.Version, err = release.ParseVersion(f.version); err != nil {
			err = usageError(err)
		}
	}
	return e, err
}
