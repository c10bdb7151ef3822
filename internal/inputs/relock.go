package inputs

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"facerec/toolchain"
)

// Relock asks the suites what they have now and gives a lock with new pins,
// and the differences, one line each. old is not changed. Sources are hashed
// anew only when their version moved, for they are large.
func (s *Store) Relock(ctx context.Context, old *Lock, root string) (*Lock, []string, error) {
	l := *old
	l.Pins = nil
	before := map[string]Pin{}
	for _, p := range old.Pins {
		before[p.Use+" "+p.Kind+" "+p.Name+" "+p.Arch] = p
	}
	var diff []string
	for _, w := range l.Wants {
		archs := w.Arch
		if w.Kind == "source" {
			archs = []string{""}
		}
		for _, arch := range archs {
			key := w.Use + " " + w.Kind + " " + w.Name + " " + arch
			was, known := before[key]
			p, err := s.pinNow(ctx, w, arch, was)
			if err != nil {
				return nil, nil, err
			}
			l.Pins = append(l.Pins, p)
			delete(before, key)
			what := strings.TrimSpace(w.Name + " " + arch)
			switch {
			case !known:
				diff = append(diff, fmt.Sprintf("+ %s: %s, sha256 %s", what, p.Version, p.SHA256))
			case was != p:
				diff = append(diff, fmt.Sprintf("~ %s: %s → %s, sha256 %s → %s", what, was.Version, p.Version, was.SHA256, p.SHA256))
			}
		}
	}
	for _, p := range old.Pins {
		if _, gone := before[p.Use+" "+p.Kind+" "+p.Name+" "+p.Arch]; gone {
			diff = append(diff, fmt.Sprintf("- %s %s: %s", p.Name, p.Arch, p.Version))
		}
	}

	goNow, mods, err := goFacts(ctx, root, old.Modules)
	if err != nil {
		return nil, nil, err
	}
	if goNow != l.Go {
		diff = append(diff, fmt.Sprintf("~ go: %s → %s", l.Go, goNow))
	}
	for i, m := range mods {
		if m != old.Modules[i] {
			diff = append(diff, fmt.Sprintf("~ %s: %s %s → %s %s", m.Path, old.Modules[i].Version, old.Modules[i].Sum, m.Version, m.Sum))
		}
	}
	l.GoFiles = nil
	for _, platform := range goHosts {
		i := slices.IndexFunc(old.GoFiles, func(g GoFiles) bool { return g.Platform == platform })
		if i >= 0 && goNow == old.Go {
			l.GoFiles = append(l.GoFiles, old.GoFiles[i])
			continue
		}
		g, err := goToolchain(ctx, root, goNow, platform)
		if err != nil {
			return nil, nil, err
		}
		diff = append(diff, fmt.Sprintf("~ go for %s: now sha256 %s of golang.org/toolchain %s", platform, g.SHA256, g.Sum))
		l.GoFiles = append(l.GoFiles, g)
	}
	l.Go, l.Modules = goNow, mods

	compilers, more, err := s.relockCompilers(ctx, old)
	if err != nil {
		return nil, nil, err
	}
	l.Compilers = compilers
	return &l, append(diff, more...), nil
}

// relockCompilers pins the compilers that are installed; for other kinds of machines,
// those that the suite has.
func (s *Store) relockCompilers(ctx context.Context, old *Lock) (out []Compiler, diff []string, err error) {
	here := HostArch(ctx)
	lists := map[string]*Apt{}
	for _, t := range toolchain.Targets() {
		for _, host := range t.Hosts {
			if lists[host] != nil {
				continue
			}
			apt, err := s.apt(CompilerSuite, host, false)
			if err != nil {
				return nil, nil, err
			}
			if err := s.locked("apt", func() error { return apt.update(ctx) }); err != nil {
				return nil, nil, err
			}
			lists[host] = apt
		}
	}
	for _, t := range toolchain.Targets() {
		for _, host := range t.Hosts {
			what, lacks := "compilers for "+t.Platform+" on "+host, "is not installed"
			var versions []Version
			if names := t.On(host).Packages; host == here {
				versions = installedVersions(ctx, names)
			} else {
				versions, lacks = suiteVersions(ctx, lists[host], names), CompilerSuite+" does not have it"
			}
			packages, err := pinPackages(ctx, lists[host], versions)
			if err != nil {
				return nil, nil, err
			}
			was := old.compilers(t.Platform, host)
			missing := slices.IndexFunc(packages, func(p Package) bool { return p.Version == "" })
			switch {
			case missing >= 0 && was != nil:
				diff = append(diff, fmt.Sprintf("= %s: kept as they were, %s: %s", what, packages[missing].Name, lacks))
				packages = was
			case missing >= 0:
				diff = append(diff, fmt.Sprintf("! %s: not pinned, %s: %s", what, packages[missing].Name, lacks))
				continue
			case !slices.Equal(was, packages):
				diff = append(diff, fmt.Sprintf("~ %s: now %s", what, versionsText(packages)))
			}
			for _, p := range packages {
				if p.SHA256 == "" {
					diff = append(diff, fmt.Sprintf("! %s %s: %s does not have it, so only its version is pinned", p.Name, p.Version, CompilerSuite))
				}
			}
			c := Compiler{Platform: t.Platform, Packages: packages}
			if host != toolchain.Reference {
				c.Host = host
			}
			out = append(out, c)
		}
	}
	for _, c := range old.Compilers {
		if !slices.ContainsFunc(out, func(o Compiler) bool { return o.Platform == c.Platform && o.Host == c.Host }) {
			diff = append(diff, fmt.Sprintf("- compilers for %s on %s", c.Platform, cmp.Or(c.Host, toolchain.Reference)))
		}
	}
	return out, diff, nil
}

func versionsText(vs []Package) string {
	var out []string
	for _, v := range vs {
		out = append(out, v.Name+" "+v.Version)
	}
	return strings.Join(out, ", ")
}

// pinNow downloads what the suite has, unless that is the version pinned
// already and the store or the pin knows its hash.
func (s *Store) pinNow(ctx context.Context, w Want, arch string, was Pin) (Pin, error) {
	aptArch := arch
	if arch == "" || arch == "all" {
		aptArch = HostArch(ctx)
	}
	apt, err := s.apt(w.Suite, aptArch, w.Kind == "source")
	if err != nil {
		return Pin{}, err
	}
	if err := s.locked("apt", func() error { return apt.update(ctx) }); err != nil {
		return Pin{}, err
	}
	version, err := apt.candidate(ctx, w.Name)
	if err != nil {
		return Pin{}, err
	}
	p := Pin{Use: w.Use, Kind: w.Kind, Suite: w.Suite, Name: w.Name, Arch: arch, Version: version, File: w.File}
	if w.Kind == "source" && was.Version == version && was.File == w.File {
		p.Size, p.SHA256 = was.Size, was.SHA256
		return p, nil
	}
	err = s.fetched(ctx, p, func(dir string) error {
		if p.File == "" {
			m, err := filepath.Glob(filepath.Join(dir, "*.deb"))
			if err != nil || len(m) != 1 {
				return fmt.Errorf("%s %s: expected one .deb, got %d", w.Name, version, len(m))
			}
			p.File = filepath.Base(m[0])
		}
		path := filepath.Join(dir, p.File)
		var err error
		if p.SHA256, p.Size, err = hashFile(path); err != nil {
			return err
		}
		if w.Kind == "source" {
			return nil
		}
		_, err = s.takeFile(path, p.File, p.SHA256, p.Size, "")
		return err
	})
	return p, err
}

// goFacts asks the go command for its version and reads go.mod and go.sum.
func goFacts(ctx context.Context, root string, mods []Module) (string, []Module, error) {
	cmd := exec.CommandContext(ctx, goCommand(), "env", "GOVERSION")
	cmd.Dir = root
	out, err := output(cmd)
	if err != nil {
		return "", nil, err
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return "", nil, err
	}
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", nil, err
	}
	var now []Module
	for _, m := range mods {
		n := Module{Path: m.Path}
		for line := range strings.Lines(string(gomod)) {
			if f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require ")); len(f) >= 2 && f[0] == m.Path {
				n.Version = f[1]
			}
		}
		for line := range strings.Lines(string(sums)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == m.Path && f[1] == n.Version {
				n.Sum = f[2]
			}
		}
		now = append(now, n)
	}
	return strings.TrimSpace(string(out)), now, nil
}

// Check compares the lock with this machine: Go, modules, compilers, and the
// files that the store holds. It fetches nothing. Findings are one line each;
// bad counts those that make another binary.
func (s *Store) Check(ctx context.Context, l *Lock, root string) (findings []string, bad int, err error) {
	goNow, mods, err := goFacts(ctx, root, l.Modules)
	if err != nil {
		return nil, 0, err
	}
	good := func(format string, args ...any) { findings = append(findings, "ok    "+fmt.Sprintf(format, args...)) }
	wrong := func(format string, args ...any) {
		bad++
		findings = append(findings, "WRONG "+fmt.Sprintf(format, args...))
	}
	open := func(format string, args ...any) { findings = append(findings, "-     "+fmt.Sprintf(format, args...)) }

	if goNow == l.Go {
		good("go %s", goNow)
		if err := checkGo(ctx, l, good, wrong, open); err != nil {
			return nil, 0, err
		}
	} else {
		wrong("go: pinned %s, this is %s; another Go makes another binary", l.Go, goNow)
	}
	for i, m := range mods {
		if m == l.Modules[i] {
			good("module %s %s", m.Path, m.Version)
		} else {
			wrong("module %s: pinned %s %s, go.mod and go.sum have %s %s", m.Path, l.Modules[i].Version, l.Modules[i].Sum, m.Version, m.Sum)
		}
	}
	host := HostArch(ctx)
	for _, t := range toolchain.Targets() {
		if _, err := findCompilers(ctx, t, host); err != nil {
			open("compilers for %s: %v", t.Platform, err)
			continue
		}
		_, drift := compilerDrift(ctx, l, t, host)
		for _, d := range drift {
			wrong("compilers for %s: %s", t.Platform, d)
		}
		if len(drift) > 0 {
			continue
		}
		good("compilers for %s: versions", t.Platform)
		if err := s.checkCompiler(ctx, l, t, host, good, wrong, open); err != nil {
			return nil, 0, err
		}
	}
	for _, p := range l.Pins {
		got, _, err := hashFile(s.path(p.SHA256))
		switch {
		case os.IsNotExist(err):
			open("%s: not in the cache", p.File)
		case err != nil:
			return nil, 0, err
		case got != p.SHA256:
			wrong("%s: pinned sha256 %s, the cache holds %s; remove it", p.File, p.SHA256, got)
		default:
			good("%s", p.File)
		}
	}
	for _, i := range l.Images {
		if i.Digest == "" {
			open("image %s: pinned by its tag, not by a digest; run `make relock-images` where its registry can be reached", i.Name)
			continue
		}
		good("image %s", i.Reference())
	}
	return findings, bad, nil
}

// checkCompiler reports what is known of a compiler's packages besides their versions.
func (s *Store) checkCompiler(ctx context.Context, l *Lock, t toolchain.Target, host string, good, wrong, open func(format string, args ...any)) error {
	apt, err := s.apt(CompilerSuite, host, false)
	if err != nil {
		open("compilers for %s: sha256 not compared: %v", t.Platform, err)
		return nil
	}
	if !apt.haveLists() {
		open("compilers for %s: sha256 not compared: no lists of %s are in the cache; `relock --dry-run` reads them", t.Platform, CompilerSuite)
		return nil
	}
	bad, unknown, err := checkPackages(ctx, apt, l.compilers(t.Platform, host))
	if err != nil {
		return err
	}
	for _, b := range bad {
		wrong("compilers for %s: %s", t.Platform, b)
	}
	for _, u := range unknown {
		open("compilers for %s: %s", t.Platform, u)
	}
	if len(bad)+len(unknown) == 0 {
		good("compilers for %s: sha256 of the packages, by %s's signed lists", t.Platform, CompilerSuite)
	}
	return nil
}
