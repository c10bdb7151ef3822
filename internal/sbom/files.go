package sbom

import (
	"crypto/sha1" //nolint:gosec // SPDX 2.3, clause 8.4, demands it; nothing is secured by it
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// Sums remembers SHA-1 sums of contents, so that what several cells have in
// common is read once. The zero value is ready, and safe for concurrent use.
type Sums struct {
	mu   sync.Mutex
	free [][]byte // for reading; a new one for each of very many files would cost more than the sums
	sums map[release.Digest][sha1.Size]byte
}

func (s *Sums) of(c tarball.Content) ([sha1.Size]byte, error) {
	s.mu.Lock()
	sum, ok := s.sums[c.Digest()]
	var buf []byte
	if n := len(s.free); n > 0 && !ok {
		buf, s.free = s.free[n-1], s.free[:n-1]
	}
	s.mu.Unlock()
	if ok {
		return sum, nil
	}
	if buf == nil {
		buf = make([]byte, 64<<10)
	}
	h := sha1.New() //nolint:gosec // see the import
	_, err := io.CopyBuffer(h, struct{ io.Reader }{io.NewSectionReader(c, 0, c.Size())}, buf)
	sum = [sha1.Size]byte(h.Sum(nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, buf)
	if err != nil {
		return sum, err
	}
	if s.sums == nil {
		s.sums = map[release.Digest][sha1.Size]byte{}
	}
	s.sums[c.Digest()] = sum
	return sum, nil
}

// file is a regular file or a hard link of the tarball.
type file struct {
	name    string // without the prefix
	digest  release.Digest
	sha1    [sha1.Size]byte
	program bool
}

func (f file) id() string { return id("File", f.name) }

// contents lists the files, and returns the package's verification code (clause
// 7.9): the SHA-1 of all SHA-1s, sorted.
func (b *builder) contents() (string, error) {
	sums := b.Sums
	if sums == nil {
		sums = new(Sums)
	}
	links := map[string]tarball.Content{}
	all := b.Tree.Entries()
	for _, e := range all {
		if e.Type == tarball.Hardlink {
			links[e.Link] = nil
		}
	}
	var codes []string
	for _, e := range all {
		content := e.Content
		switch e.Type {
		case tarball.Regular:
			if _, linked := links[e.Name]; linked {
				links[e.Name] = content
			}
		case tarball.Hardlink:
			if content = links[e.Link]; content == nil {
				continue // a link to a symbolic link
			}
		default:
			continue
		}
		f := file{name: e.Name, digest: content.Digest()}
		var err error
		if f.sha1, err = sums.of(content); err == nil {
			err = b.modules(&f, content)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", text.Show(b.Record.Prefix+"/"+e.Name), err)
		}
		b.files = append(b.files, f)
		codes = append(codes, hex.EncodeToString(f.sha1[:]))
	}
	slices.Sort(codes)
	h := sha1.New() //nolint:gosec // see the import
	for _, c := range codes {
		io.WriteString(h, c) //nolint:errcheck // a hash does not fail
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// entry is the file as the document has it.
func (b *builder) entry(f file) spdxFile {
	out := spdxFile{
		SPDXID: f.id(), Name: "./" + strings.ToValidUTF8(b.Record.Prefix+"/"+f.name, "\ufffd"),
		Checksums: []spdxChecksum{{"SHA1", hex.EncodeToString(f.sha1[:])}, {"SHA256", f.digest.Hex()}},
		Concluded: noAssertion, Copyright: noAssertion,
	}
	if f.program {
		out.Types = []string{"BINARY"}
	}
	for _, m := range b.Locks.Models {
		if m.SHA256.Digest == f.digest && m.Licence != "" {
			out.Concluded, out.InFile = m.Licence, []string{m.Licence}
		}
	}
	return out
}
