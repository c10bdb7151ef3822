package tarball

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// plainBuffer is how much of a stream is moved or compared at a time, in bytes.
const plainBuffer = 1 << 20

// WriteTar writes the tar stream of a tree below the directory prefix, "" for none,
// as [Pack] compresses it.
func WriteTar(ctx context.Context, w io.Writer, t Tree, prefix string) error {
	s, err := newTarStream(t, prefix)
	if err != nil {
		return err
	}
	buf := make([]byte, min(plainBuffer, s.size()))
	for off := int64(0); off < s.size(); off += int64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		buf = buf[:min(int64(len(buf)), s.size()-off)]
		if err := readFull(s, buf, off); err != nil {
			return err
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// FrameError says where a file is not the tar stream of a tree.
type FrameError struct {
	Entry    string // whose header or padding it is; "" for the end of the archive
	Offset   int64
	Expected byte
	Got      byte
}

func (e *FrameError) Error() string {
	where := "the end of the archive"
	if e.Entry != "" {
		where = fmt.Sprintf("the header or padding of entry %q", e.Entry)
	}
	return fmt.Sprintf("%s: byte %d: expected %#02x, got %#02x", where, e.Offset, e.Expected, e.Got)
}

// CheckFrame reports whether all that a tar stream has besides the contents of files
// is as [WriteTar] writes it: headers, padding and the end. Contents are not read,
// and that r has nothing after size bytes is the caller's to know.
func CheckFrame(r io.ReaderAt, size int64, t Tree, prefix string) error {
	s, err := newTarStream(t, prefix)
	if err != nil {
		return err
	}
	if size != s.size() {
		return fmt.Errorf("expected %d bytes, got %d", s.size(), size)
	}
	var got, zeros []byte
	off := int64(0)
	return s.pieces(0, s.size(), func(p piece) error {
		at := off
		off += p.n
		if p.content != nil {
			return nil
		}
		want := p.raw
		if want == nil {
			if int64(len(zeros)) < p.n {
				zeros = make([]byte, p.n)
			}
			want = zeros[:p.n]
		}
		if int64(cap(got)) < p.n {
			got = make([]byte, p.n)
		}
		got = got[:p.n]
		if n, err := r.ReadAt(got, at); int64(n) < p.n {
			return err
		}
		if bytes.Equal(got, want) {
			return nil
		}
		for i := range want {
			if got[i] != want[i] {
				e := &FrameError{Offset: at + int64(i), Expected: want[i], Got: got[i]}
				if p.entry >= 0 && p.entry < t.Len() {
					e.Entry = t.nodes.name(p.entry)
				}
				return e
			}
		}
		return nil
	})
}
