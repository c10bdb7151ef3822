//go:build unix

package atomicfile_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestWrite(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, data := range []string{"one", "two, longer", ""} {
		if err := atomicfile.WriteBytes(path, 0o644, []byte(data)); err != nil {
			t.Fatal(err)
		}
		got, _ := os.ReadFile(path)
		fi, _ := os.Stat(path)
		if string(got) != data || fi.Mode() != 0o644 || names(t, dir) != "f" {
			t.Errorf("got %q, mode %v, directory %s", got, fi.Mode(), names(t, dir))
		}
	}
}

func TestFailureLeavesWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("source broke")
	err := atomicfile.Write(path, 0o644, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return broken
	})
	var we *atomicfile.WriteError
	if !errors.Is(err, broken) || errors.As(err, &we) {
		t.Errorf("got %v, expected the source's own error", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "before" || names(t, dir) != "f" {
		t.Errorf("got %q, directory %s", got, names(t, dir))
	}
}

func TestWriteNew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := atomicfile.WriteNewBytes(path, 0o600, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.WriteNewBytes(path, 0o600, []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, expected that it exists", err)
	}
	// Somebody makes the file while ours is being written.
	raced := filepath.Join(dir, "raced")
	err := atomicfile.WriteNew(raced, 0o600, func(w io.Writer) error {
		return os.WriteFile(raced, []byte("theirs"), 0o600)
	})
	got, _ := os.ReadFile(raced)
	if !errors.Is(err, fs.ErrExist) || string(got) != "theirs" || names(t, dir) != "f raced" {
		t.Errorf("got %v and %q, directory %s", err, got, names(t, dir))
	}
}

func TestReplaceDir(t *testing.T) {
	parent := t.TempDir()
	path := filepath.Join(parent, "new", "dist")
	for _, name := range []string{"a", "b"} {
		if err := atomicfile.ReplaceDir(path, func(tmp string) error {
			return os.WriteFile(filepath.Join(tmp, name), nil, 0o644)
		}); err != nil {
			t.Fatal(err)
		}
		if names(t, path) != name || names(t, filepath.Dir(path)) != "dist" {
			t.Errorf("got %s in %s", names(t, path), names(t, filepath.Dir(path)))
		}
	}
	broken := errors.New("broke")
	if err := atomicfile.ReplaceDir(path, func(string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if names(t, path) != "b" || names(t, filepath.Dir(path)) != "dist" {
		t.Errorf("after a failure: %s in %s", names(t, path), names(t, filepath.Dir(path)))
	}
}

func TestErrorsNameTheFileThatWasMeant(t *testing.T) {
	dir := t.TempDir()
	err := atomicfile.WriteBytes(filepath.Join(dir, "missing", "f"), 0o644, nil)
	want := "cannot write " + filepath.Join(dir, "missing", "f") + ": the directory does not exist"
	if err == nil || err.Error() != want || text.Hint(err) != "create the directory first" {
		t.Errorf("got %v (%s), expected %s", err, text.Hint(err), want)
	}
}

// special puts everything that is not a regular file into a directory.
func special(t *testing.T) map[string]string {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(at("dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"zero": "/dev/zero", "link": "pipe"} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return map[string]string{at("pipe"): "a named pipe", at("dir"): "a directory", at("zero"): "a device", at("link"): "a named pipe", at("socket"): "a socket"}
}

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	for path, kind := range special(t) {
		for way, open := range map[string]func() error{
			"read":   func() error { _, err := atomicfile.ReadFile(path, 10); return err },
			"append": func() error { return atomicfile.Append(path, []byte("x")) },
			"lock":   func() error { _, err := atomicfile.Lock(t.Context(), path); return err },
		} {
			var nr *atomicfile.NotRegularError
			if err := open(); !errors.As(err, &nr) || !strings.Contains(err.Error(), "is "+kind+",") {
				t.Errorf("%s %s: got %v, expected %s", way, path, err, kind)
			}
		}
		if kind != "a directory" {
			if _, err := atomicfile.LockDir(t.Context(), path); err == nil {
				t.Errorf("lock the directory %s: got no error, expected that it is %s", path, kind)
			}
		}
	}
}

func TestAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, line := range []string{"one\n", "two\n"} {
		if err := atomicfile.Append(path, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := atomicfile.Append(filepath.Join(path, "x"), nil); err == nil {
		t.Error("below a file: got no error")
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := atomicfile.ReadFile(path, 5); err != nil || string(got) != "12345" {
		t.Errorf("got %q, %v", got, err)
	}
	var tl *atomicfile.TooLargeError
	if _, err := atomicfile.ReadFile(path, 4); !errors.As(err, &tl) {
		t.Errorf("got %v, expected that it is too large", err)
	}
	if err := os.Truncate(path, 3<<30); err != nil { // sparse
		t.Fatal(err)
	}
	if _, err := atomicfile.ReadFile(path, 1<<20); !errors.As(err, &tl) {
		t.Errorf("got %v, expected that it is too large", err)
	}
	// A file whose size says nothing.
	if got, err := atomicfile.ReadFile("/proc/self/status", 1<<20); err == nil && len(got) == 0 {
		t.Error("read nothing")
	}
	if _, err := atomicfile.ReadFile("/proc/self/status", 10); !errors.As(err, &tl) {
		t.Errorf("got %v, expected that it is too large", err)
	}
}

// Root replaces a file for its owner.
func TestOwn(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	name := filepath.Join(t.TempDir(), "theirs")
	if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Lchown(name, 1234, 4321)); err != nil {
		t.Fatal(err)
	}
	like, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := atomicfile.Create(name, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Discard()
	f.Own(like)
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	now, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if st := now.Sys().(*syscall.Stat_t); st.Uid != 1234 || st.Gid != 4321 || now.Mode() != 0o640 {
		t.Errorf("it is %d:%d's with mode %v", st.Uid, st.Gid, now.Mode())
	}
	again, err := atomicfile.Create(name, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Discard()
	if err := again.CommitNew(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("CommitNew over a file: %v", err)
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	for _, commit := range []bool{false, true} {
		f, err := atomicfile.Create(filepath.Join(dir, "page"), 0o640)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, "text"); err != nil {
			t.Fatal(err)
		}
		if names, _ := filepath.Glob(filepath.Join(dir, "page")); len(names) != 0 {
			t.Fatalf("%s is there before Commit", names)
		}
		if commit {
			if err := f.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		f.Discard()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{false: 0, true: 1}[commit]; len(entries) != want {
			t.Errorf("committed %v: %d files, want %d", commit, len(entries), want)
		}
	}
}
