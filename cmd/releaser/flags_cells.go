package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/text"
)

// chosen is what --config, --version and --cells select together.
type chosen struct {
	config  *release.Config
	raw     []byte // config.json as it was read
	root    string // its directory
	version release.Version
	cells   []release.Cell
}

// cellFlags are the flags of every verb that works on cells.
type cellFlags struct{ version, cells string }

func (f *cellFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.version, "version", "", "release `VERSION` (leading \"v\" optional; default: version in config.json, else the git tag of a clean tree)")
	cmd.Flags().StringVar(&f.cells, "cells", "all", "work on `CELLS`: all, a lineage, a platform, or LINEAGE/OS/ARCH[/VARIANT]; several joined by commas")
}

// maxConfig bounds config.json in bytes.
const maxConfig = 16 << 20

// load reads the configuration.
func (a *app) load() (*chosen, error) {
	raw, err := atomicfile.ReadFile(a.configFile, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, text.WithHint(usage("configuration %s not found", a.configFile), "run in the directory that has it, or name it with --config")
	}
	if err != nil {
		return nil, fmt.Errorf("configuration %w", err)
	}
	config, err := release.Parse(a.configFile, raw)
	if err != nil {
		return nil, err
	}
	return &chosen{config: config, raw: raw, root: filepath.Dir(a.configFile)}, nil
}

// choose reads the configuration and picks version and cells.
func (a *app) choose(f cellFlags) (*chosen, error) {
	c, err := a.load()
	if err != nil {
		return nil, err
	}
	c.version = c.config.Version
	if f.version != "" {
		if c.version, err = c.config.ParseVersion(f.version); err != nil {
			return nil, usageError(err)
		}
	}
	if c.version == "" {
		if c.version, err = gitVersion(c); err != nil {
			return nil, err
		}
		a.note("version %s, from git", c.version)
	}
	if c.cells, err = c.config.Select(f.cells); err != nil {
		return nil, usageError(err)
	}
	return c, nil
}

// artifacts lists where builds of any cell leave their artifacts.
func (c *chosen) artifacts() []string {
	var out []string
	for _, cell := range c.config.Cells() {
		for _, it := range c.config.Artifacts {
			out = append(out, filepath.Join(c.root, filepath.FromSlash(it.Source(c.version, cell))))
		}
	}
	return out
}

// image is where the images of a release lie: --image if given, else the
// configured repository, below --registry if it names no registry of its own.
func (c *chosen) image(flag, registry string) (oci.Ref, error) {
	name := flag
	if name == "" {
		name = c.config.Image.Repository
		host, _, ok := strings.Cut(name, "/")
		if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
			if registry == "" {
				return oci.Ref{}, text.WithHint(usage("image.repository %q does not name a registry", name), "pass --registry HOST[:PORT], or --image REF")
			}
			name = strings.TrimSuffix(registry, "/") + "/" + name
		}
	}
	ref, err := oci.ParseRef(name)
	if err != nil {
		return oci.Ref{}, usageError(err)
	}
	return ref, nil
}

// answer prints a JSON document to standard output.
func (a *app) answer(document any) error {
	raw, err := text.JSON(document)
	if err != nil {
		return err
	}
	_, err = a.out.Write(raw)
	return err
}

// say prints a line of the answer to standard output.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.out, text.Row(fmt.Sprintf(format, args...)))
}

// sayAll prints lines of the answer in which every name is shown already.
func (a *app) sayAll(lines string) {
	fmt.Fprint(a.out, text.Lines(strings.TrimRight(lines, "\n")+"\n"))
}
