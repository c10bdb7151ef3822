package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"facerec/internal/oci"
	"facerec/internal/oci/layer"
	"facerec/internal/pack"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

func (a *app) packVerb() *cobra.Command {
	var f cellFlags
	var image, registry, out string
	var limits limitFlags
	var jobs int
	cmd := &cobra.Command{
		Use:   "pack",
		Short: "Write tarballs, SBOMs, checksums.txt and release.json from platform images",
		Long: `For every chosen cell, resolve the tag to an index and the index to a platform
manifest once, take extract.path out of that manifest's layers, and write the
tarball: the exact bytes of

  tar --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner | gzip -n

Then write an SPDX 2.3 SBOM for each tarball; release.json, which records what
each cell was made of; and checksums.txt, which covers every file except itself
and its bundle.

Images are read from image.repository below --registry, or from --image: a
repository (REGISTRY/NAME) or oci-layout:DIR. The tag follows from the version,
the lineage and "tags" in config.json.`,
		Example: `  releaser pack --image oci-layout:build/oci
  releaser pack --registry ghcr.io --version 1.0.0 --out dist`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.choose(f)
			if err != nil {
				return err
			}
			ref, err := c.image(image, registry)
			if err != nil {
				return err
			}
			if ref.Tag != "" || !ref.Digest.IsZero() {
				return text.WithHint(usage("--image %s: expected REGISTRY/NAME or oci-layout:DIR, without tag and digest", ref), "they follow from version and lineage")
			}
			return a.pack(cmd.Context(), c, ref, out, limits.limits(), jobs)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&image, "image", "", "take images from `REF`: REGISTRY/NAME or oci-layout:DIR")
	cmd.Flags().StringVar(&registry, "registry", "", "read image.repository on `HOST[:PORT]`")
	cmd.Flags().StringVar(&out, "out", "dist", "write the release to `DIR`; an existing release there is replaced")
	cmd.Flags().IntVar(&jobs, "jobs", 0, "use `N` cores (default: all)")
	limits.add(cmd)
	return cmd
}

// limitFlags bound what an image may cost.
type limitFlags struct{ l layer.Limits }

func (f *limitFlags) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.l.Entries, "max-entries", 2_000_000, "refuse layers with more than `N` entries")
	cmd.Flags().Int64Var(&f.l.Bytes, "max-layer-bytes", 64<<30, "refuse layers that inflate to more than `N` bytes")
	cmd.Flags().Int64Var(&f.l.Ratio, "max-ratio", tarball.DefaultRatio, "refuse layers that inflate to more than `N` times their size, not counting the first 256 MB in total")
}

func (f *limitFlags) limits() layer.Limits { return f.l }

func (a *app) pack(ctx context.Context, c *chosen, ref oci.Ref, out string, limits layer.Limits, jobs int) error {
	if _, err := tarball.ParseRecipe(c.config.Recipe); err != nil {
		return usage("%s: recipe: %v", a.configFile, err)
	}
	locks, err := pack.ReadLocks(c.root, c.config.Inputs)
	if err != nil {
		return usageError(err)
	}
	p := a.progress("pack")
	defer p.close()
	record, err := pack.Release(ctx, pack.Input{
		Config: c.config, Version: c.version, Cells: c.cells, Root: c.root, Locks: locks,
		Images: ref, Access: a.access(ref), Limits: limits,
		Workers: jobs, Moved: p.move, Notice: func(line string) { a.note("pack: %s", line) },
	}, out)
	if err != nil {
		return err
	}
	for _, rc := range record.Cells {
		p.finish(rc.String(), fmt.Sprintf("%s, %d bytes", rc.Asset, rc.FileSize))
	}
	p.close()
	if a.json {
		if err := pack.ReadEntries(&record, out); err != nil {
			return err
		}
		return a.answer(packAnswer{"releaser.pack/v1", out, &record})
	}
	for _, rc := range record.Cells {
		a.say("%s  %s  tar %s  file %s", rc, filepath.Join(out, rc.Asset), rc.TarSHA256.Hex(), rc.FileSHA256.Hex())
		for _, k := range rc.Packages {
			a.say("%s  %s  %s  file %s", rc, filepath.Join(out, k.Asset), k.Recipe, k.FileSHA256.Hex())
		}
	}
	return nil
}

// packAnswer is what pack --json prints.
type packAnswer struct {
	Schema string          `json:"schema"`
	Out    string          `json:"out"`
	Record *release.Record `json:"release"`
}
