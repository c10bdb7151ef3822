package packages

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1" //nolint:gosec // what apk compares installed files with
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// apk is Alpine's format, version 2 (wiki.alpinelinux.org/wiki/Apk_spec).
type apk struct{}

// apkChecksum is the extended header that each file has.
const apkChecksum = "APK-TOOLS.checksum.SHA1"

func (a apk) payload(p *Package) (tarball.Job, error) {
	var parts []tarball.Part
	for _, e := range p.tree.Entries() {
		sum, err := a.checksum(e)
		if err != nil {
			return tarball.Job{}, err
		}
		h := &tar.Header{Name: e.Name, Mode: int64(e.Mode), Typeflag: tar.TypeReg, Linkname: e.Link, ModTime: time.Unix(0, 0), Uname: "root", Gname: "root", Format: tar.FormatPAX}
		switch e.Type {
		case tarball.Dir:
			h.Name, h.Typeflag = e.Name+"/", tar.TypeDir
		case tarball.Symlink:
			h.Typeflag = tar.TypeSymlink
		default:
			h.Size = e.Content.Size()
		}
		if sum != "" {
			h.PAXRecords = map[string]string{apkChecksum: sum}
		}
		var head bytes.Buffer
		if err := tar.NewWriter(&head).WriteHeader(h); err != nil { // only the header: the content is never in memory
			return tarball.Job{}, fmt.Errorf("entry %q: %w", e.Name, err)
		}
		parts = append(parts, tarball.Part{Name: e.Name, Raw: head.Bytes()})
		if e.Content != nil {
			parts = append(parts, tarball.Part{Name: e.Name, Content: e.Content}, tarball.Part{Raw: make([]byte, -e.Content.Size()&511)})
		}
	}
	s, err := tarball.NewStream(append(parts, tarball.Part{Raw: make([]byte, 2*512)})...)
	return tarball.Job{Stream: s}, err
}

// checksum is what apk notes of a file, or of a link's target; "" for a directory.
func (apk) checksum(e tarball.Entry) (string, error) {
	switch e.Type {
	case tarball.Dir:
		return "", nil
	case tarball.Symlink:
		sum := sha1.Sum([]byte(e.Link)) //nolint:gosec // the format's
		return hex.EncodeToString(sum[:]), nil
	}
	return hexOf(sha1.New(), e) //nolint:gosec // the format's
}

// info is .PKGINFO. The digest of the data comes last.
func (apk) info(p *Package) []byte {
	var b bytes.Buffer
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s = %s\n", name, value)
		}
	}
	r := p.record
	first, _ := p.summary()
	field("pkgname", r.Name)
	field("pkgver", p.version)
	field("pkgdesc", first)
	field("url", r.Homepage)
	field("builddate", "0")
	field("packager", r.Maintainer)
	field("maintainer", r.Maintainer)
	field("size", fmt.Sprint(p.installedSize()))
	field("arch", p.arch)
	field("origin", r.Name)
	field("license", r.Licence)
	for _, d := range r.Depends {
		field("depend", d)
	}
	return b.Bytes()
}

func (a apk) around(ctx context.Context, p *Package, made tarball.Result) (before, after []byte, err error) {
	info := fmt.Appendf(a.info(p), "datahash = %s\n", made.File.Hex())
	var head bytes.Buffer
	h := &tar.Header{Name: ".PKGINFO", Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(info)), ModTime: time.Unix(0, 0), Uname: "root", Gname: "root", Format: tar.FormatUSTAR}
	if err := tar.NewWriter(&head).WriteHeader(h); err != nil {
		return nil, nil, err
	}
	// Without the end of an archive: the next member goes on with it.
	s, err := tarball.NewStream(tarball.Part{Raw: head.Bytes()}, tarball.Part{Raw: info}, tarball.Part{Raw: make([]byte, -len(info)&511)})
	if err != nil {
		return nil, nil, err
	}
	before, err = compress(ctx, tarball.Job{Name: "control", Stream: s})
	return before, nil, err
}

func (a apk) fields(p *Package) ([]Field, error) {
	out := textLines("PKGINFO ", a.info(p))
	for _, e := range p.tree.Entries() {
		sum, err := a.checksum(e)
		if err != nil {
			return nil, err
		}
		if sum != "" {
			out = append(out, Field{Name: apkChecksum, Path: e.Name, Value: sum})
		}
	}
	return numbered(out), nil
}

// numbered tells fields of one name apart.
func numbered(fields []Field) []Field {
	seen := map[key]int{}
	for i, f := range fields {
		if seen[f.key()]++; seen[f.key()] > 1 {
			fields[i].Name = fmt.Sprintf("%s (%d)", f.Name, seen[f.key()])
		}
	}
	return fields
}

// isAPK looks at the first entry of a gzip file.
func isAPK(f io.ReaderAt, size int64) bool {
	in, err := tarball.Inflate(io.NewSectionReader(f, 0, size), tarball.ArchiveLimits{Total: maxControl})
	if err != nil {
		return false
	}
	h, err := tar.NewReader(in).Next()
	return err == nil && (h.Name == ".PKGINFO" || strings.HasPrefix(h.Name, ".SIGN."))
}

// segment is a gzip member of a package.
type segment struct{ start, end int64 }

// maxSegments is how many members are looked at: signatures and the control
// segment come before the data.
const maxSegments = 10

// controlSegments are the members up to the one with .PKGINFO.
func controlSegments(f io.ReaderAt, size int64) ([]segment, error) {
	var out []segment
	for at := int64(0); len(out) < maxSegments; {
		counted := &counter{r: io.NewSectionReader(f, at, size-at)}
		in := bufio.NewReader(counted)
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("gzip member at offset %d: %w", at, err)
		}
		z.Multistream(false)
		h, err := tar.NewReader(io.LimitReader(z, maxControl)).Next()
		if err != nil {
			return nil, fmt.Errorf("gzip member at offset %d: %w", at, err)
		}
		n, err := io.Copy(io.Discard, io.LimitReader(z, maxControl))
		if err != nil || n == maxControl {
			return nil, fmt.Errorf("gzip member at offset %d: expected at most %d bytes of metadata: %w", at, maxControl, errors.Join(err, tarball.ErrLimit))
		}
		end := at + counted.n - int64(in.Buffered())
		out = append(out, segment{at, end})
		if at = end; !strings.HasPrefix(h.Name, ".SIGN.") {
			return out, nil
		}
	}
	return nil, fmt.Errorf("expected .PKGINFO within %d gzip members", maxSegments)
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (apk) read(f io.ReaderAt, size int64) (Contents, error) {
	c := Contents{Format: release.APK}
	segments, err := controlSegments(f, size)
	if err != nil {
		return c, err
	}
	datahash := ""
	for i, s := range segments {
		kind := tarball.CauseSignature
		if i == len(segments)-1 {
			kind = tarball.CauseControl
		}
		c.spans = append(c.spans, span{kind, s.start, s.end})
		err := controlTar(io.NewSectionReader(f, s.start, s.end-s.start), func(name string, mode int64, content []byte) {
			if name != ".PKGINFO" {
				c.Fields = append(c.Fields, script(name, mode, content))
				return
			}
			for _, field := range textLines("PKGINFO ", content) {
				if field.Name == "PKGINFO datahash" {
					datahash = field.Value
					continue
				}
				c.Fields = append(c.Fields, field)
			}
		})
		if err != nil {
			return c, err
		}
	}
	data := segments[len(segments)-1].end
	c.spans = append(c.spans, span{tarball.CausePayload, data, size})
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, data, size-data)); err != nil {
		return c, err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != datahash {
		c.Problems = append(c.Problems, fmt.Sprintf("datahash: expected %s, got %s", datahash, got))
	}
	if err := c.dataTar(io.NewSectionReader(f, data, size-data)); err != nil {
		return c, err
	}
	c.Fields = numbered(c.Fields)
	return c, nil
}
