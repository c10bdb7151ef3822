package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/oci"
	"facerec/internal/oci/layer"
	"facerec/internal/packages"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// listEntry is one line of ls, and of cp's answer.
type listEntry struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	Mode   string   `json:"mode"` // octal
	Size   int64    `json:"size,omitempty"`
	SHA256 string   `json:"sha256,omitempty"`
	Link   string   `json:"link,omitempty"`
	Layer  string   `json:"layer,omitempty"` // digest of the layer it came from
	Notes  []string `json:"notes,omitempty"` // what the layer has of it and a tarball will not
}

type lsAnswer struct {
	Schema   string      `json:"schema"`
	Artifact string      `json:"artefact"` // the spelling of releaser.ls/v1
	Entries  []listEntry `json:"entries"`

	Metadata []packages.Field `json:"metadata,omitempty"` // of a package: what its manager goes by

	Problems []tarball.Problem `json:"problems,omitempty"`
}

func octal(mode uint32) string { return fmt.Sprintf("%04o", mode) }

func (a *app) lsVerb() *cobra.Command {
	var platform, path string
	var limits limitFlags
	cmd := &cobra.Command{
		Use:   "ls ARTIFACT",
		Short: "List entries with mode, size, SHA-256 and the layer each came from",
		Long: `List the entries of a tarball, a package (.deb, .rpm, .apk), a directory or an image.
An image is REGISTRY/REPOSITORY:TAG, oci-layout:DIR[:TAG], oci-archive:FILE[:TAG] or
docker-archive:FILE[:NAME:TAG]. For images, each entry names the layer it came from,
and the attributes that a tarball would lose: extended attributes, file capabilities,
sparse maps.`,
		Example: `  releaser ls tool_1.0.0_linux_amd64.tar.gz
  releaser ls ghcr.io/acme/tool:1.0.0 --path /app --platform linux/arm64
  releaser ls tool_1.0.0_amd64.deb --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			what, err := classify(args[0])
			if err != nil {
				return err
			}
			answer := lsAnswer{Schema: "releaser.ls/v1", Artifact: args[0]}
			if what.kind == anImage {
				err = a.lsImage(cmd.Context(), &answer, what.ref, platform, path, limits.limits())
			} else {
				err = a.lsLocal(&answer, what)
			}
			if err != nil {
				return err
			}
			if a.json {
				return a.answer(answer)
			}
			for _, e := range answer.Entries {
				a.say("%s", e.line())
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&platform, "platform", release.HostPlatform().String(), "use the image for `OS/ARCH[/VARIANT]`")
	cmd.Flags().StringVar(&path, "path", "/", "list the directory `DIR` of an image")
	limits.add(cmd)
	return cmd
}

func (e listEntry) line() string {
	sum := e.SHA256
	if sum == "" {
		sum = "-"
	}
	s := fmt.Sprintf("%-8s %s %12d  %-64s  %s", e.Type, e.Mode, e.Size, sum, text.Show(e.Name))
	if e.Link != "" {
		s += " -> " + text.Show(e.Link)
	}
	if e.Layer != "" {
		s += "  " + e.Layer
	}
	if len(e.Notes) > 0 {
		s += "  (left out of tarballs: " + strings.Join(e.Notes, ", ") + ")"
	}
	return s
}

func (a *app) lsImage(ctx context.Context, answer *lsAnswer, ref oci.Ref, platform, path string, limits layer.Limits) error {
	img, err := a.openImage(ctx, ref, platform)
	if err != nil {
		return err
	}
	spool, err := tarball.NewSpool("")
	if err != nil {
		return err
	}
	defer spool.Close()
	file, flat, err := layer.NewUnpacker(spool, limits).File(ctx, img, path)
	if err != nil {
		return err
	}
	answer.Artifact = img.Ref.String()
	if file != nil {
		answer.Entries = []listEntry{listed(*file, flat)}
		answer.Entries[0].Name = path
		return nil
	}
	answer.Entries = listTree(flat)
	return nil
}

func listTree(flat layer.Flattened) []listEntry {
	out := []listEntry{{Name: ".", Type: tarball.Dir.String(), Mode: octal(flat.Tree.TopMode())}}
	for _, e := range flat.Tree.Entries() {
		out = append(out, listed(e, flat))
	}
	for _, d := range flat.Devices {
		out = append(out, listEntry{Name: d.Name, Type: d.What, Mode: octal(d.Mode), Layer: d.Layer.String(), Notes: d.Notes})
	}
	if len(flat.Devices) > 0 {
		slices.SortStableFunc(out[1:], func(a, b listEntry) int { return cmp.Compare(a.Name, b.Name) })
	}
	return out
}

func listed(e tarball.Entry, flat layer.Flattened) listEntry {
	l := listEntry{Name: e.Name, Type: e.Type.String(), Mode: octal(e.Mode), Link: e.Link}
	if e.Type == tarball.Regular {
		l.Size, l.SHA256 = e.Content.Size(), e.Content.Digest().Hex()
	}
	if o, ok := flat.Origin(e.Name); ok {
		l.Layer, l.Notes = o.Layer.String(), o.Notes
	}
	return l
}

// lsLocal lists an archive or a directory.
func (a *app) lsLocal(answer *lsAnswer, what artifact) error {
	if what.kind == aFolder {
		spool, err := tarball.NewSpool("")
		if err != nil {
			return err
		}
		defer spool.Close()
		tree, err := layer.ReadDirectory(spool, what.path)
		if err != nil {
			return err
		}
		answer.Entries = listTree(layer.Flattened{Tree: tree})
		return nil
	}
	if c, err := readPackage(what); c != nil || err != nil {
		if err == nil {
			a.lsPackage(answer, what.path, *c)
		}
		return err
	}
	f, err := atomicfile.Open(what.path)
	if err != nil {
		return err
	}
	defer f.Close()
	index, err := tarball.List(f, tarball.DefaultLimits())
	if err != nil {
		return fmt.Errorf("%s: %w", what.path, err)
	}
	for _, e := range index.Entries {
		l := listEntry{Name: e.Name, Type: e.Type, Mode: octal(uint32(e.Mode)), Size: e.Size, Link: e.Link}
		if !e.Digest.IsZero() {
			l.SHA256 = e.Digest.Hex()
		}
		answer.Entries = append(answer.Entries, l)
	}
	for _, p := range index.Problems {
		if p.Kind == tarball.ProblemNotTar {
			return fmt.Errorf("%s: %s", what.path, p.Detail)
		}
		a.warn("%s: %s: %s", what.path, p.Kind, p.Detail)
	}
	if index.Has(tarball.ProblemTruncated) || index.Has(tarball.ProblemCorrupt) {
		answer.Problems = index.Problems
		return fmt.Errorf("%s cannot be listed whole: fetch it again", what.path)
	}
	return nil
}

// lsPackage lists what a package installs, and says which scripts it has.
func (a *app) lsPackage(answer *lsAnswer, path string, c packages.Contents) {
	answer.Metadata = c.Fields
	for _, e := range c.Entries {
		l := listEntry{Name: e.Name, Type: e.Type, Mode: octal(e.Mode), Size: e.Size, Link: e.Link}
		if e.SHA256 != nil {
			l.SHA256 = e.SHA256.Hex()
		}
		answer.Entries = append(answer.Entries, l)
	}
	for _, field := range c.Fields {
		if field.IsScript() {
			a.warn("%s: the package has a script: %s", path, text.Line(field.Name, 200))
		}
	}
	for _, p := range c.Problems {
		a.warn("%s: %s", path, text.Line(p, 1000))
	}
}
