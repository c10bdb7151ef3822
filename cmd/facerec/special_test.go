//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOnlyRegularFiles puts what is not a regular file, and one that is far too
// large, into each place where a verb expects a file. No verb waits for a pipe,
// reads a device, or succeeds; the message names the path and what is there.
func TestOnlyRegularFiles(t *testing.T) {
	kinds := []struct {
		name  string
		make  func(path string) error
		words []string // one of them is in the message
	}{
		{"pipe", func(p string) error { return syscall.Mkfifo(p, 0o600) }, []string{"a named pipe"}},
		{"zero", func(p string) error { return os.Symlink("/dev/zero", p) }, []string{"a device", "symbolic link", "a link"}},
		{"directory", func(p string) error { return os.Mkdir(p, 0o755) }, []string{"a directory"}},
		{"sparse", func(p string) error {
			if err := os.WriteFile(p, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(p, 3<<30)
		}, []string{"3221225472", "more than", "too large", "not a picture", "facerec did not write", "font", "is damaged: expected", "the copy to repair from is unusable: expected"}},
	}
	for _, place := range []struct {
		path string   // what is replaced
		args string   // what is run
		want int      // exit code
		fine []string // kinds that are as good as a file there, or as none
	}{
		{path: "photos/a.jpg", args: "recognize photos/a.jpg", want: 1, fine: []string{"directory"}},
		{path: "photos/a.jpg", args: "recognize photos", want: 1, fine: []string{"zero", "directory"}},
		{path: "photos/a.jpg", args: "detect photos/a.jpg photos/b.png", want: 1, fine: []string{"directory"}},
		{path: "photos/a.jpg", args: "group photos --min-faces 1", want: 1, fine: []string{"zero", "directory"}},
		{path: "photos/a.jpg", args: "compare photos/a.jpg photos/b.png", want: 1},
		{path: "photos/a.jpg", args: "compare photos/b.png photos/a.jpg", want: 1},
		{path: "list", args: "recognize --files-from list", want: 2},
		{path: "list", args: "group --files-from list", want: 2},
		{path: "set.json", args: "recognize photos/b.png --config set.json", want: 2},
		{path: "facerec.json", args: "recognize photos/b.png", want: 2},
		{path: "a.ttf", args: "recognize photos/b.png --font a.ttf --out o.png", want: 1},
		{path: "persons/Rose/1.png", args: "enroll --strict", want: 1},
		{path: "persons/Rose/1.png", args: "recognize photos/b.png --strict", want: 1},
		{path: "photos/b.png.xmp", args: "recognize photos/b.png --xmp", want: 1},
		{path: "album.html", args: "recognize photos/b.png --report album.html", want: 2},
		{path: "album.html", args: "group photos/b.png --min-faces 1 --report album.html", want: 2},
		{path: "o.png", args: "recognize photos/b.png --out o.png", want: 2, fine: []string{"directory"}},
		{path: "models/fake.dat", args: "recognize photos/b.png", want: 5},
		{path: "models/fake.dat", args: "recognize photos/b.png --check-models full", want: 5},
		{path: "models/fake.dat", args: "models verify", want: 5},
		{path: "models/fake.dat", args: "models heal", want: 5},
		{path: "models/fake.dat", args: "doctor", want: 5},
		{path: "models/fake.dat", args: "recognize photos/b.png --models-cache volume", want: 5},
		{path: "release.json", args: "doctor --release release.json", want: 1},
	} {
		for _, kind := range kinds {
			t.Run(strings.ReplaceAll(place.args, "/", "_")+" with "+kind.name, func(t *testing.T) {
				smallLibrary(t)
				t.Setenv("FACEREC_CACHE", "off")
				lay(t, "photos/b.png", painted(t, 200))
				if err := os.Mkdir("volume", 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.RemoveAll(place.path); err != nil {
					t.Fatal(err)
				}
				if err := os.MkdirAll(filepath.Dir(place.path), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := kind.make(place.path); err != nil {
					t.Fatal(err)
				}
				code, out, errs := within(t, strings.Fields(place.args)...)
				for _, f := range place.fine {
					if f == kind.name {
						return
					}
				}
				if code != place.want {
					t.Errorf("expected exit code %d, got %d", place.want, code)
				}
				said, all := false, out+errs
				for _, w := range kind.words {
					said = said || strings.Contains(all, w)
				}
				if !said || !strings.Contains(all, filepath.Base(place.path)) {
					t.Errorf("expected %s and one of %q in\n%s", place.path, kind.words, all)
				}
			})
		}
	}
}

// TestOnlyRegularCacheFiles puts them in the place of what the cache keeps: a cache
// never stops a run.
func TestOnlyRegularCacheFiles(t *testing.T) {
	smallLibrary(t)
	if code, _, errs := within(t, "recognize", "images", "--cache", "kept"); code != 0 {
		t.Fatal(code, errs)
	}
	var kept []string
	for _, name := range files(t, "kept") {
		if fi, err := os.Lstat(name); err == nil && fi.Mode().IsRegular() {
			kept = append(kept, name)
		}
	}
	if len(kept) == 0 {
		t.Fatal("nothing is kept")
	}
	for _, name := range kept {
		for kind, make := range map[string]func() error{
			"pipe":      func() error { return syscall.Mkfifo(name, 0o600) },
			"zero":      func() error { return os.Symlink("/dev/zero", name) },
			"directory": func() error { return os.Mkdir(name, 0o755) },
			"sparse": func() error {
				if err := os.WriteFile(name, nil, 0o600); err != nil {
					return err
				}
				return os.Truncate(name, 3<<30)
			},
		} {
			if err := os.RemoveAll(name); err != nil {
				t.Fatal(err)
			}
			if err := make(); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{
				{"recognize", "images", "--cache", "kept"},
				{"cache", "--cache", "kept"},
			} {
				if code, _, errs := within(t, args...); code != 0 {
					t.Errorf("%q with a %s as %s: exit code %d: %s", args, kind, name, code, errs)
				}
			}
		}
	}
}

// within is call, which has to end.
func within(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		code, stdout, stderr = call(args...)
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(longest): // it would wait for ever
		t.Fatalf("%q: waits for the file", args)
	}
	return code, stdout, stderr
}
