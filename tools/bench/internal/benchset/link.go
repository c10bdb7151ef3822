package benchset

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// Link is a network between a client and a server, as a proxy plays it: each
// direction takes half of RTT and carries Rate, which all connections share. A
// connection costs one round trip to open, may have ten segments on the way at
// first, and twice as many after each round trip, up to a window of 4 MiB, as TCP
// does where nothing is lost (RFC 5681, RFC 6928). It is the means where the kernel has no
// netem. A zero Link is none.
type Link struct {
	RTT  time.Duration
	Rate int64 // bytes a second

	// Window, if not 0, is how many bytes one connection may have on the way to the
	// client, as where its buffer is small: it brings Window in a round trip, and others
	// bring as much besides.
	Window int
}

// What TCP has on the way, in bytes: at first and at most.
const (
	firstWindow = 10 * 1460
	lastWindow  = 4 << 20
)

// pipe is one direction of a link, which connections share.
type pipe struct {
	Link
	mu   sync.Mutex
	free time.Time // when the last byte that was accepted has left
}

// send accepts n bytes at a time and gives the one at which the last of them arrives.
func (p *pipe) send(now time.Time, n int) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.Rate) * float64(time.Second)))
	return p.free.Add(p.RTT / 2)
}

// window is what one direction of a connection has on the way.
type window struct {
	size, open int // bytes that may be on the way, and that are
	most       int // that size grows to
	acks       []ack
}

func newWindow(most int) window {
	if most == 0 {
		most = lastWindow
	}
	return window{size: min(firstWindow, most), most: most}
}

// ack says when the sender learns that bytes have arrived.
type ack struct {
	at time.Time
	n  int
}

// wait is how long the sender has to wait before n more bytes fit.
func (w *window) wait(now time.Time, n int) time.Duration {
	for len(w.acks) > 0 && !w.acks[0].at.After(now) {
		w.open -= w.acks[0].n
		w.size = min(w.size+w.acks[0].n, w.most)
		w.acks = w.acks[1:]
	}
	if w.open == 0 || w.open+n <= w.size {
		return 0
	}
	return w.acks[0].at.Sub(now)
}

// packet is what is on the way.
type packet struct {
	at    time.Time
	bytes []byte
}

// carry copies from one end to the other as the link would, until the end of the
// stream or of the context. late is added to the first bytes.
func (p *pipe) carry(ctx context.Context, to io.Writer, from io.Reader, late time.Duration) {
	way := make(chan packet, lastWindow/1460)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := range way {
			if pause(ctx, time.Until(b.at)) != nil {
				return
			}
			if _, err := to.Write(b.bytes); err != nil {
				return
			}
		}
	}()
	w := newWindow(p.Window)
	for {
		buf := make([]byte, 1460)
		n, err := from.Read(buf)
		if n > 0 {
			if late > 0 {
				_ = pause(ctx, late)
				late = 0
			}
			for d := w.wait(time.Now(), n); d > 0; d = w.wait(time.Now(), n) {
				if pause(ctx, d) != nil {
					break
				}
			}
			at := p.send(time.Now(), n)
			w.open += n
			w.acks = append(w.acks, ack{at.Add(p.RTT / 2), n})
			select {
			case way <- packet{at, buf[:n]}:
			case <-done:
				return
			}
		}
		if err != nil || ctx.Err() != nil {
			break
		}
	}
	close(way)
	<-done
}

// pause sleeps, or ends with the context.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// through connects two ends over a link in both directions, and returns when the
// server's is done.
func (m *meter) through(client, server net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		m.up.carry(ctx, counter{server, &m.sent}, client, m.up.RTT)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	m.down.carry(ctx, counter{client, &m.n}, server, 0)
}
