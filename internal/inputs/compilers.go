package inputs

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"facerec/toolchain"
)

// CompilerSuite is the Debian whose compilers are pinned.
const CompilerSuite = "bookworm"

// installedVersions asks dpkg; a package that is not installed has version "".
func installedVersions(ctx context.Context, names []string) []Version {
	var out []Version
	for _, n := range names {
		b, err := exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}\n", n).Output()
		v := ""
		if err == nil {
			line, _, _ := strings.Cut(string(b), "\n")
			v, _ = strings.CutPrefix(line, "installed ")
			if strings.HasPrefix(line, "not-installed") || strings.HasPrefix(line, "config-files") {
				v = ""
			}
		}
		out = append(out, Version{n, v})
	}
	return out
}

// pinPackages adds to installed packages what the suite's signed lists say of their
// .debs. Of a version that they do not have, a security update perhaps, no hash is known.
func pinPackages(ctx context.Context, apt *Apt, installed []Version) ([]Package, error) {
	var out []Package
	for _, v := range installed {
		p := Package{Name: v.Name, Version: v.Version}
		known, err := apt.deb(ctx, v.Name, v.Version)
		if err != nil {
			return nil, err
		}
		p.Arch, p.SHA256 = known.Arch, known.SHA256
		out = append(out, p)
	}
	return out, nil
}

// checkPackages compares a compiler's packages with the lock beyond their versions:
// the suite's signed lists must have the pinned hash for that version, and no
// installed file may have changed since dpkg unpacked it. open are those that could
// not be compared.
func checkPackages(ctx context.Context, apt *Apt, packages []Package) (wrong, open []string, err error) {
	var names []string
	for _, p := range packages {
		names = append(names, p.Name)
		if p.SHA256 == "" {
			open = append(open, p.Name+" "+p.Version+": no sha256 is pinned")
			continue
		}
		known, err := apt.deb(ctx, p.Name, p.Version)
		switch {
		case err != nil:
			return nil, nil, err
		case known.SHA256 == "":
			open = append(open, fmt.Sprintf("%s %s: %s's lists do not have that version, so its sha256 was not compared", p.Name, p.Version, apt.suite))
		case known.Arch != p.Arch:
			open = append(open, fmt.Sprintf("%s: the sha256 is pinned for %s, this machine's is for %s", p.Name, p.Arch, known.Arch))
		case known.SHA256 != p.SHA256:
			wrong = append(wrong, fmt.Sprintf("%s %s: pinned sha256 %s, %s has %s", p.Name, p.Version, p.SHA256, apt.suite, known.SHA256))
		}
	}
	// dpkg has its own list of MD5 sums: good against accidents, not against an owner.
	out, _ := exec.CommandContext(ctx, "dpkg", append([]string{"--verify"}, names...)...).Output() // it fails if it prints
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && len(f[0]) > 2 && f[0][2] == '5' && !slices.Contains(f[1:len(f)-1], "c") {
			wrong = append(wrong, f[len(f)-1]+": not as its package has it")
		}
	}
	return wrong, open, nil
}

// compilerDrift compares the compilers that are installed for a target with those that
// are pinned for this kind of machine: what is installed, for the toolchain's name, and
// one line for each difference.
func compilerDrift(ctx context.Context, l *Lock, t toolchain.Target, host string) (installed []Version, drift []string) {
	pinned := l.compilers(t.Platform, host)
	if pinned == nil {
		return installedVersions(ctx, t.On(host).Packages), []string{"no compilers are pinned for " + t.Platform + " on " + host}
	}
	var names []string
	for _, p := range pinned {
		names = append(names, p.Name)
	}
	installed = installedVersions(ctx, names)
	for i, p := range pinned {
		if got := cmp.Or(installed[i].Version, "none"); got != p.Version {
			drift = append(drift, fmt.Sprintf("%s: pinned %s, installed %s", p.Name, p.Version, got))
		}
	}
	return installed, drift
}

// suiteVersions are what the suite has now, for machines of another kind.
func suiteVersions(ctx context.Context, apt *Apt, names []string) []Version {
	var out []Version
	for _, n := range names {
		v, err := apt.candidate(ctx, n)
		if err != nil {
			v = "" // apt-cache fails where it has no such package
		}
		out = append(out, Version{n, v})
	}
	return out
}
