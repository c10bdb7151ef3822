package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/oci"
	"facerec/internal/release"
)

// chosen is what --config, --version and --cells select together.
type chosen struct {
	config  *release.Config
	raw     []byte // config.json as it was read
	root    string // its folder
	version release.Version
	cells   []release.Cell
}

// cellFlags are the flags of every verb that works on cells.
type cellFlags struct{ version, cells string }

func (f *cellFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.version, "version", "", "`VERSION` of the release, with or without a leading v (default: version in config.json)")
	cmd.Flags().StringVar(&f.cells, "cells", "all", "which `CELLS`: all, a lineage, a platform, LINEAGE/OS/ARCH[/VARIANT], joined by commas")
}

// load reads the configuration.
func (a *app) load() (*chosen, error) {
	raw, err := os.ReadFile(a.configFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("configuration %s is not there: run in the folder that has it, or name it with --config", a.configFile)
	}
	if err != nil {
		return nil, err
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
		return nil, usage("no version: give --version, or set version in %s", a.configFile)
	}
	if c.cells, err = c.config.Select(f.cells); err != nil {
		return nil, usageError(err)
	}
	return c, nil
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
				return oci.Ref{}, usage("image.repository %q names no registry: give --registry HOST[:PORT], or --image REF", name)
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
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(document)
}

// say prints a line of the answer to standard output.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.out, format+"\n", args...)
}
