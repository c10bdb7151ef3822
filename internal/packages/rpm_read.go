package packages

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what older RPMs compare headers with
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

const (
	rpmMaxIndex  = 65_535   // entries of a header's index; rpm itself takes no more
	rpmMaxStore  = 32 << 20 // bytes of a header's values
	rpmMaxValues = 2 << 20  // of all tags together
	rpmFreeNames = 1 << 20  // bytes of names, and so many more for each byte of the header:
	rpmNames     = 4
)

// rpmHeader is a header, read.
type rpmHeader struct {
	tags   []rpmTag
	values map[uint32][]string
	size   int // bytes
}

// readHeader reads a header from a file.
func readHeader(f io.ReaderAt, at, size int64) ([]byte, error) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(io.NewSectionReader(f, at, size-at), head); err != nil || string(head[:8]) != rpmHeaderMagic {
		return nil, fmt.Errorf("expected a header at offset %d", at)
	}
	n, store := int64(binary.BigEndian.Uint32(head[8:])), int64(binary.BigEndian.Uint32(head[12:]))
	whole := 16 + n*rpmIndexEntry + store
	if n > rpmMaxIndex || store > rpmMaxStore || whole > size-at {
		return nil, fmt.Errorf("header at offset %d: expected at most %d entries and %d bytes within the file, got %d and %d", at, rpmMaxIndex, rpmMaxStore, n, store)
	}
	b := make([]byte, whole)
	_, err := io.ReadFull(io.NewSectionReader(f, at, whole), b)
	return b, err
}

// decode takes a header apart. Values that overlap, or that are too many, are
// refused.
func decode(b []byte) (*rpmHeader, error) {
	n := int(binary.BigEndian.Uint32(b[8:]))
	index, store := b[16:16+n*rpmIndexEntry], b[16+n*rpmIndexEntry:]
	h := &rpmHeader{values: map[uint32][]string{}, size: len(b)}
	used, count := 0, 0
	for i := range n {
		e := index[i*rpmIndexEntry:]
		t := rpmTag{tag: binary.BigEndian.Uint32(e), kind: binary.BigEndian.Uint32(e[4:]), count: binary.BigEndian.Uint32(e[12:])}
		offset := binary.BigEndian.Uint32(e[8:])
		if t.tag == rpmImmutable || t.tag == rpmSignatures {
			continue
		}
		if int64(offset) > int64(len(store)) {
			return nil, fmt.Errorf("tag %d: its offset goes beyond the header", t.tag)
		}
		if count += int(min(t.count, rpmMaxValues+1)); count > rpmMaxValues {
			return nil, fmt.Errorf("tag %d: expected at most %d values in all: %w", t.tag, rpmMaxValues, tarball.ErrLimit)
		}
		values, size, err := t.decode(store[offset:])
		if err != nil {
			return nil, err
		}
		if used += size; used > len(store) {
			return nil, fmt.Errorf("tag %d: the values overlap", t.tag)
		}
		if _, twice := h.values[t.tag]; twice {
			return nil, fmt.Errorf("tag %d: duplicate", t.tag)
		}
		h.tags = append(h.tags, t)
		h.values[t.tag] = values
	}
	return h, nil
}

// decode gives a tag's values as text, and how many bytes they take.
func (t rpmTag) decode(store []byte) ([]string, int, error) {
	short := fmt.Errorf("tag %d: its values go beyond the header", t.tag)
	width := map[uint32]int{0: 0, 1: 1, 2: 1, rpmInt16: 2, rpmInt32: 4, 5: 8}
	switch t.kind {
	case rpmString, rpmStringArray, rpmI18nString:
		var out []string
		at := 0
		for range t.count {
			n := bytes.IndexByte(store[at:], 0)
			if n < 0 {
				return nil, 0, short
			}
			out = append(out, string(store[at:at+n]))
			at += n + 1
		}
		return out, at, nil
	case rpmBinary:
		if int64(t.count) > int64(len(store)) {
			return nil, 0, short
		}
		sum := sha256.Sum256(store[:t.count])
		return []string{fmt.Sprintf("%d bytes, sha256 %x", t.count, sum)}, int(t.count), nil
	}
	w, ok := width[t.kind]
	if !ok {
		return nil, 0, fmt.Errorf("tag %d: unknown type %d", t.tag, t.kind)
	}
	if int64(t.count)*int64(w) > int64(len(store)) {
		return nil, 0, short
	}
	var out []string
	for i := range int(t.count) {
		var v [8]byte
		copy(v[8-w:], store[i*w:(i+1)*w])
		base := 10
		if t.tag == rpmFileModes {
			base = 8
		}
		out = append(out, strconv.FormatUint(binary.BigEndian.Uint64(v[:]), base))
	}
	return out, int(t.count) * w, nil
}

// rpmPerFile are the tags with a value for each file; what follows from the order
// of the files comes last.
var rpmPerFile = []uint32{
	rpmFileModes, rpmFileUser, rpmFileGroup, rpmFileSizes, rpmFileDigests, rpmFileLinkTos, rpmFileFlags, rpmFileRdevs, rpmFileMtimes,
	rpmFileVerify, rpmFileLangs, 5010, rpmFileDevices, rpmFileInodes,
}

// paths are the files that a header names.
func (h *rpmHeader) paths() ([]string, error) {
	bases, dirs, indexes := h.values[rpmBaseNames], h.values[rpmDirNames], h.values[rpmDirIndexes]
	if len(bases) != len(indexes) {
		return nil, fmt.Errorf("expected a directory for each of %d names, got %d", len(bases), len(indexes))
	}
	out := make([]string, len(bases))
	names := 0
	for i, base := range bases {
		k, err := strconv.Atoi(indexes[i])
		if err != nil || k >= len(dirs) {
			return nil, fmt.Errorf("name %s: its directory is not in the header", text.Quote(base))
		}
		if names += len(dirs[k]) + len(base); names > rpmFreeNames+rpmNames*h.size {
			return nil, fmt.Errorf("expected at most %d bytes of names: %w", rpmFreeNames+rpmNames*h.size, tarball.ErrLimit)
		}
		out[i] = below(dirs[k] + base)
	}
	return out, nil
}

// fields are the values of a header, those of files under the files' names.
func (h *rpmHeader) fields() ([]Field, error) {
	paths, err := h.paths()
	if err != nil {
		return nil, err
	}
	var out []Field
	for _, t := range h.tags {
		switch t.tag {
		case rpmBaseNames, rpmDirNames, rpmDirIndexes, rpmPayloadDigest, rpmPayloadAlt:
			continue // the names are looked at as such, the digests are compared with the payload
		}
		if !slices.Contains(rpmPerFile, t.tag) {
			out = append(out, Field{Name: tagName(t.tag), Value: text.Line(strings.Join(h.values[t.tag], ", "), maxValue)})
		}
	}
	for _, tag := range rpmPerFile {
		values, ok := h.values[tag]
		if ok && len(values) != len(paths) {
			return nil, fmt.Errorf("%s: expected %d values, one for each file, got %d", tagName(tag), len(paths), len(values))
		}
		for i, v := range values {
			out = append(out, Field{Name: tagName(tag), Path: paths[i], Value: v})
		}
	}
	return out, nil
}

func tagName(tag uint32) string {
	if name, ok := rpmTagNames[tag]; ok {
		return name
	}
	return fmt.Sprintf("tag %d", tag)
}

func (rpm) read(f io.ReaderAt, size int64) (Contents, error) {
	c := Contents{Format: release.RPM}
	lead := make([]byte, rpmLeadSize)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), lead); err != nil {
		return c, errors.New("the file ends in its lead")
	}
	c.Fields = append(c.Fields, Field{Name: "lead", Value: leadValue(lead)})
	at := int64(rpmLeadSize)
	rawSignature, err := readHeader(f, at, size)
	if err != nil {
		return c, fmt.Errorf("signature: %w", err)
	}
	signature, err := decode(rawSignature)
	if err != nil {
		return c, fmt.Errorf("signature: %w", err)
	}
	c.spans = append(c.spans, span{tarball.CauseSignature, at, at + int64(len(rawSignature))})
	at += int64(len(rawSignature))
	at += -at & 7
	raw, err := readHeader(f, at, size)
	if err != nil {
		return c, err
	}
	h, err := decode(raw)
	if err != nil {
		return c, err
	}
	c.spans = append(c.spans, span{tarball.CauseControl, at, at + int64(len(raw))}, span{tarball.CausePayload, at + int64(len(raw)), size})
	at += int64(len(raw))
	fields, err := h.fields()
	if err != nil {
		return c, err
	}
	c.Fields = append(c.Fields, fields...)
	sum1, sum256 := sha1.Sum(raw), sha256.Sum256(raw) //nolint:gosec // the format's
	promised := map[uint32]string{
		rpmSigSHA1: hex.EncodeToString(sum1[:]), rpmSigSHA256: hex.EncodeToString(sum256[:]),
		rpmSigSize: strconv.FormatInt(size-at+int64(len(raw)), 10),
	}
	payload := io.NewSectionReader(f, at, size-at)
	unpacked, err := c.cpio(payload)
	if err != nil {
		return c, fmt.Errorf("payload: %w", err)
	}
	promised[rpmSigPayloadSize] = strconv.FormatInt(unpacked.n, 10)
	for _, t := range signature.tags {
		got, known := promised[t.tag]
		switch want := strings.Join(signature.values[t.tag], ", "); {
		case !known:
			c.Fields = append(c.Fields, Field{Name: fmt.Sprintf("signature tag %d", t.tag), Value: text.Line(want, maxValue)})
		case want != got:
			c.Problems = append(c.Problems, fmt.Sprintf("signature tag %d: expected %s, got %s", t.tag, want, got))
		}
	}
	compressed := sha256.New()
	if _, err := io.Copy(compressed, io.NewSectionReader(f, at, size-at)); err != nil {
		return c, err
	}
	for tag, got := range map[uint32]string{rpmPayloadDigest: hex.EncodeToString(compressed.Sum(nil)), rpmPayloadAlt: hex.EncodeToString(unpacked.hash.Sum(nil))} {
		if want := strings.Join(h.values[tag], ", "); want != "" && want != got && len(want) == len(got) {
			c.Problems = append(c.Problems, fmt.Sprintf("payload digest (tag %d): expected %s, got %s", tag, want, got))
		}
	}
	slices.Sort(c.Problems)
	return c, nil
}
