package main

import (
	"bytes"
	"context"
	"encoding/json"
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

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/batch"
	"facerec/internal/checksum"
	"facerec/internal/oci"
	"facerec/internal/pack"
	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// manyFlags are those of verify --list.
type manyFlags struct {
	list, state, shard string
	spool              int64
	pins               string
	reachable          pageFlags
}

func (f *manyFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.list, "list", "", "verify the releases that `FILE` names, one per line (-: standard input)")
	fl.StringVar(&f.state, "state", "", "with --list: record finished releases in `FILE`, and skip those recorded there")
	fl.StringVar(&f.shard, "shard", "", "with --list: verify part `I/N` of the list")
	fl.Int64Var(&f.spool, "spool-limit", 4<<30, "with --list: keep at most about `BYTES` of layers on disk for the releases that follow")
	fl.StringVar(&f.pins, "trust", "", "with --list: read pins, which say who signs which page, from `FILE` (default: as for fetch)")
	f.reachable.add(cmd)
}

// check refuses flags of a list where there is none.
func (f *manyFlags) check() error {
	if f.state != "" || f.shard != "" || f.pins != "" {
		return usage("--state, --shard and --trust go with --list")
	}
	return nil
}

// many is a run over a list.
type many struct {
	*app
	f        verifyFlags
	override *oci.Ref
	shelves  *pack.Shelves
	without  string // why no images are compared but those in kits, "" if they are
	pages    publish.Options
	pins     []publish.Pin
	common   []byte // what decides every line of the list

	rebuilders *verify.Rebuilders
}

// verifyMany verifies the releases of a list.
func (a *app) verifyMany(ctx context.Context, f verifyFlags) (err error) {
	switch {
	case f.checksums != "" || f.signed.given():
		return usage("--list and --checksums exclude each other")
	case f.report.output != "" || f.report.format != "text" && f.report.format != "json":
		return usage("--list prints lines: --output, sarif and html are for a report of one call")
	case f.many.spool <= 0:
		return usage("--spool-limit %d: expected more than 0", f.many.spool)
	}
	if err := f.kitRoot.check(f.trust, nil); err != nil {
		return err
	}
	items, err := a.listed(f.many.list, f.many.shard)
	if err != nil {
		return err
	}
	f.silent = true
	m := &many{app: a, f: f}
	if m.override, err = f.override(); err != nil {
		return err
	}
	if m.rebuilders, err = a.rebuilders(f.rebuilders, time.Now()); err != nil {
		return err
	}
	m.without = f.without(m.override)
	names := make([]string, len(items))
	for i, item := range items {
		names[i] = item.Name
	}
	a.foreign = a.isForeign(names)
	m.shelves = &pack.Shelves{Limit: f.many.spool, Limits: f.limits.limits(), Extra: a.extraFiles()}
	defer func() { err = errors.Join(err, m.shelves.Close()) }()
	if m.pages, err = a.pageOptions(f.many.reachable); err != nil {
		return err
	}
	if m.pins, err = publish.ReadPins(pinFile(f.many.pins)); err != nil {
		return usageError(err)
	}
	if m.common, err = m.commonInputs(); err != nil {
		return a.untrusted(err)
	}
	o := batch.Options{Jobs: f.jobs}
	if f.many.state != "" {
		if o.State, err = batch.OpenState(ctx, f.many.state, func(line string) { a.warn("%s", line) }); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, o.State.Close()) }()
	}
	asJSON := a.json || f.report.format == "json"
	show := func(v interface{ Text() string }) {
		line := []byte(v.Text() + "\n")
		if asJSON {
			line, _ = text.JSONLine(v) // strings and numbers
		}
		a.out.Write(line) //nolint:errcheck // as every other print
	}
	o.Emit = func(l batch.Line) { show(l) }
	s, err := batch.Run(ctx, items, o, m.verify)
	if err != nil {
		return err
	}
	if s.Kept > 0 {
		a.note("verify: %d of %s were finished before and have not changed", s.Kept, text.Count(s.Releases, "release"))
	}
	show(s)
	if s.ExitCode != 0 {
		return &codedError{code: s.ExitCode}
	}
	return nil
}

// listed reads a list, or one part of it.
func (a *app) listed(file, shard string) ([]batch.Item, error) {
	k, n := 1, 1
	if shard != "" {
		i, of, found := strings.Cut(shard, "/")
		var err1, err2 error
		k, err1 = strconv.Atoi(i)
		n, err2 = strconv.Atoi(of)
		if !found || err1 != nil || err2 != nil || n < 1 || n > maxShards || k < 1 || k > n {
			return nil, usage("--shard %s: expected I/N, with I from 1 to N and N at most %d", text.Show(shard), maxShards)
		}
	}
	shards, err := a.shards(file, n)
	if err != nil {
		return nil, err
	}
	return shards[k-1], nil
}

// maxShards is how many parts a list may be cut into.
const maxShards = 100_000

// shards reads a list and cuts it.
func (a *app) shards(file string, n int) ([][]batch.Item, error) {
	raw, err := a.readList(file)
	if err != nil {
		return nil, err
	}
	l, err := batch.ParseList(raw, releaseKey)
	if err != nil {
		return nil, usage("list %s: %w", file, err)
	}
	if len(l.Items) == 0 {
		return nil, usage("list %s: expected at least one release", file)
	}
	for _, d := range l.Duplicates {
		a.warn("list %s: line %d: duplicate of line %d, verified once: %s", file, d.Line, d.First, text.Show(d.Name))
	}
	return batch.Split(l.Items, n, releaseOrigin), nil
}

func (a *app) readList(file string) ([]byte, error) {
	if file != "-" {
		return readNamed("list", file)
	}
	raw, err := io.ReadAll(io.LimitReader(a.in, batch.MaxList+1))
	if err != nil {
		return nil, fmt.Errorf("list: standard input: %w", err)
	}
	return raw, nil
}

// releaseKey is the same for names that mean the same release.
func releaseKey(name string) string {
	if publish.IsAddress(name) {
		return name
	}
	return filepath.Clean(name)
}

// releaseOrigin is the page of a release, or the directory that its own lies in:
// those that have it in common are likely to share layers.
func releaseOrigin(name string) string {
	if publish.IsAddress(name) {
		page, _, err := pageAndVersion(name)
		if err != nil {
			return name
		}
		return page
	}
	return filepath.Dir(filepath.Clean(name))
}

// commonInputs is what decides every line: this program, the flags, config.json,
// the pins, and who is trusted.
func (m *many) commonInputs() ([]byte, error) {
	f := m.f
	common := struct {
		Releaser, Image, Cells, Platform, Version, Project, Path string
		Offline, Fast, Signatures                                bool
		Limits                                                   any
		Expected                                                 []string
		Issuer, IssuerPattern                                    string
		LooseRegexp, NoLog, Private                              bool
		Root                                                     *release.Digest
		Config                                                   string
		Pins                                                     []publish.Pin
		KitRoot                                                  string
		UnsafeKitRoot                                            bool
		Rebuilders                                               *release.Digest
	}{
		version, f.image, f.cells, f.platform, f.version, f.project, f.path, f.offline, f.fast, f.signatures, f.limits.limits(),
		slices.Concat(f.trust.san, f.trust.sanPattern), f.trust.issuer, f.trust.issuerPattern, f.trust.looseRegexp, f.trust.noLog, f.trust.gitHubPrivate,
		nil, "", m.pins, f.kitRoot.digest, f.kitRoot.unsafe, nil,
	}
	if m.rebuilders != nil {
		sum := m.rebuilders.Digest()
		common.Rebuilders = &sum
	}
	if f.trust.root != "" || !f.trust.noLog || m.rebuilders != nil && m.rebuilders.NeedsRoot() {
		root, err := m.trustedRootOnce(f.trust.root)
		if err != nil {
			return nil, err
		}
		sum := root.Origin().SHA256
		common.Root = &sum
	}
	if f.trust.given() {
		policy, err := m.policy(&f.trust)
		if err != nil {
			return nil, err
		}
		common.Expected = append(common.Expected, expected(policy))
	}
	c, err := m.callersConfig()
	if err != nil {
		return nil, err
	}
	if c != nil {
		common.Config = string(c.raw)
	}
	return json.Marshal(common)
}

// inputs is the digest of all that decides a line.
func (m *many) inputs(item batch.Item, own ...[]byte) release.Digest {
	h := release.NewHasher()
	for _, part := range append([][]byte{m.common, []byte(item.Name)}, own...) {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	return h.Digest()
}

// verify implements batch.Work.
func (m *many) verify(ctx context.Context, item batch.Item, t *batch.Turn) (batch.Line, release.Digest) {
	work := m.verifyPath
	if publish.IsAddress(item.Name) {
		work = m.verifyPage
	}
	l, inputs, err := work(ctx, item, t)
	if err != nil {
		return batch.ErrorLine(item.Name, exitCode(ctx, m.untrusted(err)), err), inputs
	}
	return l, inputs
}

// verifyPath verifies a directory, a tarball or a kit.
func (m *many) verifyPath(ctx context.Context, item batch.Item, t *batch.Turn) (l batch.Line, inputs release.Digest, err error) {
	targets, err := targetsOf([]string{item.Name})
	if err != nil {
		return l, inputs, err
	}
	defer closeTargets(targets)
	before, err := seen(targets[0])
	if err != nil {
		return l, inputs, err
	}
	inputs = m.inputs(item, before.raw...)
	if m.rebuilders == nil {
		if l, ok := t.Find(inputs); ok {
			return l, inputs, nil
		}
	}
	if err := weigh(ctx, t, targets); err != nil {
		return l, inputs, err
	}
	shelf, err := m.shelves.Take()
	if err != nil {
		return l, inputs, err
	}
	defer func() { err = errors.Join(err, shelf.Done()) }()
	said, err := m.statements(ctx, targets, shelf, m.f)
	if err != nil {
		return l, inputs, err
	}
	if m.rebuilders != nil {
		inputs = m.inputs(item, append(before.raw, said)...)
		if l, ok := t.Find(inputs); ok {
			return l, inputs, nil
		}
	}
	l, considered, err := m.walk(ctx, item, t, targets, shelf, m.f)
	if err != nil {
		return l, inputs, err
	}
	after, err := seen(targets[0])
	if err != nil {
		return l, inputs, err
	}
	if !slices.EqualFunc(before.raw, after.raw, bytes.Equal) {
		return l, release.Digest{}, fmt.Errorf("%s changed while it was verified", text.Show(item.Name))
	}
	if !bytes.Equal(said, considered) {
		inputs = release.Digest{} // rebuilders said something meanwhile, or cannot be compared
	}
	l.Digest = before.digest(targets[0])
	return l, inputs, nil
}

// sight is what a target looks like without reading its tarballs.
type sight struct {
	raw  [][]byte
	sums []byte // checksums.txt
}

// seen reads what names the bytes of a target, and lists its files.
func seen(t target) (s sight, err error) {
	paths := t.loose
	switch {
	case t.kit != nil:
		paths = []string{t.kit.path}
		if t.kit.kit != nil {
			s.raw = append(s.raw, []byte(t.kit.kit.Digest().String()))
		}
	case t.dist != "":
		for name, limit := range map[string]int64{checksum.File: checksum.MaxSize, release.BundleFile: verify.MaxBundle, release.ProvenanceFile: verify.MaxBundle} {
			raw, err := atomicfile.ReadFile(filepath.Join(t.dist, name), limit)
			if err == nil && name == checksum.File {
				s.sums = raw
			}
			if err == nil { // whatever else is wrong with it, verify says
				s.raw = append(s.raw, []byte(name+" "+release.DigestBytes(raw).String()))
			}
		}
		slices.SortFunc(s.raw, bytes.Compare)
		entries, err := os.ReadDir(t.dist)
		if err != nil {
			return s, err
		}
		for _, e := range entries {
			paths = append(paths, filepath.Join(t.dist, e.Name()))
		}
	}
	for _, p := range paths {
		fi, err := os.Stat(p)
		if err != nil {
			s.raw = append(s.raw, []byte(p+" ?"))
			continue
		}
		s.raw = append(s.raw, fmt.Appendf(nil, "%s %v %d %d", p, fi.Mode(), fi.Size(), fi.ModTime().UnixNano()))
	}
	return s, nil
}

// digest is that of the list of what was verified, nil if there is none.
func (s sight) digest(t target) *release.Digest {
	if t.kit != nil {
		if t.kit.kit == nil {
			return nil
		}
		d := t.kit.kit.Digest()
		return &d
	}
	list := s.sums
	for _, p := range t.loose {
		d, err := release.DigestFile(p)
		if err != nil {
			return nil // the report says why
		}
		list = fmt.Appendf(list, "%s  %s\n", d.Hex(), filepath.Base(p))
	}
	if list == nil {
		return nil
	}
	d := release.DigestBytes(list)
	return &d
}

// weigh waits until there is room for the release.json of targets.
func weigh(ctx context.Context, t *batch.Turn, targets []target) error {
	size := int64(0)
	for _, at := range targets {
		if at.loose != nil || at.release() == nil {
			continue
		}
		if fi, err := fs.Stat(at.release(), release.RecordFile); err == nil {
			size += fi.Size()
		}
	}
	return t.Weigh(ctx, size)
}

// input is what is verified of a target, but for whom it is expected from.
func (m *many) input(at target, shelf *pack.Shelf, f verifyFlags) (in verify.Input, err error) {
	in = verify.Input{Pack: tarball.Options{Workers: f.jobs}, Fast: f.fast, ImageSignatures: f.signatures, Rebuilders: m.rebuilders}
	switch {
	case at.kit != nil && f.image == "":
		in.Images = verify.CompareWith(shelf.Images(m.accessFor(true), at.kit.images()))
	case m.without != "":
		in.Images = verify.WithoutImages(m.without)
	default:
		where := m.placeOf(f, m.override, []target{at})
		in.Images = where.compare(shelf.Images(where.access, m.override))
	}
	in.Expect, err = f.expectation()
	return in, err
}

// statements is the digest of what rebuilders have signed, nil if none are asked for,
// or if it cannot be known before the release is verified.
func (m *many) statements(ctx context.Context, targets []target, shelf *pack.Shelf, f verifyFlags) ([]byte, error) {
	if m.rebuilders == nil {
		return nil, nil
	}
	var all []byte
	for _, at := range targets {
		if at.loose != nil || at.release() == nil {
			return nil, nil
		}
		in, err := m.input(at, shelf, f)
		if err != nil {
			return nil, err
		}
		own := f
		if at.kit != nil {
			if own.trust.chosen, err = f.kitRoot.root(m.app, at.kit); err != nil {
				return nil, m.untrusted(err)
			}
		}
		if in, err = m.targetInput(at, in, own); err != nil {
			return nil, err
		}
		one, err := verify.Statements(ctx, in)
		if err != nil || one.IsZero() {
			return nil, err
		}
		all = append(all, one.String()...)
	}
	return all, nil
}

// walk goes along the chain of one release, or of each in a kit. considered is as what
// statements gives.
func (m *many) walk(ctx context.Context, item batch.Item, t *batch.Turn, targets []target, shelf *pack.Shelf, f verifyFlags) (l batch.Line, considered []byte, err error) {
	var names []string
	var reports []verify.Report
	for _, at := range targets {
		in, err := m.input(at, shelf, f)
		if err != nil {
			return l, nil, err
		}
		in.Packer = t.Pack
		report, err := m.verifyKitOr(ctx, at, in, f, nil)
		if err != nil {
			return l, nil, err
		}
		if m.rebuilders != nil && !report.Statements.IsZero() {
			considered = append(considered, report.Statements.String()...)
		}
		names, reports = append(names, at.name), append(reports, report)
	}
	return batch.ReportLine(item.Name, verify.Join(names, reports), nil), considered, nil
}

// errKept stops a download: the release is finished already.
var errKept = errors.New("finished before")

// verifyPage verifies a release on a page: all its files are downloaded to a
// temporary directory, and removed afterwards.
func (m *many) verifyPage(ctx context.Context, item batch.Item, t *batch.Turn) (l batch.Line, inputs release.Digest, err error) {
	address, wanted, err := pageAndVersion(item.Name)
	if err != nil {
		return l, inputs, err
	}
	if m.f.offline && !strings.HasPrefix(address, publish.DirPrefix) {
		return l, inputs, fmt.Errorf("--offline: not connecting to %s", text.Show(address))
	}
	temp, err := os.MkdirTemp("", atomicfile.Prefix)
	if err != nil {
		return l, inputs, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	dist, partial := filepath.Join(temp, "dist"), filepath.Join(temp, "partial")
	if err := errors.Join(os.Mkdir(dist, 0o700), os.Mkdir(partial, 0o700)); err != nil {
		return l, inputs, err
	}
	shelf, err := m.shelves.Take()
	if err != nil {
		return l, inputs, err
	}
	defer func() { err = errors.Join(err, shelf.Done()) }()
	var digest release.Digest
	var said []byte
	f := m.f
	// find looks for a line that was decided by just these files, the first of which
	// says who signed.
	find := func(files ...[]byte) error {
		inputs = m.inputs(item, files...)
		var ok bool
		if l, ok = t.Find(inputs); ok {
			return errKept
		}
		return nil
	}
	var first [][]byte
	signed := func(_ context.Context, record release.Record, sums, bundle []byte) (err error) {
		digest, first = release.DigestBytes(sums), [][]byte{[]byte(record.Version), sums, bundle}
		if err := find(first...); err != nil {
			return err
		}
		f, err = m.signedPage(address, record, sums, bundle)
		return err
	}
	documents := func(ctx context.Context, dir string) error {
		bundles, err := proofsIn(dir)
		if err != nil {
			return err
		}
		if said, err = m.statements(ctx, []target{{name: item.Name, dist: dir}}, shelf, f); err != nil {
			return err
		}
		return find(append(append(first, bundles...), said)...)
	}
	err = t.Download(ctx, func() error {
		page, err := publish.Open(ctx, address, m.pages)
		if err != nil {
			return badAddress(err)
		}
		_, err = publish.Fetch(ctx, publish.Fetching{
			Page: page, Dir: dist, Temp: partial, Retry: m.pages.Retry, Signed: signed, Documents: documents,
			Wanted: publish.Wanted{Version: wanted, All: true, Choose: func(r release.Record) ([]release.RecordCell, error) { return r.Cells, nil }},
		})
		return err
	})
	var missing *publish.NoAssetError
	switch {
	case errors.Is(err, errKept):
		return l, inputs, nil
	case errors.As(err, &missing) && (missing.Name == checksum.File || missing.Name == release.BundleFile):
		return l, inputs, &codedError{exitUntrusted, err}
	case err != nil:
		l = batch.ErrorLine(item.Name, exitCode(ctx, m.untrusted(err)), err)
		if !digest.IsZero() {
			l.Digest = &digest
		}
		return l, inputs, nil
	}
	at := []target{{name: item.Name, dist: dist}}
	if err := weigh(ctx, t, at); err != nil {
		return l, inputs, err
	}
	l, considered, err := m.walk(ctx, item, t, at, shelf, f)
	if err == nil {
		l.Digest = &digest
	}
	if !bytes.Equal(said, considered) {
		inputs = release.Digest{}
	}
	return l, inputs, err
}

// proofsIn lists the files of a directory with their digests: bundles that say
// something of a release, and its signed documents.
func proofsIn(dir string) ([][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, e := range entries { // sorted
		d, err := release.DigestFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, []byte(e.Name()+" "+d.String()))
	}
	return out, nil
}

// signedPage checks who signed a release on a page: whom the flags name, else the
// page's pin, else whom config.json expects.
func (m *many) signedPage(address string, record release.Record, sums, bundle []byte) (verifyFlags, error) {
	f := m.f
	if !f.trust.given() {
		if pin, ok := publish.FindPin(m.pins, address); ok {
			if err := f.trust.pinned(address, pin, record); err != nil {
				return f, err
			}
			f.project = pin.Project
		}
	}
	var fallback []verify.CertificateIdentity
	if !f.trust.given() {
		c, err := m.callersConfig()
		if err != nil || c == nil {
			return f, &codedError{exitUntrusted, fmt.Errorf("no expected signer: %s has no pin; pass --trust FILE, --key FILE, or --certificate-identity and --certificate-oidc-issuer", text.Show(address))}
		}
		if fallback, err = m.expectedIdentity(c, record.Version); err != nil {
			return f, err
		}
	}
	policy, _, err := m.checkSums(&f.trust, sums, bundle, fallback...)
	f.policy = &policy // not used with an error
	return f, err
}
