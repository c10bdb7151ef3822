package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"facerec/internal/sbom"
)

// readLocks reads the lock files that config.json names as inputs.
func (a *app) readLocks(c *chosen) (sbom.Locks, error) {
	var locks sbom.Locks
	for _, name := range c.config.Inputs {
		file := filepath.Join(c.root, filepath.FromSlash(name))
		raw, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return locks, usage("%s: inputs: lock file %s is not there: make it, or take it out of inputs", a.configFile, file)
		}
		if err != nil {
			return locks, err
		}
		if err := locks.Read(file, raw); err != nil {
			return locks, usageError(err)
		}
	}
	return locks, nil
}

// writeSBOMs writes one document beside each tarball, before checksums.txt, so
// that the release's signature covers them.
func writeSBOMs(dir string, c *chosen, cells []packed, locks sbom.Locks, jobs int) error {
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	var g errgroup.Group
	g.SetLimit(jobs)
	sums := new(sbom.Sums)
	for _, p := range cells {
		subject := sbom.Subject{Config: c.config, Version: c.version, Cell: p.cell, Record: p.record, Tree: p.tree, Locks: locks, Sums: sums}
		g.Go(func() error {
			return writeFile(filepath.Join(dir, sbom.FileName(p.record.Asset)), func(w io.Writer) error {
				return sbom.Write(w, subject)
			})
		})
	}
	return g.Wait()
}
