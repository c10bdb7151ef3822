package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/attest"
	"facerec/internal/oci"
	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/retry"
	"facerec/internal/text"
	"facerec/internal/verify"
)

type publishFlags struct {
	page      string
	notes     string
	commit    string
	dryRun    bool
	rolling   bool
	attach    bool
	verify    verifyFlags
	reachable pageFlags
}

// publishAnswer is what publish --json prints.
type publishAnswer struct {
	Schema string `json:"schema"`
	Page   string `json:"page"`
	DryRun bool   `json:"dry_run,omitempty"`
	publish.Result
	Rolling  []oci.RollingTag         `json:"rolling_tags,omitempty"`
	Attached []attest.AttachedRebuild `json:"attached,omitempty"`
}

func (a *app) publishVerb() *cobra.Command {
	var f publishFlags
	cmd := &cobra.Command{
		Use:   "publish DIST",
		Short: "Publish a signed release on its page, and never change what is published",
		Long: `Publish the release in DIST on its page. What is done depends on what is there:

  missing    make a draft and go on with it
  draft      upload what is missing, redo uploads that were cut, download all
             assets, compare them with DIST, verify what was downloaded, publish
  published  download all assets and compare them: the same bytes are success

A run that was stopped anywhere is completed by running it again. A published
release is never changed: one that differs is refused (exit 3) and the asset named.
So are a draft with other bytes, an asset of another name, several of one name, a
git tag that moved and a page of another project. The git tag must be on the page: a
forge turns a release whose tag is deleted into a draft, and publish says so.

The page is --page, or page in config.json: the address of a repository on GitHub,
Gitea or Forgejo, or dir:PATH, a directory for a web server. The token comes from
RELEASER_TOKEN, GITHUB_TOKEN or GITEA_TOKEN, or --token-file.

The notes are the section of CHANGELOG.md for the version, a table of the assets
with their digests, and the command that verifies them. A version with a
pre-release part is marked as a pre-release.

With --rolling-tags, the image tags of rolling_tags in config.json are moved to the
release afterwards, by digest, in the repository that release.json names or in
--image. They only move forward: a tag that names a newer version stays, a
pre-release moves none, and 0.x none that names only the major version.

A published release takes what rebuilders have signed later, NAME.rebuild.sigstore.json
in DIST: nothing is replaced. With --attach-rebuilds they are also attached to the
indexes that they are about, as referrers, in the same repository; one that is there
already stays.`,
		Example: `  releaser publish dist --dry-run
  releaser publish dist --page https://github.com/acme/tool
  releaser publish dist --page dir:/srv/www/tool --key release.pub --unsafe-no-transparency-log`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.publish(cmd.Context(), args[0], f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.page, "page", "", "publish on `PAGE`: https://HOST/OWNER/REPOSITORY or dir:PATH (default: page in config.json)")
	fl.StringVar(&f.notes, "changelog", "", "take the notes from `FILE` (default: CHANGELOG.md next to config.json)")
	fl.StringVar(&f.commit, "commit", "", "require that the git tag names the commit `ID` (in full)")
	fl.BoolVar(&f.dryRun, "dry-run", false, "print what would be done and change nothing")
	fl.BoolVar(&f.rolling, "rolling-tags", false, "move the rolling tags of config.json to the published release")
	fl.BoolVar(&f.attach, "attach-rebuilds", false, "also attach the signed rebuilds in DIST to the indexes in the registry")
	fl.StringVar(&f.verify.image, "image", "", "look for images in `REF`: REGISTRY/NAME or oci-layout:DIR (default: where release.json says)")
	fl.BoolVar(&f.verify.fast, "fast", false, "compare tar streams without compressing them again")
	f.verify.trust.add(cmd)
	f.verify.limits.add(cmd)
	f.reachable.add(cmd)
	return cmd
}

func (a *app) publish(ctx context.Context, dir string, f publishFlags) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	address := f.page
	if address == "" {
		address = c.config.Page
	}
	if address == "" {
		return text.WithHint(usage("no page"), "give --page, or set page in %s", a.configFile)
	}
	in := publish.Input{Commit: f.commit, DryRun: f.dryRun}
	if in.Dist, err = publish.ReadDist(dir); err != nil {
		return err
	}
	if p := in.Dist.Record.Project; p != c.config.ProjectName {
		return &publish.Refusal{Subject: dir, Reason: fmt.Sprintf("expected a release of %s, got %s", c.config.ProjectName, text.Show(p))}
	}
	if f.rolling && len(c.config.Rolling) == 0 {
		return usage("--rolling-tags: rolling_tags in %s is empty", a.configFile)
	}
	if f.rolling || f.attach {
		if _, err := recordedIndexes(in.Dist.Record, f.verify.image); err != nil {
			return err
		}
	}
	if in.Page, err = a.openPage(ctx, address, f.reachable, &in.Retry); err != nil {
		return err
	}
	if in.Notes, err = releaseNotes(c, in.Dist, address, f.notes, f.verify.trust); err != nil {
		return err
	}
	in.Verify = func(ctx context.Context, dir string) error { return a.verifyQuietly(ctx, dir, f.verify) }
	if err := in.Verify(ctx, dir); err != nil {
		return err
	}
	if in.Temp, err = os.MkdirTemp("", "releaser-publish-"); err != nil {
		return err
	}
	defer os.RemoveAll(in.Temp)
	in.Progress = func(s publish.Step) { a.note("publish: %s", stepLine(s, f.dryRun)) }
	result, err := publish.Publish(ctx, in)
	if err != nil {
		return err
	}
	var rolling []oci.RollingTag
	if f.rolling {
		if rolling, err = a.rollingTags(ctx, c, in.Dist.Record, f.verify.image, f.dryRun, a.callersWord([]target{{dist: dir}})...); err != nil {
			return fmt.Errorf("rolling tags: %w", err)
		}
	}
	var attached []attest.AttachedRebuild
	if f.attach {
		if attached, err = a.attachRebuilds(ctx, dir, in.Dist.Record, f.verify.image, f.dryRun); err != nil {
			return fmt.Errorf("signed rebuilds: %w", err)
		}
	}
	if a.json {
		return a.answer(publishAnswer{"releaser.publish/v1", in.Page.String(), f.dryRun, result, rolling, attached})
	}
	a.sayPublished(in.Page, result, f.dryRun)
	for _, t := range rolling {
		a.say("%s", rollingLine(t, f.dryRun))
	}
	for _, r := range attached {
		switch {
		case r.Action == attest.DoKeep:
			a.say("%s  %s has it already", text.Show(r.Name), r.Image)
		case f.dryRun:
			a.say("%s  would be attached to %s", text.Show(r.Name), r.Image)
		default:
			a.say("%s  attached to %s", text.Show(r.Name), r.Image)
		}
	}
	return nil
}

// attachRebuilds attaches what rebuilders have signed, and lies in the directory of a
// verified release, to the indexes that it is about.
func (a *app) attachRebuilds(ctx context.Context, dir string, record release.Record, image string, dryRun bool) ([]attest.AttachedRebuild, error) {
	indexes, err := recordedIndexes(record, image)
	if err != nil {
		return nil, err
	}
	named := a.callersWord([]target{{dist: dir}})
	if ref, err := oci.ParseRef(image); err == nil {
		named = append(named, ref)
	}
	access := a.access(named...)
	access.Trusted = true // the release is verified
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []attest.AttachedRebuild
	for _, e := range entries {
		if !isRebuild(e.Name()) {
			continue
		}
		bundle, err := atomicfile.ReadFile(filepath.Join(dir, e.Name()), verify.MaxBundle)
		if err != nil {
			return out, err
		}
		claim, err := verify.ReadClaim(bundle)
		switch {
		case err != nil:
			return out, fmt.Errorf("%s: %w", text.Show(e.Name()), err)
		case claim.Statement == nil:
			a.note("publish: %s has links, no bundle: it is not attached", text.Show(e.Name()))
			continue
		case claim.PredicateType != release.PredicateSummary:
			return out, &publish.Refusal{Subject: e.Name(), Reason: "expected a statement of type " + release.PredicateSummary + ", got " + text.Line(claim.PredicateType, 200)}
		}
		about := false
		for _, lineage := range slices.Sorted(maps.Keys(indexes)) {
			if !claims(claim.Subjects, record, lineage) {
				continue
			}
			about = true
			one, err := attest.AttachRebuild(ctx, e.Name(), bundle, indexes[lineage], access, dryRun)
			if err != nil {
				return out, err
			}
			out = append(out, one)
		}
		if !about {
			return out, &publish.Refusal{Subject: e.Name(), Reason: "its subjects are neither files nor images of " + record.Project + " " + string(record.Version)}
		}
	}
	return out, nil
}

// claims reports whether one of the subjects is something of a lineage's cells.
func claims(subjects []string, record release.Record, lineage string) bool {
	for _, c := range record.Cells {
		for _, d := range []release.Digest{c.FileSHA256.Digest, c.TarSHA256.Digest, c.ManifestDigest, c.IndexDigest} {
			if c.Lineage == lineage && slices.Contains(subjects, d.Hex()) {
				return true
			}
		}
	}
	return false
}

func (a *app) sayPublished(page publish.Page, r publish.Result, dryRun bool) {
	switch {
	case dryRun:
		for _, s := range r.Steps {
			a.say("%s", stepLine(s, true))
		}
	case r.Found == publish.Published:
		a.say("%s  already published on %s, the same bytes", r.Tag, page)
	default:
		a.say("%s  published at %s", r.Tag, text.Show(r.URL))
	}
}

func stepLine(s publish.Step, dryRun bool) string {
	line := s.Action
	if dryRun {
		line = "would " + line
	}
	if s.Asset != "" {
		line += fmt.Sprintf(" %s, %s", text.Show(s.Asset), text.Count(int(s.Size), "byte"))
	}
	return line
}

// openPage opens a page that can be published on.
func (a *app) openPage(ctx context.Context, address string, f pageFlags, policy **retry.Policy) (publish.Page, error) {
	o, err := a.pageOptions(f)
	if err != nil {
		return nil, err
	}
	*policy = o.Retry
	reader, err := publish.Open(ctx, address, o)
	if err != nil {
		return nil, badAddress(err)
	}
	page, ok := reader.(publish.Page)
	if !ok {
		return nil, text.WithHint(usage("page %s: a web server cannot be published on", address), "name the directory that it serves, dir:PATH")
	}
	return page, nil
}

// badAddress makes an address that cannot be one a usage error.
func badAddress(err error) error {
	var e *publish.AddressError
	if errors.As(err, &e) {
		return usageError(err)
	}
	return err
}

// maxChangelog bounds what is read of CHANGELOG.md, in bytes.
const maxChangelog = 16 << 20

// changelogSection is what CHANGELOG.md, or the file that a flag names, says of a
// version.
func changelogSection(c *chosen, version release.Version, file string) (string, error) {
	if file == "" {
		file = filepath.Join(c.root, publish.Changelog)
	}
	raw, err := atomicfile.ReadFile(file, maxChangelog)
	if errors.Is(err, fs.ErrNotExist) {
		return "", usage("%s not found: the notes of a release come from it", file)
	}
	if err != nil {
		return "", err
	}
	section, err := publish.Section(string(raw), version)
	if err != nil {
		return "", usageError(fmt.Errorf("%s: %w", file, err))
	}
	return section, nil
}

func releaseNotes(c *chosen, d publish.Dist, address, changelog string, trust trustFlags) (string, error) {
	section, err := changelogSection(c, d.Record.Version, changelog)
	if err != nil {
		return "", err
	}
	return publish.Notes(section, d.Files, fetchCommand(c, d, address, trust)), nil
}

// fetchCommand is the one command that gets and verifies the release.
func fetchCommand(c *chosen, d publish.Dist, address string, trust trustFlags) string {
	words := []string{"releaser", "fetch", "--all", shellWord(address + "@" + string(d.Record.Version))}
	id := c.config.ExpectedIdentity(d.Record.Version)
	switch {
	case trust.key != "":
		words = append(words, "--key", shellWord(strings.TrimSuffix(filepath.Base(trust.key), ".key")))
	case id.Issuer != "" && id.SAN != "":
		words = append(words, "--certificate-identity", shellWord(id.SAN), "--certificate-oidc-issuer", shellWord(id.Issuer))
	}
	if trust.noLog {
		words = append(words, "--unsafe-no-transparency-log")
	}
	return strings.Join(words, " ")
}

// shellWord quotes a word for a POSIX shell if it needs that.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// verifyQuietly verifies a release directory and reports only failure, with the
// exit code that verify would have and its first failed step.
func (a *app) verifyQuietly(ctx context.Context, dir string, f verifyFlags) error {
	return a.verifyOne(ctx, target{name: dir, dist: dir}, f)
}

func (a *app) verifyOne(ctx context.Context, t target, f verifyFlags) error {
	f.cells = "all"
	in := verify.Input{Fast: f.fast}
	var err error
	if in.Expect, err = f.expectation(); err != nil {
		return err
	}
	p := a.progress("verify")
	defer p.close()
	done, err := a.chooseImages(&in, f, p, t)
	if err != nil {
		return err
	}
	defer done()
	report, err := a.verifyTarget(ctx, t, in, f)
	if err != nil {
		return err
	}
	if report.ExitCode == 0 {
		return nil
	}
	for _, s := range report.Results {
		if s.Status == verify.Fail {
			return &codedError{report.ExitCode, fmt.Errorf("%s is not verified: %s", t.name, text.Line(s.Text(), 800))}
		}
	}
	for _, s := range report.Results {
		if s.Status == verify.Skip {
			return &codedError{report.ExitCode, fmt.Errorf("%s is not verified: %s", t.name, text.Line(s.Text(), 800))}
		}
	}
	return &codedError{report.ExitCode, fmt.Errorf("%s is not verified: %s", t.name, report.Verdict)}
}
