package packages

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what dpkg --verify compares with
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// deb is Debian's format, deb(5).
type deb struct{}

const (
	arMagic    = "!<arch>\n"
	arHeader   = 60
	debVersion = "2.0\n"
	maxMembers = 100 // of an ar archive
)

func (deb) payload(p *Package) (tarball.Job, error) {
	return tarball.Job{Tree: p.tree, Prefix: "."}, nil
}

func (d deb) around(ctx context.Context, p *Package, made tarball.Result) (before, after []byte, err error) {
	sums, err := d.md5sums(p)
	if err != nil {
		return nil, nil, err
	}
	tree, err := tarball.NewTree([]tarball.Entry{
		{Name: "control", Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent(d.control(p))},
		{Name: "md5sums", Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent(sums)},
	})
	if err != nil {
		return nil, nil, err
	}
	control, err := compress(ctx, tarball.Job{Name: "control", Tree: tree, Prefix: "."})
	if err != nil {
		return nil, nil, err
	}
	b := []byte(arMagic)
	b = appendArHeader(b, "debian-binary", int64(len(debVersion)))
	b = append(b, debVersion...)
	b = appendArHeader(b, "control.tar.gz", int64(len(control)))
	b = append(b, control...)
	if len(control)%2 == 1 {
		b = append(b, '\n')
	}
	b = appendArHeader(b, "data.tar.gz", made.FileSize)
	if made.FileSize%2 == 1 {
		after = []byte{'\n'}
	}
	return b, after, nil
}

func appendArHeader(b []byte, name string, size int64) []byte {
	return fmt.Appendf(b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "100644", size)
}

// control is the package's paragraph (deb-control(5)).
func (deb) control(p *Package) []byte {
	var b bytes.Buffer
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	r := p.record
	field("Package", r.Name)
	field("Version", p.version)
	field("Architecture", p.arch)
	field("Maintainer", r.Maintainer)
	field("Installed-Size", strconv.FormatInt((p.installedSize()+1023)/1024, 10))
	field("Depends", strings.Join(r.Depends, ", "))
	field("Section", r.Section)
	field("Priority", "optional")
	field("Homepage", r.Homepage)
	first, rest := p.summary()
	field("Description", first)
	if rest != "" {
		for line := range strings.SplitSeq(rest, "\n") {
			if line == "" {
				line = "."
			}
			b.WriteString(" " + line + "\n")
		}
	}
	return b.Bytes()
}

// md5sums is what dpkg --verify goes by.
func (deb) md5sums(p *Package) ([]byte, error) {
	var b bytes.Buffer
	for _, e := range p.tree.Entries() {
		if e.Content == nil {
			continue
		}
		sum, err := hexOf(md5.New(), e) //nolint:gosec // the format's
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, e.Name)
	}
	return b.Bytes(), nil
}

// hexOf is a digest of a file's content.
func hexOf(h hash.Hash, e tarball.Entry) (string, error) {
	if _, err := io.Copy(h, io.NewSectionReader(e.Content, 0, e.Content.Size())); err != nil {
		return "", fmt.Errorf("entry %q: %w", e.Name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (d deb) fields(p *Package) ([]Field, error) {
	sums, err := d.md5sums(p)
	if err != nil {
		return nil, err
	}
	out := []Field{{Name: "debian-binary", Value: debVersion}}
	out = append(out, controlFields(d.control(p))...)
	return append(out, sumFields(sums)...), nil
}

// controlFields are the fields of a paragraph. Lines that are of no field are one
// each.
func controlFields(paragraph []byte) []Field {
	var out []Field
	for line := range strings.SplitSeq(strings.TrimSuffix(string(paragraph), "\n"), "\n") {
		name, value, ok := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(line, " ") && len(out) > 0:
			out[len(out)-1].Value += "\n" + line[1:]
		case ok:
			out = append(out, Field{Name: "control " + name, Value: strings.TrimPrefix(value, " ")})
		default:
			out = append(out, Field{Name: "control line", Value: line})
		}
	}
	return out
}

// sumFields are the lines of md5sums.
func sumFields(sums []byte) []Field {
	var out []Field
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		out = append(out, Field{Name: "md5", Path: name, Value: sum})
	}
	return out
}

// arMember is a file of an ar archive.
type arMember struct {
	name       string
	start, end int64
}

// arMembers lists an ar archive.
func arMembers(f io.ReaderAt, size int64) ([]arMember, error) {
	magic := make([]byte, len(arMagic))
	if _, err := f.ReadAt(magic, 0); err != nil || string(magic) != arMagic {
		return nil, errors.New("expected an ar archive")
	}
	var out []arMember
	for at := int64(len(arMagic)); at < size; {
		if len(out) == maxMembers {
			return out, fmt.Errorf("expected at most %d members", maxMembers)
		}
		h := make([]byte, arHeader)
		if _, err := io.ReadFull(io.NewSectionReader(f, at, size-at), h); err != nil {
			return out, fmt.Errorf("the file ends in a header, at offset %d", at)
		}
		if string(h[58:]) != "`\n" {
			return out, fmt.Errorf("no header of a member at offset %d", at)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(h[48:58])), 10, 64)
		m := arMember{name: strings.TrimSuffix(strings.TrimRight(string(h[:16]), " "), "/"), start: at + arHeader}
		if err != nil || n < 0 || n > size-m.start {
			return out, fmt.Errorf("member %s: its size goes beyond the file", text.Quote(m.name))
		}
		m.end = m.start + n
		out = append(out, m)
		at = m.end + n%2
	}
	return out, nil
}

// part is which part of a package a member is, after so many of control and data.
func (m arMember) part(control, data int) string {
	switch {
	case strings.HasPrefix(m.name, "control.tar") && control == 0:
		return tarball.CauseControl
	case strings.HasPrefix(m.name, "data.tar") && data == 0:
		return tarball.CausePayload
	case strings.HasPrefix(m.name, "_gpg"): // debsigs and dpkg-sig
		return tarball.CauseSignature
	}
	return ""
}

func (deb) read(f io.ReaderAt, size int64) (Contents, error) {
	c := Contents{Format: release.Deb}
	members, err := arMembers(f, size)
	if err != nil {
		return c, err
	}
	control, data := 0, 0
	for i, m := range members {
		part := io.NewSectionReader(f, m.start, m.end-m.start)
		if kind := m.part(control, data); kind != "" {
			c.spans = append(c.spans, span{kind, m.start, m.end})
		}
		switch {
		case m.name == "debian-binary" && i == 0:
			b, err := io.ReadAll(io.LimitReader(part, maxValue))
			if err != nil {
				return c, err
			}
			c.Fields = append(c.Fields, Field{Name: m.name, Value: string(b)})
		case strings.HasPrefix(m.name, "control.tar") && control == 0:
			control++
			err := controlTar(part, func(name string, mode int64, content []byte) {
				switch name {
				case "control":
					c.Fields = append(c.Fields, controlFields(content)...)
				case "md5sums":
					c.Fields = append(c.Fields, sumFields(content)...)
				default:
					c.Fields = append(c.Fields, script(name, mode, content))
				}
			})
			if err != nil {
				return c, fmt.Errorf("%s: %w", m.name, err)
			}
		case strings.HasPrefix(m.name, "data.tar") && data == 0:
			data++
			if err := c.dataTar(part); err != nil {
				return c, fmt.Errorf("%s: %w", m.name, err)
			}
		default:
			c.Fields = append(c.Fields, Field{Name: "member " + m.name, Value: fmt.Sprintf("%d bytes", m.end-m.start)})
		}
	}
	if control+data < 2 {
		return c, errors.New("expected the members control.tar and data.tar")
	}
	return c, nil
}
