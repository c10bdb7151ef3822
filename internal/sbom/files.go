package sbom

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // SPDX 2.3, clause 8.4, demands it; nothing is secured by it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// Sums remembers SHA-1 sums of contents, and which are programs, so that what
// several cells have in common is read once. The zero value is ready, and safe for
// concurrent use.
type Sums struct {
	mu      sync.Mutex
	reading map[release.Digest]chan struct{} // large contents; closed when it is over
	free    [][]byte                         // for reading; a new one for each of very many files would cost more than the sums
	numbers release.DigestNumbers
	sums    []*[sumsBlock]sum // of each number
}

// sumsBlock is how many are allocated together.
const sumsBlock = 256

type sum struct {
	sha1    [sha1.Size]byte
	program bool
}

const (
	readSize = 64 << 10 // how much of a content is read at a time, in bytes
	waitSize = 1 << 20  // from which size on it is better to wait for who reads it already
)

// of is the number by which the sum of a content is remembered.
func (s *Sums) of(c tarball.Content) (int, error) {
	digest := c.Digest()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if number, ok := s.numbers.Find(digest); ok {
			return number, nil
		}
		other := s.reading[digest]
		if other == nil {
			break
		}
		s.mu.Unlock()
		<-other
		s.mu.Lock()
	}
	if c.Size() >= waitSize {
		if s.reading == nil {
			s.reading = map[release.Digest]chan struct{}{}
		}
		done := make(chan struct{})
		s.reading[digest] = done
		defer func() {
			delete(s.reading, digest)
			close(done)
		}()
	}
	var buf []byte
	if n := len(s.free); n > 0 {
		buf, s.free = s.free[n-1], s.free[:n-1]
	} else {
		buf = make([]byte, readSize)
	}
	s.mu.Unlock()
	one, err := read(c, buf)
	s.mu.Lock()
	s.free = append(s.free, buf)
	if err != nil {
		return 0, err
	}
	number, known := s.numbers.Number(digest)
	if !known {
		if number%sumsBlock == 0 {
			s.sums = append(s.sums, new([sumsBlock]sum))
		}
		s.sums[number/sumsBlock][number%sumsBlock] = one
	}
	return number, nil
}

// at is the sum with a number, and what it is of.
func (s *Sums) at(number int) (*sum, release.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &s.sums[number/sumsBlock][number%sumsBlock], s.numbers.At(number)
}

// read hashes a content.
func read(c tarball.Content, buf []byte) (one sum, err error) {
	h := sha1.New() //nolint:gosec // see the import
	for off := int64(0); off < c.Size(); {
		part := buf[:min(int64(len(buf)), c.Size()-off)]
		if n, err := c.ReadAt(part, off); n < len(part) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return one, err
		}
		if off == 0 {
			one.program = isProgram(part)
		}
		if int64(len(part)) == c.Size() {
			one.sha1 = sha1.Sum(part) //nolint:gosec // see the import
			return one, nil
		}
		h.Write(part)
		off += int64(len(part))
	}
	one.sha1 = [sha1.Size]byte(h.Sum(nil))
	return one, nil
}

// isProgram goes by the first bytes of a file: ELF, PE or Mach-O.
func isProgram(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	return string(head[:4]) == "\x7fELF" || string(head[:2]) == "MZ" || bytes.Contains([]byte("\xcf\xfa\xed\xfe \xfe\xed\xfa\xcf"), head[:4])
}

// file is a regular file or a hard link of the tarball. There may be very many.
type file struct {
	entry uint32 // of the tree
	sum   uint32 // number of its content's
	mark  idMark
}

// name is without the prefix.
func (b *builder) name(f file) string { return b.Tree.At(int(f.entry)).Name }

func (b *builder) fileID(f file) string { return string(appendID(nil, "File", b.name(f), f.mark)) }

// contents lists the files, and returns the package's verification code (clause
// 7.9): the SHA-1 of all SHA-1s, sorted.
func (b *builder) contents() (string, error) {
	if b.Sums == nil {
		b.Sums = new(Sums)
	}
	links := map[string]tarball.Content{}
	for e := range b.Tree.All() {
		if e.Type == tarball.Hardlink {
			links[e.Link] = nil
		}
	}
	b.files = make([]file, 0, b.Tree.Len())
	codes := make([]*sum, 0, b.Tree.Len())
	at := -1
	for e := range b.Tree.All() {
		at++
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
		number, err := b.Sums.of(content)
		if err != nil {
			return "", fmt.Errorf("%s: %w", text.Show(b.Record.Prefix+"/"+e.Name), err)
		}
		f := file{entry: uint32(at), sum: uint32(number), mark: markOf(e.Name)}
		one, _ := b.Sums.at(number)
		if one.program {
			b.modules(f, content)
		}
		b.files = append(b.files, f)
		codes = append(codes, one)
	}
	slices.SortFunc(codes, func(x, y *sum) int { return bytes.Compare(x.sha1[:], y.sha1[:]) })
	h := sha1.New() //nolint:gosec // see the import
	var digits [2 * sha1.Size]byte
	for _, c := range codes {
		hex.Encode(digits[:], c.sha1[:])
		h.Write(digits[:])
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// appendFile appends the file as the document has it: an [spdxFile], without its
// detour over encoding/json.
func (b *builder) appendFile(out []byte, f file) []byte {
	one, digest := b.Sums.at(int(f.sum))
	concluded, inFile := noAssertion, false
	for _, m := range b.Locks.Models {
		if m.SHA256.Digest == digest && m.Licence != "" {
			concluded, inFile = m.Licence, true
		}
	}
	sha256, name := digest.Bytes(), b.name(f)
	out = appendID(append(out, `{"SPDXID":"`...), "File", name, f.mark)
	out = append(out, `","fileName":`...)
	out = text.AppendJSON(out, strings.ToValidUTF8("./"+b.Record.Prefix+"/"+name, "\ufffd"))
	if one.program {
		out = append(out, `,"fileTypes":["BINARY"]`...)
	}
	out = append(out, `,"checksums":[{"algorithm":"SHA1","checksumValue":"`...)
	out = hex.AppendEncode(out, one.sha1[:])
	out = append(out, `"},{"algorithm":"SHA256","checksumValue":"`...)
	out = hex.AppendEncode(out, sha256[:])
	out = append(out, `"}],"licenseConcluded":`...)
	out = text.AppendJSON(out, concluded)
	if inFile {
		out = append(text.AppendJSON(append(out, `,"licenseInfoInFiles":[`...), concluded), ']')
	}
	return append(out, `,"copyrightText":"`+noAssertion+`"}`...)
}

// appendContains appends the [relationship] that the release contains the file.
func (b *builder) appendContains(out []byte, f file) []byte {
	out = append(out, `{"spdxElementId":"`+idRelease+`","relationshipType":"CONTAINS","relatedSpdxElement":"`...)
	return append(appendID(out, "File", b.name(f), f.mark), `"}`...)
}
