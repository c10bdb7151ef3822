package packages

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

const (
	maxControl  = 64 << 20 // bytes of a package's metadata, as unpacked
	freeControl = 1 << 20  // of which so many are let through at any ratio
	maxFiles    = 10_000   // files among the metadata
	maxValue    = 4 << 10  // bytes of one value that are kept
)

// magics are what the files of each format begin with.
var magics = []struct {
	magic  string
	recipe string
}{
	{arMagic + "debian-binary", "deb-1"},
	{rpmLeadMagic, "rpm-1"},
	{"\x1f\x8b", "apk-1"}, // told from a tarball by its first entry
}

// Sniff reports whether a file is a package, by its bytes and not by its name.
func Sniff(f io.ReaderAt, size int64) bool { return recipeOf(f, size) != "" }

// recipeOf is the recipe whose format a file has, "" if it has none.
func recipeOf(f io.ReaderAt, size int64) string {
	head := make([]byte, 32)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	for _, m := range magics {
		if strings.HasPrefix(string(head[:n]), m.magic) && (m.recipe != "apk-1" || isAPK(f, size)) {
			return m.recipe
		}
	}
	return ""
}

// Read opens a package. What cannot be read to its end is an error.
func Read(f io.ReaderAt, size int64) (Contents, error) {
	recipe := recipeOf(f, size)
	if recipe == "" {
		return Contents{}, errors.New("expected a .deb, .rpm or .apk package")
	}
	c, err := formats[recipe].read(f, size)
	if err != nil {
		return c, err
	}
	return c, c.digest(f, size)
}

// script is what a package manager would run, or a part that it would act on.
func script(name string, mode int64, content []byte) Field {
	return Field{Name: "script " + name, Value: fmt.Sprintf("mode %04o, %d bytes, sha256 %s", mode, len(content), release.DigestBytes(content).Hex())}
}

// controlTar gives the files of a small tar archive.
func controlTar(r io.Reader, each func(name string, mode int64, content []byte)) error {
	in, err := tarball.Inflate(r, tarball.ArchiveLimits{Total: maxControl, Ratio: tarball.DefaultRatio, RatioFrom: freeControl})
	if err != nil {
		return err
	}
	tr := tar.NewReader(in)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == maxFiles {
			return fmt.Errorf("expected at most %d files", maxFiles)
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if h.Typeflag == tar.TypeDir || name == "" {
			continue
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			name += fmt.Sprintf(" (type %q, to %s)", h.Typeflag, text.Show(h.Linkname))
		}
		each(name, h.Mode, content)
	}
}

// dataTar reads what a package installs.
func (c *Contents) dataTar(r io.Reader) error {
	x, err := tarball.List(r, tarball.DefaultLimits())
	if err != nil {
		return err
	}
	for _, p := range x.Problems {
		if p.Kind == tarball.ProblemNotTar || p.Kind == tarball.ProblemTruncated || p.Kind == tarball.ProblemCorrupt {
			return errors.New(p.Detail)
		}
		c.Problems = append(c.Problems, p.Kind+": "+p.Detail)
	}
	c.listed(x)
	return nil
}

// listed takes over what an archive has.
func (c *Contents) listed(x *tarball.Listing) {
	c.Tar, c.TarSize = x.Tar, x.TarSize
	for _, e := range x.Entries {
		name := below(e.Name)
		if name == "." && e.Type == release.EntryDir {
			if e.Mode != 0o755 {
				c.Fields = append(c.Fields, Field{Name: "mode", Path: "/", Value: fmt.Sprintf("%04o", e.Mode)})
			}
			continue
		}
		r := release.RecordEntry{Name: name, Type: e.Type, Mode: uint32(e.Mode), Link: e.Link}
		switch e.Type {
		case release.EntryHardlink:
			r.Link = below(e.Link)
		case release.EntryFile:
			r.Size, r.SHA256 = e.Size, &release.HexDigest{Digest: e.Digest}
		}
		c.Entries = append(c.Entries, r)
		if e.UID|e.GID != 0 || (e.Uname != "" && e.Uname != "root") || (e.Gname != "" && e.Gname != "root") {
			c.Fields = append(c.Fields, Field{Name: "owner", Path: name, Value: fmt.Sprintf("%d:%d %s:%s", e.UID, e.GID, e.Uname, e.Gname)})
		}
		if e.Device != "" {
			c.Fields = append(c.Fields, Field{Name: "device", Path: name, Value: e.Device})
		}
		for _, record := range e.Extra {
			key, value, _ := strings.Cut(record, "=")
			if key != "path" && key != "linkpath" {
				c.Fields = append(c.Fields, Field{Name: key, Path: name, Value: value})
			}
		}
	}
}

// below is a name in a package, relative to the root of the system. A name that
// leads elsewhere stays as it is.
func below(name string) string {
	clean := path.Clean(name)
	if strings.HasPrefix(clean, "../") || clean == ".." {
		return name
	}
	if clean = strings.TrimPrefix(clean, "/"); clean == "" {
		return "."
	}
	return clean
}

// textLines splits metadata of "name = value" lines into fields.
func textLines(prefix string, b []byte) []Field {
	var out []Field
	for line := range bytes.Lines(b) {
		name, value, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), " = ")
		if strings.HasPrefix(name, "#") || name == "" && value == "" {
			continue
		}
		if !ok {
			name, value = "line", name
		}
		out = append(out, Field{Name: prefix + name, Value: value})
	}
	return out
}
