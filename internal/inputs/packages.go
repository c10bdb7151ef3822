package inputs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// ParsePackages reads packages.txt: one Debian package a line, "#" comments,
// sections in brackets. It gives the packages of the wanted sections, in the
// file's order.
func ParsePackages(text string, sections []string) ([]string, error) {
	var out, known []string
	section := ""
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = line[1 : len(line)-1]
			known = append(known, section)
		case section == "":
			return nil, fmt.Errorf("packages.txt:%d: %q stands before the first [section]", n, line)
		case strings.ContainsAny(line, " \t"):
			return nil, fmt.Errorf("packages.txt:%d: %q, expected one package per line", n, line)
		case slices.Contains(sections, section) && !slices.Contains(out, line):
			out = append(out, line)
		}
	}
	for _, s := range sections {
		if !slices.Contains(known, s) {
			return nil, fmt.Errorf("packages.txt has no section %q: expected one of %s", s, strings.Join(known, ", "))
		}
	}
	return out, nil
}

// Packages installs those that are missing, in one call of apt-get, as root or
// through sudo. What apt prints goes to log. Nothing missing, nothing done.
func (s *Store) Packages(ctx context.Context, names []string, log io.Writer) error {
	var missing []string
	for _, v := range installedVersions(ctx, names) {
		if v.Version == "" {
			missing = append(missing, v.Name)
		}
	}
	if len(missing) == 0 {
		s.say("packages: all %d are installed", len(names))
		return nil
	}
	var prefix []string
	if os.Geteuid() != 0 {
		if _, err := exec.LookPath("sudo"); err != nil {
			return fmt.Errorf("packages are missing and neither root nor sudo is available: have an administrator run `apt-get install %s`", strings.Join(missing, " "))
		}
		prefix = []string{"sudo"}
	}
	s.say("packages: installing %s", strings.Join(missing, " "))
	apt := func(args ...string) error {
		all := append(append([]string(nil), prefix...), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=600")
		all = append(all, args...)
		cmd := exec.CommandContext(ctx, all[0], all[1:]...)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", args[0], err)
		}
		return nil
	}
	install := func() error { return apt(append([]string{"install", "--no-install-recommends"}, missing...)...) }
	err := install()
	if err != nil {
		s.say("packages: that failed; updating the lists and trying again")
		err = errors.Join(apt("update"), install())
	}
	if err != nil {
		return fmt.Errorf("packages could not be installed: %w", err)
	}
	return nil
}
