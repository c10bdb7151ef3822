package main

import (
	"errors"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

const hostArch = runtime.GOARCH

// preferredPort keeps release.json the same from run to run: it names the
// registry. Where the port is taken, another one serves.
const preferredPort = "127.0.0.1:5588"

// inProcess serves go-containerregistry's registry from this process and makes
// a key pair. There is no log and no certificate, and verify is told so.
func (d *demo) inProcess() error {
	blobs := d.path("registry")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return err
	}
	l, err := net.Listen("tcp", preferredPort)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	server := &http.Server{
		Handler: registry.New(
			registry.WithReferrersSupport(true),
			registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)),
			registry.Logger(log.New(io.Discard, "", 0)),
		),
		ReadHeaderTimeout: 10 * time.Second,
	}
	go server.Serve(l) //nolint:errcheck // ends with Close
	d.services = services{
		registry:   l.Addr().String(),
		what:       "managed key, no log",
		signArgs:   []string{"--key", d.path("demo.key")},
		verifyArgs: []string{"--key", d.path("demo.pub"), "--unsafe-no-transparency-log"},
		stop:       func() { server.Close() },
	}
	if _, err := os.Stat(d.path("demo.key")); errors.Is(err, fs.ErrNotExist) {
		return d.releaser("keygen", d.path("demo"))
	}
	return nil
}
