package xmp

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"slices"
	"strings"

	"facerec/internal/text"
)

// document is a sidecar that is being changed.
type document struct {
	data  []byte
	rdf   *node
	edits []edit
	gone  map[*node]bool // removed
	// added is what goes into a Description of missing properties.
	added   []func(in scope, indent string) string
	newline string
}

// edit replaces data[from:to].
type edit struct {
	from, to int
	with     string
}

// open reads a sidecar.
func open(data []byte) (*document, error) {
	root, err := parse(data)
	if err != nil {
		return nil, err
	}
	d := &document{data: data, newline: "\n", gone: map[*node]bool{}}
	if bytes.Contains(data, []byte("\r\n")) {
		d.newline = "\r\n"
	}
	if root.is(nsRDF, "RDF") {
		d.rdf = root
	} else if all := root.all(nsRDF, "RDF"); root.space == nsX && len(all) == 1 { // xmpmeta, or xapmeta in old ones
		d.rdf = all[0]
	}
	if d.rdf == nil {
		return nil, &NotXMPError{0, "XML, but not XMP: no rdf:RDF in x:xmpmeta"}
	}
	return d, nil
}

// Merge puts faces into a sidecar, in the place of those that an earlier call
// put there, and returns it. Of no sidecar (nil) and no faces it makes nil. kept
// says which faces were left to regions of other programs.
func Merge(old []byte, f Faces) (merged []byte, kept []string, err error) {
	if old == nil {
		if len(f.Regions) == 0 {
			return nil, nil, nil
		}
		old = []byte(empty)
	}
	d, err := open(old)
	if err != nil {
		return nil, nil, err
	}
	names, kept, err := d.regions(f)
	if err != nil {
		return nil, nil, err
	}
	for _, list := range []property{{nsExt, "Iptc4xmpExt", "PersonInImage"}, {nsDC, "dc", "subject"}} {
		if err := d.names(list, names); err != nil {
			return nil, nil, err
		}
	}
	merged = d.apply()
	if len(merged) > MaxBytes {
		return nil, nil, &NotXMPError{0, fmt.Sprintf("%d bytes with the new regions, expected at most %d", len(merged), MaxBytes)}
	}
	return merged, kept, check(old, merged)
}

// check reads what was made, and compares what is not facerec's.
func check(old, merged []byte) error {
	if bytes.Equal(old, merged) {
		return nil
	}
	before, err := open(old)
	if err != nil {
		return err
	}
	after, err := open(merged)
	if err != nil {
		return fmt.Errorf("merged sidecar: %w", err)
	}
	if !slices.Equal(before.others(), after.others()) {
		return errors.New("merged sidecar: it would not keep what other programs wrote")
	}
	return nil
}

// others lists the regions of other programs, as they are written.
func (d *document) others() []string {
	var out []string
	for _, p := range d.all(nsMWG, "Regions") {
		for _, s := range structs(p) {
			for _, li := range items(s.child(nsMWG, "RegionList")) {
				if !regionOf(li).ours {
					out = append(out, string(d.data[li.start:li.stop]))
				}
			}
		}
	}
	return out
}

// property is a property at the top, with its usual prefix.
type property struct{ space, prefix, local string }

func (p property) String() string { return p.prefix + ":" + p.local }

// all returns the properties of this name, of all Descriptions.
func (d *document) all(space, local string) []*node {
	var out []*node
	for _, desc := range d.rdf.all(nsRDF, "Description") {
		out = append(out, desc.all(space, local)...)
	}
	return out
}

// one returns a property, or nil. More than one is not XMP.
func (d *document) one(p property) (*node, error) {
	all := d.all(p.space, p.local)
	if len(all) > 1 {
		return nil, d.at(all[1], "%s is a duplicate", p)
	}
	for _, desc := range d.rdf.all(nsRDF, "Description") {
		if _, ok := desc.attr(p.space, p.local); ok {
			return nil, d.at(desc, "%s is an attribute, expected an element", p)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all[0], nil
}

// at is an error about an element.
func (d *document) at(n *node, format string, args ...any) error {
	return &NotXMPError{1 + bytes.Count(d.data[:n.start], []byte("\n")), fmt.Sprintf(format, args...)}
}

// container is the array in a property, or nil.
func container(p *node) *node {
	if p == nil {
		return nil
	}
	for _, kind := range []string{"Bag", "Seq", "Alt"} {
		if c := p.child(nsRDF, kind); c != nil {
			return c
		}
	}
	return nil
}

// items are the items of the array in a property.
func items(p *node) []*node {
	c := container(p)
	if c == nil {
		return nil
	}
	return c.all(nsRDF, "li")
}

// bare reports whether an element holds nothing.
func bare(n *node) bool {
	other := func(a attr) bool { return a.space != nsRDF || a.local != "parseType" }
	return len(n.kids) == 0 && n.text() == "" && !slices.ContainsFunc(n.attrs, other)
}

// regions replaces facerec's regions, and returns the names that the lists of
// names are to have.
func (d *document) regions(f Faces) (names, kept []string, err error) {
	p, err := d.one(property{nsMWG, "mwg-rs", "Regions"})
	if err != nil {
		return nil, nil, err
	}
	var all []found
	var list *node
	var in *node // the structure
	if p != nil {
		all, in, list, err = d.present(p)
		if err != nil {
			return nil, nil, err
		}
	}
	theirs := slices.DeleteFunc(slices.Clone(all), func(r found) bool { return r.ours })
	if len(theirs) > 0 && len(f.Regions) > 0 {
		if err := d.sameSides(in, f); err != nil {
			return nil, nil, err
		}
	}
	var wanted []Region
	for _, r := range f.Regions {
		i := slices.IndexFunc(theirs, func(t found) bool {
			return t.face && (t.Name != "" || r.Name == "") && t.overlaps(r)
		})
		if i < 0 {
			wanted = append(wanted, r)
		} else if r.Name != "" && r.Name != theirs[i].Name {
			kept = append(kept, fmt.Sprintf("the face of %s is %s in the sidecar, as another program wrote", text.Show(r.Name), text.Show(theirs[i].Name)))
			continue
		}
		if r.Name != "" && !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	for _, r := range all {
		if r.ours {
			d.remove(r.node)
		}
	}
	if len(wanted) == 0 {
		return names, kept, nil
	}
	write := func(s scope, indent string) string {
		var b strings.Builder
		for _, r := range wanted {
			b.WriteString(indent + s.region(r, indent))
		}
		return b.String()
	}
	switch {
	case p == nil, bare(p):
		make := func(in scope, indent string) string {
			tag, s := in.tag("mwg-rs:Regions", ` rdf:parseType="Resource"`, "mwg-rs", "rdf", "stArea", "stDim", "facerec")
			n := nest(indent)
			return tag + n(1) + s.sides(f) + n(1) + "<mwg-rs:RegionList>" + n(2) + "<rdf:Bag>" +
				write(s, n(3)) + n(2) + "</rdf:Bag>" + n(1) + "</mwg-rs:RegionList>" + indent + "</mwg-rs:Regions>"
		}
		if p == nil {
			d.added = append(d.added, make)
		} else {
			d.replace(p, make(scope{at: p.parent}, d.indent(p)))
		}
		return names, kept, nil
	case list == nil:
		d.insert(in, func(indent string) string {
			tag, s := scope{at: in}.tag("mwg-rs:RegionList", "", "mwg-rs", "rdf", "stArea", "facerec")
			n := nest(indent)
			return indent + tag + n(1) + "<rdf:Bag>" + write(s, n(2)) + n(1) + "</rdf:Bag>" + indent + "</mwg-rs:RegionList>"
		})
	default:
		d.insert(list, func(indent string) string { return write(scope{at: list}, indent) })
	}
	_, sides, ok := field(in, nsMWG, "AppliedToDimensions")
	switch {
	case !ok:
		d.insert(in, func(indent string) string { return indent + scope{at: in}.sides(f) })
	case len(theirs) == 0 && sides != nil && !sameShape(sidesOf(sides), f.Size):
		d.replace(sides, scope{at: sides.parent}.sides(f))
	}
	return names, kept, nil
}

// present reads the regions that are there: all of them, the structure that
// holds the list, and the array of the list, which may be nil.
func (d *document) present(p *node) (all []found, in, list *node, err error) {
	if bare(p) {
		return nil, nil, nil, nil
	}
	in = p
	if desc := p.child(nsRDF, "Description"); desc != nil {
		in = desc
	} else if kind, _ := p.attr(nsRDF, "parseType"); kind != "Resource" {
		return nil, nil, nil, d.at(p, "mwg-rs:Regions has no structure that is known, expected rdf:parseType=\"Resource\" or rdf:Description")
	}
	if in.closed() {
		return nil, nil, nil, d.at(in, "mwg-rs:Regions has no elements, expected mwg-rs:RegionList")
	}
	lists := in.all(nsMWG, "RegionList")
	if len(lists) == 0 {
		return nil, in, nil, nil
	}
	list = container(lists[0])
	if len(lists) > 1 || list == nil {
		return nil, nil, nil, d.at(lists[len(lists)-1], "mwg-rs:RegionList has no list, expected one rdf:Bag")
	}
	for _, li := range list.all(nsRDF, "li") {
		all = append(all, regionOf(li))
	}
	return all, in, list, nil
}

// sidesOf reads AppliedToDimensions.
func sidesOf(n *node) [2]float64 {
	w, _, _ := field(n, nsDim, "w")
	h, _, _ := field(n, nsDim, "h")
	return [2]float64{number(w), number(h)}
}

// sameShape reports whether sides are those of a larger or smaller copy.
func sameShape(s [2]float64, size image.Point) bool {
	ratio := s[0] * float64(size.Y) / (s[1] * float64(size.X))
	return ratio > 0.99 && ratio < 1.01
}

// sameSides returns an error if the regions of other programs are about a
// picture of another shape: cropped or turned since.
func (d *document) sameSides(in *node, f Faces) error {
	_, n, ok := field(in, nsMWG, "AppliedToDimensions")
	if !ok || n == nil {
		return nil
	}
	s := sidesOf(n)
	if s[0] <= 0 || s[1] <= 0 || sameShape(s, f.Size) {
		return nil
	}
	return text.WithHint(d.at(n, "its regions are for a picture of %s×%s pixels, and this one is stored with %d×%d", decimal(s[0]), decimal(s[1]), f.Size.X, f.Size.Y),
		"write the regions again with the program that made them, or remove them")
}

// names puts names into a list of names, and takes out those that were put
// there before. facerec's list of the same name says which they are.
func (d *document) names(list property, names []string) error {
	record := property{nsFacerec, "facerec", list.local}
	p, err := d.one(list)
	if err != nil {
		return err
	}
	noted, err := d.one(record)
	if err != nil {
		return err
	}
	before := map[string]bool{}
	for _, li := range items(noted) {
		before[li.text()] = true
	}
	bag := container(p)
	if p != nil && bag == nil && !bare(p) {
		return d.at(p, "%s is not a list, expected rdf:Bag", list)
	}
	var theirs []string
	for _, li := range items(p) {
		if name := li.text(); before[name] {
			d.remove(li)
		} else {
			theirs = append(theirs, name)
		}
	}
	ours := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(theirs, name) })
	write := func(s scope, indent string) string {
		var b strings.Builder
		for _, name := range ours {
			tag, _ := s.tag("rdf:li", "", "rdf")
			b.WriteString(indent + tag + escape(name) + "</rdf:li>")
		}
		return b.String()
	}
	whole := func(p property) func(in scope, indent string) string {
		return func(in scope, indent string) string {
			tag, s := in.tag(p.String(), "", p.prefix, "rdf")
			n := nest(indent)
			return tag + n(1) + "<rdf:Bag>" + write(s, n(2)) + n(1) + "</rdf:Bag>" + indent + "</" + p.String() + ">"
		}
	}
	switch {
	case len(ours) == 0:
	case p == nil:
		d.added = append(d.added, whole(list))
	case bag == nil:
		d.replace(p, whole(list)(scope{at: p.parent}, d.indent(p)))
	default:
		d.insert(bag, func(indent string) string { return write(scope{at: bag}, indent) })
	}
	switch {
	case noted != nil && len(ours) == 0:
		d.remove(noted)
	case noted != nil:
		d.replace(noted, whole(record)(scope{at: noted.parent}, d.indent(noted)))
	case len(ours) > 0:
		d.added = append(d.added, whole(record))
	}
	return nil
}

// scope is where something is written: in an element, and in others that are
// written too and declare some prefixes.
type scope struct {
	at  *node
	own []string
}

// tag is a start tag that declares those of the prefixes that mean something
// else there, and the scope in it.
func (s scope) tag(name, attrs string, prefixes ...string) (string, scope) {
	for _, p := range prefixes {
		if slices.Contains(s.own, p) || s.at.uri(p) == uris[p] {
			continue
		}
		attrs += ` xmlns:` + p + `="` + uris[p] + `"`
		s.own = append(slices.Clone(s.own), p)
	}
	return "<" + name + attrs + ">", s
}

// region is a list item.
func (s scope) region(r Region, indent string) string {
	n := nest(indent)
	name := ""
	if r.Name != "" {
		name = n(1) + "<mwg-rs:Name>" + escape(r.Name) + "</mwg-rs:Name>"
	}
	tag, _ := s.tag("rdf:li", ` rdf:parseType="Resource"`, "rdf", "mwg-rs", "stArea", "facerec")
	return tag +
		n(1) + fmt.Sprintf(`<mwg-rs:Area stArea:x="%s" stArea:y="%s" stArea:w="%s" stArea:h="%s" stArea:unit="normalized"/>`, decimal(r.X), decimal(r.Y), decimal(r.W), decimal(r.H)) +
		name + n(1) + "<mwg-rs:Type>Face</mwg-rs:Type>" +
		n(1) + `<mwg-rs:Extensions rdf:parseType="Resource">` + n(2) + "<facerec:By>facerec</facerec:By>" + n(1) + "</mwg-rs:Extensions>" +
		indent + "</rdf:li>"
}

// sides is AppliedToDimensions.
func (s scope) sides(f Faces) string {
	tag, _ := s.tag("mwg-rs:AppliedToDimensions", "", "mwg-rs", "stDim")
	return strings.TrimSuffix(tag, ">") + fmt.Sprintf(` stDim:w="%d" stDim:h="%d" stDim:unit="pixel"/>`, f.Size.X, f.Size.Y)
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // never fails: the buffer does not
	return b.String()
}

// indent is the line break and the space before an element, or what it would be.
func (d *document) indent(n *node) string {
	before := d.data[:n.start]
	space := len(before) - len(bytes.TrimRight(before, " \t\r\n"))
	if i := bytes.LastIndexByte(before, '\n'); i >= len(before)-space {
		return d.newline + string(before[i+1:])
	}
	depth := 0
	for p := n.parent; p != nil; p = p.parent {
		depth++
	}
	return d.newline + strings.Repeat(" ", depth)
}

// inside is the indent of the children of n.
func (d *document) inside(n *node) string {
	if len(n.kids) > 0 {
		return d.indent(n.kids[0])
	}
	return d.indent(n) + " "
}

// nest returns deeper indents.
func nest(indent string) func(int) string {
	return func(n int) string { return indent + strings.Repeat(" ", n) }
}

// remove takes out an element and the space before it.
func (d *document) remove(n *node) {
	from := len(bytes.TrimRight(d.data[:n.start], " \t\r\n"))
	d.edits = append(d.edits, edit{from, n.stop, ""})
	d.gone[n] = true
}

// replace writes something else in the place of an element.
func (d *document) replace(n *node, with string) {
	d.edits = append(d.edits, edit{n.start, n.stop, with})
}

// insert adds children to an element: after the last one that stays.
func (d *document) insert(n *node, make func(indent string) string) {
	with := make(d.inside(n))
	if n.closed() {
		tag := strings.TrimRight(strings.TrimSuffix(string(d.data[n.start:n.stop]), "/>"), " \t\r\n")
		d.replace(n, tag+">"+with+d.indent(n)+"</"+n.qname+">")
		return
	}
	at := n.open
	for _, k := range n.kids {
		if !d.gone[k] {
			at = k.stop
		}
	}
	d.edits = append(d.edits, edit{at, at, with})
}

// apply makes the new document.
func (d *document) apply() []byte {
	if len(d.added) > 0 {
		d.addProperties()
	}
	slices.SortStableFunc(d.edits, func(a, b edit) int { return cmp.Or(a.from-b.from, a.to-b.to) })
	var out bytes.Buffer
	at := 0
	for _, e := range d.edits {
		out.Write(d.data[at:e.from])
		out.WriteString(e.with)
		at = e.to
	}
	out.Write(d.data[at:])
	return out.Bytes()
}

// addProperties writes missing properties: into the last
// Description that has an end tag, or into a new one.
func (d *document) addProperties() {
	var in *node
	about := ""
	for i, desc := range d.rdf.all(nsRDF, "Description") {
		if v, ok := desc.attr(nsRDF, "about"); ok && i == 0 {
			about = v // of all, as XMP has it
		}
		if !desc.closed() {
			in = desc
		}
	}
	write := func(s scope, indent string) string {
		var b strings.Builder
		for _, make := range d.added {
			b.WriteString(indent + make(s, indent))
		}
		return b.String()
	}
	if in != nil {
		d.insert(in, func(indent string) string { return write(scope{at: in}, indent) })
		return
	}
	d.insert(d.rdf, func(indent string) string {
		tag, s := scope{at: d.rdf}.tag("rdf:Description", ` rdf:about="`+escape(about)+`"`, "rdf")
		return indent + tag + write(s, indent+" ") + indent + "</rdf:Description>"
	})
}
