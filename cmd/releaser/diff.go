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
and by their scripts.

Exit code 0 if both are identical, 3 if they differ.`,
		Example: `  releaser diff a.tar.gz b.tar.gz
  releaser diff tool_1.0.0_linux_amd64.tar.gz ghcr.io/acme/tool:1.0.0
  releaser diff oci-layout:one:1.0.0 oci-layout:two:1.0.0 --platform linux/arm64 --max 0`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if report, ok, err := diffPackages(args); ok || err != nil {
				if err != nil {
					return err
				}
				return a.sayDifference(report, most)
			}
			spool, err := tarball.NewSpool("")
			if err != nil {
				return err
			}
			defer spool.Close()
			if !cmd.Flags().Changed("prefix") {
				if prefix, err = recognizedPrefix(args); err != nil {
					return err
				}
			}
			var sides [2]tarball.Source
			for i, arg := range args {
				what, err := classify(arg)
				if err != nil {
					return err
				}
				src, done, err := a.source(cmd.Context(), what, arg, spool, platform, path, prefix, limits.limits())
				if err != nil {
					return err
				}
				defer done()
				sides[i] = src
			}
			report, err := tarball.DiffSources(cmd.Context(), sides[0], sides[1], tarball.DefaultLimits())
			if err != nil {
				return err
			}
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

// diffPackages compares two packages; false if one of the sides is something else.
func diffPackages(args []string) (report tarball.Difference, ok bool, err error) {
	var sides [2]packages.Contents
	for i, arg := range args {
		what, err := classify(arg)
		if err != nil || what.kind != anArchive {
			return report, false, err
		}
		if sides[i], ok, err = readPackage(what.path); err != nil || !ok {
			return report, false, err
		}
	}
	report = packages.Diff(sides[0], sides[1])
	report.A.Name, report.B.Name = args[0], args[1]
	return report, true, nil
}

// readPackage opens a package; false if the file is something else.
func readPackage(path string) (c packages.Contents, ok bool, err error) {
	f, err := atomicfile.Open(path)
	if err != nil {
		return c, false, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || !packages.Sniff(f, size) {
		return c, false, err
	}
	if c, err = packages.Read(f, size); err != nil {
		return c, false, fmt.Errorf("%s: %w", path, err)
	}
	return c, true, nil
}

// recognizedPrefix is the top directory of the one tarball that is compared with
// something else, "" if there is none.
func recognizedPrefix(args []string) (string, error) {
	var archives []string
	for _, arg := range args {
		what, err := classify(arg)
		if err != nil {
			return "", err
		}
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
