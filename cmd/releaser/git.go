package main

import (
	"os/exec"
	"path/filepath"
	"strings"

	"facerec/internal/release"
	"facerec/internal/text"
)

// gitVersion is the version of a project whose configuration has none: the exact
// git tag of a clean tree, else 0.0.0-dev.COMMIT.
func gitVersion(c *chosen) (release.Version, error) {
	git := func(args ...string) (string, bool) {
		cmd := exec.Command("git", append([]string{"-C", c.root}, args...)...)
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err == nil
	}
	missing := func() (release.Version, error) {
		return "", text.WithHint(usage("cannot determine the version: %s has none, and its directory is not a git working tree with a commit", filepath.Join(c.root, "config.json")),
			"pass --version, or set version in config.json")
	}
	commit, ok := git("rev-parse", "--short=12", "HEAD")
	if !ok {
		return missing()
	}
	changes, ok := git("status", "--porcelain", "--untracked-files=no")
	if !ok {
		return missing()
	}
	if changes == "" {
		tags, _ := git("tag", "--points-at", "HEAD", "--sort=-version:refname")
		for tag := range strings.Lines(tags) {
			if v, err := c.config.ParseVersion(strings.TrimSpace(tag)); err == nil {
				return v, nil
			}
		}
	}
	return release.ParseVersion("0.0.0-dev." + commit)
}
