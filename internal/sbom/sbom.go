package sbom

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// Subject is what a document is about: one cell of a release.
type Subject struct {
	Config  *release.Config
	Version release.Version
	Cell    release.Cell
	Record  release.RecordCell // digests of image and tarball
	Tree    tarball.Tree       // what is in the tarball
	Locks   Locks
	Sums    *Sums // shared by the cells of a release
}

// Write writes the document: its head, and then a line for each package, file and
// relationship. What it keeps of a file is a few dozen bytes.
func Write(w io.Writer, s Subject) error {
	b := &builder{Subject: s, seen: map[string]bool{}}
	err := b.build()
	if err == nil {
		err = b.encode(w)
	}
	if err != nil {
		return fmt.Errorf("SBOM of %s: %w", s.Record.Asset, err)
	}
	return nil
}

// builder collects packages and relationships, each once. The files and that the
// release contains them are not among them: there may be very many.
type builder struct {
	Subject
	when  string
	doc   document
	files []file
	seen  map[string]bool // SPDXIDs of packages
}

const (
	idDocument = "SPDXRef-DOCUMENT"
	idRelease  = "SPDXRef-Release"
	idImage    = "SPDXRef-Image"
)

func (b *builder) build() error {
	b.when = time.Unix(b.Config.Epoch, 0).UTC().Format(time.RFC3339)
	name := strings.TrimSuffix(b.Record.Asset, ".tar.gz")
	b.doc = document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: idDocument,
		Name: name, Creation: creationInfo{b.when, []string{toolName}},
	}
	b.relate(idDocument, "DESCRIBES", idRelease)
	code, err := b.contents()
	if err != nil {
		return err
	}
	b.release(code)
	b.image()
	b.inputs()
	slices.SortFunc(b.doc.Packages, func(x, y spdxPackage) int { return cmp.Compare(x.SPDXID, y.SPDXID) })
	slices.SortFunc(b.doc.Relationships, func(x, y relationship) int {
		return cmp.Or(cmp.Compare(x.From, y.From), cmp.Compare(x.Type, y.Type), cmp.Compare(x.To, y.To))
	})
	b.doc.Relationships = slices.Compact(b.doc.Relationships)
	b.doc.Namespace, err = b.namespace(name)
	return err
}

// namespace is an identifier that no other document has: it comes from all that
// this one says but the files, and those are in the tarball, whose digest it has.
func (b *builder) namespace(name string) (string, error) {
	raw, err := json.Marshal(b.doc)
	if err != nil {
		return "", err
	}
	return "https://spdx.org/spdxdocs/" + url.PathEscape(name) + "-" + release.DigestBytes(raw).Hex(), nil
}

func (b *builder) relate(from, kind, to string) {
	b.doc.Relationships = append(b.doc.Relationships, relationship{from, kind, to})
}

// add puts a package in once, with what SPDX wants of every one.
func (b *builder) add(p spdxPackage) string {
	if b.seen[p.SPDXID] {
		return p.SPDXID
	}
	b.seen[p.SPDXID] = true
	p.Download = cmp.Or(p.Download, noAssertion)
	p.Concluded = cmp.Or(p.Concluded, noAssertion)
	p.Declared = cmp.Or(p.Declared, noAssertion)
	p.Copyright = cmp.Or(p.Copyright, noAssertion)
	p.Supplier = cmp.Or(p.Supplier, noAssertion)
	b.doc.Packages = append(b.doc.Packages, p)
	return p.SPDXID
}

// id makes an SPDX identifier from words. What its grammar cannot spell is told
// apart by a digest.
func id(kind string, words ...string) string {
	return string(appendID(nil, kind, strings.Join(words, "-"), markOf(strings.Join(words, "\x00"))))
}

// idMark is the beginning of the digest of what an identifier is made from.
type idMark [6]byte

func markOf(s string) idMark {
	sum := release.DigestBytes([]byte(s)).Bytes()
	return idMark(sum[:])
}

func appendID(out []byte, kind, plain string, mark idMark) []byte {
	out = append(append(append(out, "SPDXRef-"...), kind...), '-')
	out = append(appendSpelled(out, plain), '-')
	return hex.AppendEncode(out, mark[:])
}

// appendSpelled appends s with a hyphen for each run of bytes that an identifier
// cannot have, and without hyphens at its ends.
func appendSpelled(out []byte, s string) []byte {
	start := len(out)
	can := true
	for i := range len(s) {
		c := s[i]
		was := can
		can = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-'
		switch {
		case !can && !was:
			continue
		case !can:
			c = '-'
		}
		if c != '-' || len(out) > start {
			out = append(out, c)
		}
	}
	for len(out) > start && out[len(out)-1] == '-' {
		out = out[:len(out)-1]
	}
	return out
}

func (b *builder) release(code string) {
	r := b.Record
	p := spdxPackage{
		SPDXID: idRelease, Name: b.Config.ProjectName, Version: string(b.Version), FileName: r.Asset,
		FilesAnalyzed: true, Verification: &verificationCode{code},
		Checksums: []spdxChecksum{{"SHA256", r.FileSHA256.Hex()}},
		Declared:  b.licence(), Purpose: "ARCHIVE",
		Refs: []externalRef{purl("generic", []string{b.Config.ProjectName}, string(b.Version)+b.Cell.Lineage.Suffix,
			"arch", b.Cell.Platform.AssetArch(), "checksum", "sha256:"+r.FileSHA256.Hex(), "os", b.Cell.Platform.OS)},
	}
	for _, c := range []string{"tar sha256: " + r.TarSHA256.Hex(), "lineage: " + b.Cell.Lineage.Name, "platform: " + b.Cell.Platform.String(), "recipe: " + r.Recipe} {
		p.Annotations = append(p.Annotations, annotation{b.when, "OTHER", toolName, c})
	}
	b.add(p)
}

var licenceShape = text.Pattern(`^[A-Za-z0-9.+() :-]+$`)

// licence is what the image's label says, if it can be an SPDX expression.
func (b *builder) licence() string {
	for _, l := range b.Config.Labels(b.Version, b.Cell) {
		if l.Key == "org.opencontainers.image.licenses" && licenceShape().MatchString(l.Value) {
			return l.Value
		}
	}
	return noAssertion
}

// image names the manifest by repository and digest. Where it was fetched from
// this time is not what it is.
func (b *builder) image() {
	repository := b.Config.Image.Repository
	manifest := b.Record.ManifestDigest
	p := spdxPackage{
		SPDXID: idImage, Name: repository, Version: b.Config.ImageTag(b.Version, b.Cell.Lineage), Purpose: "CONTAINER",
		Checksums: []spdxChecksum{{"SHA256", manifest.Hex()}},
		Refs: []externalRef{purl("oci", []string{path.Base(repository)}, manifest.String(),
			"arch", b.Cell.Platform.Arch, "tag", b.Config.ImageTag(b.Version, b.Cell.Lineage))},
		Annotations: []annotation{{b.when, "OTHER", toolName, "index: " + b.Record.IndexDigest.String()}},
	}
	b.add(p)
	b.relate(idRelease, "GENERATED_FROM", idImage)
}

// purl writes a package URL: type, namespace and name, version, and qualifiers
// as pairs in the order of their names.
func purl(kind string, names []string, version string, pairs ...string) externalRef {
	var s strings.Builder
	s.WriteString("pkg:" + kind)
	for _, n := range names {
		s.WriteString("/" + escape(n))
	}
	if version != "" {
		s.WriteString("@" + escape(version))
	}
	sep := "?"
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			s.WriteString(sep + pairs[i] + "=" + escape(pairs[i+1]))
			sep = "&"
		}
	}
	return externalRef{"PACKAGE-MANAGER", "purl", s.String()}
}

// escape leaves what the purl specification does: letters, digits and ".-_~",
// and the colon.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".-_~:", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
