package loopback

import (
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// InProcess is go-containerregistry's registry, served from this process:
// quick to start, with the referrers API, its blobs on disk. It is laxer than
// distribution's (it takes manifests whose blobs are missing), so what tests a
// refusal belongs on Registry.
type InProcess struct {
	Addr   string // HOST:PORT
	server *http.Server
}

// NewInProcess serves on prefer, a loopback HOST:PORT, or where that is taken or
// empty on another port. dir, for the blobs, is made if it is missing.
func NewInProcess(dir, prefer string) (*InProcess, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var l net.Listener
	err := net.ErrClosed
	if prefer != "" {
		l, err = net.Listen("tcp", prefer)
	}
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	r := &InProcess{Addr: l.Addr().String(), server: &http.Server{
		Handler: registry.New(
			registry.WithReferrersSupport(true),
			registry.WithBlobHandler(registry.NewDiskBlobHandler(dir)),
			registry.Logger(log.New(io.Discard, "", 0)),
		),
		ReadHeaderTimeout: 10 * time.Second,
	}}
	go func() { _ = r.server.Serve(l) }() // ends with Close
	return r, nil
}

// Close stops the registry. Its blobs stay.
func (r *InProcess) Close() { _ = r.server.Close() }
