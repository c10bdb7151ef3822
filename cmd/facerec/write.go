package main

import (
	"io"
	"os"
	"path/filepath"

	"facerec/internal/app"
	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

// write makes a file whole or not at all. A file that is there is replaced only
// if facerec wrote it.
func (env *environment) write(name string, write func(io.Writer) error) error {
	if err := replaceable(name); err != nil {
		return err
	}
	return atomicfile.Write(name, 0o666&^env.umask, write)
}

// writeIn is write for a file in a directory that is made if need be.
func (env *environment) writeIn(name string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return &atomicfile.WriteError{Path: name, Err: err}
	}
	return env.write(name, write)
}

// replaceable returns an error if name is anything but a file that facerec
// wrote, or nothing at all.
func replaceable(name string) error {
	fi, err := os.Lstat(name)
	if err != nil {
		return nil // nothing is there; another error comes up when it is written
	}
	if fi.IsDir() {
		return foreign("%s: is a directory, expected the name of a file to write", text.Show(name))
	}
	f, err := atomicfile.Open(name)
	if err != nil {
		return foreign("%s: not replaced: it is %s", text.Show(name), atomicfile.Kind(fi.Mode()))
	}
	defer f.Close() // read only
	head := make([]byte, app.MarkBytes)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return foreign("%s: not replaced: it cannot be read: %v", text.Show(name), plain(err))
	}
	if !app.Marked(head[:n]) {
		return text.WithHint(foreign("%s: not replaced: facerec did not write this file", text.Show(name)), "move it away or name another file; files of older versions are not recognised as facerec's")
	}
	return nil
}
