package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"facerec/internal/release"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// callersConfig reads config.json for the verification of what is in places,
// directories or kits. It is nil where there is none, or where it lies in one of them:
// then it came with the release, and says nothing about what the caller expects.
func (a *app) callersConfig(places ...string) (*chosen, error) {
	if _, err := os.Stat(a.configFile); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	foreign := a.foreign
	for _, place := range places {
		inside, err := isInside(a.configFile, place)
		if err != nil {
			return nil, err
		}
		foreign = foreign || inside
	}
	if foreign {
		a.unused.Do(func() { a.note("verify: %s is not used: it lies in the directory that is verified", a.configFile) })
		return nil, nil
	}
	return a.load()
}

// isForeign reports whether config.json lies in one of several places. Not all of them
// need exist.
func (a *app) isForeign(places []string) bool {
	return slices.ContainsFunc(places, func(place string) bool {
		inside, err := isInside(a.configFile, place)
		return err == nil && inside
	})
}

// isInside reports whether a file lies in a directory or below it, through links
// and other spellings.
func isInside(file, dir string) (bool, error) {
	var real [2]string
	for i, p := range []string{file, dir} {
		abs, err := filepath.Abs(p)
		if err != nil {
			return false, err
		}
		if real[i], err = filepath.EvalSymlinks(abs); err != nil {
			return false, err
		}
	}
	rel, err := filepath.Rel(real[1], real[0])
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)), nil
}

// configuredIdentity is whom the caller's config.json expects to have signed the
// release with such files, which name is the place of. The version that completes it is the expected one; only where
// none is expected it is the one that the release claims, and e says so.
func (a *app) configuredIdentity(c *chosen, name string, files fs.FS, e *verify.Expectation) ([]verify.CertificateIdentity, error) {
	if c == nil {
		return nil, text.WithHint(usage("no expected signer"), "pass --key FILE, or --certificate-identity and --certificate-oidc-issuer, or --config FILE with a config.json from outside of %s", name)
	}
	version := e.Version
	if version == "" {
		f, err := files.Open(release.RecordFile)
		if err == nil {
			version = verify.ClaimedVersion(f)
			err = f.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if version == "" {
			return nil, text.WithHint(usage("cannot determine the version to expect an identity for"), "pass --version, or set version in %s", a.configFile)
		}
		id := c.config.Identity.SAN
		e.FromRelease = strings.Contains(id, "{") // it names a tag or a version
	}
	return a.expectedIdentity(c, version)
}

// imageIdentity is whom config.json expects to have signed an image. The version
// is the one that the tag names in any lineage, else the configured one.
func (a *app) imageIdentity(tag string) ([]verify.CertificateIdentity, error) {
	c, err := a.load()
	if err != nil {
		return nil, err
	}
	version := c.config.Version
	if v, _, ok := c.config.ParseTag(tag); ok {
		version = v
	}
	if version == "" {
		return nil, usage("no version to expect an identity for: the tag %q names none and %s has none", tag, a.configFile)
	}
	return a.expectedIdentity(c, version)
}

func (a *app) expectedIdentity(c *chosen, version release.Version) ([]verify.CertificateIdentity, error) {
	if c.config.Identity.Issuer == "" || c.config.Identity.SAN == "" {
		return nil, text.WithHint(usage("%s has no identity.issuer and identity.san", a.configFile), "set them, or give --certificate-identity and --certificate-oidc-issuer")
	}
	id := c.config.ExpectedIdentity(version)
	return []verify.CertificateIdentity{{SAN: id.SAN, Issuer: id.Issuer}}, nil
}
