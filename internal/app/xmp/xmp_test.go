package xmp

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"facerec/internal/text"
)

var update = flag.Bool("update", false, "write golden files anew")

var rose = Region{X: 0.25, Y: 0.5, W: 0.125, H: 0.2, Name: "Rose"}
var bob = Region{X: 0.75, Y: 0.5, W: 0.125, H: 0.2, Name: `Bob & "Ann" <b>`}

func faces(r ...Region) Faces { return Faces{image.Pt(400, 300), r} }

// merge is Merge that has to succeed, and to find nothing to do a second time.
func merge(t *testing.T, old string, f Faces) string {
	t.Helper()
	var was []byte
	if old != "" {
		was = []byte(old)
	}
	out, _, err := Merge(was, f)
	if err != nil {
		t.Fatalf("%v in\n%s", err, old)
	}
	again, _, err := Merge(out, f)
	if err != nil || !bytes.Equal(again, out) {
		t.Fatalf("a second time: %v\n%s\n%s", err, out, again)
	}
	return string(out)
}

func TestNewSidecar(t *testing.T) {
	got := merge(t, "", faces(rose, bob))
	name := filepath.Join("testdata", "new.xmp")
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || got != string(want) {
		t.Errorf("not %s, %v:\n%s", name, err, got)
	}
	if out, _, err := Merge(nil, faces()); out != nil || err != nil {
		t.Errorf("a sidecar of nobody: %s, %v", out, err)
	}
}

// sidecars are what other programs write: the same regions in every form that
// RDF has for them.
func sidecars(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := filepath.Glob("testdata/*.xmp")
	if err != nil || len(files) < 6 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = string(data)
	}
	return out
}

// lines drops what Merge added: it must be what is left out of merged that
// makes it old.
func subsequence(old, merged string) bool {
	i := 0
	for _, c := range []byte(merged) {
		if i < len(old) && old[i] == c {
			i++
		}
	}
	return i == len(old)
}

// Every byte of a sidecar is still there, in order, after faces were merged into
// it; and when they are taken out again, what is left is what was there, but for
// lists that were added.
func TestMergeKeepsEverything(t *testing.T) {
	for name, old := range sidecars(t) {
		if name == "new.xmp" {
			continue
		}
		for _, newline := range []string{"\n", "\r\n"} {
			t.Run(name, func(t *testing.T) {
				old := strings.ReplaceAll(old, "\n", newline)
				merged := merge(t, old, faces(rose, bob))
				d, err := open([]byte(merged))
				if err != nil {
					t.Fatal(err)
				}
				if !subsequence(strings.ReplaceAll(old, "/>", ">"), strings.ReplaceAll(merged, "/>", ">")) {
					t.Errorf("bytes are lost:\n%s\n%s", old, merged)
				}
				if strings.Count(merged, "\n") != strings.Count(merged, newline) {
					t.Errorf("mixed line ends:\n%q", merged)
				}
				for _, list := range []property{{nsExt, "Iptc4xmpExt", "PersonInImage"}, {nsDC, "dc", "subject"}} {
					p, err := d.one(list)
					if err != nil {
						t.Fatal(err)
					}
					var names []string
					for _, li := range items(p) {
						names = append(names, li.text())
					}
					for _, want := range []string{"Rose", bob.Name} {
						if n := len(slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s != want })); n != 1 {
							t.Errorf("%s has %q, expected %q once", list, names, want)
						}
					}
				}
				without := merge(t, merged, faces())
				if strings.Contains(without, "facerec:By") || strings.Contains(without, "Ann") {
					t.Errorf("taken out again:\n%s", without)
				}
				sorted := func(s string) []string { return slices.Sorted(strings.Lines(s)) }
				if back := merge(t, without, faces(rose, bob)); !slices.Equal(sorted(back), sorted(merged)) {
					t.Errorf("put in again:\n%s\n%s", merged, back)
				}
			})
		}
	}
}

func TestMergeWithOthers(t *testing.T) {
	digikam := sidecars(t)["digikam.xmp"] // Rose at 0.26, 0.5; an unnamed face at 0.75, 0.5; Zoe at 0.1, 0.1
	at := func(x float64, name string) Region { return Region{X: x, Y: 0.5, W: 0.125, H: 0.2, Name: name} }
	for _, tt := range []struct {
		name      string
		r         Region
		ours      int
		kept      int
		inSubject bool
	}{
		{"the same face and name", at(0.25, "Rose"), 0, 0, true},
		{"the same face, another name", at(0.25, "Alice"), 0, 1, false},
		{"a face without a name there", at(0.75, "Alice"), 1, 0, true},
		{"no name here", at(0.25, ""), 0, 0, false},
		{"neither has a name", at(0.75, ""), 0, 0, false},
		{"another face", at(0.5, "Alice"), 1, 0, true},
		{"another face without a name", at(0.5, ""), 1, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			merged := merge(t, digikam, faces(tt.r))
			_, kept, err := Merge([]byte(digikam), faces(tt.r))
			if n := strings.Count(merged, "<facerec:By>"); err != nil || n != tt.ours || len(kept) != tt.kept {
				t.Errorf("%d regions, kept %q, %v\n%s", n, kept, err, merged)
			}
			d, err := open([]byte(merged))
			if err != nil {
				t.Fatal(err)
			}
			p, err := d.one(property{nsDC, "dc", "subject"})
			if err != nil {
				t.Fatal(err)
			}
			has := slices.ContainsFunc(items(p), func(n *node) bool { return n.text() == tt.r.Name })
			if tt.r.Name != "" && has != tt.inSubject {
				t.Errorf("in dc:subject: %t\n%s", has, merged)
			}
		})
	}
}

// What another program makes of facerec's regions is that program's.
func TestNamesAreReplaced(t *testing.T) {
	first := merge(t, "", faces(rose))
	first = strings.Replace(first, "<dc:subject xmlns:dc=\""+nsDC+"\">\n    <rdf:Bag>", "<dc:subject xmlns:dc=\""+nsDC+"\">\n    <rdf:Bag>\n     <rdf:li>beach</rdf:li>", 1)
	if !strings.Contains(first, "beach") {
		t.Fatal(first)
	}
	second := merge(t, first, faces(Region{X: 0.25, Y: 0.5, W: 0.125, H: 0.2, Name: "Alice"}))
	if strings.Contains(second, "Rose") || strings.Count(second, "Alice") != 5 || !strings.Contains(second, "beach") {
		t.Errorf("got\n%s", second)
	}
	// The name was there before facerec: it stays.
	third := merge(t, strings.Replace(first, "<rdf:li>beach", "<rdf:li>Rose2</rdf:li><rdf:li>beach", 1), faces())
	if !strings.Contains(third, "Rose2") || strings.Contains(third, ">Rose<") {
		t.Errorf("got\n%s", third)
	}
}

func TestMergeRefuses(t *testing.T) {
	rdf := func(body string) string {
		return `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="` + nsRDF + `" xmlns:dc="` + nsDC + `" xmlns:mwg-rs="` + nsMWG + `" xmlns:stDim="` + nsDim + "\">\n" + body + "\n</rdf:RDF></x:xmpmeta>"
	}
	desc := func(body string) string {
		return rdf(`<rdf:Description rdf:about="">` + "\n" + body + "\n</rdf:Description>")
	}
	for _, tt := range []struct{ name, old, want string }{
		{"nothing", " ", "no XML element"},
		{"no XML", "JPEG\n", "line 2: text outside of all elements"},
		{"cut", empty[:200], "malformed XML|the document ends in <rdf:RDF>"},
		{"unbalanced", rdf("<a>\n</b>"), `line 3: </b> closes nothing`},
		{"two roots", "<a/>\n<b/>", "line 2: a second element at the top"},
		{"text after the end", rdf("") + "\nx", "text outside of all elements"},
		{"prefix that is not declared", rdf("<z:a/>"), "line 2: the prefix of z:a is not declared"},
		{"duplicate attribute", rdf(`<a b="1" b="2"/>`), "line 2: the attribute b is a duplicate"},
		{"duplicate declaration", rdf(`<a xmlns:q="1" xmlns:q="2"/>`), "line 2: the attribute xmlns:q is a duplicate"},
		{"duplicate attribute by two prefixes", rdf(`<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>`), "is a duplicate"},
		{"entity that is not declared", rdf("&who;"), "line 2: malformed XML: invalid character entity &who;"},
		{"external entity", `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + rdf("&e;"), "line 1: a document type declaration"},
		{"a billion laughs", `<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>` + rdf("&b;"), "line 1: a document type declaration"},
		{"another encoding", `<?xml version="1.0" encoding="ISO-8859-1"?>` + rdf(""), "malformed XML"},
		{"UTF-16", "\xfe\xff\x00<", "line 1: UTF-16, expected UTF-8"},
		{"not UTF-8", rdf("<a>\xff</a>"), "line 2: malformed XML: invalid UTF-8"},
		{"too deep", strings.Repeat("<a>", maxDepth+1), "too many or too deeply nested"},
		{"too many", "<a>" + strings.Repeat("<b/>", maxNodes), "too many or too deeply nested"},
		{"too large", strings.Repeat(" ", MaxBytes+1), "16777217 bytes, expected at most 16777216"},
		{"other XML", `<html/>`, "XML, but not XMP"},
		{"list that is none", desc("<dc:subject>beach</dc:subject>"), "line 3: dc:subject is not a list, expected rdf:Bag"},
		{"list as an attribute", rdf(`<rdf:Description dc:subject="beach"/>`), "line 2: dc:subject is an attribute"},
		{"two lists", desc("<dc:subject/>\n<dc:subject/>"), "line 4: dc:subject is a duplicate"},
		{"two regions", desc("<mwg-rs:Regions/>\n<mwg-rs:Regions/>"), "line 4: mwg-rs:Regions is a duplicate"},
		{"regions of no structure", desc("<mwg-rs:Regions>x</mwg-rs:Regions>"), "line 3: mwg-rs:Regions has no structure"},
		{"list of regions that is none", desc(`<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList>x</mwg-rs:RegionList></mwg-rs:Regions>`), "line 3: mwg-rs:RegionList has no list"},
		{"a picture of another shape", strings.Replace(sidecars(t)["digikam.xmp"], `stDim:w="800"`, `stDim:w="450"`, 1), "its regions are for a picture of 450×600 pixels, and this one is stored with 400×300"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, _, err := Merge([]byte(tt.old), faces(rose))
			var not *NotXMPError
			if !errors.As(err, &not) || out != nil || !regexp.MustCompile(tt.want).MatchString(strings.NewReplacer("[", "", "]", "").Replace(err.Error())) {
				t.Errorf("expected %q, got %v\n%.300s", tt.want, err, out)
			}
		})
	}
	_, _, err := Merge([]byte(strings.Replace(sidecars(t)["digikam.xmp"], `stDim:w="800"`, `stDim:w="450"`, 1)), faces(rose))
	if text.Hint(err) == "" {
		t.Errorf("no hint in %v", err)
	}
}

// A sidecar as large as may be does not take long: nothing is quadratic.
func TestManyItems(t *testing.T) {
	var b strings.Builder
	b.WriteString(`<rdf:RDF xmlns:rdf="` + nsRDF + `" xmlns:dc="` + nsDC + `" xmlns:facerec="` + nsFacerec + `"><rdf:Description>`)
	for _, name := range []string{"dc:subject", "facerec:subject"} {
		b.WriteString("<" + name + "><rdf:Bag>")
		for i := range maxNodes/2 - 10 {
			fmt.Fprintf(&b, "<rdf:li>%d</rdf:li>", i)
		}
		b.WriteString("</rdf:Bag></" + name + ">")
	}
	b.WriteString("</rdf:Description></rdf:RDF>")
	out, _, err := Merge([]byte(b.String()), faces(rose))
	if err != nil || len(out) > 10_000 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

// Place is the inverse of what turning the picture does to a box.
func TestPlace(t *testing.T) {
	const w, h = 400, 300 // stored
	stored := image.Rect(40, 30, 140, 90)
	for o := 1; o <= 8; o++ {
		up := Stored(image.Pt(w, h), o)
		// Where a stored pixel is in the upright picture; see picture.orient.
		to := func(x, y int) (int, int) {
			switch o {
			case 2:
				return w - x, y
			case 3:
				return w - x, h - y
			case 4:
				return x, h - y
			case 5:
				return y, x
			case 6:
				return h - y, x
			case 7:
				return h - y, w - x
			case 8:
				return y, w - x
			}
			return x, y
		}
		x0, y0 := to(stored.Min.X, stored.Min.Y)
		x1, y1 := to(stored.Max.X, stored.Max.Y)
		got := Place(image.Rect(x0, y0, x1, y1), up, o)
		want := Region{X: 90.0 / w, Y: 60.0 / h, W: 100.0 / w, H: 60.0 / h}
		for _, d := range []float64{got.X - want.X, got.Y - want.Y, got.W - want.W, got.H - want.H} {
			if math.Abs(d) > 1e-12 {
				t.Errorf("orientation %d: expected %+v, got %+v", o, want, got)
			}
		}
	}
	if r := Place(image.Rect(-50, -50, 50, 50), image.Pt(100, 100), 1); r.W != 0.5 || r.X != 0.25 {
		t.Errorf("over the edge: %+v", r)
	}
	if r := Place(image.Rect(200, 0, 300, 50), image.Pt(100, 100), 1); r != (Region{}) {
		t.Errorf("outside: %+v", r)
	}
}

// Exiftool and exiv2 (Adobe's XMP toolkit, which digiKam and others use) read
// what was written, new and merged.
func TestOtherProgramsRead(t *testing.T) {
	exiftool, err := exec.LookPath("exiftool")
	if err != nil {
		t.Skipf("no exiftool: %v (Debian package libimage-exiftool-perl)", err)
	}
	dir := t.TempDir()
	for name, old := range sidecars(t) {
		if name == "compact.xmp" {
			continue // exiftool knows XMP by the prefix rdf
		}
		merged := merge(t, old, faces(rose, bob))
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(merged), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(exiftool, "-j", "-n", "-struct", file).Output()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		type side struct{ W, H float64 }
		var docs []struct {
			Warning    string
			RegionInfo struct {
				AppliedToDimensions side
				RegionList          []struct {
					Area struct {
						X, Y, W, H float64
						Unit       string
					}
					Name, Type string
				}
			}
			PersonInImage, Subject list
		}
		if err := json.Unmarshal(out, &docs); err != nil || len(docs) != 1 {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		doc := docs[0]
		if doc.Warning != "" {
			t.Errorf("%s: exiftool warns: %s", name, doc.Warning)
		}
		for _, want := range []Region{rose, bob} {
			n := 0
			for _, r := range doc.RegionInfo.RegionList {
				if r.Name == want.Name && r.Type == "Face" && r.Area.Unit == "normalized" && (Region{r.Area.X, r.Area.Y, r.Area.W, r.Area.H, r.Name}) == want || name == "digikam.xmp" && r.Name == "Rose" {
					n++
				}
			}
			if n == 0 || !slices.Contains(doc.PersonInImage, want.Name) || !slices.Contains(doc.Subject, want.Name) {
				t.Errorf("%s: exiftool does not see %s: %s", name, want.Name, out)
			}
		}
		if s := doc.RegionInfo.AppliedToDimensions; s.W*3 != s.H*4 || s.W == 0 {
			t.Errorf("%s: AppliedToDimensions %v", name, s)
		}
		if exiv2, err := exec.LookPath("exiv2"); err == nil {
			out, err := exec.Command(exiv2, "-PXkt", file).CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("Rose")) || !bytes.Contains(out, []byte("Xmp.iptcExt.PersonInImage")) || !bytes.Contains(out, []byte("mwg-rs:Name")) {
				t.Errorf("%s: exiv2: %v: %s", name, err, out)
			}
		}
	}
}

// What exiftool itself writes is merged, and every other tag that it reads is the
// same afterwards.
func TestOtherTagsStay(t *testing.T) {
	exiftool, err := exec.LookPath("exiftool")
	if err != nil {
		t.Skipf("no exiftool: %v (Debian package libimage-exiftool-perl)", err)
	}
	file := filepath.Join(t.TempDir(), "photo.xmp")
	if out, err := exec.Command(exiftool, "-q", "-o", file, "-XMP-dc:Title=A \"title\" & <more>", "-XMP-dc:Creator=Zoë", "-XMP-dc:Subject=sea", "-XMP-dc:Subject=sand",
		"-XMP-xmp:Rating=3", "-XMP-exif:GPSLatitude=47.5", "-XMP-photoshop:City=Zürich", "-XMP-lr:HierarchicalSubject=a|b", "-XMP-iptcExt:PersonInImage=Zoë",
		"-XMP-tiff:Orientation#=6", "-XMP-xmpMM:History=[{Action=saved,When=2020:01:01}]",
		"-RegionInfo={AppliedToDimensions={W=400,H=300,Unit=pixel},RegionList=[{Area={X=0.1,Y=0.1,W=0.1,H=0.1,Unit=normalized},Name=Zoë,Type=Face}]}").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	read := func() map[string]json.RawMessage {
		out, err := exec.Command(exiftool, "-j", "-struct", "-G1", "-XMP:all", file).Output()
		var docs []map[string]json.RawMessage
		if err == nil {
			err = json.Unmarshal(out, &docs)
		}
		if err != nil || len(docs) != 1 {
			t.Fatalf("%v: %s", err, out)
		}
		return docs[0]
	}
	before := read()
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(merge(t, string(old), faces(rose, bob))), 0o600); err != nil {
		t.Fatal(err)
	}
	after := read()
	changed := map[string]bool{"XMP-dc:Subject": true, "XMP-iptcExt:PersonInImage": true, "XMP-mwg-rs:RegionInfo": true}
	if len(before) < 12 {
		t.Fatalf("only %d tags: %s", len(before), before)
	}
	for tag, value := range before {
		if now := after[tag]; !changed[tag] && !bytes.Equal(now, value) {
			t.Errorf("%s was %s and is %s", tag, value, now)
		}
		if changed[tag] && !bytes.Contains(after[tag], []byte("Rose")) {
			t.Errorf("%s is %s", tag, after[tag])
		}
	}
	for _, want := range []string{"sea", "sand"} {
		if !bytes.Contains(after["XMP-dc:Subject"], []byte(want)) {
			t.Errorf("no %s in %s", want, after["XMP-dc:Subject"])
		}
	}
	for _, tag := range []string{"XMP-iptcExt:PersonInImage", "XMP-mwg-rs:RegionInfo"} {
		if !bytes.Contains(after[tag], []byte("Zoë")) {
			t.Errorf("no Zoë in %s: %s", tag, after[tag])
		}
	}
}

// list is an array, of which exiftool writes a single item without brackets.
type list []string

func (l *list) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte("[")) {
		return json.Unmarshal(data, (*[]string)(l))
	}
	*l = make(list, 1)
	return json.Unmarshal(data, &(*l)[0])
}

func FuzzMerge(f *testing.F) {
	files, err := filepath.Glob("testdata/*.xmp")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`<rdf:RDF xmlns:rdf="` + nsRDF + `"/>`))
	f.Add([]byte(`<r:RDF xmlns:r="` + nsRDF + `"><r:Description r:about="x"/></r:RDF>`))
	f.Fuzz(func(t *testing.T, old []byte) {
		if len(old) == 0 {
			return
		}
		want := faces(rose, bob)
		merged, _, err := Merge(old, want)
		if err != nil {
			var not *NotXMPError
			if !errors.As(err, &not) {
				t.Fatalf("%v", err)
			}
			return
		}
		again, _, err := Merge(merged, want)
		if err != nil || !bytes.Equal(again, merged) {
			t.Fatalf("a second time: %v\n%q\n%q\n%q", err, old, merged, again)
		}
		if _, _, err := Merge(merged, faces()); err != nil {
			t.Fatalf("taken out: %v", err)
		}
		if fmt.Sprint(comments(old)) != fmt.Sprint(comments(merged)) {
			t.Fatalf("comments are lost: %q, %q", old, merged)
		}
	})
}

var commentOf = regexp.MustCompile(`(?s)<!--.*?-->`)

func comments(data []byte) []string {
	var out []string
	for _, c := range commentOf.FindAll(data, -1) {
		out = append(out, string(c))
	}
	return out
}

// Another program wrote a sidecar of facerec's anew, in its own style, and added a
// tag: what facerec wrote is still known as its own.
func TestRewritten(t *testing.T) {
	files, err := filepath.Glob("testdata/rewritten/*.xmp")
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		old, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		alice := rose
		alice.Name = "Alice"
		merged := merge(t, string(old), faces(alice))
		if strings.Contains(merged, "Rose") || strings.Contains(merged, "Ann") || strings.Count(merged, ">Alice<") != 5 || !strings.Contains(merged, "xmp:Rating") {
			t.Errorf("%s:\n%s", name, merged)
		}
	}
}
