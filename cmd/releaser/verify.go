package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/oci"
	"facerec/internal/oci/build"
	"facerec/internal/oci/layer"
	"facerec/internal/pack"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/verify"
)

type verifyFlags struct {
	trust      trustFlags
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
}

func (a *app) verifyVerb() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify DIST…",
		Short: "Verify a release from the signature down to every byte",
		Long: `Walk the chain, for every cell, and go on after a failure:

  bundle        checksums.txt is signed by whom you expect
  checksums     it can be read, and covers what lies beside it
  tarball       the file is as signed
  release.json  says which image the tarball came out of
  index         the image's index, by digest, has the platform's manifest
  manifest      the platform manifest and its configuration are as their digests say
  layers        so is every layer, and what it inflates to
  entries       the tarball holds what release.json lists
  rebuilt       the image's folder, packed again, is the tarball, byte for byte

DIST is the folder of a release, or a tarball. A tarball with checksums.txt beside
it is verified as that release's, and no other of its cells; one without is held
to the image of --image alone, and the links that nobody signed are skipped, so
that the answer is incomplete at best (exit 5). Its lineage, version and platform
follow from its name as config.json spells it, or else NAME_VERSION_OS_ARCH[-SUFFIX].tar.gz,
unless --image has a tag or digest, and --platform is given. A signed release
without release.json is held to --image in the same way. Several DIST are
verified in one run and make one report; the worst exit code is that of the run.

The signer is the identity in config.json, unless --certificate-identity and
--certificate-oidc-issuer, or --key, say otherwise; it is never taken from the
release. Images come from where release.json says, always by digest; --image
names another place: a repository or oci-layout:DIR. --image-signatures asks for a
signature beside each image too, by the same signer, as verify-image does. With
--offline no network is touched: then only a layout can be compared with, and
without one the report is incomplete (exit 5).

The answer is text with a line a step, or with --format one document: json,
sarif (2.1.0) or html (one page that needs nothing else). --output puts that
document into a file, and standard output has the text. In a GitHub Actions job
every broken link is annotated and the step summary has the table.

--fast compares the tar stream inside each tarball with the image and does not
compress it again: what is unpacked is proven, that its compression is what the
recipe makes is not, and the report says so.

--checksums FILE verifies a release that others made, which has no release.json: the
signature of the list FILE, and the checksum of each file that it names. FILE is a
path or a name in DIST; SHA-256, SHA-384 and SHA-512, as sha256sum, goreleaser, BSD
and openssl write them. What signs it is found beside it (FILE.sigstore.json,
.sigstore, .bundle, .cosign.bundle, .jsonl, or .sig with .pem), or named with
--bundle, or --signature and --certificate. No image is compared, and the report
says so.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
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
	fl.BoolVar(&f.signatures, "image-signatures", false, "ask for a signature beside each image too")
	fl.StringVar(&f.cells, "cells", "all", "`CELLS` to verify: all, a lineage, a platform, or LINEAGE/OS/ARCH[/VARIANT]; several joined by commas")
	fl.StringVar(&f.platform, "platform", "", "which `PLATFORM` a tarball without release.json is for (default: by its name)")
	fl.StringVar(&f.path, "path", "", "which `FOLDER` of the image a tarball without release.json holds (default: extract.path of config.json, or /app)")
	fl.BoolVar(&f.offline, "offline", false, "touch no network")
	fl.BoolVar(&f.fast, "fast", false, "compare tar streams and do not make the compression again")
	fl.StringVar(&f.checksums, "checksums", "", "verify the files that the signed list `FILE` names: a release that others made")
	f.signed.add(cmd)
	f.report.add(fl)
	fl.IntVar(&f.jobs, "jobs", 0, "how many cores to use (default: all)")
	return cmd
}

// verify walks each target in turn and makes one report.
func (a *app) verify(ctx context.Context, args []string, f verifyFlags) error {
	targets, err := targetsOf(args)
	if err != nil {
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
	p := a.progress("verify")
	defer p.close()
	f.report.late = live && p.live() && onScreen(a.out) // the text and the bars would be in each other's way
	live = live && !f.report.late
	in.Pack.Progress = p.move
	in.Progress = func(s verify.Result) {
		if live {
			a.say("%s", strings.TrimRight(s.Text(), "\n"))
		}
		if s.Link == verify.LinkRebuilt {
			p.finish(s.Cell, s.Outcome())
		}
	}
	done, err := a.chooseImages(&in, f, p)
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
		report, err := a.verifyTarget(ctx, t, in, f)
		if err != nil {
			return err
		}
		names, reports = append(names, t.name), append(reports, report)
	}
	p.close()
	return a.deliver(verify.Join(names, reports), f.report)
}

// maxUnsignedRecord bounds, in bytes, the release.json that --cells is compared
// with before anybody has signed for it.
const maxUnsignedRecord = 64 << 20

// verifiedCells returns the names of the cells that --cells means, nil for all of
// them: those of release.json, or of config.json where release.json cannot be read.
func verifiedCells(c *chosen, dist, patterns string) ([]string, error) {
	if patterns == "" || patterns == "all" {
		return nil, nil
	}
	var all []release.Cell
	raw, err := atomicfile.ReadFile(filepath.Join(dist, release.RecordFile), maxUnsignedRecord)
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
	var fallback []verify.CertificateIdentity
	c, err := a.callersConfig(t.dist)
	if err != nil {
		return verify.Report{}, err
	}
	if in.Cells, err = verifiedCells(c, t.dist, f.cells); err != nil {
		return verify.Report{}, err
	}
	if c != nil {
		in.Expect.Project = cmp.Or(in.Expect.Project, c.config.ProjectName)
		in.Expect.Version = cmp.Or(in.Expect.Version, c.config.Version)
	}
	if !f.trust.given() {
		if fallback, err = a.configuredIdentity(c, t.dist, &in.Expect); err != nil {
			return verify.Report{}, a.untrusted(err)
		}
	}
	policy, err := a.policy(&f.trust, fallback...)
	if err != nil {
		return verify.Report{}, a.untrusted(err)
	}
	a.note("verify: expecting %s", expected(policy))
	in.Dist, in.Policy, in.Assets = atomicfile.FS(t.dist), policy, t.assets
	if f.image != "" {
		names, err := a.assetNames(f.image)
		if err != nil {
			return verify.Report{}, err
		}
		in.Describe = func(asset string) verify.Standalone {
			l, _ := names.loose(asset, f)
			return l
		}
	}
	return verify.Release(ctx, in)
}

// untrusted gives an unusable trust root its exit code.
func (a *app) untrusted(err error) error {
	var e *verify.Error
	if errors.As(err, &e) {
		return &codedError{e.Class.ExitCode(), err}
	}
	return err
}

// chooseImages decides where images come from.
func (a *app) chooseImages(in *verify.Input, f verifyFlags, p *progress) (func(), error) {
	var override *oci.Ref
	if f.image != "" {
		ref, err := oci.ParseRef(f.image)
		if err != nil {
			return nil, usageError(err)
		}
		if ref.Kind == oci.DockerArchive {
			return nil, usage("--image %s: a docker archive has no digests to go by: name a registry or an OCI layout", f.image)
		}
		override = &ref
	}
	if f.offline && (override == nil || override.Kind != oci.Layout && override.Kind != oci.OCIArchive) {
		in.Images = verify.WithoutImages("--offline, and no --image oci-layout:DIR to compare with")
		return func() {}, nil
	}
	spool, err := tarball.NewSpool("")
	if err != nil {
		return nil, err
	}
	extra, err := a.extraFiles(spool)
	if err != nil {
		_ = spool.Close()
		return nil, err
	}
	unpacker := layer.NewUnpacker(spool, f.limits.limits())
	unpacker.Progress = func(done, total int64) { p.move("layers", done, total) }
	found := &pack.Images{Access: a.accessFor(f.offline), Override: override, Extra: extra, Unpacker: unpacker, Workers: f.jobs}
	if in.Images = verify.CompareWith(found); override != nil {
		in.Images = verify.CompareWithNamed(found)
	}
	return func() { _ = spool.Close() }, nil
}

// extraFiles are those that the configuration adds to tarballs, if there is a
// configuration.
func (a *app) extraFiles(spool *tarball.Spool) ([]tarball.Entry, error) {
	if _, err := os.Stat(a.configFile); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	c, err := a.load()
	if err != nil {
		return nil, err
	}
	return build.ExtraFiles(spool, c.root, c.config.Extract.Files)
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
