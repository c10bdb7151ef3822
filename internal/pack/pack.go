// Package pack turns images into a release directory, and shows package verify
// what images hold.
//
// [Release] does for every cell: resolve the tag to an index once, take the
// platform's manifest by digest, flatten its layers, select what belongs into
// the tarball, and write it. All tarballs are written in one call, so that what
// cells share is compressed once. SBOMs, release.json and checksums.txt follow.
//
// [Images] reads the same trees for a verification. What both must agree on is
// [selectTree]: it is in one place.
package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"facerec/internal/atomicfile"
	"facerec/internal/checksum"
	"facerec/internal/oci"
	"facerec/internal/oci/build"
	"facerec/internal/oci/layer"
	"facerec/internal/packages"
	"facerec/internal/release"
	"facerec/internal/sbom"
	"facerec/internal/tarball"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// Input is what a release is made of.
type Input struct {
	Config  *release.Config
	Version release.Version
	Cells   []release.Cell
	Root    string     // directory of config.json
	Locks   sbom.Locks // see [ReadLocks]

	Images oci.Ref // repository or layout; tags follow from the configuration
	Access oci.Access
	Limits layer.Limits

	Workers int                                  // cores to use; 0: all
	Notice  func(line string)                    // what is going on; nil: nobody listens
	Moved   func(what string, done, total int64) // bytes of layers and tarballs; nil: nobody listens
}

func (in *Input) notice(format string, args ...any) {
	if in.Notice != nil {
		in.Notice(fmt.Sprintf(format, args...))
	}
}

// cell is one cell on its way into the release.
type cell struct {
	cell   release.Cell
	tree   tarball.Tree
	record release.RecordCell

	packages []*packages.Package // as in the record
}

// Release writes a release into the directory out, whole or not at all. A
// directory with other files than a release's is refused. It returns what
// release.json says, without the entries, of which there may be very many: see
// [ReadEntries].
func Release(ctx context.Context, in Input, out string) (release.Record, error) {
	return write(ctx, in, out, func(string) bool { return false })
}

// Refresh is Release, but leaves out as it is, with its signatures, if that has the
// same files already. It reports whether it did.
func Refresh(ctx context.Context, in Input, out string) (record release.Record, kept bool, err error) {
	record, err = write(ctx, in, out, func(made string) bool { return sameFiles(made, out) })
	if errors.Is(err, errSame) {
		return record, true, nil
	}
	return record, false, err
}

// errSame says that a directory has what was just made.
var errSame = errors.New("the directory has the same files")

// sameFiles reports whether a release directory has the files that were just made,
// and no other than bundles.
func sameFiles(made, out string) bool {
	sums, err := atomicfile.ReadFile(filepath.Join(made, checksum.File), checksum.MaxSize)
	if err != nil {
		return false
	}
	there, err := atomicfile.ReadFile(filepath.Join(out, checksum.File), checksum.MaxSize)
	if err != nil || !bytes.Equal(there, sums) {
		return false
	}
	list, err := checksum.Parse(sums)
	if err != nil {
		return false
	}
	entries, err := os.ReadDir(out)
	if err != nil {
		return false
	}
	for _, e := range entries {
		_, listed := list.Lookup(e.Name())
		if _, ok := release.ParseRebuildFile(e.Name()); ok {
			continue // signed later, about what is here
		}
		if !listed && e.Name() != checksum.File && e.Name() != release.BundleFile && e.Name() != release.ProvenanceFile {
			return false
		}
	}
	for _, s := range list.All() {
		if d, err := release.DigestFile(filepath.Join(out, s.Name)); err != nil || d != s.Digest {
			return false
		}
	}
	return true
}

// write writes a release, unless same says that it is there.
func write(ctx context.Context, in Input, out string, same func(made string) bool) (release.Record, error) {
	var record release.Record
	if err := atomicfile.CheckReplaceable(out, release.IsFile); err != nil {
		return record, err
	}
	spool, err := tarball.NewSpool("")
	if err != nil {
		return record, err
	}
	defer spool.Close()
	cells, err := collect(ctx, &in, spool)
	if err != nil {
		return record, err
	}
	err = atomicfile.ReplaceDir(out, func(dir string) error {
		synced, err := writeArchives(ctx, dir, cells, spool, tarball.Options{Workers: in.Workers, Progress: in.Moved})
		if err != nil {
			return err
		}
		// Meanwhile the tarballs are synced.
		if err := errors.Join(writeSBOMs(dir, &in, cells), synced()); err != nil {
			return err
		}
		record = newRecord(&in, cells)
		if err := finish(dir, record, cells); err != nil {
			return err
		}
		if same(dir) {
			return errSame
		}
		return nil
	})
	return record, err
}

// collect resolves and flattens. Every lineage's tag is looked up once, so that
// all its platforms come from one index even if the tag moves meanwhile.
func collect(ctx context.Context, in *Input, spool *tarball.Spool) ([]cell, error) {
	extract := in.Config.Extract
	extra, err := build.ExtraFiles(spool, in.Root, extract.Files)
	if err != nil {
		return nil, err
	}
	unpacker := layer.NewUnpacker(spool, in.Limits)
	if in.Moved != nil {
		unpacker.Progress = func(done, total int64) { in.Moved("layers", done, total) }
	}
	images := make([]*oci.Image, len(in.Cells))
	indexes := map[string]*oci.Index{}
	for i, c := range in.Cells {
		tag := in.Config.ImageTag(in.Version, c.Lineage)
		index := indexes[tag]
		if index == nil {
			if index, err = oci.ReadIndex(ctx, in.Images.WithTag(tag), in.Access); err != nil {
				return nil, fmt.Errorf("cell %s: %w", c, err)
			}
			indexes[tag] = index
			in.notice("%s is %s", in.Images.WithTag(tag), index.Digest)
		}
		if images[i], err = index.Image(ctx, c.Platform); err != nil {
			return nil, fmt.Errorf("cell %s: %w", c, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer unpacker.Prefetch(ctx, images, extract.Path, in.Workers)()
	defer cancel()

	var out []cell
	for i, c := range in.Cells {
		img, tag := images[i], in.Config.ImageTag(in.Version, c.Lineage)
		flat, err := unpacker.Flatten(ctx, img, extract.Path)
		if err != nil {
			return nil, fmt.Errorf("cell %s: %w", c, err)
		}
		selected, err := selectTree(flat, extract.Include, extract.Exclude, extra)
		if err != nil {
			return nil, fmt.Errorf("cell %s: %w", c, err)
		}
		tree := selected.Tree
		if len(selected.Lost) > 0 {
			in.notice("warning: %s: the tarball loses attributes of %s", c, text.List(selected.Lost, 8))
		}
		in.notice("%s: %s of %s, %s", c, extract.Path, img.Ref, text.CountForms(tree.Len(), "entry", "entries"))
		config := release.DigestBytes(img.RawConf)
		made := cell{cell: c, tree: tree, record: release.RecordCell{
			Lineage: c.Lineage.Name, Platform: c.Platform,
			Asset: in.Config.AssetName(in.Version, c), Image: recorded(in, tag),
			IndexDigest: indexes[tag].Digest, ManifestDigest: img.Digest, ConfigDigest: &config, Layers: layerDigests(img),
			Path: extract.Path, Prefix: in.Config.Prefix(in.Version, c),
			Include: extract.Include, Exclude: extract.Exclude,
			Recipe: in.Config.Recipe,
		}}
		if err := made.layOut(in); err != nil {
			return nil, fmt.Errorf("cell %s: %w", c, err)
		}
		out = append(out, made)
	}
	return out, nil
}

// recorded is how release.json names an image. The path of a layout says nothing
// elsewhere: then the repository of config.json is recorded, and whoever verifies
// says where to look.
func recorded(in *Input, tag string) string {
	if in.Images.Kind == oci.Registry {
		return in.Images.WithTag(tag).String()
	}
	return in.Config.Image.Repository + ":" + tag
}

// selectTree is what a tarball holds of a directory of an image.
func selectTree(flat layer.Flattened, include, exclude []string, extra []tarball.Entry) (verify.ImageTree, error) {
	t, err := flat.Tree.Filter(include, exclude)
	if err != nil {
		return verify.ImageTree{}, err
	}
	lost := flat.Lost(t)
	t, err = t.Add(extra...)
	return verify.ImageTree{Tree: t, Lost: lost}, err
}

// writeArchives packs all cells, and the payloads of all packages, in one call. What it
// returns waits until the tarballs are on disk.
func writeArchives(ctx context.Context, dir string, cells []cell, spool *tarball.Spool, o tarball.Options) (synced func() error, err error) {
	var files []*os.File
	var jobs []tarball.Job
	defer func() {
		if err != nil {
			for _, f := range files {
				_ = f.Close() // the first error is what counts
			}
		}
	}()
	for _, c := range cells {
		f, err := create(dir, c.record.Asset)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
		jobs = append(jobs, tarball.Job{Name: c.cell.String(), Tree: c.tree, Prefix: c.record.Prefix, Recipe: tarball.Recipe(c.record.Recipe), Out: &atomicfile.Early{File: f}})
	}
	payloads, err := newPayloads(cells, spool)
	if err != nil {
		return nil, err
	}
	results, err := tarball.Pack(ctx, append(jobs, payloads.jobs...), o)
	if err = errors.Join(err, payloads.end(err)); err != nil {
		return nil, err
	}
	if err := payloads.write(ctx, dir, results[len(cells):]); err != nil {
		return nil, err
	}
	var disk errgroup.Group
	for i, r := range results[:len(cells)] {
		disk.Go(func() error { return finishFile(files[i]) })
		rc := &cells[i].record
		rc.TarSHA256, rc.TarSize = release.HexDigest{Digest: r.Tar}, r.TarSize
		rc.FileSHA256, rc.FileSize = release.HexDigest{Digest: r.File}, r.FileSize
	}
	return disk.Wait, nil
}

// create makes a file of the release.
func create(dir, name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, &atomicfile.WriteError{Path: filepath.Join(dir, name), Err: err}
	}
	return f, nil
}

// finishFile ends a file of the release, whatever the umask.
func finishFile(f *os.File) error {
	for _, step := range []func() error{func() error { return f.Chmod(0o644) }, f.Sync, f.Close} {
		if err := step(); err != nil {
			return &atomicfile.WriteError{Path: f.Name(), Err: err}
		}
	}
	return nil
}

// writeSBOMs writes one document for each tarball, before checksums.txt, so that
// the release's signature covers them.
func writeSBOMs(dir string, in *Input, cells []cell) error {
	workers := in.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var g errgroup.Group
	g.SetLimit(workers)
	sums := new(sbom.Sums)
	for _, c := range cells {
		subject := sbom.Subject{Config: in.Config, Version: in.Version, Cell: c.cell, Record: c.record, Tree: c.tree, Locks: in.Locks, Sums: sums}
		g.Go(func() error {
			return atomicfile.Write(filepath.Join(dir, release.SBOMFile(c.record.Asset)), 0o644, func(w io.Writer) error {
				return sbom.Write(w, subject)
			})
		})
	}
	return g.Wait()
}

func newRecord(in *Input, cells []cell) release.Record {
	r := release.Record{Schema: release.RecordSchema, Project: in.Config.ProjectName, Version: in.Version, Epoch: in.Config.Epoch}
	if id := in.Config.ExpectedIdentity(in.Version); id.Issuer != "" && id.SAN != "" {
		r.Signer = &release.Signer{Identity: id.SAN, Issuer: id.Issuer}
	}
	for _, c := range cells {
		r.Cells = append(r.Cells, c.record)
	}
	return r
}

// ReadEntries adds the entries to what [Release] returned, from the release.json that
// it has written into a directory.
func ReadEntries(record *release.Record, dir string) error {
	f, err := atomicfile.Open(filepath.Join(dir, release.RecordFile))
	if err != nil {
		return err
	}
	defer f.Close()
	written, ok := release.ReadRecord(f)
	for i := range record.Cells {
		c, found := written.Cell(record.Cells[i].String())
		record.Cells[i].Entries = c.Entries
		ok = ok && found
	}
	if !ok {
		return fmt.Errorf("%s was changed after it was written", f.Name())
	}
	return nil
}

// finish writes release.json and, last, checksums.txt over all the rest.
func finish(dir string, record release.Record, cells []cell) error {
	trees := map[string]tarball.Tree{}
	for _, c := range cells {
		trees[c.record.Asset] = c.tree
	}
	err := atomicfile.Write(filepath.Join(dir, release.RecordFile), 0o644, func(w io.Writer) error {
		return record.WriteEntries(w, func(c release.RecordCell) iter.Seq[release.RecordEntry] { return verify.AllEntries(trees[c.Asset]) })
	})
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	known := map[string]release.Digest{} // from when they were written
	for _, c := range record.Cells {
		known[c.Asset] = c.FileSHA256.Digest
		for _, p := range c.Packages {
			known[p.Asset] = p.FileSHA256.Digest
		}
	}
	var list []checksum.Sum
	for _, e := range entries {
		d, ok := known[e.Name()]
		if !ok {
			if d, err = release.DigestFile(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
		list = append(list, checksum.Sum{Name: e.Name(), Digest: d})
	}
	sums, err := checksum.New(list)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(dir, checksum.File), 0o644, sums.Format())
}

// maxLock bounds a lock file in bytes.
const maxLock = 64 << 20

// LockError says what is wrong with a lock file that config.json names.
type LockError struct{ Err error }

func (e *LockError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *LockError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *LockError) Hint() string { return "fix the file, or remove it from inputs in config.json" }

// ReadLocks reads the lock files that a configuration names as inputs. The error
// is a [*LockError].
func ReadLocks(root string, names []string) (sbom.Locks, error) {
	var locks sbom.Locks
	for _, name := range names {
		file := filepath.Join(root, filepath.FromSlash(name))
		raw, err := atomicfile.ReadFile(file, maxLock)
		if errors.Is(err, fs.ErrNotExist) {
			return locks, &LockError{fmt.Errorf("lock file %s not found", file)}
		}
		if err != nil {
			return locks, &LockError{fmt.Errorf("lock file %w", err)}
		}
		if err := locks.Read(file, raw); err != nil {
			return locks, &LockError{err}
		}
	}
	return locks, nil
}
