package benchset

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// The link's times are arithmetic: no clock is needed to see that they are right.
func TestLinkIsShared(t *testing.T) {
	start := time.Unix(0, 0)
	p := &pipe{Link: Link{RTT: 100 * time.Millisecond, Rate: 1000}}
	for i, want := range []time.Duration{550 * time.Millisecond, 1050 * time.Millisecond, 1550 * time.Millisecond} {
		if got := p.send(start, 500).Sub(start); got != want {
			t.Errorf("packet %d: arrives after %v, expected %v", i, got, want)
		}
	}
	if got := p.send(start.Add(time.Minute), 500).Sub(start); got != time.Minute+550*time.Millisecond {
		t.Errorf("after a pause: arrives after %v", got)
	}
}

func TestWindowDoublesUpToItsMost(t *testing.T) {
	now, rtt := time.Unix(0, 0), 100*time.Millisecond
	w := newWindow(60 * 1460)
	for round, want := range []int{10, 20, 40, 60, 60} {
		sent := 0
		for w.wait(now, 1460) == 0 {
			w.open += 1460
			w.acks = append(w.acks, ack{now.Add(rtt), 1460})
			sent++
		}
		if sent != want {
			t.Errorf("round trip %d: %d segments, expected %d", round, sent, want)
		}
		if got := w.wait(now, 1460); got != rtt {
			t.Errorf("round trip %d: waits %v, expected %v", round, got, rtt)
		}
		now = now.Add(rtt)
	}
}

// What goes in comes out, in both directions, and is counted.
func TestLinkCarriesAll(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(c, c)
		_ = c.Close()
	}()
	m, err := newMeter(l.Addr().String(), Link{RTT: time.Millisecond, Rate: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, err := net.Dial("tcp", m.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	data := bytes.Repeat([]byte("0123456789"), 100_000)
	go func() {
		_, _ = c.Write(data)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %d bytes, %v; expected the %d that were sent", len(got), err, len(data))
	}
	if m.n.Load() != int64(len(data)) || m.sent.Load() != int64(len(data)) {
		t.Errorf("counted %d and %d bytes", m.n.Load(), m.sent.Load())
	}
}
