package packages

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// hashed counts and hashes what is read.
type hashed struct {
	r    io.Reader
	hash hash.Hash
	n    int64
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.hash.Write(p[:n])
	h.n += int64(n)
	return n, err
}

// cpio reads a compressed archive of the "newc" form, to its end.
func (c *Contents) cpio(r *io.SectionReader) (*hashed, error) {
	limits := tarball.DefaultLimits()
	in, err := tarball.Inflate(r, limits)
	if err != nil {
		return nil, err
	}
	whole := &hashed{r: in, hash: sha256.New()}
	b := bufio.NewReaderSize(whole, 64<<10)
	skip := func(n int64) error {
		_, err := io.CopyN(io.Discard, b, n)
		return ended(err)
	}
	names := int64(0)
	for {
		h, err := readCPIOHeader(b)
		if err != nil {
			return nil, err
		}
		if h.name == cpioTrailer {
			break
		}
		names += int64(len(h.name))
		if int64(len(c.Entries)) >= tarball.AllowedEntries(r.Size()) || names > tarball.AllowedNames(r.Size()) {
			return nil, fmt.Errorf("entry %s: too many entries: %w", text.Show(h.name), tarball.ErrLimit)
		}
		e := release.RecordEntry{Name: below(h.name), Mode: h.mode & 0o7777}
		content := io.LimitReader(b, h.size)
		switch uint16(h.mode) & 0o170000 {
		case rpmTypeDir:
			e.Type = release.EntryDir
		case rpmTypeLink:
			if h.size > int64(limits.Name) {
				return nil, fmt.Errorf("entry %s: expected a target of at most %d bytes: %w", text.Show(h.name), limits.Name, tarball.ErrLimit)
			}
			target, err := io.ReadAll(content)
			if err != nil {
				return nil, err
			}
			e.Type, e.Link = release.EntrySymlink, string(target)
		case rpmTypeFile:
			sum := sha256.New()
			n, err := io.Copy(sum, content)
			if err != nil {
				return nil, err
			}
			e.Type, e.Size, e.SHA256 = release.EntryFile, n, &release.HexDigest{Digest: release.DigestOf([sha256.Size]byte(sum.Sum(nil)))}
			if n < h.size {
				return nil, fmt.Errorf("entry %s: the archive ends in it", text.Show(h.name))
			}
		default:
			e.Type = fmt.Sprintf("special file (mode %o)", h.mode)
		}
		if e.Type != release.EntryFile && e.Type != release.EntrySymlink {
			if err := skip(h.size); err != nil {
				return nil, err
			}
		}
		if err := skip(-h.size & 3); err != nil {
			return nil, err
		}
		if h.uid|h.gid != 0 {
			c.Fields = append(c.Fields, Field{Name: "owner in the payload", Path: e.Name, Value: fmt.Sprintf("%d:%d", h.uid, h.gid)})
		}
		c.Entries = append(c.Entries, e)
	}
	return whole, c.cpioRest(b)
}

// cpioRest reads what follows the end: zeros.
func (c *Contents) cpioRest(b *bufio.Reader) error {
	other := int64(0)
	buf := make([]byte, 4096)
	for {
		n, err := b.Read(buf)
		for _, x := range buf[:n] {
			if x != 0 {
				other++
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if other > 0 {
		c.Problems = append(c.Problems, fmt.Sprintf("after the end of the payload's archive come %d bytes that are not zero", other))
	}
	return nil
}

type cpioEntry struct {
	name     string
	mode     uint32
	uid, gid int64
	size     int64
}

func readCPIOHeader(b *bufio.Reader) (cpioEntry, error) {
	var e cpioEntry
	head := make([]byte, 110)
	if _, err := io.ReadFull(b, head); err != nil {
		return e, ended(err)
	}
	if m := string(head[:6]); m != "070701" && m != "070702" {
		return e, fmt.Errorf("expected a cpio header of the newc form, got %s", text.Quote(m))
	}
	var n [13]int64
	for i := range n {
		v, err := strconv.ParseUint(string(head[6+8*i:14+8*i]), 16, 32)
		if err != nil {
			return e, fmt.Errorf("field %d of a cpio header: expected eight hexadecimal digits", i+1)
		}
		n[i] = int64(v)
	}
	e.mode, e.uid, e.gid, e.size = uint32(n[1]), n[2], n[3], n[6]
	if n[11] == 0 || n[11] > tarball.MaxName {
		return e, fmt.Errorf("expected a name of at most %d bytes, got %d: %w", tarball.MaxName, n[11], tarball.ErrLimit)
	}
	name := make([]byte, n[11]+(-(110+n[11])&3))
	if _, err := io.ReadFull(b, name); err != nil {
		return e, ended(err)
	}
	e.name = string(name[:n[11]-1])
	return e, nil
}

// ended makes an archive that was cut off an error of its own.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the archive ends too early")
	}
	return err
}
