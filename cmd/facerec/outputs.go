package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"facerec/internal/text"
)

// foreignError says that a file or directory is not facerec's to write.
type foreignError struct{ error }

func (e foreignError) Unwrap() error { return e.error }

func foreign(format string, args ...any) error { return foreignError{fmt.Errorf(format, args...)} }

// guard knows what a run reads, and refuses to write there.
type guard struct {
	files map[fileID]string // by what they are, whatever their names
	dirs  []guarded
}

// guarded is a directory that nothing is written into.
type guarded struct {
	info os.FileInfo
	what string // "the input directory photos"
}

// fileID is a file on this machine.
type fileID struct{ dev, ino uint64 }

func idOf(fi os.FileInfo) (fileID, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, false
	}
	return fileID{uint64(st.Dev), st.Ino}, true //nolint:unconvert // Dev's type differs between systems
}

// readsFile notes a file that is read.
func (g *guard) readsFile(name string, fi os.FileInfo) {
	if id, ok := idOf(fi); ok {
		if g.files == nil {
			g.files = map[fileID]string{}
		}
		g.files[id] = name
	}
}

// readsDir notes a directory that is searched for input.
func (g *guard) readsDir(what, name string) {
	if fi, err := os.Stat(name); err == nil && fi.IsDir() {
		g.dirs = append(g.dirs, guarded{fi, what + " " + text.Show(name)})
	}
}

// file returns an error if a file of this name cannot be written: it is an
// input, by whatever name, or it is in a directory of inputs, or another
// program's.
func (g *guard) file(flag, name string) error {
	if fi, err := os.Stat(name); err == nil {
		if id, ok := idOf(fi); ok && g.files[id] != "" {
			return text.WithHint(usagef("%s %s: this is the input %s", flag, text.Show(name), text.Show(g.files[id])), "name another file; facerec never writes to what it reads")
		}
	}
	if err := g.outside(flag, name, filepath.Dir(name)); err != nil {
		return err
	}
	if err := replaceable(name); err != nil {
		return text.WithHint(usagef("%s: %w", flag, err), "%s", text.Hint(err))
	}
	return nil
}

// dir returns an error if name is, or would be made, in a directory of inputs.
func (g *guard) dir(flag, name string) error { return g.outside(flag, name, name) }

// outside returns an error if dir, where name is to be written, is in a directory of
// inputs. It follows links and compares directories, not names.
func (g *guard) outside(flag, name, dir string) error {
	for at := real(dir); ; at = filepath.Dir(at) {
		if fi, err := os.Stat(at); err == nil {
			for _, d := range g.dirs {
				if os.SameFile(fi, d.info) {
					return text.WithHint(usagef("%s %s: this is in %s", flag, text.Show(name), d.what), "name a place outside of it; facerec never writes to what it reads")
				}
			}
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// real is name without links, as far as it exists, made absolute.
func real(name string) string {
	abs, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	rest := ""
	for at := abs; ; at = filepath.Dir(at) {
		if there, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(there, rest)
		}
		if at == filepath.Dir(at) {
			return abs
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}
