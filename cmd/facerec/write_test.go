package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.txt")
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	has := func(want string) {
		t.Helper()
		got, err := os.ReadFile(name)
		if err != nil || string(got) != want {
			t.Errorf("file holds %q, %v; want %q", got, err, want)
		}
		list, err := os.ReadDir(dir)
		if err != nil || len(list) != 1 {
			t.Errorf("folder holds %v, %v", list, err)
		}
	}
	if err := writeFile(name, text("one")); err != nil {
		t.Fatal(err)
	}
	has("one")
	if err := writeFile(name, text("two")); err != nil {
		t.Fatal(err)
	}
	has("two")

	// A failure half way leaves what was there.
	boom := errors.New("boom")
	if err := writeFile(name, func(w io.Writer) error {
		if _, err := io.WriteString(w, strings.Repeat("x", 1<<20)); err != nil {
			return err
		}
		return boom
	}); !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), name+": ") {
		t.Errorf("got %v", err)
	}
	has("two")

	if err := writeFile(filepath.Join(dir, "no", "b"), text("")); err == nil || !strings.Contains(err.Error(), "there is no folder "+filepath.Join(dir, "no")) {
		t.Errorf("got %v", err)
	}
	if err := writeFile(dir, text("")); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("got %v", err)
	}
	// A device is written to, not replaced.
	if err := writeFile(os.DevNull, text("gone")); err != nil {
		t.Error(err)
	}
	if fi, err := os.Stat(os.DevNull); err != nil || fi.Mode().IsRegular() {
		t.Errorf("%s: %v %v", os.DevNull, fi.Mode(), err)
	}
	// The full disk that every Linux has.
	if _, err := os.Stat("/dev/full"); err == nil {
		if err := writeFile("/dev/full", text("x")); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v", err)
		}
	}
}
