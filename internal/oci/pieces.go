package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"facerec/internal/release"
	"facerec/internal/retry"
)

// Where one connection is slow, a big blob comes in pieces over several. The first
// piece is asked for alone, as a closed range, and when half of it is there it is
// known how fast it comes: a fast one is followed by one request for all the rest, a
// slow one by requests for the next pieces, each over a connection of its own. They
// wait in memory for the reader, which takes them in their order. No byte is asked
// for twice.
//
// What counts is the second quarter of the first piece: TCP begins slowly everywhere.
// The pieces after it are shorter at first, so that they do not all end at one time and
// leave the link idle until the next ones are on the way.
//
// A piece is asked for once. Whatever goes wrong with it, the reader finds out when
// it gets there and continues by itself from where the piece ends, as after any cut
// (see [blobStream]). So pieces need no rules of their own, and no reader ever waits
// for memory that another one has.
const (
	pieceSize = 4 << 20 // bytes
	bigBlob   = 8       // pieces that a blob has at least
	maxAhead  = 4       // pieces of all blobs of a run that are asked for or wait
	slowRate  = 6 << 20 // bytes a second that one connection brings at most
)

// slow reports whether bytes that were waited for so long came over a slow connection.
func slow(bytes int64, waited time.Duration) bool {
	return float64(bytes) < slowRate*waited.Seconds()
}

// pieces shares out the memory for what is asked for ahead among all blobs of a run.
// The zero value is ready for use.
type pieces struct {
	size int64 // of a piece, in bytes; 0: pieceSize

	mu      sync.Mutex
	free    [][]byte
	readers int // blobs that come in pieces
	hosts   map[string]*ahead
}

// ahead is what is asked of one registry.
type ahead struct{ most, now int }

func (p *pieces) each() int64 {
	if p.size > 0 {
		return p.size
	}
	return pieceSize
}

// length is how many bytes the nth piece after the first has, counted from 0.
func (p *pieces) length(n int) int64 { return p.each() * int64(min(5+n, 8)) / 8 }

func (p *pieces) host(name string) *ahead {
	if p.hosts == nil {
		p.hosts = map[string]*ahead{}
	}
	if p.hosts[name] == nil {
		p.hosts[name] = &ahead{most: maxAhead}
	}
	return p.hosts[name]
}

// join counts a blob in, leave out.
func (p *pieces) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readers++
}

func (p *pieces) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readers--; p.readers == 0 {
		p.free = nil
	}
}

// take gives memory for one more piece to a blob that has some, or nil if there is
// none for it now. No blob has more than its share. most is how many the registry may
// be asked for, zero if none any more.
func (p *pieces) take(host string, has int) (memory []byte, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := 0
	for _, h := range p.hosts {
		all += h.now
	}
	h := p.host(host)
	if all >= maxAhead || h.now >= h.most || has >= max(1, maxAhead/p.readers) {
		return nil, h.most
	}
	h.now++
	if n := len(p.free); n > 0 {
		memory, p.free = p.free[n-1], p.free[:n-1]
		return memory, h.most
	}
	return make([]byte, p.each()), h.most
}

func (p *pieces) giveBack(host string, memory []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.host(host).now--
	p.free = append(p.free, memory[:cap(memory)])
}

// refused has a registry that did not like to be asked for so many pieces be asked for
// half. Several refusals of requests that were made together count once.
func (p *pieces) refused(host string, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.host(host); h.most == most {
		h.most /= 2
	}
}

// piece is a part of a blob that is asked for ahead.
type piece struct {
	first, end int64  // from byte to byte of the blob, the last one excluded
	memory     []byte // for all of it
	most       int    // pieces that the registry could be asked for then

	more  chan struct{} // some came
	ended chan struct{} // closed: nothing more will come

	mu  sync.Mutex
	n   int   // bytes that came
	err error // why not all: errAnew, an answer, or a cut
}

// errAnew is why there is nothing of a piece that the reader is to ask for at once: the
// answer was another range, or one like it was waited for already.
var errAnew = errors.New("not the range that was requested")

func newPiece(first, end int64, memory []byte, most int) *piece {
	return &piece{first: first, end: end, memory: memory[:end-first], most: most, more: make(chan struct{}, 1), ended: make(chan struct{})}
}

// get asks for the piece and waits for it.
func (p *piece) get(ctx context.Context, s *session, d release.Digest) {
	var left io.ReadCloser
	defer func() {
		close(p.ended)
		if left != nil { // so that the connection can be used again
			_, _ = left.Read(make([]byte, 1))
			_ = left.Close()
		}
	}()
	header := http.Header{"Accept-Encoding": {"identity"}, "Range": {rangeOf(p.first, p.end)}}
	tries := &retry.Tries{Thing: d.String(), Once: true}
	resp, err := s.get(context.WithValue(ctx, aloneKey{}, true), tries, s.url("blobs", d.String()), header,
		http.StatusPartialContent, http.StatusOK, http.StatusRequestedRangeNotSatisfiable)
	if err == nil {
		if r, ok := parseContentRange(resp.Header.Get("Content-Range")); resp.StatusCode != http.StatusPartialContent || !ok || r.first != p.first || r.last >= p.end {
			_ = resp.Body.Close()
			err = errAnew
		}
	}
	if err != nil {
		p.failed(ctx, s, err)
		return
	}
	for n := 0; n < len(p.memory); {
		got, err := resp.Body.Read(p.memory[n:])
		n += got
		if err != nil && n < len(p.memory) {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			_ = resp.Body.Close()
			p.came(got)
			p.failed(ctx, s, err)
			return
		}
		p.came(got)
	}
	left = resp.Body
}

// came tells the reader of bytes.
func (p *piece) came(n int) {
	p.mu.Lock()
	p.n += n
	p.mu.Unlock()
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// failed says why nothing more comes. Of a registry that sent nothing at all less is
// asked from now on.
func (p *piece) failed(ctx context.Context, s *session, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err = err; p.n == 0 && ctx.Err() == nil {
		s.access.Connections.pieces.refused(s.repo.RegistryStr(), p.most)
	}
}

// excuse has a piece that brought nothing not be waited for once more.
func (p *piece) excuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 && p.err != nil {
		p.err = errAnew
	}
}

// read waits for what comes after byte at of the blob. When nothing more does, it
// gives none and why, which is nil at the end of the piece.
func (p *piece) read(ctx context.Context, into []byte, at int64) (n int, over bool, err error) {
	from := int(at - p.first)
	for {
		var ended bool
		select {
		case <-p.ended:
			ended = true
		default:
		}
		p.mu.Lock()
		n, err = copy(into, p.memory[from:p.n]), p.err
		p.mu.Unlock()
		switch {
		case n > 0:
			return n, false, nil
		case from == len(p.memory):
			return 0, true, nil
		case ended:
			return 0, true, err
		}
		select {
		case <-p.more:
		case <-p.ended:
		case <-ctx.Done():
			return 0, true, ctx.Err()
		}
	}
}

// rangeOf is the header that asks for bytes first to end, the last one excluded.
func rangeOf(first, end int64) string { return fmt.Sprintf("bytes=%d-%d", first, end-1) }
