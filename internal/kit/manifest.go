package kit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// Schema is the first field of kit.json: the version of its form.
const Schema = "releaser.kit/v1"

// The names of files and directories in a kit.
const (
	ManifestFile = "kit.json"
	RootFile     = "trusted_root.json"

	indexFile   = "index.json"
	layoutFile  = "oci-layout"
	blobsDir    = "blobs/sha256"
	releasesDir = "releases"
	reportsDir  = "reports"
	sourcesDir  = "sources"
)

// Limits of a kit. A release of 24 cells has some 400 files, and a record of 8 MB.
const (
	maxFiles    = 16 << 10
	maxName     = 512 // bytes
	maxReleases = 256
	maxManifest = 8 << 20  // bytes of kit.json
	maxRecord   = 64 << 20 // bytes of a release.json
	maxReport   = 64 << 20 // bytes of a report
	maxDepth    = 10       // of kit.json
)

// The roles of files.
const (
	RoleBlob        = "blob"
	RoleLayout      = "layout"
	RoleChecksums   = "checksums"
	RoleSignature   = "signature"
	RoleRecord      = "record"
	RoleProvenance  = "provenance"
	RoleTarball     = "tarball"
	RoleSBOM        = "sbom"
	RoleAsset       = "asset" // any other file that checksums.txt names
	RoleRebuild     = "rebuild"
	RoleReport      = "report"
	RoleSource      = "source"
	RoleTrustedRoot = "trusted-root"
)

// Manifest is kit.json. It says nothing that does not follow from the other files, and
// is written in one way only.
type Manifest struct {
	Schema   string    `json:"schema"`
	Releases []Release `json:"releases"` // by name
	Files    []File    `json:"files"`    // in the order of the archive, kit.json left out
}

// Release is one release in a kit.
type Release struct {
	Project string          `json:"project"`
	Version release.Version `json:"version"`
	Images  []Image         `json:"images"` // in the order of release.json, each once

	// Sources are what the provenance says that the release was made from, besides
	// images: config.json and inputs.lock.json.
	Sources []Source `json:"sources,omitempty"`
}

// Image is an index that a release was packed from.
type Image struct {
	Name   string         `json:"name"` // as release.json spells it
	Digest release.Digest `json:"digest"`
}

// Source is a file that a provenance names.
type Source struct {
	Name   string            `json:"name"`
	SHA256 release.HexDigest `json:"sha256"`
	InKit  bool              `json:"in_kit"`
}

// File is one file in a kit.
type File struct {
	Name   string            `json:"name"`
	Role   string            `json:"role"`
	Size   int64             `json:"size"` // bytes
	SHA256 release.HexDigest `json:"sha256"`
}

// Name is the release's directory below releases.
func (r Release) Name() string { return r.Project + "-" + string(r.Version) }

func (r Release) dir() string        { return releasesDir + "/" + r.Name() }
func (r Release) reportFile() string { return reportsDir + "/" + r.Name() + ".json" }

// marshal is the one way to write a manifest.
func (m Manifest) marshal() ([]byte, error) { return text.JSON(m) }

// parseManifest reads kit.json, in its own spelling only.
func parseManifest(raw []byte) (Manifest, error) {
	var m Manifest
	if err := text.BoundJSON(raw, maxDepth, 8*maxFiles); err != nil {
		return m, err
	}
	var schema struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(raw, &schema); err != nil {
		return m, err
	}
	if schema.Schema != Schema {
		return m, fmt.Errorf("schema: expected %q, got %s", Schema, text.Quote(text.Line(schema.Schema, 80)))
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return m, err
	}
	again, err := m.marshal()
	if err != nil {
		return m, err
	}
	if !bytes.Equal(raw, again) {
		return m, errors.New("expected the spelling that this program writes")
	}
	if len(m.Releases) == 0 || len(m.Releases) > maxReleases {
		return m, fmt.Errorf("expected 1 to %d releases, got %d", maxReleases, len(m.Releases))
	}
	return m, nil
}

// roleOf is the role of a file by its name, with the release that it belongs to.
func roleOf(name string) (role, owner string, err error) {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	top, owner, _ := strings.Cut(dir, "/")
	switch {
	case dir == "" && (base == indexFile || base == layoutFile):
		return RoleLayout, "", nil
	case dir == "" && base == RootFile:
		return RoleTrustedRoot, "", nil
	case dir == blobsDir:
		if d, err := release.ParseHex(base); err == nil && d.Hex() == base {
			return RoleBlob, "", nil
		}
	case dir == reportsDir && strings.HasSuffix(base, ".json") && plain(base):
		return RoleReport, strings.TrimSuffix(base, ".json"), nil
	case top == sourcesDir && plain(owner) && plain(base):
		return RoleSource, owner, nil
	case top == releasesDir && plain(owner) && plain(base):
		return roleInRelease(base), owner, nil
	}
	return "", "", errors.New("a file too many: a kit has no such file")
}

// plain reports whether a name is a bare file name on every system.
func plain(name string) bool { return checksum.ValidName(name) == nil }

// isRebuild reports whether a file is called like a rebuilder's attestation.
func isRebuild(base string) bool {
	_, ok := release.ParseRebuildFile(base)
	return ok
}

func roleInRelease(base string) string {
	switch {
	case base == checksum.File:
		return RoleChecksums
	case base == release.BundleFile:
		return RoleSignature
	case base == release.ProvenanceFile:
		return RoleProvenance
	case base == release.RecordFile:
		return RoleRecord
	case isRebuild(base):
		return RoleRebuild
	case release.IsTarball(base):
		return RoleTarball
	case strings.HasSuffix(base, ".spdx.json"):
		return RoleSBOM
	}
	return RoleAsset
}

// contents are the files that a manifest is about.
type contents interface {
	// list gives all of them but kit.json, in the order of the archive.
	list() []File
	// open opens one at its beginning.
	open(name string) (io.ReadCloser, error)
}

// small reads one of at most limit bytes.
func small(c contents, name string, limit int64) ([]byte, error) {
	r, err := c.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("expected at most %d bytes", limit)
	}
	return raw, err
}

// derive makes the manifest of some files. The error is a [*DamagedError] if
// they do not make a kit.
func derive(c contents) (Manifest, error) {
	m := Manifest{Schema: Schema, Files: c.list()}
	of := map[string][]File{} // by release
	for _, f := range m.Files {
		role, owner, err := roleOf(f.Name)
		if err != nil {
			return m, damaged(f.Name, err)
		}
		if role != f.Role {
			return m, damagedf(f.Name, "role: expected %s, got %s", role, text.Quote(f.Role))
		}
		if owner != "" {
			of[owner] = append(of[owner], f)
		}
	}
	names := make([]string, 0, len(of))
	for name := range of {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) > maxReleases {
		return m, damagedf(ManifestFile, "expected at most %d releases, got %d", maxReleases, len(names))
	}
	for _, name := range names {
		r, err := deriveRelease(c, name, of[name])
		if err != nil {
			return m, err
		}
		m.Releases = append(m.Releases, r)
	}
	return m, nil
}

// deriveRelease reads what a manifest says of one release.
func deriveRelease(c contents, name string, files []File) (Release, error) {
	at := releasesDir + "/" + name + "/"
	sums, err := checkFiles(c, at, files)
	if err != nil {
		return Release{}, err
	}
	raw, err := small(c, at+release.RecordFile, maxRecord)
	if err != nil {
		return Release{}, damaged(at+release.RecordFile, err)
	}
	record, err := release.ParseRecord(raw)
	if err != nil {
		return Release{}, damaged(at+release.RecordFile, err)
	}
	r := Release{Project: record.Project, Version: record.Version}
	if r.Name() != name {
		return Release{}, damagedf(at+release.RecordFile, "expected the release %s, got %s", text.Show(name), text.Show(r.Name()))
	}
	for _, cell := range record.Cells {
		i := Image{cell.Image, cell.IndexDigest}
		if !slices.Contains(r.Images, i) {
			r.Images = append(r.Images, i)
		}
	}
	for _, f := range files {
		if f.Role != RoleRebuild {
			continue
		}
		bundle, err := small(c, f.Name, verify.MaxBundle)
		if err == nil {
			err = checkRebuild(bundle, record, sums)
		}
		if err != nil {
			return Release{}, damaged(f.Name, err)
		}
	}
	if r.Sources, err = sourcesOf(c, at, files); err != nil {
		return Release{}, err
	}
	return r, checkReport(c, r)
}

// checkFiles holds the files of a release to its checksums.txt: each is named there,
// or is one of the bundles that carry their own proof.
func checkFiles(c contents, at string, files []File) (sums checksum.Sums, err error) {
	raw, err := small(c, at+checksum.File, checksum.MaxSize)
	if err != nil {
		return sums, damaged(at+checksum.File, err)
	}
	if sums, err = checksum.Parse(raw); err != nil {
		return sums, damaged(at+checksum.File, err)
	}
	have := map[string]bool{}
	for _, f := range files {
		base, inside := strings.CutPrefix(f.Name, at)
		if !inside {
			continue
		}
		have[base] = true
		want, listed := sums.Lookup(base)
		switch {
		case listed && want != f.SHA256.Digest:
			return sums, damagedf(f.Name, "sha256: expected %s as %s says, got %s", want.Hex(), checksum.File, f.SHA256.Hex())
		case listed, f.Role == RoleChecksums, f.Role == RoleSignature, f.Role == RoleProvenance, f.Role == RoleRebuild:
		default:
			return sums, damagedf(f.Name, "a file too many: %s does not name it", checksum.File)
		}
	}
	for _, s := range sums.All() {
		if !have[s.Name] {
			return sums, damagedf(at+s.Name, "not in the kit, and %s names it", checksum.File)
		}
	}
	if !have[release.BundleFile] {
		return sums, damagedf(at+release.BundleFile, "not in the kit: the release is not signed")
	}
	return sums, nil
}

// sourcesOf reads the sources that a release's provenance names, and finds those
// that are in the kit.
func sourcesOf(c contents, at string, files []File) ([]Source, error) {
	given := map[string]File{}
	for _, f := range files {
		if f.Role == RoleSource {
			given[path.Base(f.Name)] = f
		}
	}
	var named []Source
	if slices.ContainsFunc(files, func(f File) bool { return f.Role == RoleProvenance }) {
		raw, err := small(c, at+release.ProvenanceFile, verify.MaxBundle)
		if err == nil {
			named, err = sourcesIn(raw)
		}
		if err != nil {
			return nil, damaged(at+release.ProvenanceFile, err)
		}
	}
	for i := range named {
		f, ok := given[named[i].Name]
		if !ok {
			continue
		}
		if f.SHA256 != named[i].SHA256 {
			return nil, damagedf(f.Name, "sha256: expected %s as the provenance says, got %s", named[i].SHA256.Hex(), f.SHA256.Hex())
		}
		named[i].InKit = true
		delete(given, named[i].Name)
	}
	for _, f := range files { // in order
		if _, left := given[path.Base(f.Name)]; left && f.Role == RoleSource {
			return nil, damagedf(f.Name, "a file too many: the provenance does not name it")
		}
	}
	return named, nil
}

// sourcesIn lists the sources that the bundle of a provenance names, sorted: its
// materials that are files, and neither images nor parts of one; a git commit is
// none. The bundle is not verified.
func sourcesIn(provenance []byte) ([]Source, error) {
	claim, err := verify.ReadClaim(provenance)
	if err != nil {
		return nil, err
	}
	materials, err := verify.Materials(claim.Statement)
	if err != nil {
		return nil, err
	}
	var out []Source
	for _, m := range materials {
		if m.SHA256 == "" || m.URI != "" || m.Name == "layer" || strings.HasPrefix(m.Name, "image configuration of ") || !plain(m.Name) {
			continue
		}
		d, err := release.ParseHex(m.SHA256)
		if err != nil {
			return nil, fmt.Errorf("material %s: %w", text.Show(m.Name), err)
		}
		if len(out) == maxFiles {
			return nil, fmt.Errorf("more than %d sources", maxFiles)
		}
		out = append(out, Source{Name: m.Name, SHA256: release.HexDigest{Digest: d}})
	}
	slices.SortFunc(out, func(a, b Source) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.SHA256.Hex(), b.SHA256.Hex()))
	})
	return slices.Compact(out), nil
}

// checkReport wants the report of a release, and one that says that it holds.
func checkReport(c contents, r Release) error {
	raw, err := small(c, r.reportFile(), maxReport)
	if err != nil {
		return damaged(r.reportFile(), err)
	}
	if err := text.BoundJSON(raw, maxDepth*2, 0); err != nil {
		return damaged(r.reportFile(), err)
	}
	var report struct {
		Schema   string          `json:"schema"`
		Verified bool            `json:"verified"`
		Project  string          `json:"project"`
		Version  release.Version `json:"version"`
	}
	if err := json.Unmarshal(raw, &report); err != nil {
		return damaged(r.reportFile(), err)
	}
	if !report.Verified || report.Project != r.Project || report.Version != r.Version {
		return damagedf(r.reportFile(), "expected the report of %s, verified, got that of %s %s", text.Show(r.Name()), text.Show(report.Project), text.Show(string(report.Version)))
	}
	return nil
}

// DamagedError says what in a file keeps it from being a kit.
type DamagedError struct {
	Where string // a file in the kit, or "" for the archive itself
	Err   error
}

func (e *DamagedError) Error() string {
	if e.Where == "" {
		return e.Err.Error()
	}
	return text.Show(e.Where) + ": " + e.Err.Error()
}

// Unwrap returns what is wrong there.
func (e *DamagedError) Unwrap() error { return e.Err }

func damaged(where string, err error) error { return &DamagedError{where, err} }

func damagedf(where, format string, args ...any) error {
	return &DamagedError{where, fmt.Errorf(format, args...)}
}
