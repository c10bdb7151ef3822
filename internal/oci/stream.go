package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

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
//
// What comes ahead of the reader, where one connection is slow, is said in pieces.go.
type blobStream struct {
	ctx   context.Context
	s     *session
	d     Descriptor
	tries retry.Tries

	resp    *http.Response // nil: nothing is open
	partial bool           // resp is a range, which may end before the blob does
	skip    int64          // bytes of resp that were handed on before
	got     int64          // bytes handed on
	end     int64          // up to where to read before ahead is turned to, or the blob's size
	mark    int64          // got when progress was last counted
	whole   bool           // this registry does not do ranges
	err     error

	trial  bool            // the first piece will show how fast one connection is
	timing int64           // got when it was first looked at
	waited time.Duration   // for what came since
	aside  bool            // pieces are asked for ahead
	count  int             // of them so far
	at     *piece          // that is being read, up to end
	ahead  []*piece        // from end on, without gaps
	asking context.Context // for them, until cancel
	cancel context.CancelFunc
	others sync.WaitGroup // who ask
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
	b := &blobStream{ctx: ctx, s: s, d: d, end: d.Size, tries: retry.Tries{Thing: d.Digest.String()}}
	if c := s.access.Connections; c.Clock != nil && d.Size/bigBlob >= c.pieces.each() {
		b.trial, b.end = true, c.pieces.each()
	}
	return b, b.open()
}

func (b *blobStream) open() error {
	for {
		// Encoding "identity": or net/http asks for gzip and unpacks it in silence.
		header := http.Header{"Accept-Encoding": {"identity"}}
		want := []int{http.StatusOK}
		ranged := (b.got > 0 || b.end < b.d.Size) && !b.whole
		if ranged {
			header.Set("Range", fmt.Sprintf("bytes=%d-", b.got))
			if b.end < b.d.Size {
				header.Set("Range", rangeOf(b.got, b.end))
			}
			want = append(want, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable)
		}
		resp, err := b.s.get(b.ctx, &b.tries, b.s.url("blobs", b.d.Digest.String()), header, want...)
		switch {
		case err != nil && ranged && b.got == 0 && noRange(statusOf(err)):
			b.single(true)
			continue
		case err != nil:
			return err
		case resp.StatusCode == http.StatusOK:
			if n := resp.ContentLength; n >= 0 && n != b.d.Size {
				_ = resp.Body.Close()
				return &MismatchError{"blob", b.where(), fmt.Sprintf("%d bytes", b.d.Size), fmt.Sprintf("%d by its Content-Length", n)}
			}
			b.single(b.whole)
			b.resp, b.partial, b.skip = resp, false, b.got
			return nil
		case resp.StatusCode == http.StatusPartialContent && b.continues(resp):
			b.resp, b.partial, b.skip = resp, true, 0
			return nil
		}
		_ = resp.Body.Close() // 416, or another range than was asked for
		b.single(true)
	}
}

// noRange reports whether a registry may answer so only because it was asked for a
// range.
func noRange(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return status/100 == 4 || status == http.StatusNotImplemented
}

// single has all the rest come in one answer, with the start once more if whole.
func (b *blobStream) single(whole bool) {
	b.stop()
	b.end, b.trial, b.whole = b.d.Size, false, whole
}

func (b *blobStream) where() string {
	return b.s.repo.Name() + "@" + b.d.Digest.String()
}

// continues reports whether a 206 is what comes after the bytes that are there. Where
// there are none yet and another whole would do as well, it is to be no less than what
// was requested.
func (b *blobStream) continues(resp *http.Response) bool {
	r, ok := parseContentRange(resp.Header.Get("Content-Range"))
	return ok && (b.got > 0 || r.last == b.end-1) && r.first == b.got && r.last < b.end && (r.size == b.d.Size || r.size < 0)
}

func (b *blobStream) Read(p []byte) (int, error) {
	n, err := b.read(p)
	if err != nil {
		b.stop()
	}
	return n, err
}

func (b *blobStream) read(p []byte) (int, error) {
	for b.err == nil {
		if len(p) == 0 {
			return 0, nil
		}
		if b.got == b.end && b.got < b.d.Size {
			b.turn()
		}
		b.ask()
		if b.at != nil {
			if n := b.readAhead(p); n > 0 {
				return n, nil
			}
			continue
		}
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
		most := b.end - b.got
		if b.end == b.d.Size {
			most++
		}
		n, err := b.timed(p[:min(int64(len(p)), most)])
		b.came(n)
		if b.got > b.d.Size {
			b.err = io.EOF // too much; what follows is of no interest
		}
		if n > 0 {
			return n, nil // an error comes again
		}
		if err != nil {
			b.failed(err)
		}
	}
	return 0, b.err
}

// came counts what is handed on.
func (b *blobStream) came(n int) {
	if b.got += int64(n); b.got-b.mark >= progress(b.d.Size) {
		b.mark = b.got
		b.tries.Failures.Store(0)
		b.s.access.Retry.Delivered(b.s.repo.RegistryStr(), b.d.Digest.String())
	}
}

// timed reads from what is open, and of the first piece finds out how fast it comes.
// Only time that is spent waiting for it counts, not what the reader does between.
func (b *blobStream) timed(p []byte) (int, error) {
	if !b.trial {
		return b.resp.Body.Read(p)
	}
	c := b.s.access.Connections
	before := c.Clock()
	n, err := b.resp.Body.Read(p)
	passed := c.Clock().Sub(before)
	switch got := b.got + int64(n); {
	case got < c.pieces.each()/4:
	case b.timing == 0:
		b.timing = got
	default:
		b.waited += passed
		if got < c.pieces.each()/2 {
			break
		}
		b.trial = false
		if slow(got-b.timing, b.waited) {
			b.asking, b.cancel = context.WithCancel(b.ctx)
			b.aside = true
			c.pieces.join()
		}
	}
	return n, err
}

// turn goes on to what comes after what was read.
func (b *blobStream) turn() {
	if b.resp != nil { // it brought all that was requested: not a try that failed
		_ = b.resp.Body.Close()
		b.resp = nil
		b.tries.All.Add(-1)
	}
	b.drop()
	b.ask()
	switch size := b.s.access.Connections.pieces.each(); {
	case len(b.ahead) > 0:
		b.at, b.ahead = b.ahead[0], b.ahead[1:]
		b.end = b.at.end
	case b.aside && b.d.Size-b.got > size: // other blobs have all the memory there is
		b.end = b.got + size
	default:
		b.end = b.d.Size
	}
}

// drop gives back the memory of the piece that is being read.
func (b *blobStream) drop() {
	if b.at != nil {
		b.s.access.Connections.pieces.giveBack(b.s.repo.RegistryStr(), b.at.memory)
		b.at = nil
	}
}

// ask asks for the next pieces.
func (b *blobStream) ask() {
	for b.aside {
		next, has := b.end, len(b.ahead)
		if has > 0 {
			next = b.ahead[has-1].end
		}
		if next == b.d.Size {
			return
		}
		if b.at != nil {
			has++
		}
		pool := &b.s.access.Connections.pieces
		memory, most := pool.take(b.s.repo.RegistryStr(), has)
		if memory == nil {
			b.aside = most > 0
			return
		}
		p := newPiece(next, min(next+pool.length(b.count), b.d.Size), memory, most)
		b.count++
		b.ahead = append(b.ahead, p)
		b.others.Go(func() { p.get(b.asking, b.s, b.d.Digest) })
	}
}

// stop ends all requests for pieces and gives back their memory.
func (b *blobStream) stop() {
	if b.cancel == nil {
		return
	}
	b.cancel()
	b.others.Wait()
	b.drop()
	pool := &b.s.access.Connections.pieces
	for _, p := range b.ahead {
		pool.giveBack(b.s.repo.RegistryStr(), p.memory)
	}
	pool.leave()
	b.ahead, b.aside, b.cancel = nil, false, nil
}

// readAhead reads from the piece that is next. Where it came in part, what is
// missing is asked for as after any cut.
func (b *blobStream) readAhead(p []byte) int {
	n, over, err := b.at.read(b.ctx, p, b.got)
	b.came(n)
	if !over {
		return n
	}
	if b.err = b.ctx.Err(); b.err != nil {
		return n // its memory may still be written to
	}
	none := b.got == b.at.first
	b.drop()
	var answer *answerError
	var ue *url.Error
	if errors.As(err, &ue) { // its URL may carry what opens a storage
		err = ue.Err
	}
	passing := errors.As(err, &answer) && answer.why != ""
	switch {
	case err == nil:
		if b.got == b.d.Size {
			b.err = io.EOF
		}
		return n
	case passing, !none, b.s.access.Retry.IsCut(b.s.repo.RegistryStr(), err):
		b.tries.All.Add(1)
	default: // what it is, whoever asks next is told
		return n
	}
	switch {
	case passing:
		b.again(answer.why, answer.asked, err)
	case none:
		b.again(err.Error(), 0, err)
	default:
		b.cut(err)
	}
	for _, p := range b.ahead {
		p.excuse()
	}
	return n
}

// failed decides what the end of a body means. The end that HTTP itself vouches
// for is the end of the stream, if too early then for newChecked to complain;
// every other one is a cut.
func (b *blobStream) failed(err error) {
	if err == io.EOF {
		short := b.skip > 0 || b.got < b.end
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
	b.cut(err)
}

// cut counts the cut of a body and waits before the rest is asked for.
func (b *blobStream) cut(err error) {
	b.again(fmt.Sprintf("%s was cut after %d of %d bytes: %v", b.d.Digest, b.got, b.d.Size, err), 0,
		fmt.Errorf("cut after %d of %d bytes: %w", b.got, b.d.Size, err))
}

// again counts a failure and waits. err is what remains if it was the last.
func (b *blobStream) again(why string, asked time.Duration, err error) {
	more, stop := b.s.access.Retry.Again(b.ctx, &b.tries, b.s.repo.RegistryStr(), why, asked)
	switch {
	case stop != nil:
		b.err = stop
	case !more:
		b.err = &triedError{b.tries.All.Load(), err}
	}
}

// Close ends all requests.
func (b *blobStream) Close() error {
	b.stop()
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
