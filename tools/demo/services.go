package main

import (
	"errors"
	"io/fs"
	"os"

	"facerec/internal/loopback"
)

// preferredAddr keeps release.json the same from run to run: it names the
// registry.
const preferredAddr = "127.0.0.1:5588"

// inProcess serves a registry from this process and makes a key pair. There is
// no log and no certificate, and verify is told so.
func (d *demo) inProcess() error {
	registry, err := loopback.NewInProcess(d.path("registry"), preferredAddr)
	if err != nil {
		return err
	}
	d.services = services{
		registry:   registry.Addr,
		what:       "managed key, no log",
		signArgs:   []string{"--key", d.path("demo.key")},
		verifyArgs: []string{"--key", d.path("demo.pub"), "--unsafe-no-transparency-log"},
		stop:       registry.Close,
	}
	if _, err := os.Stat(d.path("demo.key")); errors.Is(err, fs.ErrNotExist) {
		return d.releaser("keygen", d.path("demo"))
	}
	return nil
}
