package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"facerec/internal/app/picture"
	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

// input is one picture to look at.
type input struct {
	name string // as reports call it
	// info describes the file; nil for standard input and where there is none.
	info os.FileInfo
	read func() ([]byte, error)
}

func fileInput(name string, fi os.FileInfo) input {
	return input{name, fi, func() ([]byte, error) {
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
		return fmt.Errorf("is %s, expected a regular file", atomicfile.Kind(special.Mode))
	}
	return err
}

// pictureEndings are the names that a directory is searched for. Kinds that
// cannot be read are among them, so that they are reported rather than missed.
var pictureEndings = []string{
	".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".hif", ".avif",
}

// neverSearched are directories that hold copies or rubbish: thumbnails of NAS
// systems, and what was deleted. One that is named itself is searched.
var neverSearched = []string{
	"@eaDir", "#recycle", "#snapshot", "@Recycle", "$RECYCLE.BIN", "RECYCLER", "System Volume Information", "Trash", "__MACOSX", "lost+found", "thumbnails",
}

// selection says which pictures are looked at.
type selection struct {
	exclude   []string
	since     string
	filesFrom string
	nul       bool
}

func (s *selection) flags(fs *pflag.FlagSet) {
	fs.StringVar(&s.filesFrom, "files-from", "", "read the names of pictures from `file`, one per line; - for standard input")
	fs.BoolVarP(&s.nul, "null", "0", false, "names in --files-from end in NUL bytes, as find -print0 writes them")
	fs.StringArrayVar(&s.exclude, "exclude", nil, "skip files and directories that match this `pattern`, by name, or by path if it has a slash; can be repeated")
	fs.StringVar(&s.since, "since", "", "only files changed since this `date` (2026-01-31) or within this time (36h, 7d)")
}

// earliest is the time that --since names, or the zero time.
func (s *selection) earliest(now time.Time) (time.Time, error) {
	if s.since == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", time.DateTime} {
		if t, err := time.ParseInLocation(layout, s.since, time.Local); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(s.since, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 100_000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(s.since); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, usagef("--since %q: expected a date such as 2026-01-31, or a time such as 36h or 7d", s.since)
}

// finder turns arguments into pictures.
type finder struct {
	env    *environment
	sel    *selection
	quiet  bool
	since  time.Time
	guard  *guard
	inputs []input
	// failed counts files and directories that could not be read; each was
	// reported in a line.
	failed int
	seen   map[string]bool // names
	dirs   map[fileID]bool // directories that were searched
}

// find turns arguments, and the names in --files-from, into pictures: files as
// they are, directories searched all the way down, patterns that the shell did
// not expand, and "-" for standard input. The order is that of the arguments,
// and within a directory that of the names; what is duplicate is looked at
// once. What cannot be read is reported, and the rest is done.
func (f *finder) find(args []string) error {
	f.seen, f.dirs = map[string]bool{}, map[fileID]bool{}
	for _, p := range f.sel.exclude {
		if _, err := filepath.Match(p, ""); err != nil {
			return usagef("--exclude %s: not a pattern: %v", text.Show(p), err)
		}
	}
	var err error
	if f.since, err = f.sel.earliest(f.env.now()); err != nil {
		return err
	}
	if f.sel.nul && f.sel.filesFrom == "" {
		return usagef("--null: expected --files-from FILE too")
	}
	for _, arg := range args {
		if err := f.argument(arg); err != nil {
			return err
		}
	}
	if f.sel.filesFrom != "" {
		return f.list(f.sel.filesFrom)
	}
	return nil
}

func (f *finder) argument(arg string) error {
	if arg == "-" {
		if f.sel.filesFrom == "-" {
			return usagef("-: standard input is already read by --files-from -")
		}
		if !f.seen["-"] {
			f.seen["-"] = true
			f.inputs = append(f.inputs, input{name: "-", read: func() ([]byte, error) { return picture.Read(f.env.stdin) }})
			if file, ok := f.env.stdin.(*os.File); ok {
				if fi, err := file.Stat(); err == nil && fi.Mode().IsRegular() {
					f.guard.readsFile("standard input", fi)
				}
			}
		}
		return nil
	}
	if arg == "" {
		return usagef("an empty name: expected a file, a directory, a pattern or -")
	}
	fi, err := os.Stat(arg)
	switch {
	case err == nil && fi.IsDir():
		f.directory(arg)
	case err != nil && strings.ContainsAny(arg, "*?["):
		names, err := filepath.Glob(arg)
		if err != nil {
			return usagef("%s: not a pattern: %v", text.Show(arg), err)
		}
		if len(names) == 0 {
			f.problem(arg, errors.New("no file matches"))
		}
		for _, name := range names { // Glob's are sorted
			if fi, err := os.Stat(name); err == nil && !fi.IsDir() {
				f.add(name, fi)
			}
		}
	default:
		// A file that does not exist is reported in its turn, with the rest.
		f.add(arg, fi)
	}
	return nil
}

// add takes in a file; fi is nil if there is none.
func (f *finder) add(name string, fi os.FileInfo) {
	clean := filepath.Clean(name)
	if f.seen[clean] || fi != nil && fi.ModTime().Before(f.since) {
		return
	}
	f.seen[clean] = true
	if fi != nil {
		f.guard.readsFile(name, fi)
	}
	f.inputs = append(f.inputs, fileInput(name, fi))
}

func (f *finder) problem(name string, err error) {
	f.failed++
	f.env.errorf("%s: %v", text.Show(name), err)
}

// directory searches a directory that was named; if the name is a link it is
// followed.
func (f *finder) directory(name string) {
	f.guard.readsDir("the input directory", name)
	before, failed := len(f.inputs), f.failed
	known := len(f.seen)
	f.search(name, name)
	if len(f.inputs) == before && f.failed == failed && len(f.seen) == known && f.since.IsZero() {
		f.env.errorf("%s: no pictures found", text.Show(name))
		fmt.Fprintf(f.env.stderr, "hint: pictures have names that end in %s\n", strings.Join(pictureEndings, " "))
		f.failed++
	}
}

// search goes through dir and everything below it, in the order of names. It
// follows no links, and enters no directory twice.
func (f *finder) search(top, dir string) {
	if fi, err := os.Stat(dir); err == nil {
		if id, ok := idOf(fi); ok {
			if f.dirs[id] {
				return
			}
			f.dirs[id] = true
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.problem(dir, fmt.Errorf("cannot be searched: %w", plain(err)))
	}
	for _, d := range entries {
		name := filepath.Join(dir, d.Name())
		if strings.HasPrefix(d.Name(), ".") || f.excluded(top, name) {
			continue
		}
		isPicture := slices.Contains(pictureEndings, strings.ToLower(filepath.Ext(name)))
		switch {
		case d.IsDir():
			if !slices.ContainsFunc(neverSearched, func(s string) bool { return strings.EqualFold(s, d.Name()) }) {
				f.search(top, name)
			}
		case d.Type()&fs.ModeSymlink != 0:
			if fi, err := os.Stat(name); isPicture || err == nil && fi.IsDir() {
				if !f.quiet {
					f.env.errorf("%s: skipped: a link; name it to follow it", text.Show(name))
				}
				f.seen[filepath.Clean(name)] = true
			}
		case isPicture:
			fi, err := d.Info()
			if err != nil {
				fi = nil
			}
			f.add(name, fi)
		}
	}
}

// excluded reports whether --exclude names a path below top.
func (f *finder) excluded(top, name string) bool {
	rel, err := filepath.Rel(top, name)
	if err != nil {
		rel = name
	}
	for _, p := range f.sel.exclude {
		subject := filepath.Base(name)
		if strings.Contains(p, "/") {
			subject, p = filepath.ToSlash(rel), strings.TrimPrefix(strings.TrimSuffix(p, "/"), "./")
		}
		if ok, _ := filepath.Match(p, subject); ok {
			return true
		}
	}
	return false
}

// maxListBytes is the largest list of names that is read.
const maxListBytes = 256 << 20

// list takes in the files that a list names. Names are relative to the current
// directory. Patterns and "-" have no meaning in a list.
func (f *finder) list(name string) error {
	var data []byte
	var err error
	if name == "-" {
		data, err = io.ReadAll(io.LimitReader(f.env.stdin, maxListBytes))
	} else {
		data, err = atomicfile.ReadFile(name, maxListBytes)
	}
	if err != nil {
		return usagef("--files-from %s: cannot be read: %v", text.Show(name), plain(err))
	}
	for _, entry := range parseList(data, f.sel.nul) {
		fi, err := os.Stat(entry)
		if err == nil && fi.IsDir() {
			f.directory(entry)
			continue
		}
		f.add(entry, fi)
	}
	return nil
}

// parseList splits a list into names: lines, with LF or CRLF, after a byte order
// mark if there is one; or names that end in NUL bytes. Empty ones are left out.
func parseList(data []byte, nul bool) []string {
	sep := "\n"
	if nul {
		sep = "\x00"
	} else {
		data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	}
	var out []string
	for _, s := range strings.Split(string(data), sep) {
		if !nul {
			s = strings.TrimSuffix(s, "\r")
		}
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}
