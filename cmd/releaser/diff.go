package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/oci"
	"facerec/internal/oci/layer"
	"facerec/internal/packages"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

type diffAnswer struct {
	Schema string `json:"schema"`
	tarball.Difference
}

func (a *app) diffVerb() *cobra.Command {
	var platform, path, prefix string
	var most int
	var limits limitFlags
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Say which entry differs, in which field, and why",
		Long: `Compare two tarballs, directories or images, in any combination. For each entry
that differs, name the field: mode, type, size, link, owner, time, or content with
the offset of the first differing byte. Where the cause is clear, name it first:
another layer, compressor or level, a gzip header, a umask, another order, owners,
times or top directory, a truncated file.

An image is the directory --path of its --platform, as a container sees it. Images
and directories get the top directory --prefix or, compared with a tarball, the
tarball's own. A tarball may be compressed with gzip, xz, zstd or bzip2, or not at
all. A directory or image has no compression: it is identical to a tarball with
the same tar stream.

Two packages (.deb, .rpm, .apk) are compared by what they install, by their metadata
and by their scripts; the causes name the parts of the files that differ: payload,
control, signature, or the wrapping around them. A package and a tarball, directory or
image are compared by what the package installs, entry by entry. A file that lies
elsewhere is paired by its bytes or its base name, with "name" as a field that differs.

Exit code 0 if both are identical, 3 if they differ.`,
		Example: `  releaser diff a.tar.gz b.tar.gz
  releaser diff tool_1.0.0_linux_amd64.tar.gz ghcr.io/acme/tool:1.0.0
  releaser diff oci-layout:one:1.0.0 oci-layout:two:1.0.0 --platform linux/arm64 --max 0`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			spool, err := tarball.NewSpool("")
			if err != nil {
				return err
			}
			defer spool.Close()
			var what [2]artifact
			var pkgs [2]*packages.Contents
			for i, arg := range args {
				if what[i], err = classify(arg); err != nil {
					return err
				}
				if pkgs[i], err = readPackage(what[i]); err != nil {
					return err
				}
			}
			if !cmd.Flags().Changed("prefix") && pkgs[0] == nil && pkgs[1] == nil {
				if prefix, err = recognizedPrefix(what); err != nil {
					return err
				}
			}
			var sides [2]tarball.Source
			for i, arg := range args {
				if pkgs[i] != nil {
					continue
				}
				src, done, err := a.source(cmd.Context(), what[i], arg, spool, platform, path, prefix, limits.limits())
				if err != nil {
					return err
				}
				defer done()
				sides[i] = src
			}
			report, err := difference(cmd.Context(), sides, pkgs)
			if err != nil {
				return err
			}
			report.A.Name, report.B.Name = args[0], args[1]
			return a.sayDifference(report, most)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&platform, "platform", release.HostPlatform().String(), "use the image for `OS/ARCH[/VARIANT]`")
	fl.StringVar(&path, "path", "/app", "compare the directory `DIR` of an image")
	fl.StringVar(&prefix, "prefix", "", "put directories and images below the top `DIRECTORY` (default: that of the tarball on the other side)")
	fl.IntVar(&most, "max", 50, "show at most `N` entries (0: all)")
	limits.add(cmd)
	return cmd
}

// sayDifference prints a difference, of which the exit code is a function.
func (a *app) sayDifference(report tarball.Difference, most int) (err error) {
	if a.json {
		err = a.answer(diffAnswer{"releaser.diff/v2", report})
	} else {
		err = tarball.WriteText(a.out, report, most)
	}
	if err == nil && report.Grade != tarball.Identical {
		err = &codedError{code: exitDiffers}
	}
	return err
}

// difference compares two sides, each of which is a package or a source.
func difference(ctx context.Context, sides [2]tarball.Source, pkgs [2]*packages.Contents) (tarball.Difference, error) {
	switch {
	case pkgs[0] != nil && pkgs[1] != nil:
		return packages.Diff(*pkgs[0], *pkgs[1]), ctx.Err()
	case pkgs[0] == nil && pkgs[1] == nil:
		return tarball.DiffSources(ctx, sides[0], sides[1], tarball.DefaultLimits())
	}
	var problems []tarball.Problem
	for i, pkg := range pkgs {
		if pkg != nil {
			continue
		}
		r, err := sides[i].Open()
		if err != nil {
			return tarball.Difference{}, err
		}
		defer r.Close()
		c, found, err := packages.ReadTar(r)
		if err != nil {
			return tarball.Difference{}, fmt.Errorf("%s: %w", sides[i].Name, err)
		}
		pkgs[i], problems = &c, found
	}
	return packages.DiffTar(*pkgs[0], *pkgs[1], problems), ctx.Err()
}

// readPackage opens a package; nil for what is something else.
func readPackage(what artifact) (*packages.Contents, error) {
	if what.kind != anArchive {
		return nil, nil
	}
	f, err := atomicfile.Open(what.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || !packages.Sniff(f, size) {
		return nil, err
	}
	c, err := packages.Read(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what.path, err)
	}
	return &c, nil
}

// recognizedPrefix is the top directory of the one tarball that is compared with
// something else, "" if there is none.
func recognizedPrefix(both [2]artifact) (string, error) {
	var archives []string
	for _, what := range both {
		if what.kind == anArchive {
			archives = append(archives, what.path)
		}
	}
	if len(archives) != 1 {
		return "", nil
	}
	f, err := atomicfile.Open(archives[0])
	if err != nil {
		return "", err
	}
	defer f.Close()
	return tarball.Top(f, tarball.DefaultLimits()), nil
}

// source opens one side of a comparison.
func (a *app) source(ctx context.Context, what artifact, name string, spool *tarball.Spool, platform, path, prefix string, limits layer.Limits) (tarball.Source, func(), error) {
	nothing := func() {}
	switch what.kind {
	case anArchive:
		f, err := atomicfile.Open(what.path)
		if err != nil {
			return tarball.Source{}, nil, err
		}
		fi, err := f.Stat()
		if err != nil {
			_ = f.Close()
			return tarball.Source{}, nil, err
		}
		return tarball.FileSource(name, f, fi.Size()), func() { _ = f.Close() }, nil
	case aFolder:
		tree, err := layer.ReadDirectory(spool, what.path)
		if err != nil {
			return tarball.Source{}, nil, fmt.Errorf("%s: %w", name, err)
		}
		src, err := tarball.TreeSource(name, tree, prefix)
		return src, nothing, err
	}
	img, err := a.openImage(ctx, what.ref, platform)
	if err != nil {
		return tarball.Source{}, nil, err
	}
	flat, err := layer.NewUnpacker(spool, limits).Flatten(ctx, img, path)
	if err != nil {
		return tarball.Source{}, nil, err
	}
	src, err := tarball.TreeSource(name, flat.Tree, prefix)
	src.Layers = origin(img, flat, prefix)
	return src, nothing, err
}

// origin tells which layer of img each entry below prefix came from.
func origin(img *oci.Image, flat layer.Flattened, prefix string) *tarball.LayerMap {
	o := &tarball.LayerMap{}
	number := map[release.Digest]int{}
	for i, l := range img.Layers {
		o.Layers = append(o.Layers, tarball.Layer{Digest: l.Digest.String(), DiffID: l.DiffID.String()})
		number[l.Digest] = i
	}
	o.Of = func(name string) int {
		if prefix != "" {
			name = strings.TrimPrefix(name, prefix+"/")
		}
		from, ok := flat.Origin(name)
		if !ok {
			return -1
		}
		return number[from.Layer]
	}
	return o
}
