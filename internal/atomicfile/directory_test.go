package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
)

func TestFS(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "sub/b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fsys := FS(dir)
	if err := fstest.TestFS(fsys, "a", "sub/b"); err != nil {
		t.Error(err)
	}
	if raw, err := fs.ReadFile(fsys, "sub/b"); err != nil || string(raw) != "sub/b" {
		t.Errorf("got %q, %v", raw, err)
	}
	for name, want := range map[string]error{"../a": fs.ErrInvalid, "/a": fs.ErrInvalid, "missing": fs.ErrNotExist} {
		if _, err := fsys.Open(name); !errors.Is(err, want) {
			t.Errorf("%s: want %v, got %v", name, want, err)
		}
	}
}

func TestCleanAndReplaceable(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"mine", Prefix + "123"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ours := func(name string) bool { return name == "mine" }
	if err := CheckReplaceable(dir, ours); err != nil {
		t.Errorf("only our files: %v", err)
	}
	if err := CheckReplaceable(filepath.Join(dir, "missing"), ours); err != nil {
		t.Errorf("a missing directory: %v", err)
	}
	if err := Clean(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"mine"}) {
		t.Errorf("want only mine left, got %v", names)
	}
	if err := os.WriteFile(filepath.Join(dir, "theirs"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var foreign *ForeignFileError
	if err := CheckReplaceable(dir, ours); !errors.As(err, &foreign) || foreign.Name != "theirs" || foreign.Hint() == "" {
		t.Errorf("want theirs named, got %v", err)
	}
	var failed *WriteError
	if err := CheckReplaceable(filepath.Join(dir, "mine"), ours); !errors.As(err, &failed) {
		t.Errorf("a file: want a WriteError, got %v", err)
	}
}

func TestWriteErrorHints(t *testing.T) {
	for _, err := range []error{fs.ErrPermission, fs.ErrExist, fs.ErrNotExist} {
		e := &WriteError{"x", &fs.PathError{Op: "open", Path: "x.tmp", Err: err}}
		if e.Hint() == "" || e.Error() == "" || !errors.Is(e, err) {
			t.Errorf("%v: %q, hint %q", err, e.Error(), e.Hint())
		}
	}
	if hint := (&WriteError{"x", errors.New("other")}).Hint(); hint != "" {
		t.Errorf("want no hint, got %q", hint)
	}
}
