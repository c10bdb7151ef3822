package oci

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"facerec/internal/retry"
)

// blobStream reads a blob over a network that may fail in the middle. After a
// cut at byte k it asks for "bytes=k-"; a registry that answers with the whole
// blob all the same, or with 416, has it read again from the start, and what was
// handed on before is skipped. So the reader behind sees one stream, and it
// is that stream, whatever it was pieced together from, that newChecked holds to
// the digest.
//
// At most one byte beyond the descriptor's size is read.
type blobStream struct {
	ctx   context.Context
	s     *session
	d     Descriptor
	tries retry.Tries

	resp    *http.Response // nil: nothing is open
	partial bool           // resp is a range, which may end before the blob does
	skip    int64          // bytes of resp that were handed on before
	got     int64          // bytes handed on
	mark    int64          // got when progress was last counted
	whole   bool           // this registry does not do ranges
	err     error
}

// progress is how many new bytes of a blob make up for the failures before them:
// a 32nd of it, but at most 64 KiB. So small blobs may arrive in small pieces, and
// large ones may not arrive in tiny ones without end.
func progress(size int64) int64 { return min(size/32+1, 64<<10) }

// openBlob makes the first request, so that a blob that is missing is an error
// here already.
func openBlob(ctx context.Context, s *session, d Descriptor) (*blobStream, error) {
	if d.Size < 0 {
		return nil, fmt.Errorf("its descriptor gives a size of %d bytes: the manifest is damaged", d.Size)
	}
	b := &blobStream{ctx: ctx, s: s, d: d, tries: retry.Tries{Thing: d.Digest.String()}}
	return b, b.open()
}

func (b *blobStream) open() error {
	for {
		// Encoding "identity": or net/http asks for gzip and unpacks it in silence.
		header := http.Header{"Accept-Encoding": {"identity"}}
		want := []int{http.StatusOK}
		ranged := b.got > 0 && !b.whole
		if ranged {
			header.Set("Range", fmt.Sprintf("bytes=%d-", b.got))
			want = append(want, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable)
		}
		resp, err := b.s.get(b.ctx, &b.tries, b.s.url("blobs", b.d.Digest.String()), header, want...)
		if err != nil {
			return err
		}
		switch {
		case resp.StatusCode == http.StatusOK:
			if n := resp.ContentLength; n >= 0 && n != b.d.Size {
				_ = resp.Body.Close()
				return &MismatchError{"blob", b.where(), fmt.Sprintf("%d bytes", b.d.Size), fmt.Sprintf("%d by its Content-Length", n)}
			}
			b.resp, b.partial, b.skip = resp, false, b.got
			return nil
		case resp.StatusCode == http.StatusPartialContent && b.continues(resp):
			b.resp, b.partial, b.skip = resp, true, 0
			return nil
		}
		_ = resp.Body.Close() // 416, or another range than was asked for
		b.whole = true
	}
}

func (b *blobStream) where() string {
	return b.s.repo.Name() + "@" + b.d.Digest.String()
}

// continues reports whether a 206 is what comes after the bytes that are there.
func (b *blobStream) continues(resp *http.Response) bool {
	r, ok := parseContentRange(resp.Header.Get("Content-Range"))
	return ok && r.first == b.got && r.last < b.d.Size && (r.size == b.d.Size || r.size < 0)
}

func (b *blobStream) Read(p []byte) (int, error) {
	for b.err == nil {
		if b.resp == nil {
			if b.err = b.open(); b.err != nil {
				break
			}
		}
		if b.skip > 0 {
			n, err := io.CopyN(io.Discard, b.resp.Body, b.skip)
			b.skip -= n
			if err != nil {
				b.failed(err)
			}
			continue
		}
		if most := b.d.Size - b.got + 1; int64(len(p)) > most {
			p = p[:most]
		}
		n, err := b.resp.Body.Read(p)
		if b.got += int64(n); b.got-b.mark >= progress(b.d.Size) {
			b.mark = b.got
			b.tries.Failures.Store(0)
			b.s.access.Retry.Delivered(b.s.repo.RegistryStr(), b.d.Digest.String())
		}
		if b.got > b.d.Size {
			b.err = io.EOF // too much; what follows is of no interest
		}
		if n > 0 || len(p) == 0 {
			return n, nil // an error comes again
		}
		if err != nil {
			b.failed(err)
		}
	}
	return 0, b.err
}

// failed decides what the end of a body means. The end that HTTP itself vouches
// for is the end of the stream, if too early then for newChecked to complain;
// every other one is a cut.
func (b *blobStream) failed(err error) {
	if err == io.EOF {
		short := b.skip > 0 || b.got < b.d.Size
		untold := b.resp.ProtoMajor == 1 && b.resp.ContentLength < 0 && len(b.resp.TransferEncoding) == 0
		if !short || !b.partial && !untold {
			b.err = io.EOF
			return
		}
		err = io.ErrUnexpectedEOF
	}
	_ = b.resp.Body.Close()
	b.resp = nil
	if b.ctx.Err() != nil {
		b.err = b.ctx.Err()
		return
	}
	host := b.s.repo.RegistryStr()
	why := fmt.Sprintf("%s was cut after %d of %d bytes: %v", b.d.Digest, b.got, b.d.Size, err)
	more, stop := b.s.access.Retry.Again(b.ctx, &b.tries, host, why, 0)
	switch {
	case stop != nil:
		b.err = stop
	case !more:
		b.err = &triedError{b.tries.All.Load(), fmt.Errorf("cut after %d of %d bytes: %w", b.got, b.d.Size, err)}
	}
}

func (b *blobStream) Close() error {
	if b.resp == nil {
		return nil
	}
	return b.resp.Body.Close()
}

// contentRange is what part of a whole came: bytes first to last, both included,
// of size, which is negative where the server does not know it.
type contentRange struct{ first, last, size int64 }

// parseContentRange reads "bytes FIRST-LAST/SIZE" (RFC 9110, 14.4).
func parseContentRange(s string) (contentRange, bool) {
	unit, rest, ok := strings.Cut(strings.TrimSpace(s), " ")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return contentRange{}, false
	}
	span, size, ok := strings.Cut(strings.TrimSpace(rest), "/")
	if !ok {
		return contentRange{}, false
	}
	first, last, ok := strings.Cut(span, "-")
	if !ok {
		return contentRange{}, false
	}
	r := contentRange{size: -1}
	if r.first, ok = decimal(first); !ok {
		return contentRange{}, false
	}
	if r.last, ok = decimal(last); !ok || r.last < r.first {
		return contentRange{}, false
	}
	if size != "*" {
		if r.size, ok = decimal(size); !ok || r.last >= r.size {
			return contentRange{}, false
		}
	}
	return r, true
}

// decimal reads digits and nothing else.
func decimal(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil && s[0] != '+' //nolint:gosec // 63 bits were asked for
}
