package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/oci"
	"facerec/internal/oci/layer"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

type cpAnswer struct {
	Schema  string      `json:"schema"`
	Image   string      `json:"image"` // pinned by the manifest's digest
	Entries []listEntry `json:"entries"`
}

func (a *app) cpVerb() *cobra.Command {
	var platform string
	var force bool
	var limits limitFlags
	cmd := &cobra.Command{
		Use:   "cp REF:PATH DEST",
		Short: "Copy a file or directory out of an image and print its SHA-256",
		Long: `Copy PATH, absolute in the image, to DEST. An existing file is not replaced
without --force, an existing directory never. "-" writes a single file to standard
output. REF is REGISTRY/REPOSITORY:TAG, oci-layout:DIR[:TAG], oci-archive:FILE[:TAG] or
docker-archive:FILE[:NAME:TAG]. Every layer is checked against its digest and diff ID,
and the SHA-256 of every file is printed.`,
		Example: `  releaser cp ghcr.io/acme/tool:1.0.0:/app/tool ./tool
  releaser cp oci-layout:build/oci:1.0.0:/etc/passwd - --platform linux/arm64`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			i := strings.LastIndex(args[0], ":/")
			if i < 0 {
				return usage("%q: expected REF:PATH with an absolute PATH", args[0])
			}
			ref, err := oci.ParseRef(args[0][:i])
			if err != nil {
				return usageError(err)
			}
			return a.cp(cmd.Context(), ref, platform, args[0][i+1:], args[1], force, limits.limits())
		},
	}
	cmd.Flags().StringVar(&platform, "platform", release.HostPlatform().String(), "use the image for `OS/ARCH[/VARIANT]`")
	cmd.Flags().BoolVar(&force, "force", false, "replace DEST if it is a file")
	limits.add(cmd)
	return cmd
}

// openImage finds the one image that a reference and a platform name.
func (a *app) openImage(ctx context.Context, ref oci.Ref, platform string) (*oci.Image, error) {
	index, err := oci.ReadIndex(ctx, ref, a.access(ref))
	if err != nil {
		return nil, err
	}
	p, err := release.ParsePlatform(platform)
	if err != nil {
		return nil, usageError(err)
	}
	if index.Single {
		images, err := index.Images(ctx)
		if err != nil {
			return nil, err
		}
		if len(images) == 0 {
			return nil, fmt.Errorf("%s is an attestation, not an image", ref)
		}
		if _, err := index.Offers(p); err != nil {
			a.warn("%s is a single image for %s, not for %s", ref, images[0].Platform, p)
		}
		return images[0], nil
	}
	img, err := index.Image(ctx, p)
	if err == nil && len(img.Others) > 0 {
		a.warn("%s has %s %d times: took the first that can be read, %s", ref, img.Platform, len(img.Others)+1, img.Digest)
	}
	return img, err
}

func (a *app) cp(ctx context.Context, ref oci.Ref, platform, path, dest string, force bool, limits layer.Limits) error {
	img, err := a.openImage(ctx, ref, platform)
	if err != nil {
		return err
	}
	spool, err := tarball.NewSpool("")
	if err != nil {
		return err
	}
	defer spool.Close()
	one, flat, err := layer.NewUnpacker(spool, limits).File(ctx, img, path)
	if err != nil {
		return err
	}
	for _, d := range flat.Devices {
		a.warn("%s is a device or a named pipe (%s): left out", text.Show(d.Name), d.What)
	}
	flat.Devices = nil
	if one != nil {
		err = a.cpFile(*one, dest, force)
		flat.Tree, _ = tarball.NewTree(nil)
	} else {
		err = cpTree(flat.Tree, dest)
	}
	if err != nil {
		return err
	}
	var list []listEntry
	if one != nil {
		list = []listEntry{{Name: path, Type: "file", Mode: octal(one.Mode), Size: one.Content.Size(), SHA256: one.Content.Digest().Hex()}}
	} else {
		list = listTree(flat)
	}
	if a.json {
		return a.answer(cpAnswer{"releaser.cp/v1", img.Ref.String(), list})
	}
	out := a.out
	if dest == "-" {
		out = a.errs
	}
	for _, e := range list {
		if e.SHA256 != "" {
			fmt.Fprintf(out, "%s  %s\n", e.SHA256, text.Show(e.Name))
		}
	}
	return nil
}

func (a *app) cpFile(e tarball.Entry, dest string, force bool) error {
	r := io.NewSectionReader(e.Content, 0, e.Content.Size())
	if dest == "-" {
		_, err := io.Copy(a.out, r)
		return err
	}
	if fi, err := os.Stat(dest); err == nil && fi.IsDir() {
		return text.WithHint(usage("%s is a directory", dest), "name the file to write")
	}
	write := atomicfile.WriteNew
	if force {
		write = atomicfile.Write
	}
	err := write(dest, os.FileMode(e.Mode&0o777), func(w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		err = text.WithHint(err, "choose another name, or pass --force")
	}
	return err
}

// cpTree writes a directory. Links are made as links and never followed: nothing
// is written through one.
func cpTree(t tarball.Tree, dest string) error {
	if dest == "-" {
		return text.WithHint(usage("a directory cannot go to standard output"), "name a new directory")
	}
	if _, err := os.Lstat(dest); err == nil {
		return text.WithHint(usage("%s exists and is not replaced", dest), "name a new directory")
	}
	return atomicfile.ReplaceDir(dest, func(tmp string) error {
		rules, err := atomicfile.Probe(tmp)
		if err != nil {
			return err
		}
		return writeTree(t, tmp, dest, rules)
	})
}

// writeTree fills the empty directory tmp, which will be dest. Names that it
// cannot have are refused before anything is written.
func writeTree(t tarball.Tree, tmp, dest string, rules atomicfile.Rules) error {
	root, err := os.OpenRoot(tmp)
	if err != nil {
		return err
	}
	defer root.Close()
	names := atomicfile.NewNames(rules)
	for _, e := range t.Entries() {
		err := names.Add(e.Name)
		if err == nil && e.Type == tarball.Symlink {
			err = rules.Check(e.Link)
		}
		if err != nil {
			return err
		}
	}
	var directories []tarball.Entry
	for _, e := range t.Entries() {
		switch e.Type {
		case tarball.Dir:
			directories = append(directories, e)
			err = root.Mkdir(e.Name, 0o700)
		case tarball.Symlink:
			err = root.Symlink(e.Link, e.Name)
		case tarball.Hardlink:
			err = root.Link(e.Link, e.Name)
		case tarball.Regular:
			err = cpRegular(root, e)
		}
		if err != nil {
			return &atomicfile.WriteError{Path: filepath.Join(dest, e.Name), Err: err}
		}
	}
	for _, d := range slices.Backward(directories) { // last, or a directory could not be filled
		if err := os.Chmod(filepath.Join(tmp, d.Name), os.FileMode(d.Mode&0o777)); err != nil {
			return &atomicfile.WriteError{Path: filepath.Join(dest, d.Name), Err: err}
		}
	}
	return os.Chmod(tmp, os.FileMode(t.TopMode()&0o777))
}

func cpRegular(root *os.Root, e tarball.Entry) error {
	f, err := root.OpenFile(e.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, io.NewSectionReader(e.Content, 0, e.Content.Size())); err != nil {
		return err
	}
	if err := f.Chmod(os.FileMode(e.Mode & 0o777)); err != nil {
		return err
	}
	return f.Close()
}
