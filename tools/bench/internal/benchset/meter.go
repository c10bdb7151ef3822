package benchset

import (
	"io"
	"net"
	"sync/atomic"
)

// meter passes connections on to a server and counts what goes there and what comes
// back.
type meter struct {
	Addr   string
	listen net.Listener
	to     string
	n      atomic.Int64 // bytes that came back
	sent   atomic.Int64

	up, down pipe // of the link between, if there is one
}

func newMeter(to string, l Link) (*meter, error) {
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &meter{Addr: at.Addr().String(), listen: at, to: to, up: pipe{Link: l}, down: pipe{Link: l}}
	m.up.Window = 0
	go m.serve()
	return m, nil
}

func (m *meter) serve() {
	for {
		c, err := m.listen.Accept()
		if err != nil {
			return
		}
		go m.pass(c)
	}
}

func (m *meter) pass(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", m.to)
	if err != nil {
		return
	}
	defer up.Close()
	if m.up.Rate > 0 {
		m.through(c, up)
		return
	}
	go func() {
		_, _ = io.Copy(counter{up, &m.sent}, c)
		_ = up.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(counter{c, &m.n}, up)
}

type counter struct {
	io.Writer
	n *atomic.Int64
}

func (c counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}

func (m *meter) reset() {
	m.n.Store(0)
	m.sent.Store(0)
}

func (m *meter) Close() { _ = m.listen.Close() }
