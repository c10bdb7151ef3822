package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/discover"
	"facerec/internal/oci"
	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/retry"
	"facerec/internal/text"
)

type discoverFlags struct {
	only      []string
	archive   string
	suites    []string
	failOnNew bool
	issues    bool
	page      string
	dryRun    bool
	reachable pageFlags
}

// discoverAnswer is what discover --json prints.
type discoverAnswer struct {
	Schema  string                `json:"schema"`
	Results []discover.Result     `json:"results"`
	DryRun  bool                  `json:"dry_run,omitempty"`
	Issues  []publish.OpenedIssue `json:"issues,omitempty"`
}

func (a *app) discoverVerb() *cobra.Command {
	var f discoverFlags
	cmd := &cobra.Command{
		Use:   "discover",
		Short: "List what upstream has and the project does not pin",
		Long: `List what upstream has that the project does not pin. Pins are read from the
lock files of "inputs" in config.json, and from go.mod and the Dockerfile next to
config.json. The finders:

` + finderTable() + `
Go modules are looked up with the proxies of GOPROXY, tags in their registry, and
Debian packages in the archive that apt uses on this machine, or --archive.
Nothing is verified or changed: verify a new version when you pin it.

Findings are not failures: the exit code is 0, or 3 with --fail-on-new. A source that
could not be read, and a project that pins nothing, are incomplete (exit 5).

With --open-issues, each finding becomes one issue on the project's page, unless
an issue has its exact title, open or closed. Pull requests do not count, and none
is opened.`,
		Example: `  releaser discover
  releaser discover --only go,modules --fail-on-new
  releaser discover --open-issues --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.discover(cmd.Context(), f) },
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.only, "only", nil, "run only these `FINDERS`; several joined by commas")
	fl.StringVar(&f.archive, "archive", "", "look in the Debian archive at `URL` (default: apt's on this machine)")
	fl.StringSliceVar(&f.suites, "suites", []string{"stable", "testing", "unstable"}, "also look in the Debian `SUITES`; several joined by commas")
	fl.BoolVar(&f.failOnNew, "fail-on-new", false, "exit with code 3 if anything is new")
	fl.BoolVar(&f.issues, "open-issues", false, "open an issue for each finding that has none")
	fl.StringVar(&f.page, "page", "", "open issues on `PAGE`: https://HOST/OWNER/REPOSITORY (default: page in config.json)")
	fl.BoolVar(&f.dryRun, "dry-run", false, "with --open-issues: print what would be opened and open nothing")
	f.reachable.add(cmd)
	return cmd
}

func finderTable() string {
	var b strings.Builder
	for _, f := range discover.Finders {
		fmt.Fprintf(&b, "  %-10s %s\n", f.Name, f.Doc)
	}
	return b.String()
}

func (a *app) discover(ctx context.Context, f discoverFlags) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	for _, name := range f.only {
		if known := discover.Names(); !slices.Contains(known, name) {
			return usage("--only: expected some of %s, got %s", strings.Join(known, ", "), text.Quote(name))
		}
	}
	if f.dryRun && !f.issues {
		return usage("--dry-run: only with --open-issues")
	}
	o, err := a.pageOptions(f.reachable)
	if err != nil {
		return err
	}
	var tracker publish.Tracker
	if f.issues { // before anything is looked up
		if tracker, err = a.openTracker(ctx, c, f.page, o); err != nil {
			return err
		}
	}
	project := discover.Project{Files: atomicfile.FS(c.root), Inputs: c.config.Inputs, Archive: f.archive, Suites: f.suites}
	project.Proxy, project.Private = moduleProxies(ctx, c.root)
	if project.Archive == "" {
		project.Archive = aptArchive(ctx)
	}
	w := &upstream{a: a, options: o}
	// Debian's archive is usually served over plain HTTP, since apt checks signatures.
	if u, err := url.Parse(project.Archive); err == nil && u.Scheme == "http" {
		w.options.Insecure = append(slices.Clone(o.Insecure), u.Host)
	}
	results, err := discover.Look(ctx, project, w, f.only)
	if err != nil {
		return usageError(err)
	}
	answer := discoverAnswer{Schema: "releaser.discover/v1", Results: results, DryRun: f.dryRun}
	var findings []discover.Finding
	var failures []string
	pins := 0
	for _, r := range results {
		pins += len(r.Pins)
		findings = append(findings, r.New...)
		for _, e := range r.Failures {
			failures = append(failures, e.Finder+": "+e.Name)
		}
	}
	var opening error
	if tracker != nil {
		answer.Issues, opening = a.openIssues(ctx, tracker, findings, o.Retry, f.dryRun)
	}
	if a.json {
		err = a.answer(answer)
	} else {
		a.sayDiscovered(answer, pins, len(findings))
	}
	switch {
	case err != nil:
		return err
	case opening != nil:
		return opening
	case f.failOnNew && len(findings) > 0:
		return &codedError{exitDiffers, fmt.Errorf("%s not pinned", text.Count(len(findings), "new version"))}
	case len(failures) > 0:
		return &codedError{exitIncomplete, fmt.Errorf("could not look at %s", text.List(failures, 10))}
	case pins == 0:
		return &codedError{exitIncomplete, text.WithHint(errors.New("nothing to look at: no pins found"),
			"pins are read from inputs in %s, and from go.mod and the Dockerfile next to it", a.configFile)}
	}
	return nil
}

func (a *app) sayDiscovered(answer discoverAnswer, pins, findings int) {
	for _, r := range answer.Results {
		for _, f := range r.New {
			digest := ""
			if f.Digest != "" {
				digest = " " + f.Digest
			}
			a.say("new  %s: %s %s%s in %s; pinned: %s (%s)", r.Finder, text.Show(f.Name), text.Show(f.Found), digest,
				text.List(f.Where, 10), text.List(f.Pinned, 10), text.List(f.In, 10))
		}
	}
	for _, r := range answer.Results {
		for _, e := range r.Failures {
			a.say("not looked at  %s: %s: %s", r.Finder, text.Show(e.Name), text.Show(e.Reason))
		}
	}
	for _, i := range answer.Issues {
		switch {
		case i.Action == publish.DoKeepIssue:
			a.say("issue exists  %s  %s", text.Show(i.Title), text.Show(i.URL))
		case answer.DryRun:
			a.say("would open  %s", text.Show(i.Title))
		default:
			a.say("issue opened  %s  %s", text.Show(i.Title), text.Show(i.URL))
		}
	}
	a.say("%s looked at: %d new", text.Count(pins, "pin"), findings)
}

// openTracker opens the project's page, which must be a forge.
func (a *app) openTracker(ctx context.Context, c *chosen, page string, o publish.Options) (publish.Tracker, error) {
	if page == "" {
		page = c.config.Page
	}
	if page == "" {
		return nil, text.WithHint(usage("no page"), "give --page, or set page in %s", a.configFile)
	}
	reader, err := publish.Open(ctx, page, o)
	if err != nil {
		return nil, badAddress(err)
	}
	tracker, ok := reader.(publish.Tracker)
	if !ok {
		return nil, usage("page %s has no issues: expected a repository on GitHub, Gitea or Forgejo", page)
	}
	return tracker, nil
}

func (a *app) openIssues(ctx context.Context, t publish.Tracker, findings []discover.Finding, policy *retry.Policy, dryRun bool) ([]publish.OpenedIssue, error) {
	var wanted []publish.Issue
	for _, f := range findings {
		wanted = append(wanted, publish.Issue{Title: f.Title(), Body: f.Body()})
	}
	return publish.OpenIssues(ctx, t, wanted, policy, dryRun)
}

// upstream is where discover looks.
type upstream struct {
	a       *app
	options publish.Options
}

func (u *upstream) Document(ctx context.Context, address string, limit int64) ([]byte, error) {
	u.a.note("discover: %s", address)
	return u.options.Document(ctx, address, limit)
}

func (u *upstream) Tags(ctx context.Context, repository string) ([]string, error) {
	ref, err := oci.ParseRef(repository)
	if err != nil {
		return nil, err
	}
	u.a.note("discover: tags of %s", repository)
	return oci.Tags(ctx, ref, u.a.access(ref))
}

func (u *upstream) Digest(ctx context.Context, repository, tag string) (release.Digest, error) {
	ref, err := oci.ParseRef(repository + ":" + tag)
	if err != nil {
		return release.Digest{}, err
	}
	source, err := oci.Open(ctx, ref, u.a.access(ref))
	if err != nil {
		return release.Digest{}, err
	}
	d, err := source.Resolve(ctx)
	return d.Digest, err
}

// moduleProxies are the proxies that the go command asks, and the patterns of
// modules for which it asks none. Without Go the environment says.
func moduleProxies(ctx context.Context, dir string) (proxies, private string) {
	cmd := exec.CommandContext(ctx, "go", "env", "-json", "GOPROXY", "GONOPROXY")
	cmd.Dir = dir
	var env struct{ GOPROXY, GONOPROXY string }
	if out, err := cmd.Output(); err == nil && json.Unmarshal(out, &env) == nil {
		return env.GOPROXY, env.GONOPROXY
	}
	if private = os.Getenv("GONOPROXY"); private == "" {
		private = os.Getenv("GOPRIVATE")
	}
	return os.Getenv("GOPROXY"), private
}

// aptArchive is the address of Debian's archive as apt knows it here, or "".
func aptArchive(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(COMPONENT) $(SITE)", "Created-By: Packages").Output()
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 4 && f[0] == "Debian" && f[1] == "Debian" && f[2] == "main" {
			return f[3]
		}
	}
	return ""
}
