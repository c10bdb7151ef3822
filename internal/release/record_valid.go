package release

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"facerec/internal/text"
)

// maxEntries is the most entries that all tarballs of one release may have.
const maxEntries = 1_000_000

// plainName is what assets, prefixes, lineages and recipes look like: safe as
// one component of a path, in a shell and in a URL.
var plainName = text.Pattern(`^[0-9A-Za-z_][0-9A-Za-z._+-]{0,199}$`)

// imageName is [HOST[:PORT]/]REPOSITORY:TAG, without a digest; see the
// distribution specification for its parts. It keeps to printable ASCII.
var imageName = text.Pattern(`^[0-9A-Za-z\[][0-9A-Za-z._:/\[\]-]{0,499}:[0-9A-Za-z_][0-9A-Za-z._-]{0,127}$`)

func (r Record) validate() error {
	if err := r.complete(); err != nil {
		return err
	}
	return r.validateWith(RecordCell.listed)
}

// complete says which cell has no list of entries.
func (r Record) complete() error {
	for i, c := range r.Cells {
		if c.Entries == nil {
			return fmt.Errorf("cell %d (%s): entries: is missing", i+1, c)
		}
	}
	return nil
}

// listed are the entries that the record itself has.
func (c RecordCell) listed() iter.Seq[RecordEntry] { return slices.Values(c.Entries) }

func (r Record) validateWith(entries func(RecordCell) iter.Seq[RecordEntry]) error {
	if r.Schema != RecordSchema {
		return fmt.Errorf("schema: expected %q, got %q", RecordSchema, r.Schema)
	}
	if !plainName().MatchString(r.Project) {
		return fmt.Errorf("project: %q is not a plain name", r.Project)
	}
	if v, err := ParseVersion(string(r.Version)); err != nil {
		return fmt.Errorf("version: %w", err)
	} else if v != r.Version {
		return fmt.Errorf("version: expected %q, got %q", v, r.Version)
	}
	if r.Epoch < 0 {
		return fmt.Errorf("epoch: expected seconds since 1970, got %d", r.Epoch)
	}
	if r.Signer != nil && (r.Signer.Identity == "" || r.Signer.Issuer == "") {
		return errors.New("signer: expected both identity and issuer, or no signer at all")
	}
	if len(r.Cells) == 0 {
		return errors.New("cells: is empty; expected one for every tarball")
	}
	assets := map[string]string{}
	total := 0
	for i, c := range r.Cells {
		if err := c.validate(); err != nil {
			return fmt.Errorf("cell %d (%s): %w", i+1, c, err)
		}
		if i > 0 {
			switch d := compareCells(r.Cells[i-1], c); {
			case d == 0:
				return fmt.Errorf("cell %d (%s): comes twice", i+1, c)
			case d > 0:
				return fmt.Errorf("cell %d (%s): comes after %s; expected the cells sorted by lineage, then platform", i+1, c, r.Cells[i-1])
			}
		}
		if other, ok := assets[c.Asset]; ok {
			return fmt.Errorf("cell %d (%s): asset %s belongs to %s already", i+1, c, c.Asset, other)
		}
		assets[c.Asset] = c.String()
		for k, p := range c.Packages {
			if err := p.validate(r.Version, c); err != nil {
				return fmt.Errorf("cell %d (%s): package %d (%s): %w", i+1, c, k+1, p.Asset, err)
			}
			if k > 0 && p.Asset <= c.Packages[k-1].Asset {
				return fmt.Errorf("cell %d (%s): package %s: expected the packages sorted by asset, each once", i+1, c, p.Asset)
			}
			if other, ok := assets[p.Asset]; ok {
				return fmt.Errorf("cell %d (%s): asset %s belongs to %s already", i+1, c, p.Asset, other)
			}
			assets[p.Asset] = c.String()
		}
		n, err := validateEntries(entries(c))
		if err != nil {
			return fmt.Errorf("cell %d (%s): %w", i+1, c, err)
		}
		if total += n; total > maxEntries {
			return fmt.Errorf("entries: expected at most %d in all", maxEntries)
		}
	}
	return nil
}

func (c RecordCell) validate() error {
	if _, err := ParsePlatform(c.Platform.String()); err != nil {
		return err
	}
	for _, f := range []struct{ field, value string }{
		{"lineage", c.Lineage}, {"asset", c.Asset}, {"prefix", c.Prefix}, {"recipe", c.Recipe},
	} {
		if !plainName().MatchString(f.value) {
			return fmt.Errorf("%s: %q is not a plain name", f.field, f.value)
		}
	}
	if c.Asset == RecordFile {
		return fmt.Errorf("asset: %s is the record itself", c.Asset)
	}
	if !imageName().MatchString(c.Image) {
		return fmt.Errorf("image: %q: expected REPOSITORY:TAG", c.Image)
	}
	if c.IndexDigest.IsZero() || c.ManifestDigest.IsZero() {
		return errors.New("index_digest and manifest_digest: expected both")
	}
	if (c.ConfigDigest == nil) != (c.Layers == nil) || c.ConfigDigest != nil && c.ConfigDigest.IsZero() {
		return errors.New("config_digest and layers: expected both or neither")
	}
	if i := slices.IndexFunc(c.Layers, Digest.IsZero); i >= 0 {
		return fmt.Errorf("layer %d: has no digest", i+1)
	}
	if c.TarSHA256.IsZero() || c.FileSHA256.IsZero() {
		return errors.New("tar_sha256 and file_sha256: expected both")
	}
	if !strings.HasPrefix(c.Path, "/") || path.Clean(c.Path) != c.Path || hasControl(c.Path) {
		return fmt.Errorf("path: %q: expected a clean absolute path", c.Path)
	}
	for _, g := range slices.Concat(c.Include, c.Exclude) {
		if g == "" || hasControl(g) {
			return fmt.Errorf("include, exclude: %q is not a pattern", g)
		}
	}
	if c.TarSize <= 0 || c.FileSize <= 0 {
		return fmt.Errorf("tar_size and file_size: expected bytes, got %d and %d", c.TarSize, c.FileSize)
	}
	return nil
}

// validateEntries checks the entries of a cell and counts them.
func validateEntries(entries iter.Seq[RecordEntry]) (n int, err error) {
	// Entries in the order of a tar stream rise, and need no list of names.
	var seen map[string]bool
	var first, last string
	for e := range entries {
		if err := e.validate(); err != nil {
			return n, fmt.Errorf("entry %d (%q): %w", n+1, e.Name, err)
		}
		if seen == nil && n > 1 && ComparePaths(last, e.Name) >= 0 {
			seen = make(map[string]bool)
			for before := range entries {
				if len(seen) == n {
					break
				}
				seen[before.Name] = true
			}
		}
		if seen[e.Name] || n > 0 && e.Name == first {
			return n, fmt.Errorf("entry %d (%q): comes twice", n+1, e.Name)
		}
		if seen != nil {
			seen[e.Name] = true
		}
		if n == 0 {
			first = e.Name
		}
		last = e.Name
		n++
	}
	return n, nil
}

// ComparePaths orders names the way a depth-first walk with sorted directories
// meets them: element by element, so that "sub/a" comes before "sub-x".
func ComparePaths(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] == b[i] {
			continue
		}
		if a[i] == '/' {
			return -1
		}
		if b[i] == '/' {
			return 1
		}
		return cmp.Compare(a[i], b[i])
	}
	return cmp.Compare(len(a), len(b))
}

func (p RecordPackage) validate(v Version, c RecordCell) error {
	if !plainName().MatchString(p.Asset) || !plainName().MatchString(p.Recipe) {
		return fmt.Errorf("asset and recipe: expected plain names, got %q and %q", p.Asset, p.Recipe)
	}
	version, err := PackageVersion(p.Format, v)
	if err != nil {
		return err
	}
	if !slices.Contains(packageFormats, p.Format) {
		return fmt.Errorf("format: expected deb, rpm or apk, got %q", p.Format)
	}
	if _, err := PackageArch(p.Format, c.Platform); err != nil {
		return err
	}
	if p.FileSHA256.IsZero() || p.FileSize <= 0 {
		return errors.New("file_sha256 and file_size: expected both")
	}
	return p.checkWords(version)
}

func (e *RecordEntry) validate() error {
	if !validEntryName(e.Name) {
		return errors.New("name: expected a relative path without empty, dot or dot-dot parts")
	}
	if e.Mode > 0o7777 {
		return fmt.Errorf("mode: expected at most 7777, got %o", e.Mode)
	}
	if e.Size < 0 {
		return fmt.Errorf("size: expected bytes, got %d", e.Size)
	}
	isFile, isLink := e.Type == EntryFile, e.Type == EntrySymlink || e.Type == EntryHardlink
	switch {
	case !isFile && !isLink && e.Type != EntryDir:
		return fmt.Errorf("type: expected %s, %s, %s or %s, got %q", EntryDir, EntryFile, EntrySymlink, EntryHardlink, e.Type)
	case isFile != (e.SHA256 != nil):
		return fmt.Errorf("sha256: expected it for files and for nothing else, type is %s", e.Type)
	case isFile && e.SHA256.IsZero():
		return errors.New("sha256: is empty")
	case !isFile && e.Size != 0:
		return fmt.Errorf("size: expected it for files only, type is %s", e.Type)
	case isLink != (e.Link != ""):
		return fmt.Errorf("link: expected it for links and for nothing else, type is %s", e.Type)
	case strings.ContainsRune(e.Link, 0):
		return errors.New("link: has a NUL")
	case e.Type == EntryHardlink && !validEntryName(e.Link):
		return fmt.Errorf("link: %q: expected the name of another entry", e.Link)
	}
	return nil
}

// validEntryName says that a name stays below the directory that it is unpacked
// in. It takes any bytes but NUL, as tar does.
func validEntryName(name string) bool {
	if name == "." {
		return true
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsRune(part, 0) {
			return false
		}
	}
	return true
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f || r == '\uFFFD' })
}
