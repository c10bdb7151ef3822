package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/checksum"
	"facerec/internal/oci"
	"facerec/internal/oci/build"
	"facerec/internal/oci/layer"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/tarball"
	"facerec/internal/text"
	"facerec/internal/verify"
)

func (a *app) packVerb() *cobra.Command {
	var f cellFlags
	var image, registry, out string
	var limits limitFlags
	var jobs int
	cmd := &cobra.Command{
		Use:   "pack",
		Short: "Take each cell's folder out of its platform image and write tarballs, SBOMs, checksums.txt and release.json",
		Long: `For every chosen cell resolve tag, index and platform manifest digest once, take
extract.path out of that digest, and write the asset as the exact bytes of
'tar --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner |
gzip -n'. Then write an SPDX 2.3 SBOM for each tarball, release.json, which says
for every cell what it was made of, and checksums.txt, which covers everything
but itself and its bundle.

Images come from image.repository below --registry, or from --image, which may
be a repository (REGISTRY/NAME) or oci-layout:DIR. The tag is the version and
the lineage's suffix.`,
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
				return usage("--image %s: leave tag and digest out, they follow from version and lineage", ref)
			}
			return a.pack(cmd.Context(), c, ref, out, limits.limits(), jobs)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&image, "image", "", "take images from `REF`: REGISTRY/NAME or oci-layout:DIR")
	cmd.Flags().StringVar(&registry, "registry", os.Getenv("RELEASER_REGISTRY"), "`HOST[:PORT]` of image.repository (environment: RELEASER_REGISTRY)")
	cmd.Flags().StringVar(&out, "out", "dist", "`DIR` to write; an older release there is replaced")
	cmd.Flags().IntVar(&jobs, "jobs", 0, "how many cores to use (default: all)")
	limits.add(cmd)
	return cmd
}

// limitFlags bound what an image may cost.
type limitFlags struct{ l layer.Limits }

func (f *limitFlags) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.l.Entries, "max-entries", 2_000_000, "refuse layers with more than `N` entries")
	cmd.Flags().Int64Var(&f.l.Bytes, "max-layer-bytes", 64<<30, "refuse layers that inflate to more than `N` bytes")
	cmd.Flags().Int64Var(&f.l.Ratio, "max-ratio", 1_000, "refuse layers that inflate to more than `N` times their size")
}

func (f *limitFlags) limits() layer.Limits { return f.l }

// packed is one cell on its way into the release.
type packed struct {
	cell   release.Cell
	image  *oci.Image
	tag    oci.Ref
	tree   tarball.Tree
	record release.RecordCell
}

func (a *app) pack(ctx context.Context, c *chosen, ref oci.Ref, out string, limits layer.Limits, jobs int) error {
	if _, err := tarball.ParseRecipe(c.config.Recipe); err != nil {
		return usage("%s: recipe: %v", a.configFile, err)
	}
	locks, err := a.readLocks(c)
	if err != nil {
		return err
	}
	spool, err := tarball.NewSpool("")
	if err != nil {
		return err
	}
	defer spool.Close()
	p := a.progress("pack")
	defer p.close()
	unpacker := layer.NewUnpacker(spool, limits)
	unpacker.Progress = func(done, total int64) { p.move("layers", done, total) }
	cells, err := a.collect(ctx, c, ref, unpacker, spool, jobs)
	if err != nil {
		return err
	}
	var record release.Record
	err = replaceDir(out, isReleaseFile, func(tmp string) error {
		if err := writeTarballs(ctx, tmp, cells, tarball.Options{Workers: jobs, Progress: p.move}); err != nil {
			return err
		}
		if err := writeSBOMs(tmp, c, cells, locks, jobs); err != nil {
			return err
		}
		record = newRecord(c, cells)
		return finishRelease(tmp, record)
	})
	if err != nil {
		return err
	}
	for _, rc := range record.Cells {
		p.finish(rc.String(), fmt.Sprintf("%s, %d bytes", rc.Asset, rc.FileSize))
	}
	p.close()
	if a.json {
		return a.answer(packAnswer(out, record))
	}
	for _, rc := range record.Cells {
		a.say("%s  %s  tar %s  file %s", rc, filepath.Join(out, rc.Asset), rc.TarSHA256.Hex(), rc.FileSHA256.Hex())
	}
	return nil
}

// collect resolves and flattens. Every lineage's tag is looked up once, so that
// all its platforms come from one index even if the tag moves meanwhile.
func (a *app) collect(ctx context.Context, c *chosen, ref oci.Ref, unpacker *layer.Unpacker, spool *tarball.Spool, jobs int) ([]packed, error) {
	extra, err := build.ExtraFiles(spool, c.root, c.config.Extract.Files)
	if err != nil {
		return nil, err
	}
	images := make([]*oci.Image, len(c.cells))
	indexes := map[string]*oci.Index{}
	for i, cell := range c.cells {
		tag := c.config.ImageTag(c.version, cell.Lineage)
		at := ref.WithTag(tag)
		index := indexes[tag]
		if index == nil {
			if index, err = oci.ReadIndex(ctx, at, a.access()); err != nil {
				return nil, fmt.Errorf("cell %s: %w", cell, err)
			}
			indexes[tag] = index
			a.note("pack: %s is %s", at, index.Digest)
		}
		if images[i], err = index.Image(ctx, cell.Platform); err != nil {
			return nil, fmt.Errorf("cell %s: %w", cell, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer unpacker.Prefetch(ctx, images, c.config.Extract.Path, jobs)()
	defer cancel()

	var out []packed
	for i, cell := range c.cells {
		tag := c.config.ImageTag(c.version, cell.Lineage)
		img, at, index := images[i], ref.WithTag(tag), indexes[tag]
		flat, err := unpacker.Flatten(ctx, img, c.config.Extract.Path)
		if err != nil {
			return nil, fmt.Errorf("cell %s: %w", cell, err)
		}
		tree, err := selectTree(flat.Tree, c.config.Extract.Include, c.config.Extract.Exclude, extra)
		if err != nil {
			return nil, fmt.Errorf("cell %s: %w", cell, err)
		}
		if lost := flat.Lost(); len(lost) > 0 {
			a.warn("pack: %s: the tarball loses attributes of %s", cell, text.List(lost, 8))
		}
		a.note("pack: %s: %s of %s, %d entries", cell, c.config.Extract.Path, img.Ref, len(tree.Entries()))
		config := release.DigestBytes(img.RawConf)
		out = append(out, packed{cell: cell, image: img, tag: at, tree: tree, record: release.RecordCell{
			Lineage: cell.Lineage.Name, Platform: cell.Platform,
			Asset: c.config.AssetName(c.version, cell), Image: c.recorded(at),
			IndexDigest: index.Digest, ManifestDigest: img.Digest, ConfigDigest: &config, Layers: layerDigests(img),
			Path: c.config.Extract.Path, Prefix: c.config.Prefix(c.version, cell),
			Include: c.config.Extract.Include, Exclude: c.config.Extract.Exclude,
			Recipe: c.config.Recipe, Entries: verify.Entries(tree),
		}})
	}
	return out, nil
}

// writeTarballs packs all cells in one call, so that what they share is
// compressed once.
func writeTarballs(ctx context.Context, dir string, cells []packed, o tarball.Options) (err error) {
	files := make([]*os.File, len(cells))
	defer func() {
		for _, f := range files {
			if f != nil {
				_ = f.Close() // again, after finishFile: the error was looked at there
			}
		}
	}()
	work := make([]tarball.Job, len(cells))
	for i, p := range cells {
		f, err := os.OpenFile(filepath.Join(dir, p.record.Asset), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		files[i] = f
		work[i] = tarball.Job{Name: p.cell.String(), Tree: p.tree, Prefix: p.record.Prefix, Recipe: tarball.Recipe(p.record.Recipe), Out: f}
	}
	results, err := tarball.Pack(ctx, work, o)
	if err != nil {
		return err
	}
	for i, r := range results {
		if err := finishFile(files[i], 0o644); err != nil {
			return err
		}
		rc := &cells[i].record
		rc.TarSHA256, rc.TarSize = release.HexDigest{Digest: r.Tar}, r.TarSize
		rc.FileSHA256, rc.FileSize = release.HexDigest{Digest: r.File}, r.FileSize
	}
	return nil
}

func newRecord(c *chosen, cells []packed) release.Record {
	r := release.Record{Schema: release.RecordSchema, Project: c.config.ProjectName, Version: c.version, Epoch: c.config.Epoch}
	if id := c.config.ExpectedIdentity(c.version); id.Issuer != "" && id.SAN != "" {
		r.Signer = &release.Signer{Identity: id.SAN, Issuer: id.Issuer}
	}
	for _, p := range cells {
		r.Cells = append(r.Cells, p.record)
	}
	return r
}

// finishRelease writes release.json and, last, checksums.txt over all the rest.
func finishRelease(dir string, record release.Record) error {
	raw, err := record.Marshal()
	if err != nil {
		return err
	}
	if err := writeBytes(filepath.Join(dir, release.RecordFile), raw); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var list []checksum.Sum
	known := map[string]release.Digest{} // from when they were written
	for _, c := range record.Cells {
		known[c.Asset] = c.FileSHA256.Digest
	}
	for _, e := range entries {
		d, ok := known[e.Name()]
		if !ok {
			if d, err = hashFile(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
		list = append(list, checksum.Sum{Name: e.Name(), Digest: d})
	}
	sums, err := checksum.New(list)
	if err != nil {
		return err
	}
	return writeBytes(filepath.Join(dir, checksum.File), sums.Format())
}

func hashFile(path string) (release.Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return release.Digest{}, err
	}
	defer f.Close()
	return hashReader(f)
}

func hashReader(r io.Reader) (release.Digest, error) {
	h := release.NewHasher()
	if _, err := io.Copy(h, r); err != nil {
		return release.Digest{}, err
	}
	return h.Digest(), nil
}

// isReleaseFile says whether pack or sign may have made a file: only such may
// be replaced.
func isReleaseFile(name string) bool {
	switch name {
	case release.RecordFile, checksum.File, sign.BundleFile:
		return true
	}
	return strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".spdx.json") ||
		strings.HasSuffix(name, ".sigstore.json") || strings.HasPrefix(name, partialPrefix)
}

// packDocument is what pack --json prints.
type packDocument struct {
	Schema string          `json:"schema"`
	Out    string          `json:"out"`
	Record *release.Record `json:"release"`
}

func packAnswer(out string, r release.Record) packDocument {
	return packDocument{Schema: "releaser.pack/v1", Out: out, Record: &r}
}

// recorded is how release.json names an image. A layout's path is a matter of
// this machine: then the repository stands there as config.json has it, and
// whoever verifies says where to look.
func (c *chosen) recorded(at oci.Ref) string {
	if at.Kind == oci.Registry {
		return at.String()
	}
	return c.config.Image.Repository + ":" + at.Tag
}
