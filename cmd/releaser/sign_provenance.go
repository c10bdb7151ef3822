package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// inputsLock is the file that pins what a build takes from elsewhere.
const inputsLock = "inputs.lock.json"

// signProvenance makes the statement about the tarballs in a directory. Its bundle
// is verified over each of them.
func (a *app) signProvenance(ctx context.Context, dist string, s sign.Signer, policy verify.Policy) ([]byte, error) {
	raw, err := atomicfile.ReadFile(filepath.Join(dist, release.RecordFile), release.MaxRecordSize)
	if err != nil {
		return nil, fmt.Errorf("provenance: %w", err)
	}
	record, err := release.ParseRecord(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dist, release.RecordFile), err)
	}
	inputs, err := a.inputs()
	if err != nil {
		return nil, fmt.Errorf("provenance: %w", err)
	}
	check := func(bundle, statement []byte) error {
		for _, c := range record.Cells {
			got, err := verify.Blob(bundle, verify.Digest(c.FileSHA256.Digest), policy)
			if err != nil {
				return err
			}
			if !bytes.Equal(got.Statement, statement) {
				return errors.New("the bundle contains a different statement")
			}
		}
		return nil
	}
	return sign.Provenance(ctx, record, inputs, builder(policy), s, check)
}

// inputs are config.json and the lock next to it, as far as they are there.
func (a *app) inputs() ([]sign.Input, error) {
	var inputs []sign.Input
	for _, path := range []string{a.configFile, filepath.Join(filepath.Dir(a.configFile), inputsLock)} {
		raw, err := atomicfile.ReadFile(path, maxNamedFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, sign.Input{Name: filepath.Base(path), Digest: release.DigestBytes(raw)})
	}
	return inputs, nil
}

// builder names who signs as a URI: the workflow or person in the certificate, or
// the key.
func builder(p verify.Policy) string {
	if p.Key != nil {
		return "urn:" + p.Key.Fingerprint().String()
	}
	san := p.Identities[0].SAN
	if !strings.Contains(san, "://") {
		return "mailto:" + san
	}
	return san
}
