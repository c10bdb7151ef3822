package inputs

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"facerec/toolchain"
)

// compilerPackages are the Debian packages whose files decide a static binary's
// bytes: the compilers, the linker, the C and C++ libraries.
func compilerPackages(t toolchain.Target, host string) []string {
	if t.Debian == host {
		return []string{"binutils-" + strings.ReplaceAll(t.Triplet, "_", "-"), "g++-12", "gcc-12", "libc6-dev", "libgcc-12-dev", "libstdc++-12-dev"}
	}
	cross := "-" + t.Debian + "-cross"
	return []string{"binutils-" + t.Triplet, "g++-12-" + t.Triplet, "gcc-12-" + t.Triplet, "libc6-dev" + cross, "libgcc-12-dev" + cross, "libstdc++-12-dev" + cross}
}

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

// compilerDrift compares the installed compilers of a target with the pinned
// ones: what is installed, for the toolchain's name, and one line for each
// difference.
func compilerDrift(ctx context.Context, l *Lock, t toolchain.Target) (installed []Version, drift []string) {
	for _, c := range l.Compilers {
		if c.Platform != t.Platform {
			continue
		}
		var names []string
		for _, p := range c.Packages {
			names = append(names, p.Name)
		}
		installed = installedVersions(ctx, names)
		for i, p := range c.Packages {
			got := installed[i].Version
			if got == "" {
				got = "none"
			}
			if got != p.Version {
				drift = append(drift, fmt.Sprintf("%s: pinned %s, installed %s", p.Name, p.Version, got))
			}
		}
		return installed, drift
	}
	return installedVersions(ctx, compilerPackages(t, hostDebianArch(ctx))), []string{"no compilers are pinned for " + t.Platform}
}
