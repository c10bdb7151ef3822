package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"facerec/internal/app"
	"facerec/internal/app/picture"
	"facerec/internal/atomicfile"
)

// input is one picture to look at.
type input struct {
	name string // as reports call it
	read func() ([]byte, error)
}

func fileInput(name string) input {
	return input{name: name, read: func() ([]byte, error) {
		f, err := atomicfile.Open(name)
		if err != nil {
			return nil, plain(err)
		}
		defer f.Close() // read only
		data, err := picture.Read(f)
		return data, plain(err)
	}}
}

// plain is an I/O error without the name of the file, which every line begins
// with already.
func plain(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var special *atomicfile.NotRegularError
	if errors.As(err, &special) {
		return fmt.Errorf("is %s, expected a picture", atomicfile.Kind(special.Mode))
	}
	return err
}

// pictureEndings are the names that a folder is searched for. Those that
// cannot be read are among them, so that they are reported rather than missed.
var pictureEndings = []string{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".hif", ".avif"}

// expand turns arguments into pictures: files as they are, folders searched
// for pictures all the way down, patterns that the shell did not expand, and
// "-" for standard input. The order is that of the arguments, within a folder
// that of the names; what is named twice is looked at once. Folders in skip
// are where this run writes to, and are not searched.
func expand(args []string, stdin io.Reader, skip []string) ([]input, error) {
	var out []input
	seen := map[string]bool{}
	add := func(name string) {
		if clean := filepath.Clean(name); !seen[clean] {
			seen[clean] = true
			out = append(out, fileInput(name))
		}
	}
	for _, arg := range args {
		if arg == "-" {
			if !seen["-"] {
				seen["-"] = true
				out = append(out, input{name: "-", read: func() ([]byte, error) { return picture.Read(stdin) }})
			}
			continue
		}
		if arg == "" {
			return nil, usagef("an empty name: expected a file, a folder, a pattern or -")
		}
		fi, err := os.Stat(arg)
		switch {
		case err == nil && fi.IsDir():
			names, err := walk(arg, skip)
			if err != nil {
				return nil, err
			}
			if len(names) == 0 {
				return nil, fmt.Errorf("%s: no pictures in this folder; expected names that end in %s", app.Printable(arg), strings.Join(pictureEndings, " "))
			}
			for _, n := range names {
				add(n)
			}
		case err == nil:
			add(arg)
		case strings.ContainsAny(arg, "*?["):
			names, gerr := filepath.Glob(arg)
			if gerr != nil {
				return nil, usagef("%s: not a pattern: %v", app.Printable(arg), gerr)
			}
			if len(names) == 0 {
				return nil, fmt.Errorf("%s: no file matches", app.Printable(arg))
			}
			for _, n := range names { // Glob's are sorted
				if fi, err := os.Stat(n); err == nil && !fi.IsDir() {
					add(n)
				}
			}
		default:
			// A file that is not there is reported in its turn, with the rest.
			add(arg)
		}
	}
	return out, nil
}

// walk lists the pictures below dir, sorted, hidden ones left out.
func walk(dir string, skip []string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%s: cannot be searched: %w", app.Printable(name), plain(err))
		}
		if name != dir && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			if abs, err := filepath.Abs(name); err == nil && name != dir && slices.Contains(skip, abs) {
				return filepath.SkipDir
			}
			return nil
		}
		if slices.Contains(pictureEndings, strings.ToLower(filepath.Ext(name))) {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}
