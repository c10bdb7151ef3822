package discover

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/therootcompany/xz"

	"facerec/internal/release"
	"facerec/internal/text"
)

// Bounds of what an archive may make us read.
const (
	maxRelease  = 16 << 20 // bytes of a Release file
	maxPacked   = 128 << 20
	maxUnpacked = 1 << 30
	maxWindow   = 128 << 20 // of xz
	maxLine     = 1 << 20
	maxKept     = 1_000_000 // packages
)

// debPackage is a stanza of an index of packages.
type debPackage struct{ name, version, source string }

// suite is an index of packages as a suite has it.
type suite struct {
	names    []string // codename and suite, as its Release file says
	packages []debPackage
}

func (s suite) called(name string) bool { return slices.Contains(s.names, name) }

// debs are the suites, once they have been read.
type debs struct {
	done   bool
	suites []suite
	failed []Failure
}

// suitesOf reads the index of each suite that the pins or the project name, once.
func (s *search) suitesOf(ctx context.Context) ([]suite, []Failure) {
	d := &s.debs
	if d.done {
		return d.suites, d.failed
	}
	d.done = true
	var names []string
	arch := ""
	for _, p := range s.pins.packages {
		names = append(names, p.suite)
		if p.arch == "amd64" || arch == "" && p.arch != "all" {
			arch = p.arch
		}
	}
	if arch == "" {
		arch = "amd64"
	}
	names = append(names, s.Suites...)
	if s.Archive == "" {
		d.failed = []Failure{{Name: "Debian suites", Reason: "no Debian archive is known"}}
		return nil, d.failed
	}
	keep := s.keeps()
	for i, name := range names {
		if slices.Contains(names[:i], name) || slices.ContainsFunc(d.suites, func(o suite) bool { return o.called(name) }) {
			continue
		}
		one, err := s.readSuite(ctx, name, arch, keep, d.suites)
		if err != nil {
			d.failed = append(d.failed, Failure{Name: "Debian suite " + name, Reason: text.Line(err.Error(), 500)})
			continue
		}
		if one.packages != nil {
			d.suites = append(d.suites, one)
		}
	}
	return d.suites, d.failed
}

// keeps returns which packages of an index matter: those that are pinned, those of
// a pinned source package, and those of one that differs from it in numbers.
func (s *search) keeps() func(debPackage) bool {
	names, shapes := map[string]bool{}, map[string]bool{} // shapes are of compilers
	for _, p := range s.pins.packages {
		names[p.name] = true
	}
	for _, p := range s.pins.compilers {
		names[p.Name] = true
		form, _ := shape(p.Name)
		shapes[form] = true
	}
	return func(p debPackage) bool {
		if names[p.name] || names[p.source] {
			return true
		}
		form, _ := shape(p.name)
		return shapes[form]
	}
}

func (s *search) readSuite(ctx context.Context, name, arch string, keep func(debPackage) bool, have []suite) (suite, error) {
	if !suiteShape().MatchString(name) {
		return suite{}, fmt.Errorf("expected the name of a suite, got %s", text.Quote(name))
	}
	base := strings.TrimSuffix(s.Archive, "/") + "/dists/" + name + "/"
	raw, err := s.world.Document(ctx, base+"InRelease", maxRelease)
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = s.world.Document(ctx, base+"Release", maxRelease)
	}
	if err != nil {
		return suite{}, err
	}
	r, err := parseRelease(raw)
	if err != nil {
		return suite{}, fmt.Errorf("%sInRelease: %w", base, err)
	}
	one := suite{names: append(r.names, name)}
	for _, n := range r.names {
		if slices.ContainsFunc(have, func(o suite) bool { return o.called(n) }) {
			return suite{}, nil // under its other name
		}
	}
	index := "main/binary-" + arch + "/Packages"
	for _, ending := range []string{".xz", ".gz", ""} {
		want, ok := r.files[index+ending]
		if !ok {
			continue
		}
		if want.size > maxPacked {
			return suite{}, fmt.Errorf("%s%s%s: expected at most %d bytes, got %d", base, index, ending, maxPacked, want.size)
		}
		packed, err := s.world.Document(ctx, base+index+ending, want.size)
		if err != nil {
			return suite{}, err
		}
		if got := release.DigestBytes(packed); got != want.digest {
			return suite{}, fmt.Errorf("%s%s%s: expected %s, as its Release file says, got %s", base, index, ending, want.digest, got)
		}
		one.packages, err = readPackages(packed, ending, keep)
		if err != nil {
			return suite{}, fmt.Errorf("%s%s%s: %w", base, index, ending, err)
		}
		return one, nil
	}
	return suite{}, fmt.Errorf("%sInRelease: expected %s in its list of files", base, index)
}

var (
	suiteShape = text.Pattern(`^[a-z0-9][a-z0-9./-]{0,60}$`)
	debName    = text.Pattern(`^[a-z0-9][a-z0-9+.-]{0,100}$`)
)

// releaseFile is what a suite's Release file says that matters here.
type releaseFile struct {
	names []string
	files map[string]sized
}

type sized struct {
	digest release.Digest
	size   int64
}

// parseRelease reads a Release file, with or without a signature around it, which
// is not checked.
func parseRelease(raw []byte) (releaseFile, error) {
	r := releaseFile{files: map[string]sized{}}
	field := ""
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "-----BEGIN PGP SIGNATURE") {
			break
		}
		if !strings.HasPrefix(line, " ") {
			name, value, _ := strings.Cut(line, ":")
			field = strings.ToLower(name)
			switch value = strings.TrimSpace(value); {
			case !suiteShape().MatchString(value) || slices.Contains(r.names, value):
			case field == "codename":
				r.names = slices.Insert(r.names, 0, value)
			case field == "suite":
				r.names = append(r.names, value)
			}
			continue
		}
		if field != "sha256" {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 3 {
			return r, fmt.Errorf("expected SHA-256, size and name, got %s", text.Quote(text.Line(line, 200)))
		}
		d, err := release.ParseHex(f[0])
		if err != nil {
			return r, err
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || size < 0 {
			return r, fmt.Errorf("expected a size in bytes, got %s", text.Quote(text.Line(f[1], 100)))
		}
		r.files[f[2]] = sized{d, size}
	}
	if len(r.files) == 0 {
		return r, errors.New("expected a list of SHA-256 digests, got none")
	}
	return r, nil
}

// readPackages reads an index of packages and keeps some of them. The result is
// never nil.
func readPackages(packed []byte, ending string, keep func(debPackage) bool) ([]debPackage, error) {
	var r io.Reader = bytes.NewReader(packed)
	var err error
	switch ending {
	case ".xz":
		r, err = xz.NewReader(r, maxWindow)
	case ".gz":
		r, err = gzip.NewReader(r)
	}
	if err != nil {
		return nil, err
	}
	bounded := &io.LimitedReader{R: r, N: maxUnpacked}
	lines := bufio.NewScanner(bounded)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	out := []debPackage{}
	var p debPackage
	end := func() error {
		defer func() { p = debPackage{} }()
		if p == (debPackage{}) {
			return nil
		}
		if p.source == "" {
			p.source = p.name
		}
		if !debName().MatchString(p.name) || !debName().MatchString(p.source) || !debVersion().MatchString(p.version) {
			return fmt.Errorf("expected a package with name and version, got %s", text.Quote(text.Line(p.name+" "+p.version, 200)))
		}
		if keep(p) {
			if out = append(out, p); len(out) > maxKept {
				return fmt.Errorf("expected at most %d packages", maxKept)
			}
		}
		return nil
	}
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			if err := end(); err != nil {
				return nil, err
			}
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		switch string(field) {
		case "Package":
			p.name = string(bytes.TrimSpace(value))
		case "Version":
			p.version = string(bytes.TrimSpace(value))
		case "Source": // NAME or NAME (VERSION)
			source, _, _ := bytes.Cut(bytes.TrimSpace(value), []byte(" "))
			p.source = string(source)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if bounded.N <= 0 {
		return nil, fmt.Errorf("expected at most %d bytes unpacked", maxUnpacked)
	}
	return out, end()
}

func lookPackages(ctx context.Context, s *search) Result {
	var r Result
	for _, p := range s.pins.packages {
		r.Pins = addPin(r.Pins, p.name, p.version, p.in)
	}
	if len(r.Pins) == 0 {
		return r
	}
	suites, failed := s.suitesOf(ctx)
	r.Failures = append(r.Failures, failed...)
	groups := map[string][]deb{} // by source package: its packages have its version
	for _, p := range s.pins.packages {
		source := sourceOf(p, suites)
		switch {
		case source != "":
			groups[source] = append(groups[source], p)
		case len(suites) > 0 && !slices.ContainsFunc(r.Failures, func(f Failure) bool { return f.Name == p.name }):
			r.fail(p.name, errors.New("expected it in a suite, got none that has it"))
		}
	}
	for source, pinned := range groups {
		for _, in := range suites {
			if v := newInSuite(source, in, pinned); v != "" {
				r.addNew(packageFinding(source, v, in, pinned))
			}
		}
	}
	return r
}

// sourceOf is the source package of a pin, or "" if no suite has it.
func sourceOf(p deb, suites []suite) string {
	for _, in := range suites {
		for _, q := range in.packages {
			if q.name == p.name && !p.source || q.source == p.name && p.source {
				return q.source
			}
		}
	}
	return ""
}

func packageFinding(source, version string, in suite, pinned []deb) Finding {
	f := Finding{Name: source, Found: version, Where: in.names[:1]}
	for _, p := range pinned {
		if !slices.Contains(f.Pinned, p.version) {
			f.Pinned = append(f.Pinned, p.version)
		}
		if !slices.Contains(f.In, p.in) {
			f.In = append(f.In, p.in)
		}
	}
	return f
}

// newInSuite returns the greatest version in a suite that is worth a look, or "".
func newInSuite(source string, in suite, pinned []deb) string {
	best := ""
	consider := func(v string) {
		if best == "" || compareDebian(v, best) > 0 {
			best = v
		}
	}
	for _, q := range in.packages {
		if q.source != source {
			continue
		}
		sourceVersion := binaryRebuild().ReplaceAllString(q.version, "")
		if isNewUpstream(sourceVersion, pinned) {
			consider(sourceVersion)
		}
		for _, p := range pinned { // in its own suite every change counts
			switch {
			case !in.called(p.suite):
			case p.source && compareDebian(sourceVersion, p.version) > 0:
				consider(sourceVersion)
			case p.name == q.name && compareDebian(q.version, p.version) > 0:
				consider(q.version)
			}
		}
	}
	return best
}

// binaryRebuild ends the version of a package that was built again from the same
// source.
var binaryRebuild = text.Pattern(`\+b[0-9]+$`)

// isNewUpstream reports whether a version is a newer release of a major version
// that is pinned, or has a major version after all that are.
func isNewUpstream(version string, pinned []deb) bool {
	above, newer, same := true, true, false
	for _, p := range pinned {
		switch c := compareNumbers(major(version), major(p.version)); {
		case c < 0:
			above = false
		case c == 0:
			above, same = false, true
			newer = newer && compareParts(upstream(version), upstream(p.version)) > 0
		}
	}
	return above || same && newer
}

// addNew adds a finding, or its suite to the same one.
func (r *Result) addNew(f Finding) {
	for i, o := range r.New {
		if o.Name == f.Name && o.Found == f.Found {
			r.New[i].Where = append(o.Where[:len(o.Where):len(o.Where)], f.Where...)
			return
		}
	}
	r.New = append(r.New, f)
}

func lookCompilers(ctx context.Context, s *search) Result {
	r := Result{Pins: s.pins.compilers}
	if len(r.Pins) == 0 {
		return r
	}
	suites, failed := s.suitesOf(ctx)
	r.Failures = append(r.Failures, failed...)
	// By source package without its numbers, revisions of what is pinned apart from
	// the rest: a security update is not hidden by the next release.
	best := map[string]Finding{}
	for _, pin := range s.pins.compilers {
		there := false
		form, numbers := shape(pin.Name)
		for _, in := range suites {
			for _, p := range in.packages {
				f, n := shape(p.name)
				if f != form || compareNumbers(n, numbers) < 0 {
					continue
				}
				there = there || p.name == pin.Name
				if p.name == pin.Name && !compilerIsNew(p.version, pin.Version) {
					continue
				}
				found := Finding{Name: p.source, Found: p.version, Where: in.names[:1], Pinned: []string{pin.Name + " " + pin.Version}, In: pin.In}
				group, _ := shape(p.source)
				if p.name == pin.Name && upstream(p.version) == upstream(pin.Version) {
					group += " revision"
				}
				old, ok := best[group]
				_, a := shape(p.source)
				_, b := shape(old.Name)
				switch c := compareNumbers(a, b); {
				case !ok || c > 0 || c == 0 && compareDebian(p.version, old.Found) > 0:
					best[group] = found
				case c == 0 && p.version == old.Found:
					if !slices.Contains(old.Where, in.names[0]) {
						old.Where = append(old.Where, in.names[0])
					}
					if !slices.Contains(old.Pinned, found.Pinned[0]) {
						old.Pinned = append(old.Pinned, found.Pinned[0])
					}
					best[group] = old
				}
			}
		}
		if !there && len(suites) > 0 {
			r.fail(pin.Name, errors.New("expected it in a suite, got none that has it"))
		}
	}
	for _, f := range best {
		r.New = append(r.New, f)
	}
	return r
}

// compilerIsNew reports whether a version of the same package is a new one: a
// rebuild elsewhere of what is pinned is not.
func compilerIsNew(version, pinned string) bool {
	return compareDebian(version, pinned) > 0 && binaryRebuild().ReplaceAllString(version, "") != pinned
}
