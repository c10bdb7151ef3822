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
// file's order. Behind a package may stand, as in Debian's Build-Depends, for machines
// of which architectures it is: "[arm64]", or "[!arm64 !i386]" for all but those.
func ParsePackages(text, arch string, sections []string) ([]string, error) {
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
		default:
			name, wanted, err := forMachine(line, arch)
			if err != nil {
				return nil, fmt.Errorf("packages.txt:%d: %w", n, err)
			}
			if wanted && slices.Contains(sections, section) && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	for _, s := range sections {
		if !slices.Contains(known, s) {
			return nil, fmt.Errorf("packages.txt has no section %q: expected one of %s", s, strings.Join(known, ", "))
		}
	}
	return out, nil
}

// forMachine reads a line of packages.txt: a package, and whether it is for machines of
// an architecture.
func forMachine(line, arch string) (name string, wanted bool, err error) {
	name, list, limited := strings.Cut(line, " [")
	list, closed := strings.CutSuffix(list, "]")
	if limited != closed || limited && strings.TrimSpace(list) == "" || strings.ContainsAny(name, " \t[]") {
		return "", false, fmt.Errorf("%q, expected one package per line, or PACKAGE [ARCHITECTURE…]", line)
	}
	if !limited {
		return name, true, nil
	}
	all := strings.Fields(list)
	but, named := strings.HasPrefix(all[0], "!"), false
	for _, a := range all {
		a, not := strings.CutPrefix(a, "!")
		if not != but || a == "" || strings.ContainsAny(a, "![]") {
			return "", false, fmt.Errorf("%q, expected all architectures or none to have a !, as in [!arm64 !i386]", line)
		}
		named = named || a == arch
	}
	return name, named != but, nil
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
