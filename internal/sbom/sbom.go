package sbom

import (
	"bytes"
	"cmp"
	"crypto/sha1" //nolint:gosec // SPDX 2.3, clause 8.4, demands it; nothing is secured by it
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// Subject is what a document is about: one cell of a release.
type Subject struct {
	Config  *release.Config
	Version release.Version
	Cell    release.Cell
	Record  release.RecordCell // digests of image and tarball
	Tree    tarball.Tree       // what is in the tarball
	Locks   Locks
}

// FileName is the name under which a release publishes the document that
// belongs to a tarball.
func FileName(asset string) string { return strings.TrimSuffix(asset, ".tar.gz") + ".spdx.json" }

// Write writes the document.
func Write(w io.Writer, s Subject) error {
	d, err := s.document()
	if err != nil {
		return fmt.Errorf("SBOM of %s: %w", s.Record.Asset, err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		return fmt.Errorf("SBOM of %s: %w", s.Record.Asset, err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// builder collects packages and relationships, each once.
type builder struct {
	Subject
	when string
	doc  document
	seen map[string]bool // SPDXIDs of packages
}

const (
	idDocument = "SPDXRef-DOCUMENT"
	idRelease  = "SPDXRef-Release"
	idImage    = "SPDXRef-Image"
)

func (s Subject) document() (document, error) {
	b := &builder{Subject: s, seen: map[string]bool{}}
	b.when = time.Unix(s.Config.Epoch, 0).UTC().Format(time.RFC3339)
	name := strings.TrimSuffix(s.Record.Asset, ".tar.gz")
	b.doc = document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: idDocument,
		Name: name, Creation: creationInfo{b.when, []string{toolName}},
		Packages: []spdxPackage{}, Files: []spdxFile{},
	}
	b.relate(idDocument, "DESCRIBES", idRelease)
	code, err := b.files()
	if err != nil {
		return document{}, err
	}
	b.release(code)
	b.image()
	b.inputs()
	slices.SortFunc(b.doc.Packages, func(x, y spdxPackage) int { return cmp.Compare(x.SPDXID, y.SPDXID) })
	slices.SortFunc(b.doc.Files, func(x, y spdxFile) int { return cmp.Compare(x.SPDXID, y.SPDXID) })
	slices.SortFunc(b.doc.Relationships, func(x, y relationship) int {
		return cmp.Or(cmp.Compare(x.From, y.From), cmp.Compare(x.Type, y.Type), cmp.Compare(x.To, y.To))
	})
	b.doc.Relationships = slices.Compact(b.doc.Relationships)
	b.doc.Namespace, err = b.namespace(name)
	return b.doc, err
}

// namespace is an identifier that no other document has: it comes from
// everything that this one says.
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

var notInID = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// id makes an SPDX identifier from words. What its grammar cannot spell is told
// apart by a digest.
func id(kind string, words ...string) string {
	plain := strings.Join(words, "-")
	short := release.DigestBytes([]byte(strings.Join(words, "\x00"))).Hex()[:12]
	return "SPDXRef-" + kind + "-" + strings.Trim(notInID.ReplaceAllString(plain, "-"), "-") + "-" + short
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

var licenceShape = regexp.MustCompile(`^[A-Za-z0-9.+() :-]+$`)

// licence is what the image's label says, if it can be an SPDX expression.
func (b *builder) licence() string {
	for _, l := range b.Config.Labels(b.Version, b.Cell) {
		if l.Key == "org.opencontainers.image.licenses" && licenceShape.MatchString(l.Value) {
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

// files lists regular files and hard links, and returns the package's
// verification code (clause 7.9): the SHA-1 of all SHA-1s, sorted.
func (b *builder) files() (string, error) {
	contents := map[string]tarball.Content{}
	var sums []string
	for _, e := range b.Tree.Entries() {
		content := e.Content
		switch e.Type {
		case tarball.Regular:
			contents[e.Name] = content
		case tarball.Hardlink:
			if content = contents[e.Link]; content == nil {
				continue // a link to a symbolic link
			}
		default:
			continue
		}
		name := b.Record.Prefix + "/" + e.Name
		sum := sha1.New() //nolint:gosec // see the import
		if _, err := io.Copy(sum, io.NewSectionReader(content, 0, content.Size())); err != nil {
			return "", fmt.Errorf("%s: %w", tarball.Show(name), err)
		}
		one := hex.EncodeToString(sum.Sum(nil))
		sums = append(sums, one)
		f := spdxFile{
			SPDXID: id("File", e.Name), Name: "./" + strings.ToValidUTF8(name, "\ufffd"),
			Checksums: []spdxChecksum{{"SHA1", one}, {"SHA256", content.Digest().Hex()}},
			Concluded: noAssertion, Copyright: noAssertion,
		}
		for _, m := range b.Locks.Models {
			if m.SHA256.Digest == content.Digest() && m.Licence != "" {
				f.Concluded, f.InFile = m.Licence, []string{m.Licence}
			}
		}
		if err := b.modules(&f, content); err != nil {
			return "", err
		}
		b.doc.Files = append(b.doc.Files, f)
		b.relate(idRelease, "CONTAINS", f.SPDXID)
	}
	slices.Sort(sums)
	all := sha1.Sum([]byte(strings.Join(sums, ""))) //nolint:gosec // see the import
	return hex.EncodeToString(all[:]), nil
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
