package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"facerec/internal/release"
	"facerec/internal/verify"
)

// configuredIdentity is whom config.json expects to have signed the release in
// a folder. The version comes from release.json there, everything else from
// the configuration of whoever asks. A release.json that cannot be read is for
// verify to refuse, with all else that is wrong: the configured version serves.
func (a *app) configuredIdentity(dist string) ([]verify.CertificateIdentity, error) {
	c, err := a.load()
	if err != nil {
		return nil, err
	}
	version := c.config.Version
	path := filepath.Join(dist, release.RecordFile)
	raw, err := os.ReadFile(path)
	switch {
	case err == nil:
		record, err := release.ParseRecord(raw)
		if err == nil {
			version = record.Version
		} else if version == "" {
			return nil, &verify.Error{Class: verify.Differs, Check: path, Err: err}
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if version == "" {
		return nil, usage("no version to expect an identity for: %s is not there and %s has none", path, a.configFile)
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
		return nil, usage("%s has no identity.issuer and identity.san: set them, or give --certificate-identity and --certificate-oidc-issuer", a.configFile)
	}
	id := c.config.ExpectedIdentity(version)
	return []verify.CertificateIdentity{{SAN: id.SAN, Issuer: id.Issuer}}, nil
}
