//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whoever can write to a volume must not be able to have root give away other
// files.
func TestHandOver(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	tests := []struct {
		name  string
		make  func(t *testing.T, vol, victim string)
		err   string // part of the error, "" for none
		owner int    // of vol/m.dat or its target
	}{
		{"regular file", func(t *testing.T, vol, _ string) { putOne(t, vol+"/m.dat") }, "", serviceUser},
		{"no file", func(*testing.T, string, string) {}, "", -1},
		{"link to a file", func(t *testing.T, vol, victim string) { check(t, os.Symlink(victim, vol+"/m.dat")) }, "not a regular file", 0},
		{"hard link", func(t *testing.T, vol, victim string) { check(t, os.Link(victim, vol+"/m.dat")) }, "2 hard links", 0},
		{"directory", func(t *testing.T, vol, _ string) { check(t, os.Mkdir(vol+"/m.dat", 0o755)) }, "not a regular file", 0},
		{"volume is a link", func(t *testing.T, vol, victim string) {
			check(t, os.Remove(vol))
			real := filepath.Join(filepath.Dir(victim), "real")
			check(t, os.Mkdir(real, 0o755))
			putOne(t, real+"/m.dat")
			check(t, os.Symlink(real, vol))
		}, "symbolic link", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			vol, victim := filepath.Join(dir, "vol"), filepath.Join(dir, "victim")
			check(t, os.Mkdir(vol, 0o755))
			putOne(t, victim)
			tt.make(t, vol, victim)
			err := handOver(vol, []string{"m.dat"})
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			for _, name := range []string{victim, filepath.Join(vol, "m.dat")} {
				fi, err := os.Stat(name)
				if err != nil {
					if tt.owner < 0 {
						continue
					}
					t.Fatal(err)
				}
				want := tt.owner
				if name == victim {
					want = 0
				}
				if got := ownerOf(fi); got != want && tt.owner >= 0 {
					t.Errorf("%s belongs to %d, want %d", name, got, want)
				}
			}
		})
	}
}

func putOne(t *testing.T, name string) {
	t.Helper()
	check(t, os.WriteFile(name, []byte("x"), 0o644))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
