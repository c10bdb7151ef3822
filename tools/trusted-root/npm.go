package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// packageName is the package whose seeds.json has, for each TUF repository, the
// root of TUF and the targets as its makers found them.
const packageName = "@sigstore/tuf"

// target is the one of the targets that is wanted.
const target = "trusted_root.json"

// packed is what 'npm pack --json' says of a package it has fetched.
type packed struct {
	Version   string `json:"version"`
	Integrity string `json:"integrity"`
	Filename  string `json:"filename"`
}

// npmPack fetches a package into dir.
func npmPack(ctx context.Context, dir, spec string) (packed, error) {
	out, err := npm(ctx, "pack", "--json", "--ignore-scripts", "--pack-destination", dir, spec)
	if err != nil {
		return packed{}, err
	}
	var all []packed
	if err := json.Unmarshal(out, &all); err != nil {
		return packed{}, fmt.Errorf("npm pack %s: expected the description of one package: %w", spec, err)
	}
	if len(all) != 1 {
		return packed{}, fmt.Errorf("npm pack %s: expected the description of one package, got %d", spec, len(all))
	}
	if p := all[0]; p.Version == "" || p.Filename == "" || strings.ContainsAny(p.Filename, `/\`) {
		return packed{}, fmt.Errorf("npm pack %s: expected a version and a file name, got %q and %q", spec, p.Version, p.Filename)
	}
	return all[0], nil
}

// npmPublished asks when a version was published.
func npmPublished(ctx context.Context, version string) (time.Time, error) {
	out, err := npm(ctx, "view", packageName, "time", "--json")
	if err != nil {
		return time.Time{}, err
	}
	var times map[string]time.Time
	if err := json.Unmarshal(out, &times); err != nil {
		return time.Time{}, fmt.Errorf("npm view %s time: %w", packageName, err)
	}
	at, ok := times[version]
	if !ok {
		return time.Time{}, fmt.Errorf("npm view %s time: has no version %s", packageName, version)
	}
	return at.UTC().Truncate(time.Second), nil
}

func npm(ctx context.Context, args ...string) ([]byte, error) {
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "npm", args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("npm not found: install it (Debian's package is npm)")
	}
	if err != nil {
		return nil, fmt.Errorf("npm %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return out, nil
}

// maxFile bounds the package and the file in it, in bytes; they have 18 and 20 kB.
const maxFile = 8 << 20

// seed is what a package has of a repository: its root of TUF and the target.
type seed struct{ root, data []byte }

// seed reads them, once the package is what npm said. Who made them is not
// known by that.
func (p packed) seed(path, repository string) (seed, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return seed{}, err
	}
	sum := sha512.Sum512(raw)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum[:]); got != p.Integrity {
		return seed{}, fmt.Errorf("integrity: expected %s, got %s", p.Integrity, got)
	}
	seeds, err := fileIn(raw, "package/seeds.json")
	if err != nil {
		return seed{}, err
	}
	var mirrors map[string]struct {
		Root    []byte            `json:"root.json"`
		Targets map[string][]byte `json:"targets"`
	}
	if err := json.Unmarshal(seeds, &mirrors); err != nil {
		return seed{}, fmt.Errorf("seeds.json: %w", err)
	}
	found, ok := mirrors[repository]
	data := found.Targets[target]
	if !ok || len(data) == 0 || len(found.Root) == 0 {
		return seed{}, fmt.Errorf("seeds.json: has no root.json and %s for %s", target, repository)
	}
	return seed{found.Root, data}, nil
}

// fileIn reads one file out of a .tgz.
func fileIn(tgz []byte, name string) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(tgz))
	if err != nil {
		return nil, err
	}
	tr := tar.NewReader(io.LimitReader(zr, 4*maxFile))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("has no %s", name)
		}
		if err != nil {
			return nil, err
		}
		if h.Name == name {
			if h.Size > maxFile {
				return nil, fmt.Errorf("%s: expected at most %d bytes, got %d", name, maxFile, h.Size)
			}
			return io.ReadAll(tr)
		}
	}
}
