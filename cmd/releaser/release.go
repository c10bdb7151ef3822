package main

import (
	"context"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"facerec/internal/attest"
	"facerec/internal/oci"
	"facerec/internal/pack"
	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/steps"
	"facerec/internal/verify"
)

type releaseFlags struct {
	to              string
	dryRun          bool
	layout, dist    string
	built           bool // --layout was given
	image, registry string
	page, changelog string
	jobs            int
	by              signerFlags
	check           checkFlags
	limits          limitFlags
	reachable       pageFlags
}

// releaseAnswer is what release --json prints.
type releaseAnswer struct {
	Schema  string           `json:"schema"`
	Version release.Version  `json:"version"`
	Commit  string           `json:"commit"`
	DryRun  bool             `json:"dry_run,omitempty"`
	Steps   []steps.Outcome  `json:"steps"`
	Page    string           `json:"page,omitempty"` // address of the published release
	Rolling []oci.RollingTag `json:"rolling_tags,omitempty"`
}

func (a *app) releaseVerb() *cobra.Command {
	var f releaseFlags
	cmd := &cobra.Command{
		Use:   "release [VERSION]",
		Short: "Make a release from a git tag: run every step that is not done yet",
		Long: `Make the release of VERSION from its git tag, in these steps:

` + steps.Help(steps.Of(nil)) + `
VERSION is the one in config.json, or that of the tag of the commit, unless it is
given. Each step prints one line: "done", or "kept" if all of it was done already.

Nothing is kept between runs but what the steps make. Each step looks at what is
there: the commit that build/oci names, the digests in the registry, signatures that
verify, the files in DIST, the release page. A run that was stopped anywhere, even
killed, is completed by running the same command again, here or on another machine,
and ends with the same release. Signatures that verify are kept wherever they are
found, the release page first.

A version is released once: a tag in the registry that names another image, and a
published page with other bytes, are refused (exit 3).

With --layout, the images were built elsewhere, for example by the jobs of a CI
matrix and 'releaser join', and are used as they are.

The signer is chosen as for 'releaser sign', the page and its token as for 'releaser
publish'. --to STEP ends after that step; what only later steps need is not
required. --dry-run changes nothing and prints what would be run.`,
		Example: `  releaser release 1.0.0 --dry-run
  releaser release 1.0.0
  releaser release --key release.key --to verify`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.built = cmd.Flags().Changed("layout")
			return a.release(cmd.Context(), strings.Join(args, ""), f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.to, "to", "", "end after `STEP`")
	complete(cmd, "to", steps.Names(steps.Of(nil)))
	fl.BoolVar(&f.dryRun, "dry-run", false, "print what would be done and change nothing")
	fl.StringVar(&f.layout, "layout", "build/oci", "release the images in the OCI layout `DIR`, which were built elsewhere (default: build them into build/oci)")
	fl.Lookup("layout").DefValue = ""
	fl.StringVar(&f.dist, "out", "dist", "write the release to `DIR`; an existing release there is replaced")
	fl.StringVar(&f.image, "image", "", "push the images to the repository `REF`: REGISTRY/NAME (default: image.repository)")
	fl.StringVar(&f.registry, "registry", "", "push image.repository to `HOST[:PORT]`")
	fl.StringVar(&f.page, "page", "", "publish on `PAGE`: https://HOST/OWNER/REPOSITORY or dir:PATH (default: page in config.json)")
	fl.StringVar(&f.changelog, "changelog", "", "take the notes from `FILE` (default: CHANGELOG.md next to config.json)")
	fl.IntVar(&f.jobs, "jobs", 0, "build up to `N` cells at the same time, and use N cores to pack (default: one per core)")
	fl.StringArrayVar(&f.check.allow, "allow", nil, "waive `RULE[=PATTERN]` of check; can be repeated")
	f.by.add(cmd)
	f.limits.add(cmd)
	f.reachable.add(cmd)
	return cmd
}

// complete lets a shell complete the values of a flag.
func complete(cmd *cobra.Command, flag string, values []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // there is no such flag
	}
}

func (a *app) release(ctx context.Context, named string, f releaseFlags) error {
	if f.jobs < 0 {
		return usage("--jobs %d: expected a positive number, or 0 for all cores", f.jobs)
	}
	c, err := a.choose(cellFlags{version: named, cells: "all"})
	if err != nil {
		return err
	}
	r, list, err := a.plan(c, f)
	if err != nil {
		return err
	}
	tell := func(o steps.Outcome) {
		if !a.json {
			a.say("%-12s  %-5s  %s", o.Step, o.State, o.Detail)
		}
	}
	outcomes, err := steps.Run(ctx, list, f.dryRun, tell)
	if err != nil {
		return err
	}
	if a.json {
		return a.answer(releaseAnswer{"releaser.release/v1", c.version, r.Head(), f.dryRun, outcomes, r.Published().URL, r.Rolled()})
	}
	return nil
}

// plan lists the steps of this run and says how each is done.
func (a *app) plan(c *chosen, f releaseFlags) (*steps.Release, []steps.Step, error) {
	options, err := a.checkOptions(f.check, true)
	if err != nil {
		return nil, nil, err
	}
	locks, err := pack.ReadLocks(c.root, c.config.Inputs)
	if err != nil {
		return nil, nil, usageError(err)
	}
	address := f.page
	if address == "" {
		address = c.config.Page
	}
	r := &steps.Release{}
	*r = steps.Release{
		Config: c.config, Version: c.version, Layout: f.layout, Built: f.built, Dist: f.dist,
		Limits: f.limits.limits(), Rules: options.Options,
		Notice: func(line string) { a.note("%s", line) },
		Tree: func(ctx context.Context) (steps.Tree, error) {
			return readTree(ctx, c, c.version, f.outputs(c, address))
		},
		Changelog: func() (string, error) { return changelogSection(c, c.version, f.changelog) },
		Build: func(ctx context.Context, revision string) error {
			_, err := a.buildLayout(ctx, c, f.layout, true, f.jobs, revision)
			return err
		},
		Pack:      pack.Input{Root: c.root, Locks: locks, Workers: f.jobs, Notice: func(line string) { a.note("pack: %s", line) }},
		Materials: a.inputs,
		By:        a.releaseSigner(c, f.by),
		Notes: func(d publish.Dist) (string, error) {
			return releaseNotes(c, d, address, f.changelog, trustFlags{key: publicHalf(f.by.key), noLog: f.by.key != "" && f.by.services == ""})
		},
		Verify: func(ctx context.Context, dir string, p verify.Policy) error {
			return a.verifyQuietly(ctx, dir, verifyFlags{policy: &p, limits: f.limits, jobs: f.jobs, version: string(c.version), named: []oci.Ref{r.Repository}})
		},
		Progress: func(s publish.Step) { a.note("publish: %s", stepLine(s, false)) },
		Roll: func(ctx context.Context, record release.Record) ([]oci.RollingTag, error) {
			return a.rollingTags(ctx, c, record, "", false, r.Repository)
		},
	}
	if address != "" {
		r.OpenPage = func(ctx context.Context) (publish.Page, error) {
			return a.openPage(ctx, address, f.reachable, &r.Retry)
		}
	}
	list, err := r.Until(f.to)
	if err != nil || !r.Needs(steps.Push) {
		return r, list, err
	}
	if r.Repository, err = c.image(f.image, f.registry); err != nil {
		return nil, nil, err
	}
	if at := r.Repository; at.Kind != oci.Registry || at.Tag != "" || !at.Digest.IsZero() {
		return nil, nil, usage("--image %s: expected REGISTRY/NAME without tag and digest", at)
	}
	r.Access = a.access(r.Repository)
	r.Transfer = oci.TransferOptions{Access: r.Access}
	return r, list, nil
}

// releaseSigner asks for a fresh token each time, as tokens live for minutes.
func (a *app) releaseSigner(c *chosen, f signerFlags) func(context.Context) (attest.By, error) {
	var once sync.Once
	return func(ctx context.Context) (attest.By, error) {
		by, err := a.signer(ctx, f, func() ([]verify.CertificateIdentity, error) { return a.expectedIdentity(c, c.version) })
		if err == nil {
			once.Do(func() { a.warnOfNoLog(by.Policy, f.key) })
		}
		return by, err
	}
}

// outputs lists what a release itself writes, which does not make the working tree differ.
func (f releaseFlags) outputs(c *chosen, page string) []string {
	out := []string{f.layout, f.dist}
	if dir, ok := strings.CutPrefix(page, publish.DirPrefix); ok {
		out = append(out, dir)
	}
	return append(out, c.artifacts()...)
}
