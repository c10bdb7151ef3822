//go:build linux

package main

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestForRoots(t *testing.T) {
	for entry, want := range map[string]bool{
		"enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POCF\noffset 0\n": true,
		"enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: F\n":                           true,
		"enabled\ninterpreter /usr/bin/qemu-Fast\nflags: OC\n":                                    false,
		"disabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: F\n":                          false,
		"": false,
	} {
		if got := forRoots(entry); got != want {
			t.Errorf("%q: got %v, expected %v", entry, got, want)
		}
	}
}

// TestManifest: the scripts that call the compilers are left out, and nothing else.
func TestManifest(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "MANIFEST"), []byte("aa  bin/cc\nbb  lib/libdlib.a\ncc  include/dlib/bin/x.h\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := manifest(dir)
	if want := (map[string]string{"lib/libdlib.a": "bb", "include/dlib/bin/x.h": "cc"}); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, expected %v", got, err, want)
	}
	if err := os.WriteFile(filepath.Join(dir, "MANIFEST"), []byte("aa\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := manifest(dir); err == nil {
		t.Error("a line without a path: no error")
	}
}
