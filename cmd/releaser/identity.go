package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"facerec/internal/release"
	"facerec/internal/verify"
)

// configuredIdentity is whom config.json expects to have signed the release in
// a folder. The version comes from release.json there, everything else from
// the configuration of whoever asks.
func (a *app) configuredIdentity(dist string) ([]verify.Identity, error) {
	c, err := a.load()
	if err != nil {
		return nil, err
	}
	if c.config.Identity.Issuer == "" || c.config.Identity.SAN == "" {
		return nil, usage("%s has no identity.issuer and identity.san: set them, or give --certificate-identity and --certificate-oidc-issuer", a.configFile)
	}
	version := c.config.Version
	raw, err := os.ReadFile(filepath.Join(dist, release.RecordFile))
	switch {
	case err == nil:
		record, err := release.ParseRecord(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dist, release.RecordFile), err)
		}
		version = record.Version
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if version == "" {
		return nil, usage("no version to expect an identity for: %s is not there and %s has none", filepath.Join(dist, release.RecordFile), a.configFile)
	}
	id := c.config.ExpectedIdentity(version)
	return []verify.Identity{{SAN: id.SAN, Issuer: id.Issuer}}, nil
}
