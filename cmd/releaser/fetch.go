package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/text"
	"facerec/internal/verify"
)

type fetchFlags struct {
	lineage, platform string
	all               bool
	rebuild           bool
	unpack            string
	pins              string
	yes               string
	verify            verifyFlags
	reachable         pageFlags
}

// fetchAnswer is what fetch --json prints.
type fetchAnswer struct {
	Schema string `json:"schema"`
	Page   string `json:"page"`
	Signer string `json:"signer"`
	publish.Fetched
	Unpacked []string `json:"unpacked,omitempty"`
}

func (a *app) fetchVerb() *cobra.Command {
	var f fetchFlags
	cmd := &cobra.Command{
		Use:   "fetch PAGE[@VERSION] [DIR]",
		Short: "Download a release's tarball for this machine, verified before it is put in place",
		Long: `Find the release on its page, the latest stable one or VERSION, and
download the tarball for this machine into DIR (default: the current directory),
with checksums.txt, its signature and release.json. A download that was cut is
continued, also by the next run. The signature and every digest are checked
before a file gets its name; what does not pass is not kept. --rebuild checks the
whole chain down to the image, as verify does.

PAGE is a repository on GitHub, Gitea or Forgejo, a web root that publish made, or
dir:PATH.

You name the expected signer: --certificate-identity and --certificate-oidc-issuer,
or --key, or a file of pins (--trust), as a project publishes it. On first use of
a page fetch shows the signer that the release names and asks; the answer is kept
in the file of pins and used from then on. --yes takes the digest of the pin, as
it is shown, instead of asking.

--unpack DIR unpacks the tarball below DIR in one step. Names that lead out of DIR, and
names that differ only in case, are refused.`,
		Example: `  releaser fetch https://github.com/acme/tool
  releaser fetch https://github.com/acme/tool@1.0.0 --platform linux/arm64 --unpack .
  releaser fetch https://git.example.org/acme/tool downloads --key release.pub --unsafe-no-transparency-log`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 1 {
				dir = args[1]
			}
			return a.fetch(cmd.Context(), args[0], dir, f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.lineage, "lineage", "", "download `LINEAGE` (default: the one without a suffix)")
	fl.StringVar(&f.platform, "platform", "", "download for `OS/ARCH[/VARIANT]` (default: this machine's)")
	fl.BoolVar(&f.all, "all", false, "download every file of the release")
	fl.BoolVar(&f.rebuild, "rebuild", false, "also check the image by digest and pack the tarball again")
	fl.StringVar(&f.unpack, "unpack", "", "unpack the tarball below `DIR`")
	fl.StringVar(&f.pins, "trust", "", "read pins, which say who signs which page, from `FILE` (default: releaser/releaser.trust.json in the user's configuration directory)")
	fl.StringVar(&f.yes, "yes", "", "accept the pin with this `DIGEST` (sha256:HEX) without asking")
	fl.StringVar(&f.verify.image, "image", "", "with --rebuild: look for images in `REF`: REGISTRY/NAME or oci-layout:DIR")
	f.verify.trust.add(cmd)
	f.verify.limits.add(cmd)
	f.reachable.add(cmd)
	return cmd
}

func (a *app) fetch(ctx context.Context, arg, dir string, f fetchFlags) (err error) {
	address, wanted, err := pageAndVersion(arg)
	if err != nil {
		return err
	}
	if f.all && (f.lineage != "" || f.platform != "") {
		return usage("--all excludes --lineage and --platform")
	}
	o, err := a.pageOptions(f.reachable)
	if err != nil {
		return err
	}
	page, err := publish.Open(ctx, address, o)
	if err != nil {
		return badAddress(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(dir, ".partial-fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	s := &signers{a: a, f: &f, page: address}
	in := publish.Fetching{
		Page: page, Dir: dir, Temp: temp, Signed: s.signed, Retry: o.Retry,
		Wanted:   publish.Wanted{Version: wanted, All: f.all, Choose: f.choose},
		Progress: func(st publish.Step) { a.note("fetch: %s", stepLine(st, false)) },
	}
	if f.rebuild {
		in.Verify = func(ctx context.Context, dir string) error { return a.verifyFetched(ctx, dir, f.verify) }
	}
	got, err := publish.Fetch(ctx, in)
	if err != nil {
		return a.untrusted(err)
	}
	answer := fetchAnswer{Schema: "releaser.fetch/v1", Page: address, Signer: s.who, Fetched: got}
	if err := s.keep(); err != nil {
		return err
	}
	if f.unpack != "" {
		for _, c := range got.Cells {
			to, err := publish.Unpack(filepath.Join(dir, c.Asset), f.unpack)
			if err != nil {
				return err
			}
			answer.Unpacked = append(answer.Unpacked, to)
		}
	}
	if a.json {
		return a.answer(answer)
	}
	for _, file := range got.Files {
		a.say("%s  %s", file.Path, file.Digest)
	}
	for _, to := range answer.Unpacked {
		a.say("%s  unpacked", text.Show(to))
	}
	a.say("verified: %s, signed by %s", got.Version, answer.Signer)
	return nil
}

// pageAndVersion splits PAGE@VERSION. An at sign elsewhere belongs to the page.
func pageAndVersion(arg string) (string, release.Version, error) {
	i := strings.LastIndexByte(arg, '@')
	if i < 0 || strings.ContainsAny(arg[i:], "/") {
		return arg, "", nil
	}
	v, err := release.ParseVersion(arg[i+1:])
	if err != nil {
		return "", "", usageError(err)
	}
	return arg[:i], v, nil
}

// choose picks the cells of a release.
func (f *fetchFlags) choose(r release.Record) ([]release.RecordCell, error) {
	if f.all {
		return r.Cells, nil
	}
	platform, err := f.wantedPlatform()
	if err != nil {
		return nil, err
	}
	lineage, err := f.wantedLineage(r)
	if err != nil {
		return nil, err
	}
	var have []string
	for _, c := range r.Cells {
		if c.Lineage == lineage && c.Platform == platform {
			return []release.RecordCell{c}, nil
		}
		have = append(have, c.String())
	}
	return nil, usage("no tarball for %s/%s: expected one of %s", lineage, platform, text.List(have, 20))
}

func (f *fetchFlags) wantedPlatform() (release.Platform, error) {
	name := f.platform
	if name == "" {
		name = runtime.GOOS + "/" + runtime.GOARCH
		if runtime.GOARCH == "arm" {
			name += "/v7"
		}
	}
	p, err := release.ParsePlatform(name)
	if err != nil && f.platform == "" {
		return p, text.WithHint(usage("there are no releases for this machine (%s)", name), "name another with --platform")
	}
	if err != nil {
		return p, usageError(err)
	}
	return p, nil
}

// wantedLineage is --lineage, or the only one, or the one whose top directory is
// PROJECT-VERSION without a suffix.
func (f *fetchFlags) wantedLineage(r release.Record) (string, error) {
	var all []string
	primary := ""
	for _, c := range r.Cells {
		if !slices.Contains(all, c.Lineage) {
			all = append(all, c.Lineage)
		}
		if c.Prefix == r.Project+"-"+string(r.Version) {
			primary = c.Lineage
		}
	}
	switch {
	case f.lineage != "" && slices.Contains(all, f.lineage):
		return f.lineage, nil
	case f.lineage != "":
		return "", usage("no lineage %s: expected one of %s", text.Show(f.lineage), text.List(all, 20))
	case len(all) == 1:
		return all[0], nil
	case primary != "":
		return primary, nil
	}
	return "", text.WithHint(usage("several lineages"), "pass --lineage, one of %s", text.List(all, 20))
}

// signers decides who must have signed what is fetched.
type signers struct {
	a    *app
	f    *fetchFlags
	page string

	who string       // that signed
	add *publish.Pin // to be kept after all went well
}

// signed checks the signature of checksums.txt. What the release says of itself
// is shown to the person who decides, and no more.
func (s *signers) signed(_ context.Context, record release.Record, sums, bundle []byte) error {
	if !s.f.verify.trust.given() {
		pin, err := s.pin(record)
		if err != nil {
			return err
		}
		if err := s.f.verify.trust.pinned(s.page, pin, record); err != nil {
			return err
		}
	}
	_, signature, err := s.a.checkSums(&s.f.verify.trust, sums, bundle)
	if err != nil {
		return err
	}
	s.who = signature.Who()
	return nil
}

// pinned expects the signer that the pin of a page names.
func (f *trustFlags) pinned(page string, pin publish.Pin, record release.Record) error {
	if pin.Project != record.Project {
		return &publish.Refusal{Subject: page, Reason: fmt.Sprintf("expected a release of %s, got %s", text.Show(pin.Project), text.Show(record.Project))}
	}
	issuer, san := pin.Identity(record.Version)
	f.issuer, f.san = issuer, []string{san}
	return nil
}

// checkSums checks the signature of a page's checksums.txt by the flags, or without any
// by the identities fallback.
func (a *app) checkSums(f *trustFlags, sums, bundle []byte, fallback ...verify.CertificateIdentity) (verify.Policy, verify.Signature, error) {
	policy, err := a.policy(f, fallback...)
	if err != nil {
		return policy, verify.Signature{}, err
	}
	signature, err := verify.Blob(bundle, verify.Data(bytes.NewReader(sums)), policy)
	return policy, signature, err
}

func (s *signers) pin(record release.Record) (publish.Pin, error) {
	pins, err := publish.ReadPins(pinFile(s.f.pins))
	if err != nil {
		return publish.Pin{}, usageError(err)
	}
	if pin, ok := publish.FindPin(pins, s.page); ok {
		return pin, nil
	}
	pin, ok := publish.PinOf(s.page, record)
	if !ok {
		return pin, &codedError{exitUntrusted, fmt.Errorf("%s: no expected signer: the release names none; pass --key FILE, or --certificate-identity and --certificate-oidc-issuer", s.page)}
	}
	digest := pin.Digest().String()
	fmt.Fprintf(s.a.errs, "The signer of %s is not known yet. The release says:\n  project  %s\n  issuer   %s\n  signer   %s\n  pin      %s\n",
		text.Show(s.page), text.Show(pin.Project), text.Show(pin.Issuer), text.Show(pin.SAN), digest)
	switch {
	case s.f.yes == digest:
	case s.f.yes != "":
		return pin, &codedError{exitUntrusted, fmt.Errorf("--yes: expected pin %s, got %s", text.Show(s.f.yes), digest)}
	default:
		fmt.Fprintf(s.a.errs, "Trust this signer for this page from now on? [y/N] ")
		line, _ := bufio.NewReader(s.a.in).ReadString('\n')
		if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
			fmt.Fprintln(s.a.errs)
			return pin, &codedError{exitUntrusted, fmt.Errorf("%s: its signer is not trusted: compare the pin with the project's own word, then pass --yes %s", s.page, digest)}
		}
	}
	s.add = &pin
	return pin, nil
}

// pinFile is where pins are, if no flag names the file.
func pinFile(flag string) string {
	if flag != "" {
		return flag
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return publish.PinFile
	}
	return filepath.Join(dir, "releaser", publish.PinFile)
}

// keep writes down a pin that was accepted and that the signature bore out.
func (s *signers) keep() error {
	if s.add == nil {
		return nil
	}
	file := pinFile(s.f.pins)
	pins, err := publish.ReadPins(file)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := publish.WritePins(file, append(pins, *s.add)); err != nil {
		return err
	}
	s.a.note("fetch: the pin is in %s", file)
	return nil
}

// verifyFetched walks the chain for the tarballs in a directory.
func (a *app) verifyFetched(ctx context.Context, dir string, f verifyFlags) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	t := target{name: dir, dist: dir}
	for _, e := range entries {
		if release.IsTarball(e.Name()) || release.IsPackage(e.Name()) {
			t.assets = append(t.assets, e.Name())
		}
	}
	if len(t.assets) == 0 {
		return errors.New("nothing to verify")
	}
	return a.verifyOne(ctx, t, f)
}
