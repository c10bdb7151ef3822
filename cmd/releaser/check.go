package main

import (
	"context"
	"fmt"
	gobuild "go/build"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/oci"
	"facerec/internal/oci/check"
	"facerec/internal/oci/layer"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

type checkFlags struct {
	version, lineage string
	platforms        []string
	allow, strict    []string
	paths            []string
	maxImage         int64
	maxFiles         int64
	limits           limitFlags
}

// checkAnswer is what check --json prints.
type checkAnswer struct {
	Schema  string         `json:"schema"`
	Verdict check.Status   `json:"verdict"` // ok, fail, skip: the worst of all
	Images  []check.Report `json:"images"`
}

func (a *app) checkVerb() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check IMAGE",
		Short: "Check what an image is made of: programs, modes, users, labels, secrets, sizes",
		Long: `Check every platform manifest of IMAGE against these rules, one line per rule:

` + check.Help() + `

IMAGE is REGISTRY/NAME:TAG[@DIGEST], oci-layout:DIR[:TAG],
oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME:TAG]; of a layout without a
tag, all tags are checked. Rules that compare with config.json are left out if
there is none; --config names another, --config= none. Version and lineage follow
from the tag, or from --version and --lineage.

build-id gives notes, not failures, unless --strict or "strict" in config.json
names it: what an ordinary build leaves there is decided by the program's contents.

--allow RULE=PATTERN waives a rule for matching paths, for example
--allow set-id=/usr/bin/sudo or --allow 'machine=/app/other/**'; the answer lists
what was waived.

Exit code 0 if all rules hold, 3 if one is broken, 5 if one could not be checked.`,
		Example: `  releaser check oci-layout:build/oci
  releaser check ghcr.io/acme/tool:1.0.0 --platform linux/arm64
  releaser check docker-archive:tool.tar --config= --allow set-id=/usr/bin/sudo`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.check(cmd.Context(), args[0], f, cmd.Flags().Changed("config"))
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.version, "version", "", "`VERSION` that the labels must show (default: from the tag)")
	fl.StringVar(&f.lineage, "lineage", "", "`LINEAGE` that the labels must show (default: from the tag)")
	fl.StringSliceVar(&f.platforms, "platform", nil, "check the image for `OS/ARCH[/VARIANT]` only; can be repeated (default: all)")
	fl.StringArrayVar(&f.allow, "allow", nil, "waive `RULE[=PATTERN]`; can be repeated")
	fl.StringSliceVar(&f.strict, "strict", nil, "treat the notes of `RULE` as failures; can be repeated")
	fl.StringArrayVar(&f.paths, "build-path", nil, "also fail if a program names `DIR`, a directory of the build machine; can be repeated")
	fl.Int64Var(&f.maxImage, "max-image-bytes", 2<<30, "fail if the layers as stored have more than `BYTES` (0: no limit)")
	fl.Int64Var(&f.maxFiles, "max-file-bytes", 8<<30, "fail if the files as unpacked have more than `BYTES` (0: no limit)")
	f.limits.add(cmd)
	return cmd
}

func (a *app) check(ctx context.Context, image string, f checkFlags, configNamed bool) error {
	refs, err := imagesToCheck(image)
	if err != nil {
		return err
	}
	o, err := a.checkOptions(f, configNamed)
	if err != nil {
		return err
	}
	spool, err := tarball.NewSpool("")
	if err != nil {
		return err
	}
	defer spool.Close()
	unpacker := layer.NewUnpacker(spool, f.limits.limits())
	answer := checkAnswer{Schema: "releaser.check/v1", Verdict: check.OK}
	for _, ref := range refs {
		index, err := oci.ReadIndex(ctx, ref, a.access(ref))
		if err != nil {
			return err
		}
		if err := o.promise(index.Tag, f); err != nil {
			return err
		}
		report, err := check.Image(ctx, unpacker, index, o.Options)
		if err != nil {
			return err
		}
		answer.Images = append(answer.Images, report)
		if w := report.Worst(); w == check.Fail || answer.Verdict == check.OK {
			answer.Verdict = w
		}
	}
	return a.deliverChecks(answer)
}

// imagesToCheck gives the one image that is meant, or all of a layout.
func imagesToCheck(image string) ([]oci.Ref, error) {
	if fi, err := os.Stat(image); err == nil && fi.IsDir() {
		image = "oci-layout:" + image
	}
	ref, err := oci.ParseRef(image)
	if err != nil {
		return nil, usageError(err)
	}
	if ref.Kind != oci.Layout && ref.Kind != oci.OCIArchive || ref.Tag != "" || !ref.Digest.IsZero() {
		return []oci.Ref{ref}, nil
	}
	tags, err := oci.LayoutTags(ref)
	if err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return []oci.Ref{ref}, nil
	}
	var out []oci.Ref
	for _, t := range slices.Compact(tags) {
		out = append(out, ref.WithTag(t))
	}
	return out, nil
}

// checkPromise is what an image is checked against; version and lineage differ from
// image to image.
type checkPromise struct{ check.Options }

func (a *app) checkOptions(f checkFlags, configNamed bool) (*checkPromise, error) {
	o := &checkPromise{check.Options{Paths: f.paths, MaxImage: f.maxImage, MaxFiles: f.maxFiles}}
	for _, name := range f.platforms {
		p, err := release.ParsePlatform(name)
		if err != nil {
			return nil, usageError(err)
		}
		o.Platforms = append(o.Platforms, p)
	}
	for _, name := range f.strict {
		if !slices.Contains(check.Names(), name) {
			return nil, usage("--strict %q: expected one of the rules %s", name, strings.Join(check.Names(), ", "))
		}
	}
	o.Strict = f.strict
	for _, s := range f.allow {
		allowance, err := check.ParseAllowance(s)
		if err != nil {
			return nil, usageError(err)
		}
		o.Allow = append(o.Allow, allowance)
	}
	for _, p := range f.paths {
		if !filepath.IsAbs(p) || filepath.Clean(p) == "/" {
			return nil, usage("--build-path %q: expected an absolute path below /", p)
		}
	}
	// This machine may be the one that built: its own Go directory counts too.
	for _, p := range filepath.SplitList(gobuild.Default.GOPATH) {
		if filepath.IsAbs(p) && strings.Count(filepath.Clean(p), "/") > 1 {
			o.Paths = append(o.Paths, filepath.Clean(p))
		}
	}
	if f.version != "" {
		v, err := release.ParseVersion(f.version)
		if err != nil {
			return nil, usageError(err)
		}
		o.Version = v
	}
	if _, err := os.Stat(a.configFile); a.configFile == "" || err != nil && !configNamed {
		if f.lineage != "" || f.version != "" {
			return nil, text.WithHint(usage("--version and --lineage are compared with a configuration, and there is none"), "name it with --config")
		}
		a.note("check: without a config.json labels, times and contents are compared with nothing")
		return o, nil
	}
	c, err := a.load()
	if err != nil {
		return nil, err
	}
	o.Config = c.config
	o.Strict = append(o.Strict, c.config.Strict...)
	if f.lineage != "" && o.lineage(f.lineage) == nil {
		var names []string
		for _, l := range o.Config.Lineages {
			names = append(names, l.Name)
		}
		return nil, usage("lineage %q is not in %s: expected one of %s", f.lineage, a.configFile, strings.Join(names, ", "))
	}
	return o, nil
}

func (o *checkPromise) lineage(name string) *release.Lineage {
	for i, l := range o.Config.Lineages {
		if l.Name == name {
			return &o.Config.Lineages[i]
		}
	}
	return nil
}

// promise finds version and lineage. Flags win; then the tag tells.
func (o *checkPromise) promise(tag string, f checkFlags) error {
	if o.Config == nil {
		return nil
	}
	o.Version, o.Lineage, o.Unknown = "", nil, ""
	if f.version != "" {
		v, err := o.Config.ParseVersion(f.version)
		if err != nil {
			return usageError(err)
		}
		o.Version = v
	}
	if f.lineage != "" {
		o.Lineage = o.lineage(f.lineage)
	}
	if v, l, ok := o.Config.ParseTag(tag); ok && (o.Version == "" || o.Version == v) && (o.Lineage == nil || *o.Lineage == l) {
		o.Version, o.Lineage = v, o.lineage(l.Name)
		return nil
	}
	if o.Version == "" {
		o.Version = o.Config.Version
	}
	if o.Lineage == nil && len(o.Config.Lineages) == 1 {
		o.Lineage = &o.Config.Lineages[0]
	}
	switch {
	case o.Version == "":
		o.Lineage, o.Unknown = nil, "cannot determine the version: pass --version or a tagged reference"
	case o.Lineage == nil:
		o.Unknown = "cannot determine the lineage: pass --lineage or a tagged reference"
	}
	return nil
}

func (a *app) deliverChecks(answer checkAnswer) error {
	if a.json {
		if err := a.answer(answer); err != nil {
			return err
		}
	} else {
		for _, r := range answer.Images {
			a.say("%s", r.Image)
			a.sayChecks("image", r.Results)
			for _, p := range r.Platforms {
				a.sayChecks(p.Platform, p.Results)
			}
		}
	}
	switch answer.Verdict {
	case check.Fail:
		return &codedError{code: exitDiffers}
	case check.Skip:
		return &codedError{code: exitIncomplete}
	}
	return nil
}

func (a *app) sayChecks(of string, checks []check.Result) {
	for _, c := range checks {
		status := string(c.Status)
		if c.Status == check.Fail {
			status = "FAIL"
		}
		a.say("%s", strings.TrimRight(fmt.Sprintf("%-4s  %-13s %-15s %s", status, of, c.Rule, text.Line(c.Detail, 0)), " "))
		if c.Fix != "" {
			a.say("      %-13s %-15s fix: %s", "", "", c.Fix)
		}
	}
}
