package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/trust"
	"facerec/internal/verify"
)

func (a *app) trustVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Update or show the trusted root",
		Long: `The trusted root says which certificate authorities, logs and timestamp authorities
are trusted. verify, verify-blob, verify-image and sign take, in this order:

  --trusted-root FILE   a file; its age is not checked
  the kept root         fetched by 'releaser trust update'
  the carried root      the public-good instance's, as old as this program

A root is good until its signed metadata expires. After that it is used with a warning
for a year, and then refused.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.trustUpdateVerb(), a.trustShowVerb())
	return cmd
}

type trustUpdateFlags struct{ mirror, root, out string }

type trustUpdateAnswer struct {
	Schema   string             `json:"schema"`
	Changed  bool               `json:"changed"`
	Root     verify.TrustOrigin `json:"trust_root"`
	Metadata []trust.Metadata   `json:"metadata"`
	Kept     string             `json:"kept"`          // path
	Out      string             `json:"out,omitempty"` // path
}

func (a *app) trustUpdateVerb() *cobra.Command {
	var f trustUpdateFlags
	cmd := &cobra.Command{
		Use:   "update",
		Short: "Fetch the newest trusted root through TUF and keep it",
		Long: `Fetch trusted_root.json from a TUF repository, the public-good instance's unless
--mirror names another, and keep it for verify and sign, with the time it was
fetched and how long it is good; and with it the services to sign with, where the
repository names them (signing_config.v0.2.json). The chain of TUF roots begins with
the newest one seen before, else with the one in this program, else with --root FILE.

Metadata that is expired, older than what was seen before or signed by others, and a
root of another size or hash than the signed ones, are refused (exit 4). A mirror that
cannot be reached is exit 1. Either way the root that was kept before stays. --out also
writes the plain trusted_root.json, to take to a machine without a network.`,
		Example: `  releaser trust update
  releaser trust update --mirror https://tuf.example.org --root root.json --out trusted_root.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.untrusted(a.trustUpdate(cmd.Context(), f, time.Now()))
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.mirror, "mirror", trust.PublicGood, "base `URL` of the TUF repository")
	fl.StringVar(&f.root, "root", "", "begin the chain of TUF roots with the one in `FILE` (root.json) (default: the public-good instance's)")
	fl.StringVar(&f.out, "out", "", "also write trusted_root.json to `FILE`")
	return cmd
}

func (a *app) trustUpdate(ctx context.Context, f trustUpdateFlags, now time.Time) error {
	dir, err := trustFolder()
	if err != nil {
		return err
	}
	request := trust.Request{Mirror: f.mirror, State: filepath.Join(dir, "tuf"), Now: now, UserAgent: a.access().UserAgent}
	if f.root != "" {
		if request.Anchor, err = readNamed("TUF root", f.root); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &atomicfile.WriteError{Path: dir, Err: err}
	}
	before, _, _, _ := readKept() // one that cannot be read is about to be replaced
	a.note("trust: asking %s", f.mirror)
	k, err := trust.Update(ctx, request)
	var refused *trust.RefusedError
	if errors.As(err, &refused) && f.root == "" && f.mirror != trust.PublicGood {
		return fmt.Errorf("%w; if this is another Sigstore, pass its root.json with --root FILE", err)
	}
	if err != nil {
		return err
	}
	root, err := verify.ParseTrustedRoot(k.Root)
	if err != nil {
		return fmt.Errorf("%s: %w", k.Mirror, err)
	}
	if root, err = root.From(keptOrigin(k), now); err != nil {
		return err
	}
	file, err := k.Format()
	if err != nil {
		return err
	}
	answer := trustUpdateAnswer{
		Schema: "releaser.trust-update/v1", Changed: !bytes.Equal(before.Root, k.Root), Root: root.Origin(),
		Metadata: k.Metadata, Kept: filepath.Join(dir, keptFile), Out: f.out,
	}
	if f.out != "" {
		if err := atomicfile.WriteBytes(f.out, 0o644, k.Root); err != nil {
			return err
		}
	}
	if err := atomicfile.WriteBytes(answer.Kept, 0o644, file); err != nil {
		return err
	}
	if a.json {
		return a.answer(answer)
	}
	word := "unchanged"
	if answer.Changed {
		word = "new"
	}
	a.say("%s: %s", word, answer.Root.Text())
	a.say("kept in %s", answer.Kept)
	if f.out != "" {
		a.say("written to %s", f.out)
	}
	return nil
}

type trustShowAnswer struct {
	Schema   string             `json:"schema"`
	Usable   bool               `json:"usable"`
	Why      string             `json:"why,omitempty"` // it is not usable
	Root     verify.TrustOrigin `json:"trust_root"`
	Kept     string             `json:"kept,omitempty"` // path, of a kept root
	Metadata []trust.Metadata   `json:"metadata,omitempty"`
	Contents []verify.Trusted   `json:"contents"`
}

func (a *app) trustShowVerb() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the trusted root in use: where it comes from, its age, whom it trusts",
		Long: `Show the trusted root that verify and sign would use now: where it comes from, how
old it is, how long it is good, and every authority and log in it with the time for
which it is trusted. A root that would be refused is shown too, with exit code 4.`,
		Example: `  releaser trust show
  releaser trust show --trusted-root trusted_root.json --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.trustShow(path, time.Now()) },
	}
	cmd.Flags().StringVar(&path, "trusted-root", "", "show the root in `FILE` instead")
	return cmd
}

func (a *app) trustShow(path string, now time.Time) error {
	root, refused := chooseRoot(path, now)
	if root == nil {
		return a.untrusted(refused)
	}
	answer := trustShowAnswer{Schema: "releaser.trust/v1", Usable: refused == nil, Root: root.Origin(), Contents: root.Contents()}
	if refused != nil {
		answer.Why = refused.Error()
	}
	if answer.Root.From == verify.FromUpdate {
		k, place, _, err := readKept()
		if err != nil {
			return a.untrusted(err)
		}
		answer.Kept, answer.Metadata = place, k.Metadata
	}
	if a.json {
		if err := a.answer(answer); err != nil {
			return err
		}
	} else {
		a.sayTrust(answer)
	}
	if refused != nil {
		return a.untrusted(refused)
	}
	if warning := answer.Root.Warning(); warning != "" {
		a.warn("%s", warning)
	}
	return nil
}

func (a *app) sayTrust(t trustShowAnswer) {
	o := t.Root
	a.say("root        %s, %s", o.From, o.Source)
	a.say("sha256      %s", o.SHA256.Hex())
	if o.AgeDays != nil {
		what := "fetched"
		if o.From == verify.FromProgram {
			what = "published"
		}
		a.say("%-10s  %s, %d days ago", what, o.Fetched.Format(time.RFC3339), *o.AgeDays)
	}
	if !o.Until.IsZero() {
		a.say("good until  %s", o.Until.Format(time.RFC3339))
	}
	if t.Kept != "" {
		a.say("kept in     %s", t.Kept)
	}
	for _, m := range t.Metadata {
		a.say("metadata    %-9s  version %d, until %s", m.Role, m.Version, m.Expires.Format(time.RFC3339))
	}
	if t.Metadata == nil && o.TUFRoot != 0 {
		a.say("metadata    root       version %d, until %s", o.TUFRoot, o.Until.Format(time.RFC3339))
	}
	for _, c := range t.Contents {
		from, until := "ever", "in use"
		if !c.From.IsZero() {
			from = c.From.Format(time.DateOnly)
		}
		if !c.Until.IsZero() {
			until = "until " + c.Until.Format(time.DateOnly)
		}
		a.say("%-21s  since %-10s  %-16s  %s  %s", c.Kind, from, until, c.URL, c.Name)
	}
}
