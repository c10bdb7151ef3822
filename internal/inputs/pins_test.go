package inputs

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"facerec/toolchain"
)

// goRoot lays out what a Go installation consists of.
func goRoot(t *testing.T, change map[string]string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"VERSION": "go1.99", "bin/go": "the go command", "pkg/include/a.h": "header", "pkg/tool/linux_amd64/compile": "compiler",
		"src/fmt/print.go": "package fmt", "src/cmd/go.mod": "module cmd", "go.env": "GOTOOLCHAIN=auto", "doc/a": "text", "test/a.go": "package main",
	}
	for name, text := range change {
		files[name] = text
	}
	for name, text := range files {
		if text == "" {
			continue
		}
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestGoTree(t *testing.T) {
	want, err := goTree(goRoot(t, nil), "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change map[string]string
		same   bool
	}{
		"as the module has it":     {map[string]string{"src/cmd/go.mod": "", "src/cmd/_go.mod": "module cmd"}, true},
		"defaults of an installer": {map[string]string{"go.env": "GOTOOLCHAIN=local"}, true},
		"no documents and tests":   {map[string]string{"doc/a": "", "test/a.go": ""}, true},
		"another machine's tools":  {map[string]string{"pkg/tool/linux_arm64/compile": "other"}, true},
		"another compiler":         {map[string]string{"pkg/tool/linux_amd64/compile": "other"}, false},
		"another library":          {map[string]string{"src/fmt/print.go": "package fmt // changed"}, false},
		"a file more":              {map[string]string{"src/fmt/more.go": "package fmt"}, false},
		"a file less":              {map[string]string{"pkg/include/a.h": "", "pkg/include/b.h": "header"}, false},
		"another go command":       {map[string]string{"bin/go": "other"}, false},
	} {
		got, err := goTree(goRoot(t, c.change), "linux/amd64")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if (got == want) != c.same {
			t.Errorf("%s: got %s and %s, want same: %v", name, got, want, c.same)
		}
	}
	if _, err := goTree(goRoot(t, map[string]string{"pkg/tool/linux_amd64/compile": ""}), "linux/amd64"); err == nil {
		t.Error("a Go without tools: no error")
	}
}

// findings collects what a check says.
type findings struct{ good, wrong, open []string }

func (f *findings) into(list *[]string) func(format string, args ...any) {
	return func(format string, args ...any) { *list = append(*list, fmt.Sprintf(format, args...)) }
}

// TestGoFilesAreCompared is about this machine's Go, whichever it is.
func TestGoFilesAreCompared(t *testing.T) {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	for name, c := range map[string]struct {
		files []GoFiles
		want  func(f findings) bool
	}{
		"another": {[]GoFiles{{Platform: platform, SHA256: strings.Repeat("0", 64)}}, func(f findings) bool {
			return len(f.wrong) == 1 && strings.Contains(f.wrong[0], "golang.org/toolchain")
		}},
		"none pinned": {[]GoFiles{{Platform: "plan9/386"}}, func(f findings) bool { return len(f.open) == 1 }},
	} {
		var f findings
		if err := checkGo(t.Context(), &Lock{GoFiles: c.files}, f.into(&f.good), f.into(&f.wrong), f.into(&f.open)); err != nil {
			t.Fatal(err)
		}
		if !c.want(f) || len(f.good) > 0 {
			t.Errorf("%s: got %+v", name, f)
		}
	}
}

// TestPackagesArePinned pins a package by an archive's list and compares it with the
// list of the next day.
func TestPackagesArePinned(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "archive")
	uri, file := archiveWith(t, dir, "1.0")
	sum, _, err := hashFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{Dir: t.TempDir(), Mirror: uri, trusted: "yes", Say: t.Logf}
	apt, err := s.apt("bookworm", "amd64", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := apt.update(t.Context()); err != nil {
		t.Fatal(err)
	}
	pinned, err := pinPackages(t.Context(), apt, []Version{{"small", "1.0"}, {"small", "0.9"}, {"absent", "1"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Package{"small", "1.0", "amd64", sum}); pinned[0] != want || pinned[1].SHA256 != "" || pinned[2].SHA256 != "" {
		t.Errorf("got %+v, want %+v and two without a hash", pinned, want)
	}
	for name, c := range map[string]struct {
		p           Package
		wrong, open string
	}{
		"the same":             {pinned[0], "", ""},
		"another hash":         {Package{"small", "1.0", "amd64", strings.Repeat("0", 64)}, "pinned sha256 000", ""},
		"the suite moved on":   {Package{"small", "0.9", "amd64", sum}, "", "do not have that version"},
		"for another machine":  {Package{"small", "1.0", "arm64", sum}, "", "pinned for arm64"},
		"nothing pinned of it": {pinned[1], "", "no sha256 is pinned"},
	} {
		wrong, open, err := checkPackages(t.Context(), apt, []Package{c.p})
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []struct {
			list []string
			want string
		}{{wrong, c.wrong}, {open, c.open}} {
			if all := strings.Join(got.list, "\n"); (got.want == "") != (all == "") || !strings.Contains(all, got.want) {
				t.Errorf("%s: got %q, want %q", name, all, got.want)
			}
		}
	}
}

// TestCompilerDrift compares with packages that are, and are not, installed: a
// difference is said, and stops nothing.
func TestCompilerDrift(t *testing.T) {
	installed := installedVersions(t.Context(), []string{"dpkg"})[0]
	if installed.Version == "" {
		t.Skip("dpkg is not installed")
	}
	target := toolchain.Targets()[0]
	l := &Lock{Compilers: []Compiler{{Platform: target.Platform, Packages: []Package{
		{Name: "dpkg", Version: installed.Version}, {Name: "no-such-package", Version: "1"}, {Name: "dpkg", Version: "0"},
	}}}}
	got, drift := compilerDrift(t.Context(), l, target, toolchain.Reference)
	if len(got) != 3 || len(drift) != 2 || !strings.Contains(drift[0], "no-such-package: pinned 1, installed none") || !strings.Contains(drift[1], "pinned 0, installed "+installed.Version) {
		t.Errorf("got %v and %q", got, drift)
	}
}

func FuzzFindDeb(f *testing.F) {
	f.Add("Package: a\nVersion: 1\nArchitecture: all\nSHA256: " + strings.Repeat("a", 64) + "\n\nPackage: a\nVersion: 2\n")
	f.Add("Package: a\nDescription: b\n Version: 1\n")
	f.Fuzz(func(t *testing.T, stanzas string) {
		if p := findDeb(stanzas, "a", "1"); p != (Package{}) && (p.Name != "a" || p.Version != "1" || !hexSum.MatchString(p.SHA256)) {
			t.Errorf("got %+v", p)
		}
	})
}

// TestMachinePaths: the name of a directory that many import paths have too is no
// trace of the machine; what lies in it is.
func TestMachinePaths(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("XDG_CACHE_HOME is where Linux has its caches")
	}
	t.Setenv("XDG_CACHE_HOME", "/cache")
	paths := machinePaths(&Toolchain{Dir: "/cache/facerec/inputs/toolchains/x"})
	found := func(s string) bool {
		return slices.ContainsFunc(paths, func(p string) bool { return strings.Contains(s, p) })
	}
	for s, want := range map[string]bool{
		"example.com/a/cache/cache.go":                   false,
		"/cache/facerec/inputs/toolchains/x/include/a.h": true,
		"/cache/facerec/inputs/tmp/a":                    true,
		"/cache/go-build/ab/abcd-d":                      true,
	} {
		if found(s) != want {
			t.Errorf("%s: got %v, want %v in %q", s, !want, want, paths)
		}
	}
}
