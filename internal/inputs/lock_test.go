package inputs

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"facerec/toolchain"
)

func lockFile(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../../inputs.lock.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLockFile holds the committed lock to its own form and wants a pin for
// every want.
func TestLockFile(t *testing.T) {
	b := lockFile(t)
	l, err := ParseLock(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(l.Format(), b) {
		t.Error("inputs.lock.json is not as Format writes it: run `go run ./tools/inputs relock`")
	}
	for _, lineage := range l.Lineages() {
		for _, target := range toolchain.Targets() {
			pins, err := l.For(lineage, target.Debian)
			if err != nil {
				t.Error(err)
				continue
			}
			names := map[string]bool{}
			for _, p := range pins {
				names[p.Name] = true
			}
			if !names["libdlib-dev"] || !names["libjpeg62-turbo-dev"] || len(pins) != 2 {
				t.Errorf("%s on %s: %v", lineage, target.Debian, names)
			}
		}
	}
	for _, use := range []string{"models", "samples"} {
		if pins, err := l.For(use, "amd64"); err != nil || len(pins) != 1 {
			t.Errorf("%s: %v, %v", use, pins, err)
		}
	}
	if _, err := l.For("dlib99", "amd64"); err == nil || !strings.Contains(err.Error(), "dlib19") {
		t.Errorf("dlib99: %v, expected an error that lists what there is", err)
	}
}

// TestLockedCompilers: every kind of machine that makes a platform has its compilers
// pinned, and links files of the same hash.
func TestLockedCompilers(t *testing.T) {
	l, err := ParseLock(lockFile(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range toolchain.Targets() {
		linked := map[string]string{}
		for _, host := range target.Hosts {
			var names []string
			for _, p := range l.compilers(target.Platform, host) {
				names = append(names, p.Name)
				if !strings.HasPrefix(p.Name, "lib") {
					continue
				}
				if was := linked[p.Name]; was != "" && was != p.SHA256 || p.SHA256 == "" {
					t.Errorf("%s: %s has sha256 %q on %s, elsewhere %q", target.Platform, p.Name, p.SHA256, host, was)
				}
				linked[p.Name] = p.SHA256
			}
			if want := target.On(host).Packages; !slices.Equal(names, want) {
				t.Errorf("%s on %s: pinned %q, expected %q", target.Platform, host, names, want)
			}
		}
		if len(linked) != 3 {
			t.Errorf("%s: got %d libraries, expected 3", target.Platform, len(linked))
		}
	}
	if got := l.compilers("linux/amd64", "arm64"); got != nil {
		t.Errorf("linux/amd64 on arm64: got %v, expected none", got)
	}
}

// TestLockMatchesModule wants go.mod and the lock to agree on go-face.
func TestLockMatchesModule(t *testing.T) {
	l, err := ParseLock(lockFile(t))
	if err != nil {
		t.Fatal(err)
	}
	_, mods, err := goFacts(t.Context(), "../..", l.Modules)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range mods {
		if m != l.Modules[i] {
			t.Errorf("go.mod and go.sum have %v, the lock %v", m, l.Modules[i])
		}
	}
}

func TestParseLockRefuses(t *testing.T) {
	good := string(lockFile(t))
	for name, change := range map[string][2]string{
		"schema":       {"facerec/inputs/v1", "facerec/inputs/v9"},
		"twice":        {`"host": "arm64"`, `"host": "amd64"`},
		"unknown key":  {`"pins":`, `"pinns": [], "pins":`},
		"kind":         {`"kind": "source"`, `"kind": "rpm"`},
		"short hash":   {`"sha256": "`, `"sha256": "0`},
		"image digest": {`"digest": "`, `"digest": "sha256:0`},
		"go":           {`"sum": "h1:Z`, `"sum": "Z`},
		"compiler":     {`"arch": "all",`, ``},
		"slash":        {`"file": "libdlib`, `"file": "../libdlib`},
		"trailing":     {"\n}\n", "\n}\n{}\n"},
	} {
		if !strings.Contains(good, change[0]) {
			t.Fatalf("%s: the lock has no %q", name, change[0])
		}
		if _, err := ParseLock([]byte(strings.ReplaceAll(good, change[0], change[1]))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add(lockFile(f))
	f.Add([]byte(`{"schema":"facerec/inputs/v1","pins":[{"use":"a","kind":"deb","suite":"s","name":"n","version":"1","file":"f","size":1}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLock(b)
		if err != nil {
			return
		}
		text := l.Format()
		again, err := ParseLock(text)
		if err != nil {
			t.Fatalf("what Format wrote is refused: %v", err)
		}
		if !bytes.Equal(again.Format(), text) {
			t.Error("Format, Parse, Format changes the text")
		}
		for _, p := range l.Pins {
			if strings.ContainsAny(p.File, "/\\") || p.File == ".." {
				t.Errorf("accepted file %q", p.File)
			}
		}
	})
}
