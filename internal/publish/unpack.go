package publish

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

// Bounds of what Unpack takes.
const (
	maxEntries  = 1_000_000
	maxUnpacked = 64 << 30 // bytes
)

// Unpack unpacks a tarball whose entries are all below one top directory into
// dir, and returns the path of that directory. It appears in one step, when all
// of it is there; one that exists already is a *Refusal.
//
// Refused are names that leave the top directory, symbolic links that lead out
// of it, entries of other types than file, directory and link, and names that differ by
// case alone, as they would be one file on many systems. Modes are as in the
// archive, but for the set-id bits.
func Unpack(tarball, dir string) (string, error) {
	rules := atomicfile.RulesOf(runtime.GOOS)
	rules.Fold = true
	return unpack(tarball, dir, rules)
}

func unpack(tarball, dir string, rules atomicfile.Rules) (string, error) {
	f, err := atomicfile.Open(tarball)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", tarball, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", &atomicfile.WriteError{Path: dir, Err: err}
	}
	tmp, err := os.MkdirTemp(dir, atomicfile.Prefix)
	if err != nil {
		return "", &atomicfile.WriteError{Path: dir, Err: err}
	}
	defer os.RemoveAll(tmp)
	u := &unpacker{root: tmp, names: atomicfile.NewNames(rules), rules: rules, dirs: map[string]fs.FileMode{}, files: map[string]bool{}}
	if err := u.all(tar.NewReader(z)); err != nil {
		var refusal *Refusal
		var write *atomicfile.WriteError
		switch {
		case errors.As(err, &write): // names are the archive's
			return "", &atomicfile.WriteError{Path: filepath.Join(dir, filepath.FromSlash(write.Path)), Err: write.Err}
		case errors.As(err, &refusal):
			return "", err
		}
		return "", fmt.Errorf("%s: %w", tarball, err)
	}
	final := filepath.Join(dir, u.top)
	if _, err := os.Lstat(final); err == nil {
		return "", &Refusal{Subject: final, Reason: "exists already", Advice: "remove it, or name another directory"}
	}
	if err := os.Rename(filepath.Join(tmp, u.top), final); err != nil {
		return "", &atomicfile.WriteError{Path: final, Err: err}
	}
	return final, nil
}

type unpacker struct {
	root  string
	top   string
	rules atomicfile.Rules
	names *atomicfile.Names
	dirs  map[string]fs.FileMode // modes that are set last
	files map[string]bool        // that hard links may name
	links []link
	bytes int64
}

type link struct{ name, target string }

func (u *unpacker) all(r *tar.Reader) error {
	for n := 0; ; n++ {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if n >= maxEntries {
			return fmt.Errorf("more than %d entries", maxEntries)
		}
		if err := u.entry(h, r); err != nil {
			return err
		}
	}
	if u.top == "" {
		return errors.New("no entries")
	}
	// Links come last, so that nothing is written through them.
	for _, l := range u.links {
		if err := os.Symlink(l.target, u.path(l.name)); err != nil {
			return &atomicfile.WriteError{Path: l.name, Err: err}
		}
	}
	for name, mode := range u.dirs {
		if err := os.Chmod(u.path(name), mode); err != nil {
			return &atomicfile.WriteError{Path: name, Err: err}
		}
	}
	return nil
}

func (u *unpacker) path(name string) string { return filepath.Join(u.root, filepath.FromSlash(name)) }

func (u *unpacker) entry(h *tar.Header, r io.Reader) error {
	name := strings.TrimSuffix(h.Name, "/")
	if err := u.check(name, h.Name); err != nil {
		return err
	}
	parent := path.Dir(name)
	if _, ok := u.dirs[parent]; !ok && parent != "." {
		return &Refusal{Subject: text.Show(h.Name), Reason: "its directory is not in the archive before it"}
	}
	mode := fs.FileMode(h.Mode) & 0o777 //nolint:gosec // masked
	switch h.Typeflag {
	case tar.TypeDir:
		u.dirs[name] = mode
		if err := os.Mkdir(u.path(name), 0o700); err != nil {
			return &atomicfile.WriteError{Path: name, Err: err}
		}
		return nil
	case tar.TypeReg:
		u.files[name] = true
		if u.bytes += h.Size; u.bytes > maxUnpacked {
			return fmt.Errorf("more than %d bytes", int64(maxUnpacked))
		}
		return u.file(name, mode, r)
	case tar.TypeSymlink:
		if to := path.Join(parent, h.Linkname); path.IsAbs(h.Linkname) || strings.Contains(h.Linkname, `\`) || to != u.top && !strings.HasPrefix(to, u.top+"/") {
			return &Refusal{Subject: text.Show(h.Name), Reason: "a link that leads out of the archive: " + text.Quote(h.Linkname)}
		}
		if err := u.rules.Check(h.Linkname); err != nil {
			return &Refusal{Subject: text.Show(h.Name), Reason: "its target is not a name on this system: " + text.Quote(h.Linkname)}
		}
		u.links = append(u.links, link{name, h.Linkname})
		return nil
	case tar.TypeLink:
		if !u.files[h.Linkname] {
			return &Refusal{Subject: text.Show(h.Name), Reason: "hard link: expected an earlier file of the archive, got " + text.Quote(h.Linkname)}
		}
		u.files[name] = true
		if err := os.Link(u.path(h.Linkname), u.path(name)); err != nil {
			return &atomicfile.WriteError{Path: name, Err: err}
		}
		return nil
	}
	return &Refusal{Subject: text.Show(h.Name), Reason: fmt.Sprintf("expected a file, directory or link, got type %q", h.Typeflag)}
}

// check refuses names that are not safe on every system.
func (u *unpacker) check(name, full string) error {
	if name == "" || !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\x00\\") {
		return &Refusal{Subject: text.Show(full), Reason: "expected a relative name without .., got another"}
	}
	top, _, _ := strings.Cut(name, "/")
	if u.top == "" {
		u.top = top
	}
	if top != u.top {
		return &Refusal{Subject: text.Show(full), Reason: "expected everything below " + text.Show(u.top)}
	}
	var ne *atomicfile.NameError
	if err := u.names.Add(name); errors.As(err, &ne) {
		return &Refusal{Subject: text.Show(full), Reason: ne.Reason, Advice: ne.Hint()}
	}
	return nil
}

func (u *unpacker) file(name string, mode fs.FileMode, r io.Reader) (err error) {
	f, err := os.OpenFile(u.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &atomicfile.WriteError{Path: name, Err: err}
	}
	w := &fileSink{f, name}
	_, err = io.Copy(w, r)
	if err == nil {
		err = f.Chmod(mode)
	}
	if cerr := f.Close(); err == nil && cerr != nil {
		err = &atomicfile.WriteError{Path: name, Err: cerr}
	}
	return err
}
