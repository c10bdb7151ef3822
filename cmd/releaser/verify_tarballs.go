package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/verify"
)

// verifyTarballs holds tarballs that no release is around to images.
func (a *app) verifyTarballs(ctx context.Context, paths []string, in verify.Input, f verifyFlags) (verify.Report, error) {
	if f.cells != "" && f.cells != "all" {
		return verify.Report{}, usage("--cells needs the directory of a release: a single tarball has no cells")
	}
	names, err := a.assetNames(f.image)
	if err != nil {
		return verify.Report{}, err
	}
	loose := make([]verify.Standalone, len(paths))
	version := release.Version("")
	for i, path := range paths {
		var v release.Version
		loose[i], v = names.loose(path, f)
		if version == "" {
			version = v
		}
	}
	in.Dist = files{}
	if in.Policy, err = a.standalonePolicy(&f.trust, names.config, version); err != nil {
		return verify.Report{}, a.untrusted(err)
	}
	if in.Rebuilders, err = a.rootOfRebuilders(in.Rebuilders, in.Policy, f.trust); err != nil {
		return verify.Report{}, a.untrusted(err)
	}
	if !in.Policy.Empty() && !f.silent {
		a.note("verify: expecting %s", expected(in.Policy))
	}
	return verify.Tarballs(ctx, in, loose)
}

// standalonePolicy is the policy for the images' signatures, empty if neither a
// flag nor config.json names a signer.
func (a *app) standalonePolicy(f *trustFlags, c *chosen, version release.Version) (p verify.Policy, err error) {
	var fallback []verify.CertificateIdentity
	if !f.given() {
		if c == nil || c.config.Identity.Issuer == "" || c.config.Identity.SAN == "" || version == "" {
			return p, nil
		}
		if fallback, err = a.expectedIdentity(c, version); err != nil {
			return p, err
		}
	}
	return a.policy(f, fallback...)
}

// looseImage is where the images of loose tarballs are; c is nil without config.json.
func looseImage(c *chosen, flag string) (oci.Ref, error) {
	if flag == "" {
		if c == nil {
			return oci.Ref{}, usage("a tarball without a checksums.txt next to it needs --image REF to compare with")
		}
		return c.image("", os.Getenv(variable("registry")))
	}
	ref, err := oci.ParseRef(flag)
	if err != nil {
		return ref, usageError(err)
	}
	if (ref.Kind == oci.Layout || ref.Kind == oci.OCIArchive) && ref.Tag == "" && ref.Digest.IsZero() {
		if tags, err := oci.LayoutTags(ref); err == nil && len(tags) == 1 {
			ref.Tag = tags[0] // there is nothing to choose
		}
	}
	return ref, nil
}

// loose says of which image a tarball is said to be made.
func (n assetNames) loose(path string, f verifyFlags) (verify.Standalone, release.Version) {
	l := verify.Standalone{Cell: release.RecordCell{Asset: path, Path: "/app", Recipe: release.DefaultRecipe}}
	named, ok := n.match(filepath.Base(path))
	if ok {
		l.Cell.Platform = named.platform
	}
	if c := n.config; c != nil {
		e := c.config.Extract
		l.Cell.Path, l.Cell.Include, l.Cell.Exclude, l.Cell.Recipe = e.Path, e.Include, e.Exclude, c.config.Recipe
	}
	if f.path != "" {
		l.Cell.Path = f.path
	}
	if f.platform != "" {
		if l.Cell.Platform, l.Err = release.ParsePlatform(f.platform); l.Err != nil {
			return l, named.version
		}
	} else if !ok {
		l.Err = fmt.Errorf("its name does not say which platform it is for (%s): give --platform", n.shape())
		return l, ""
	}
	image := n.image
	if image.Tag == "" && image.Digest.IsZero() {
		if !ok {
			l.Err = fmt.Errorf("its name does not say which image it is made of (%s): give --image with a tag or a digest", n.shape())
			return l, ""
		}
		image = image.WithTag(named.tag)
	}
	l.Cell.Image = image.String()
	return l, named.version
}

// assetNames reads names of tarballs: as config.json spells them, or, without
// one, as this program does by default. image is where what they name is.
type assetNames struct {
	config *chosen // nil: there is none
	image  oci.Ref
}

// assetNames is for the image that a flag names, "" for config.json's, and for what is
// in places.
func (a *app) assetNames(image string, places ...string) (n assetNames, err error) {
	if n.config, err = a.callersConfig(places...); err != nil {
		return n, err
	}
	n.image, err = looseImage(n.config, image)
	return n, err
}

// named is what a tarball's name tells.
type named struct {
	version  release.Version
	platform release.Platform
	tag      string // of the image
}

func (n assetNames) shape() string {
	if n.config != nil {
		return n.config.config.Asset
	}
	return "NAME_VERSION_OS_ARCH[-SUFFIX].tar.gz"
}

func (n assetNames) match(name string) (named, bool) {
	if n.config == nil {
		v, p, tag, ok := release.ParseDefaultAsset(name)
		return named{v, p, tag}, ok
	}
	v, cell, ok := n.config.config.ParseAsset(name)
	return named{v, cell.Platform, n.config.config.ImageTag(v, cell.Lineage)}, ok
}
