package main

import (
	"flag"
	"fmt"
	"io"

	"facerec/internal/oci/build"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

// stage lays one cell's files out in a directory, where and with the modes that
// `releaser build` gives them, so that the Dockerfile need not repeat its rules.
func stage(config *release.Config, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("container stage", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name := flags.String("cell", "", "LINEAGE/OS/ARCH[/VARIANT]")
	if err := flags.Parse(args); err != nil {
		return usageError{err}
	}
	if flags.NArg() != 1 {
		return usageError{fmt.Errorf("stage: expected one directory, got %d arguments", flags.NArg())}
	}
	cell, err := oneCell(config, *name)
	if err != nil {
		return usageError{err}
	}
	return lay(config, cell, ".", flags.Arg(0))
}

func oneCell(config *release.Config, name string) (release.Cell, error) {
	for _, c := range config.Cells() {
		if c.String() == name {
			return c, nil
		}
	}
	return release.Cell{}, fmt.Errorf("cell %q is not in config.json: expected LINEAGE/OS/ARCH[/VARIANT], one of %v", name, config.Cells())
}

// lay lays the files of a cell out in dir, which must not exist.
func lay(config *release.Config, cell release.Cell, root, dir string) error {
	spool, err := tarball.NewSpool("")
	if err != nil {
		return err
	}
	defer spool.Close()
	plan := build.Plan{Config: config, Version: config.Version, Cells: []release.Cell{cell}, Root: root, Spool: spool}
	snapshot, err := plan.Snapshot(cell)
	if err != nil {
		return err
	}
	return snapshot.Stage(dir)
}
