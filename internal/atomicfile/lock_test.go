package atomicfile_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"facerec/internal/atomicfile"
)

func TestLock(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "lock")
	for name, lock := range map[string]func(context.Context) (func(), error){
		"file":      func(ctx context.Context) (func(), error) { return atomicfile.Lock(ctx, file) },
		"directory": func(ctx context.Context) (func(), error) { return atomicfile.LockDir(ctx, dir) },
	} {
		t.Run(name, func(t *testing.T) {
			unlock, err := lock(t.Context())
			if runtime.GOOS == "windows" {
				var none *atomicfile.LockError
				if !errors.As(err, &none) || !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("got %v, expected that there are no locks", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := lock(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("somebody else has it: got %v, expected that it was cancelled", err)
			}
			unlock()
			again, err := lock(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			again()
		})
	}
	missing := filepath.Join(dir, "missing")
	if _, err := atomicfile.LockDir(t.Context(), missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, expected that the directory does not exist", err)
	}
	if _, err := os.Lstat(missing); err == nil {
		t.Error("a directory that is missing was made")
	}
}

func TestScratch(t *testing.T) {
	dir := t.TempDir()
	f, err := atomicfile.Scratch(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("text"), 3); err != nil {
		t.Error(err)
	}
	b := make([]byte, 4)
	if _, err := f.ReadAt(b, 3); err != nil || string(b) != "text" {
		t.Errorf("got %q, %v", b, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := atomicfile.Scratch(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, expected that the directory does not exist", err)
	}
}

// TestScratchWithoutADirectory: Linux keeps the file in memory.
func TestScratchWithoutADirectory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has files in memory")
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	f, err := atomicfile.Scratch("")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 4)
	if _, err := f.WriteAt([]byte("text"), 1<<20); err != nil {
		t.Error(err)
	}
	if _, err := f.ReadAt(b, 1<<20); err != nil || string(b) != "text" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := f.Seek(1<<20, io.SeekStart); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(f, b); err != nil || string(b) != "text" {
		t.Errorf("got %q, %v", b, err)
	}
}
