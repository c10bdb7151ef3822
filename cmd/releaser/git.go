package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
	"facerec/internal/steps"
	"facerec/internal/text"
)

// git runs git in a directory and returns what it prints. The error has what git
// complains of.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("git %s: %w: %s", args[0], err, text.Line(string(bytes.TrimSpace(exit.Stderr)), 400))
	}
	return strings.TrimRight(string(out), "\n"), err
}

// gitVersion is the version of a project whose configuration has none: the exact
// git tag of a clean tree, else 0.0.0-dev.COMMIT.
func gitVersion(c *chosen) (release.Version, error) {
	missing := func() (release.Version, error) {
		return "", text.WithHint(usage("cannot determine the version: %s has none, and its directory is not a git working tree with a commit", filepath.Join(c.root, "config.json")),
			"pass --version, or set version in config.json")
	}
	ctx := context.Background() // it takes no time
	commit, err := git(ctx, c.root, "rev-parse", "--short=12", "HEAD")
	if err != nil {
		return missing()
	}
	changes, err := git(ctx, c.root, "status", "--porcelain", "--untracked-files=no")
	if err != nil {
		return missing()
	}
	if changes == "" {
		tags, _ := git(ctx, c.root, "tag", "--points-at", "HEAD", "--sort=-version:refname")
		for tag := range strings.Lines(tags) {
			if v, err := c.config.ParseVersion(strings.TrimSpace(tag)); err == nil {
				return v, nil
			}
		}
	}
	return release.ParseVersion("0.0.0-dev." + commit)
}

// commitOf is the commit that is checked out in the working tree that a file
// belongs to.
func commitOf(ctx context.Context, file string) (string, error) {
	dir, base := filepath.Split(file)
	dir = filepath.Clean(dir)
	if _, err := git(ctx, dir, "ls-files", "--error-unmatch", "--", base); err != nil {
		return "", err // there is no working tree, or it is another project's
	}
	return git(ctx, dir, "rev-parse", "--verify", "HEAD^{commit}")
}

// cleanCommit is commitOf, or "" if there is none or if files differ from it.
func cleanCommit(file string) string {
	ctx := context.Background() // it takes no time
	commit, err := commitOf(ctx, file)
	if err != nil {
		return ""
	}
	changes, err := git(ctx, filepath.Dir(file), "status", "--porcelain", "--untracked-files=no")
	if err != nil || changes != "" {
		return ""
	}
	return commit
}

// readTree asks git about the directory of the configuration and the tag of a
// version. Changes below the paths in own do not count: a release makes them.
func readTree(ctx context.Context, c *chosen, v release.Version, own []string) (t steps.Tree, err error) {
	if t.Head, err = git(ctx, c.root, "rev-parse", "--verify", "HEAD^{commit}"); err != nil {
		return t, text.WithHint(usage("a release is made from a git tag: %w", err), "run in a git working tree with a commit")
	}
	t.Tagged, err = git(ctx, c.root, "rev-parse", "--verify", "--quiet", "refs/tags/"+v.Tag()+"^{commit}")
	if err != nil {
		t.Tagged = "" // there is no such tag
	}
	tags, err := git(ctx, c.root, "tag", "--points-at", "HEAD")
	if err != nil {
		return t, err
	}
	t.Tags = strings.Fields(tags)
	top, err := git(ctx, c.root, "rev-parse", "--show-toplevel")
	if err != nil {
		return t, err
	}
	status, err := git(ctx, c.root, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
	if err != nil {
		return t, err
	}
	var made []string
	for _, p := range own {
		made = append(made, belowTop(top, p))
	}
	for _, line := range strings.Split(status, "\x00") {
		if len(line) < 4 {
			continue
		}
		if name := line[3:]; line[:2] != "??" || !isMade(name, made) {
			t.Changes = append(t.Changes, name)
		}
	}
	return t, nil
}

// belowTop is a path as git names it, relative to the top of the working tree.
func belowTop(top, name string) string {
	abs, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	// git has resolved links; what does not exist yet has none below its parent.
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	} else if real, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		abs = filepath.Join(real, filepath.Base(abs))
	}
	rel, err := filepath.Rel(filepath.FromSlash(top), abs)
	if err != nil {
		return name
	}
	return filepath.ToSlash(rel)
}

// isMade reports whether a file is one of the paths in made, lies below one, or is
// what a killed run left behind.
func isMade(name string, made []string) bool {
	for _, m := range made {
		if name == m || strings.HasPrefix(name, m+"/") {
			return true
		}
	}
	for dir := name; dir != "." && dir != "/"; dir = path.Dir(dir) {
		if atomicfile.IsPartial(dir) {
			return true
		}
	}
	return false
}
