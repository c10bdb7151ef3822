// Package packages makes .deb, .rpm and .apk files of a cell's tree, and reads such
// files back.
//
// # What is promised
//
// Every file in a package comes out of the image: [New] takes the tree that the
// tarball is made of and puts parts of it elsewhere, as release.json says; it adds
// the directories above them (mode 0755) and nothing else. No package has scripts.
// Whatever else a package has follows from release.json and the tree: a package has
// no time, machine, user or random number in it, and the same input gives the same
// bytes. A recipe ("deb-1", "rpm-1", "apk-1") never changes; golden digests guard each.
//
// Payloads are compressed by package tarball with the recipe gnu-gzip-6, in the same
// call as the tarballs, so that what they share is compressed once.
//
//   - deb-1: ar with debian-binary, control.tar.gz (control, md5sums) and
//     data.tar.gz, both GNU tar archives under "./" (deb(5))
//   - rpm-1: lead, signature header and header of version 4, and a cpio archive in
//     the "newc" form, padded to 512 bytes; directories belong to the package if one
//     of their names is the package's, or if the image has them
//   - apk-1: two gzip members, a tar with .PKGINFO and no end, and a tar whose files
//     have their SHA-1 in an extended header; there is no signature
//
// # Reading
//
// [Read] opens a package of any maker: metadata and scripts become [Field]s, files
// become entries as release.json has them. Everything that a package manager would
// act on is in one of the two, so that comparing both with [Package.Expected] names
// what was planted. Sizes, counts and nesting have limits.
package packages

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// Package is a package that can be made of a tree.
type Package struct {
	record  release.RecordPackage
	version string // as the format spells it
	arch    string
	tree    tarball.Tree // as installed, below /
	format  format
}

// format makes and reads one kind of package.
type format interface {
	// payload lays out what is compressed.
	payload(p *Package) (tarball.Job, error)
	// around gives what comes before and behind the compressed payload.
	around(ctx context.Context, p *Package, made tarball.Result) (before, after []byte, err error)
	// fields are the metadata that a reader of the package finds.
	fields(p *Package) ([]Field, error)
	// read is the inverse.
	read(f io.ReaderAt, size int64) (Contents, error)
}

// formats are the recipes that this program can run.
var formats = map[string]format{
	"deb-1": deb{}, "rpm-1": rpm{}, "apk-1": apk{},
}

// New lays out a package: r as release.json has it, for a version and platform, of
// the tree that the cell's tarball is made of.
func New(r release.RecordPackage, v release.Version, p release.Platform, tree tarball.Tree) (*Package, error) {
	k := &Package{record: r, format: formats[r.Recipe]}
	if k.format == nil || r.Recipe != release.PackageRecipe(r.Format) {
		return nil, fmt.Errorf("recipe %q is not known for %s packages", r.Recipe, r.Format)
	}
	var err error
	if k.version, err = release.PackageVersion(r.Format, v); err != nil {
		return nil, err
	}
	if k.arch, err = release.PackageArch(r.Format, p); err != nil {
		return nil, err
	}
	k.tree, err = installed(tree, r.Files)
	return k, err
}

// installed is a tree as a package puts it below /.
func installed(tree tarball.Tree, files []release.PackageFile) (tarball.Tree, error) {
	at := map[string]tarball.Entry{}
	var out []tarball.Entry
	add := func(e tarball.Entry) error {
		if have, ok := at[e.Name]; ok {
			if have.Type == tarball.Dir && e.Type == tarball.Dir && have.Mode == e.Mode {
				return nil
			}
			return fmt.Errorf("%q would be in the package twice", "/"+e.Name)
		}
		at[e.Name] = e
		out = append(out, e)
		return nil
	}
	for _, f := range files {
		dest := strings.TrimPrefix(f.Dest, "/")
		top, ok := tree.Lookup(f.Src)
		if !ok {
			return tarball.Tree{}, fmt.Errorf("%q is to be in the package, and the image has no such file", f.Src)
		}
		all := []tarball.Entry{top}
		if top.Type == tarball.Dir {
			for _, e := range tree.Entries() {
				if f.Src == "." || strings.HasPrefix(e.Name, f.Src+"/") {
					all = append(all, e)
				}
			}
		}
		for _, e := range all {
			below := strings.TrimPrefix(strings.TrimPrefix(e.Name, f.Src), "/")
			if f.Src == "." {
				below = e.Name
			}
			if e.Type == tarball.Hardlink { // a name of its own: managers of packages install file by file
				held, _ := tree.Lookup(e.Link)
				e.Type, e.Content, e.Link = held.Type, held.Content, held.Link
			}
			e.Name = path.Join(dest, below)
			if err := add(e); err != nil {
				return tarball.Tree{}, err
			}
		}
	}
	for _, e := range slices.Clone(out) {
		for dir := path.Dir(e.Name); dir != "."; dir = path.Dir(dir) {
			if _, ok := at[dir]; !ok {
				_ = add(tarball.Entry{Name: dir, Type: tarball.Dir, Mode: 0o755}) // new, so that it cannot fail
			}
		}
	}
	return tarball.NewTree(out)
}

// Job compresses the payload. Its result goes into [Package.Finish] or
// [Package.Same].
func (p *Package) Job(out io.Writer) (tarball.Job, error) {
	job, err := p.format.payload(p)
	job.Name, job.Recipe, job.Out = p.record.Asset, tarball.GNUGzip6, out
	return job, err
}

// Finish is the package's file: payload is what the job wrote.
func (p *Package) Finish(ctx context.Context, made tarball.Result, payload tarball.Content) (*tarball.Stream, error) {
	before, after, err := p.format.around(ctx, p, made)
	if err != nil {
		return nil, err
	}
	return tarball.NewStream(
		tarball.Part{Name: p.record.Asset, Raw: before},
		tarball.Part{Name: p.record.Asset, Content: payload},
		tarball.Part{Name: p.record.Asset, Raw: after})
}

// Same reports whether a file is the package, byte for byte, of whose payload only
// the digest is known.
func (p *Package) Same(ctx context.Context, made tarball.Result, have io.ReaderAt, size int64) (bool, error) {
	before, after, err := p.format.around(ctx, p, made)
	if err != nil || size != int64(len(before))+made.FileSize+int64(len(after)) {
		return false, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(have, int64(len(before)), made.FileSize)); err != nil {
		return false, err
	}
	if release.DigestOf([sha256.Size]byte(h.Sum(nil))) != made.File {
		return false, nil
	}
	for _, x := range []struct {
		want []byte
		at   int64
	}{{before, 0}, {after, int64(len(before)) + made.FileSize}} {
		got := make([]byte, len(x.want))
		if _, err := io.ReadFull(io.NewSectionReader(have, x.at, int64(len(got))), got); err != nil {
			return false, err
		}
		if !bytes.Equal(got, x.want) {
			return false, nil
		}
	}
	return true, nil
}

// Contents are what is in a package.
type Contents struct {
	Format   release.PackageFormat
	Fields   []Field               // metadata and scripts, in the package's order
	Entries  []release.RecordEntry // what is installed, names below /
	Problems []string              // what is wrong with the package as a whole

	File  release.Digest // of the package; zero for one that was not read
	Size  int64          // bytes
	Parts []Part         // that the file consists of

	// Tar is the tar stream of the payload; zero for an RPM, whose payload is none.
	Tar     release.Digest
	TarSize int64

	spans []span
}

// Field is a piece of metadata.
type Field struct {
	Name  string `json:"name"`
	Path  string `json:"path,omitempty"` // of the file that it is about
	Value string `json:"value"`
}

// key tells fields apart.
type key struct{ name, path string }

func (f Field) key() key { return key{f.Name, f.Path} }

func (k key) String() string {
	if k.path == "" {
		return k.name
	}
	return k.name + " of " + k.path
}

// IsScript reports whether a package manager would run it.
func (f Field) IsScript() bool {
	return strings.HasPrefix(f.Name, "script ") || strings.HasSuffix(f.Name, " script")
}

// Expected is what a reader must find in the package.
func (p *Package) Expected() (Contents, error) {
	c := Contents{Format: p.record.Format}
	var err error
	c.Fields, err = p.format.fields(p)
	for _, e := range p.held() {
		r := release.RecordEntry{Name: e.Name, Mode: e.Mode, Link: e.Link, Type: e.Type.String()}
		if e.Type == tarball.Regular {
			r.Size, r.SHA256 = e.Content.Size(), &release.HexDigest{Digest: e.Content.Digest()}
		}
		c.Entries = append(c.Entries, r)
	}
	return c, err
}

// held are the entries that the package has of its tree.
func (p *Package) held() []tarball.Entry {
	all := p.tree.Entries()
	if p.record.Format != release.RPM {
		return all
	}
	return p.owned(all)
}

// Differences says which metadata of a package are not the expected ones.
func Differences(expected, got []Field) []string {
	var out []string
	want := map[key]string{}
	for _, f := range expected {
		want[f.key()] = f.Value
	}
	have := map[key]bool{}
	for _, f := range got {
		w, ok := want[f.key()]
		switch {
		case have[f.key()]:
			out = append(out, fmt.Sprintf("%s: duplicate", f.key()))
		case !ok:
			out = append(out, fmt.Sprintf("%s: expected nothing, got %q", f.key(), f.Value))
		case w != f.Value:
			out = append(out, fmt.Sprintf("%s: expected %q, got %q", f.key(), w, f.Value))
		}
		have[f.key()] = true
	}
	for _, f := range expected {
		if !have[f.key()] {
			out = append(out, fmt.Sprintf("%s: expected %q, got nothing", f.key(), f.Value))
		}
	}
	return out
}

// installedSize is the bytes of all files.
func (p *Package) installedSize() (n int64) {
	for _, e := range p.tree.Entries() {
		if e.Content != nil {
			n += e.Content.Size()
		}
	}
	return n
}

// summary is the first line of the description, and rest what follows.
func (p *Package) summary() (first, rest string) {
	first, rest, _ = strings.Cut(p.record.Description, "\n")
	return first, strings.TrimLeft(rest, "\n")
}

// compress makes a small gzip file of the recipe.
func compress(ctx context.Context, job tarball.Job) ([]byte, error) {
	var out bytes.Buffer
	job.Recipe, job.Out = tarball.GNUGzip6, &out
	_, err := tarball.Pack(ctx, []tarball.Job{job}, tarball.Options{Workers: 1})
	return out.Bytes(), err
}
