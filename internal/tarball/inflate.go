package tarball

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"

	"facerec/internal/inflate"
)

// GzipFacts are what the header of a gzip file tells (RFC 1952, 2.3).
type GzipFacts struct {
	Name    string `json:"name,omitempty"`
	Comment string `json:"comment,omitempty"`
	Mtime   int64  `json:"mtime"` // seconds since 1970; 0 for none
	OS      int    `json:"os"`    // 3 for Unix
	Flags   int    `json:"flags"` // of the header as they are
	XFL     int    `json:"xfl"`   // 2 for the slowest, 4 for the fastest method
	Members int    `json:"members"`
}

// MaxWindow is how far back a zstd or xz stream may refer, in bytes: what "xz -9"
// and "zstd --ultra -22" need at most. It bounds the memory of a reader.
const MaxWindow = 128 << 20

// spareZstd is a reader whose window can be used once more: without, the next one
// is made before the collector has found the last.
var spareZstd atomic.Pointer[zstd.Decoder]

func newZstd(r io.Reader) (*zstd.Decoder, error) {
	if z := spareZstd.Swap(nil); z != nil {
		return z, z.Reset(r)
	}
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(MaxWindow), zstd.WithDecoderMaxMemory(MaxWindow))
}

// release gives back what can be used for another file. Nothing is read after it.
func (f *inflater) release() {
	if z, ok := f.other.(*zstd.Decoder); ok && z.Reset(nil) == nil {
		spareZstd.Store(z)
	}
}

// fileReader hashes and counts the bytes of a file as they are read, and keeps
// the reader's own error apart from errors about the format. Once it is told
// where a gzip header ends, it hashes what follows by itself.
type fileReader struct {
	r    io.Reader
	hash hash.Hash
	n    int64
	err  error // of r, other than io.EOF

	body    hash.Hash // what follows the header; nil: not told yet
	pending []byte    // what was read until then
	plain   bool      // there is no header to wait for
}

func (f *fileReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.hash.Write(p[:n])
	f.n += int64(n)
	switch {
	case f.plain:
	case f.body != nil:
		f.body.Write(p[:n])
	default:
		f.pending = append(f.pending, p[:n]...)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// headerEnds tells where the header ends, 0 for a file without one.
func (f *fileReader) headerEnds(at int) {
	if at > 0 && at <= len(f.pending) {
		f.body = sha256.New()
		f.body.Write(f.pending[at:])
	}
	f.plain, f.pending = at == 0, nil
}

// inflater reads the tar stream out of a file that is compressed, in one of the
// ways that it knows, or not compressed at all.
type inflater struct {
	in       *bufio.Reader
	kind     string          // as Sniff names it; "" or "tar": not compressed
	gz       *inflate.Reader // of a gzip file
	other    io.Reader       // of a file compressed in another way
	facts    *GzipFacts
	header   int   // bytes of a gzip header
	trailing int64 // bytes after the last member
	done     bool

	ahead    []byte // of what is compressed, read already to see what it is
	aheadErr error
}

var gzipMagic = []byte{0x1f, 0x8b}

// newInflater looks at the first bytes of r. Its buffer, like that of the inflated
// bytes, is small enough to stay in the processor's cache with the windows.
func newInflater(r io.Reader) (*inflater, error) {
	f := &inflater{in: bufio.NewReaderSize(r, 32<<10)}
	head, err := f.in.Peek(SniffLength)
	f.kind = Sniff(head)
	switch f.kind {
	case "gzip":
		if len(head) < 10 {
			return nil, err
		}
		z, err := inflate.NewReader(f.in)
		if err != nil {
			return nil, err
		}
		f.gz, f.header = z, z.Size
		f.facts = &GzipFacts{Name: z.Name, Comment: z.Comment, Mtime: int64(z.Mtime), OS: int(z.OS), Flags: int(z.Flags), XFL: int(z.XFL), Members: 1}
	case "zstd":
		z, err := newZstd(f.in)
		if err != nil {
			return nil, err
		}
		f.other = z
	case "xz":
		z, err := xz.NewReader(f.in, MaxWindow)
		if err != nil {
			return nil, err
		}
		f.other = z
	case "bzip2":
		f.other = bzip2.NewReader(f.in)
	}
	return f, nil
}

// beginsHeader reports whether a few bytes can be the beginning of a tar header: a
// name without control characters, and nothing after its end.
func beginsHeader(head []byte) bool {
	name, rest, _ := bytes.Cut(head[:min(len(head), 100)], []byte{0})
	return !slices.ContainsFunc(name, func(c byte) bool { return c < ' ' || c == 0x7f }) && strings.Trim(string(rest), "\x00") == ""
}

// notTar says what a file is if it is something else than a tar archive, in
// whatever compression; "" if it may be one. What is too short to tell is taken
// for one that was cut off.
func (f *inflater) notTar() string {
	kind := f.kind
	var head []byte
	if f.gz != nil || f.other != nil {
		buf := make([]byte, SniffLength)
		n, err := io.ReadFull(decoded{f}, buf)
		if errors.Is(err, io.ErrUnexpectedEOF) && n > 0 {
			err = nil // what comes after is for Read to find out
		}
		f.ahead, f.aheadErr = buf[:n], err
		head, kind = f.ahead, Sniff(f.ahead)
		switch kind {
		case "", "tar":
		case f.kind:
			return kind + " inside " + kind + " (it was compressed twice)"
		default:
			return kind + " inside " + f.kind
		}
	} else {
		head, _ = f.in.Peek(SniffLength)
	}
	if kind == "" && len(head) == 0 && f.gz == nil && f.other == nil {
		return "an empty file"
	}
	if kind == "" && strings.Trim(string(head), "\x00") != "" && (len(head) == SniffLength || !beginsHeader(head)) {
		kind = "a file of an unknown kind"
		if f.gz != nil || f.other != nil {
			kind += " inside " + f.kind
		}
	}
	if kind == "tar" {
		kind = ""
	}
	return kind
}

// decoded reads what is inside a compressed file, past what was read ahead.
type decoded struct{ f *inflater }

func (r decoded) Read(p []byte) (int, error) { return r.f.decode(p) }

// Read returns the tar stream, through all members. What follows the last one is
// counted in trailing and not returned.
func (f *inflater) Read(p []byte) (int, error) {
	if len(f.ahead) > 0 {
		n := copy(p, f.ahead)
		f.ahead = f.ahead[n:]
		return n, nil
	}
	if f.aheadErr != nil {
		return 0, f.aheadErr
	}
	return f.decode(p)
}

func (f *inflater) decode(p []byte) (int, error) {
	if f.other != nil {
		n, err := f.other.Read(p)
		if errors.Is(err, xz.ErrBuf) {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	}
	if f.gz == nil {
		return f.in.Read(p)
	}
	for !f.done {
		n, err := f.gz.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) {
			if n > 0 && errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
		head, err := f.in.Peek(2)
		if len(head) == 2 && head[0] == gzipMagic[0] && head[1] == gzipMagic[1] {
			if err := f.gz.Reset(f.in); err != nil {
				return 0, err
			}
			f.facts.Members++
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		f.done = true
		n64, err := io.Copy(io.Discard, f.in)
		f.trailing = n64
		if err != nil {
			return 0, err
		}
	}
	return 0, io.EOF
}

// expect tells what the stream may be, which is then read faster; see
// [inflate.Reader.Expect].
func (f *inflater) expect(s stream) {
	if f.gz != nil {
		f.gz.Expect(io.NewSectionReader(s, 0, s.size()))
	}
}

// asExpected reports whether what was read is known to be what was expected.
func (f *inflater) asExpected() bool { return f.gz != nil && f.gz.AsExpected() }

// Inflate reads what is inside a file that is compressed, in one of the ways that
// [List] knows, or not compressed at all. What is larger than the limits allow is
// an error, see [ErrLimit].
func Inflate(r io.Reader, l ArchiveLimits) (io.Reader, error) {
	t := &tarReader{limits: l, file: &fileReader{r: r, hash: sha256.New()}, hash: sha256.New()}
	var err error
	if t.in, err = newInflater(t.file); err != nil {
		return nil, err
	}
	t.file.headerEnds(t.in.header)
	return t, nil
}
