package loopback

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Registry is a running registry without authentication.
type Registry struct {
	Addr  string // HOST:PORT, as image names begin with it
	child *child
}

// NewRegistry starts distribution's registry with its storage in dir, which must
// exist. It serves plain HTTP and allows deletion.
func NewRegistry(ctx context.Context, dir string) (*Registry, error) {
	program, err := Tool(ctx, "registry")
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "registry.yml")
	c, ports, err := startOnPorts(ctx, 1, func(ports []int) (*child, error) {
		text := fmt.Sprintf(registryConfig, filepath.Join(dir, "registry"), ports[0])
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			return nil, err
		}
		return start(ctx, dir, "registry", answers(loopbackURL(ports[0])+"/v2/"), program, "serve", config)
	})
	if err != nil {
		return nil, err
	}
	return &Registry{Addr: strings.TrimPrefix(loopbackURL(ports[0]), "http://"), child: c}, nil
}

// Close stops the registry. Its storage stays.
func (r *Registry) Close() { r.child.Close() }

// registryConfig takes the storage directory and the port. The secret only spares
// a warning: it is what several registries behind one address would share.
const registryConfig = `version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %q}
  delete: {enabled: true}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: "127.0.0.1:%d", secret: loopback}
`
