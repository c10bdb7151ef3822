package tarball

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"facerec/internal/text"
)

// Grade says how much two archives have in common. The order is that of
// trust: a lower grade is better.
type Grade uint8

// The grades.
const (
	Identical   Grade = iota // the same file, byte for byte
	SameTar                  // the same tar stream, compressed otherwise or not at all
	SameContent              // the same names, types, links and bytes; modes, owners, times, order or format differ
	Differs                  // anything else
)

var gradeNames = [...]string{"identical", "same tar, other gzip", "same content", "differs"}

// String gives the words of reports.
func (g Grade) String() string {
	if int(g) < len(gradeNames) {
		return gradeNames[g]
	}
	return "grade(" + strconv.Itoa(int(g)) + ")"
}

// MarshalText is String.
func (g Grade) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (g *Grade) UnmarshalText(b []byte) error {
	i := slices.Index(gradeNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("grade %q is not known; known: %s", b, strings.Join(gradeNames[:], "; "))
	}
	*g = Grade(i)
	return nil
}

// Difference is how two archives, A and B, differ.
type Difference struct {
	Grade   Grade       `json:"grade"`
	Causes  []Cause     `json:"causes,omitempty"`  // what explains the differences, the most telling first
	Entries []EntryDiff `json:"entries,omitempty"` // in A's order, then those that only B has
	A       Side        `json:"a"`
	B       Side        `json:"b"`
}

// Side is one of the two archives.
type Side struct {
	Name     string `json:"name,omitempty"`
	Tar      string `json:"tar,omitempty"`  // digest
	File     string `json:"file,omitempty"` // digest
	TarSize  int64  `json:"tar_size"`
	FileSize int64  `json:"file_size,omitempty"`
	Entries  int    `json:"entries"`
}

// Cause explains differences.
type Cause struct {
	Kind   string `json:"kind"` // one of the Cause… constants
	Detail string `json:"detail"`
}

// The kinds of causes.
const (
	CauseTruncated  = "truncated"  // one of the archives ends too early
	CauseCorrupt    = "corrupt"    // one of them is damaged
	CauseTrailing   = "trailing"   // something follows the end of one of them
	CauseMembers    = "members"    // several gzip members
	CauseNotTar     = "not a tar"  // one of them is a file of another kind
	CauseHeader     = "header"     // the same compressed data under another gzip header
	CauseUnpacked   = "unpacked"   // the same tar stream, not compressed on one side
	CauseCompressor = "compressor" // the same tar stream went through another compressor or level
	CauseLayer      = "layer"      // a layer of one image is not in the other
	CausePrefix     = "prefix"     // the top directory has another name
	CauseUmask      = "umask"      // modes differ, all of them by the same bits taken away
	CauseModes      = "modes"      // modes differ in other ways
	CauseOwner      = "owner"      // user or group, by number or name
	CauseTime       = "time"       // modification times
	CauseOrder      = "order"      // the same entries in another order
	CauseHardLinks  = "hardlinks"  // a hard link on one side is a file of its own on the other
	CauseExtra      = "extra"      // extended attributes or other PAX records
	CauseContent    = "content"    // files whose bytes differ
	CauseEntries    = "entries"    // entries that only one side has, or that changed their type or target
	CauseFormat     = "format"     // the headers say the same in another way
	CausePadding    = "padding"    // zero bytes at the end, or between entries

	// Of packages: which part of the file differs, the innermost first, and what a
	// package is compared with.
	CausePayload   = "payload"   // the compressed archive of what is installed
	CauseControl   = "control"   // what a package manager goes by, scripts among it
	CauseSignature = "signature" // what is put into the file to sign or check it
	CauseWrapping  = "wrapping"  // the bytes around these
	CausePackage   = "package"   // one side is a package, the other is none, or of another format
	CauseNames     = "names"     // the same bytes under another name
)

// EntryDiff is one entry that differs.
type EntryDiff struct {
	Name   string      `json:"name"`   // as text.Show gives it; without the top directory when that differs
	Change string      `json:"change"` // "changed", "only in a", "only in b"
	Fields []FieldDiff `json:"fields,omitempty"`
	LayerA string      `json:"layer_a,omitempty"` // digest of the layer it came from, if A was made from an image
	LayerB string      `json:"layer_b,omitempty"`

	a, b int // indexes of the entries; -1 for none
}

// FieldDiff is one field of an entry that differs.
type FieldDiff struct {
	Field  string `json:"field"` // type, mode, size, owner, mtime, link, device, extra, content; of a package and something else, name
	A      string `json:"a"`
	B      string `json:"b"`
	Offset *int64 `json:"offset,omitempty"` // of the first byte that differs, for content, if it was looked for
}

// Diff compares two indexes. It does not know where contents differ;
// [DiffSources] does.
func Diff(a, b *Listing) Difference {
	d := differ{a: a, b: b, r: Difference{A: a.side(), B: b.side()}}
	d.stripTops()
	d.pair()
	d.r.Grade = d.grade()
	d.causes()
	return d.r
}

func (x *Listing) side() Side {
	return Side{Tar: x.Tar.String(), File: x.File.String(), TarSize: x.TarSize, FileSize: x.FileSize, Entries: len(x.Entries)}
}

type differ struct {
	a, b       *Listing
	topA, topB string // top directories to be left out of names; "" for none
	r          Difference

	fields   map[string]int // how many entries differ in each field; read by key only
	only     [2]int
	content  int // other bytes
	links    int // hard link on one side, the same bytes as a file on the other
	relinked int // linked to the same files on both sides, under another name first
	roots    [2]map[string]string
	other    int // changed type, target or device
	order    bool
	format   int // entries whose fields are the same and whose header blocks are not
	modes    [][2]int64
	firstOne string
}

// Top is the directory that all entries of an archive are in, "" if there is none
// or the archive cannot be read to its end.
func Top(r io.Reader, l ArchiveLimits) string {
	x, err := List(r, l)
	if err != nil || len(x.Problems) > 0 {
		return ""
	}
	return top(x.Entries)
}

// top is the directory that all names are in, "" if there is none.
func top(entries []ListedEntry) string {
	t := ""
	for i, e := range entries {
		first, _, _ := strings.Cut(e.Name, "/")
		if i > 0 && first != t {
			return ""
		}
		t = first
	}
	if len(entries) == 1 && entries[0].Type != Dir.String() {
		return ""
	}
	return t
}

func (d *differ) stripTops() {
	a, b := top(d.a.Entries), top(d.b.Entries)
	if a != b && a != "" && b != "" {
		d.topA, d.topB = a, b
	}
}

func strip(name, top string) string {
	if top == "" {
		return name
	}
	if name == top {
		return "."
	}
	if rest, ok := strings.CutPrefix(name, top+"/"); ok {
		return rest
	}
	return name
}

// key tells entries apart: an archive may have a name more than once.
type key struct {
	name string
	nth  int
}

func keys(entries []ListedEntry, top string) []key {
	seen := make(map[string]int, len(entries))
	out := make([]key, len(entries))
	for i, e := range entries {
		n := strip(e.Name, top)
		out[i] = key{n, seen[n]}
		seen[n]++
	}
	return out
}

// pair finds the partner of each entry and compares the two.
func (d *differ) pair() {
	d.fields = map[string]int{}
	d.roots = [2]map[string]string{roots(d.a.Entries, d.topA), roots(d.b.Entries, d.topB)}
	ka, kb := keys(d.a.Entries, d.topA), keys(d.b.Entries, d.topB)
	atB := make(map[key]int, len(kb))
	for i, k := range kb {
		atB[k] = i
	}
	taken := make([]bool, len(kb))
	last := -1
	for i, k := range ka {
		j, ok := atB[k]
		if !ok {
			d.only[0]++
			d.r.Entries = append(d.r.Entries, EntryDiff{Name: text.Show(k.name), Change: "only in a", a: i, b: -1})
			continue
		}
		taken[j] = true
		if j < last {
			d.order = true
		}
		last = j
		d.compare(k.name, i, j)
	}
	for j, k := range kb {
		if !taken[j] {
			d.only[1]++
			d.r.Entries = append(d.r.Entries, EntryDiff{Name: text.Show(k.name), Change: "only in b", a: -1, b: j})
		}
	}
}

func (d *differ) compare(name string, i, j int) {
	a, b := &d.a.Entries[i], &d.b.Entries[j]
	var fields []FieldDiff
	note := func(field, x, y string) {
		if x != y {
			fields = append(fields, FieldDiff{Field: field, A: x, B: y})
			d.fields[field]++
		}
	}
	linkedCopy := a.Type != b.Type && !a.Digest.IsZero() && a.Digest == b.Digest
	relinked := d.relink(name, a, b)
	note("type", a.Type, b.Type)
	if a.Mode != b.Mode {
		note("mode", fmt.Sprintf("%04o", a.Mode), fmt.Sprintf("%04o", b.Mode))
		d.modes = append(d.modes, [2]int64{a.Mode, b.Mode})
	}
	switch {
	case relinked:
		d.relinked++
		if a.Type == b.Type {
			note("link", showLink(strip(a.Link, d.topA)), showLink(strip(b.Link, d.topB)))
		}
	case linkedCopy:
		d.links++
	default:
		note("size", strconv.FormatInt(a.Size, 10), strconv.FormatInt(b.Size, 10))
		la, lb := a.Link, b.Link
		if a.Type == Hardlink.String() {
			la = strip(la, d.topA)
		}
		if b.Type == Hardlink.String() {
			lb = strip(lb, d.topB)
		}
		if la != lb {
			note("link", showLink(la), showLink(lb))
		}
		note("device", a.Device, b.Device)
		if a.Type != b.Type || la != lb || a.Device != b.Device {
			d.other++
		}
	}
	note("owner", owner(a), owner(b))
	note("mtime", a.Mtime, b.Mtime)
	note("extra", strings.Join(a.Extra, " "), strings.Join(b.Extra, " "))
	if a.Digest != b.Digest {
		note("content", a.Digest.String(), b.Digest.String())
		if a.Digest.IsZero() == b.Digest.IsZero() || !d.damaged() {
			d.content++ // otherwise it is the file in which the archive breaks off
		}
	}
	if len(fields) > 0 {
		d.r.Entries = append(d.r.Entries, EntryDiff{Name: text.Show(name), Change: "changed", Fields: fields, a: i, b: j})
	} else if a.header != b.header && d.topA == d.topB {
		d.format++
		if d.firstOne == "" {
			d.firstOne = text.Show(name)
		}
	}
}

// relink reports whether an entry is a hard link on at least one side, and is
// linked to the same files on both: archivers list the names of one file in the
// order in which they find them, and the first is the file.
func (d *differ) relink(name string, a, b *ListedEntry) bool {
	if a.Type != Hardlink.String() && b.Type != Hardlink.String() || a.Digest != b.Digest {
		return false
	}
	la, lb := d.roots[0][name], d.roots[1][name]
	if la == lb {
		return false // the same name first: any difference is another one
	}
	// The first name on each side leads to the same file on the other.
	return d.roots[1][la] == lb && d.roots[0][lb] == la
}

// roots maps each name to the first name of the file that it is linked to.
func roots(entries []ListedEntry, top string) map[string]string {
	out := make(map[string]string, len(entries))
	for i := range entries {
		e := &entries[i]
		name := strip(e.Name, top)
		out[name] = name
		if e.Type == Hardlink.String() {
			if root, ok := out[strip(e.Link, top)]; ok {
				out[name] = root
			}
		}
	}
	return out
}

func showLink(l string) string {
	if l == "" {
		return ""
	}
	return text.Show(l)
}

func owner(e *ListedEntry) string {
	s := fmt.Sprintf("%d:%d", e.UID, e.GID)
	if e.Uname != "" || e.Gname != "" {
		s += fmt.Sprintf(" (%s:%s)", showLink(e.Uname), showLink(e.Gname))
	}
	return s
}

func (d *differ) damaged() bool {
	for _, x := range []*Listing{d.a, d.b} {
		if x.Has(ProblemTruncated) || x.Has(ProblemCorrupt) || x.Has(ProblemNotTar) {
			return true
		}
	}
	return false
}

func (d *differ) sameTar() bool { return !d.a.Tar.IsZero() && d.a.Tar == d.b.Tar }

func (d *differ) grade() Grade {
	switch {
	case !d.a.File.IsZero() && d.a.File == d.b.File:
		return Identical
	case d.damaged():
		return Differs
	case d.sameTar():
		return SameTar
	case d.only != [2]int{} || d.other > 0 || d.content > 0 || d.fields["size"] > 0 && d.links == 0 && d.relinked == 0,
		d.a.Has(ProblemTrailing) || d.b.Has(ProblemTrailing):
		return Differs
	}
	return SameContent
}

// counts is a list of those of several counts that are not 0, the first with its noun.
func counts(one, many string, n []int, of ...string) string {
	var parts []string
	for i, n := range n {
		switch {
		case n == 0:
		case parts == nil:
			parts = append(parts, text.CountForms(n, one, many)+" "+of[i])
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, of[i]))
		}
	}
	return strings.Join(parts, ", ")
}

// causes lists what explains the differences. Several can hold at once.
func (d *differ) causes() {
	if d.r.Grade == Identical {
		return
	}
	add := func(kind, format string, args ...any) {
		d.r.Causes = append(d.r.Causes, Cause{kind, fmt.Sprintf(format, args...)})
	}
	for _, s := range []struct {
		name string
		x    *Listing
	}{{"a", d.a}, {"b", d.b}} {
		for _, p := range s.x.Problems {
			kind := map[string]string{ProblemTruncated: CauseTruncated, ProblemCorrupt: CauseCorrupt, ProblemTrailing: CauseTrailing, ProblemMembers: CauseMembers, ProblemNotTar: CauseNotTar}[p.Kind]
			add(kind, "%s: %s", s.name, p.Detail)
		}
	}
	if d.sameTar() {
		d.compression(add)
		return
	}
	if d.topA != d.topB {
		add(CausePrefix, "the top directory is %s in a and %s in b; names are compared below it", text.Show(d.topA), text.Show(d.topB))
	}
	if n := d.only[0] + d.only[1] + d.other; n > 0 && !d.damaged() {
		add(CauseEntries, "%s", counts("entry", "entries", []int{d.only[0], d.only[1], d.other}, "only in a", "only in b", "of another type or with another target"))
	}
	if n := d.content; n > 0 {
		add(CauseContent, "%d with other content", n)
	}
	d.modeCause(add)
	if d.links > 0 {
		add(CauseHardLinks, "%s of their own, with the same bytes, on the other", text.CountForms(d.links, "hard link on one side is a file", "hard links on one side are files"))
	}
	if d.relinked > 0 {
		add(CauseHardLinks, "%s linked to the same files on both sides, but listed in another order: another name comes first", text.CountForms(d.relinked, "name is", "names are"))
	}
	if n := d.fields["owner"]; n > 0 {
		add(CauseOwner, "%d with another owner", n)
	}
	if n := d.fields["mtime"]; n > 0 {
		add(CauseTime, "%d with another modification time", n)
	}
	if n := d.fields["extra"]; n > 0 {
		add(CauseExtra, "%d with other extended attributes or PAX records", n)
	}
	if d.order {
		add(CauseOrder, "the entries are in another order")
	}
	if d.a.Format != d.b.Format && d.a.Format != "" && d.b.Format != "" {
		add(CauseFormat, "tar format %s in a, %s in b", d.a.Format, d.b.Format)
	} else if d.format > 0 {
		add(CauseFormat, "%s other header bytes that mean the same, the first is %s", text.CountForms(d.format, "entry has", "entries have"), d.firstOne)
	}
	if d.a.Padding != d.b.Padding && !d.damaged() {
		// After a difference in size the archives end at different places in
		// their last records, which is not a cause.
		if d.a.TarSize-d.a.Padding == d.b.TarSize-d.b.Padding || len(d.r.Causes) == 0 {
			add(CausePadding, "%d zero bytes at the end of a, %d of b", d.a.Padding, d.b.Padding)
		}
	}
	if len(d.r.Causes) == 0 && !d.a.Tar.IsZero() && !d.b.Tar.IsZero() {
		add(CausePadding, "the padding after the last block of a file differs")
	}
}

// compression explains why two files with the same tar stream differ.
func (d *differ) compression(add func(kind, format string, args ...any)) {
	a, b := d.a, d.b
	switch {
	case len(d.r.Causes) > 0 && a.gzipFacts() == b.gzipFacts():
		return // what is wrong with one of them explains it
	case a.Compression != b.Compression && (a.Compression == "" || b.Compression == ""):
		add(CauseUnpacked, "the tar streams are the same: a is %s, b is %s; a browser, a proxy or gunzip may have unpacked it", a.compressionWords(), b.compressionWords())
	case a.Compression != b.Compression:
		add(CauseCompressor, "the tar streams are the same, compressed in different ways: a is %s, b is %s", a.compressionWords(), b.compressionWords())
	case !a.Body.IsZero() && a.Body == b.Body:
		add(CauseHeader, "the compressed data is the same, only the gzip headers differ: %s", headerWords(a.Gzip, b.Gzip))
	default:
		add(CauseCompressor, "the tar streams are the same, another compressor or level was used: a is %s, b is %s", a.compressionWords(), b.compressionWords())
	}
}

// headerWords names the fields in which two gzip headers differ.
func headerWords(a, b *GzipFacts) string {
	var out []string
	note := func(field, x, y string) {
		if x != y {
			out = append(out, fmt.Sprintf("%s %s in a, %s in b", field, x, y))
		}
	}
	name := func(s string) string {
		if s == "" {
			return "none"
		}
		return text.Show(s)
	}
	note("name", name(a.Name), name(b.Name))
	note("comment", name(a.Comment), name(b.Comment))
	note("time", strconv.FormatInt(a.Mtime, 10), strconv.FormatInt(b.Mtime, 10))
	note("operating system", strconv.Itoa(a.OS), strconv.Itoa(b.OS))
	note("extra flags", strconv.Itoa(a.XFL), strconv.Itoa(b.XFL))
	if len(out) == 0 {
		note("flags", strconv.Itoa(a.Flags), strconv.Itoa(b.Flags))
	}
	if len(out) == 0 {
		out = []string{"in optional fields"}
	}
	if (a.Name == "") != (b.Name == "") || (a.Mtime == 0) != (b.Mtime == 0) {
		out = append(out, "gzip was run without -n on one side")
	}
	return strings.Join(out, "; ")
}

// modeCause tells a umask from other differences in mode: the same bits, of
// the lower nine, are missing on one and the same side wherever they could be.
func (d *differ) modeCause(add func(kind, format string, args ...any)) {
	if len(d.modes) == 0 {
		return
	}
	for side, name := range []string{"a", "b"} {
		mask := int64(0)
		for _, m := range d.modes {
			mask |= m[1-side] &^ m[side]
		}
		if mask&^0o777 != 0 || mask == 0 {
			continue
		}
		fits := true
		for _, m := range d.modes {
			fits = fits && m[side] == m[1-side]&^mask
		}
		if fits {
			add(CauseUmask, "%d modes of %s are those of %s under the umask %04o", len(d.modes), name, []string{"b", "a"}[side], mask)
			return
		}
	}
	add(CauseModes, "%d with another mode, not by a umask", len(d.modes))
}

// gzipFacts are what the header tells, so that two can be compared.
func (x *Listing) gzipFacts() (f GzipFacts) {
	if x.Gzip != nil {
		f = *x.Gzip
		f.Members = 1
	}
	return f
}

// compressionWords is what is known of how the file was compressed.
func (x *Listing) compressionWords() string {
	g := x.Gzip
	switch {
	case x.Compression == "":
		return fmt.Sprintf("not compressed (%d bytes)", x.FileSize)
	case g == nil:
		return fmt.Sprintf("%s of %d bytes", x.Compression, x.FileSize)
	}
	s := fmt.Sprintf("gzip of %d bytes, flags %d, xfl %d, os %d, time %d", x.FileSize, g.Flags, g.XFL, g.OS, g.Mtime)
	if g.Name != "" {
		s += ", name " + text.Show(g.Name)
	}
	return s
}
