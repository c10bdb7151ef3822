//go:build !unix

package loopback

import (
	"context"
	"errors"
	"fmt"
)

// lock and lockWhenFree exist where flock does: the servers are started there
// alone.
func lock(name string) (func(), error) {
	return nil, fmt.Errorf("lock %s: %w", name, errors.ErrUnsupported)
}

func lockWhenFree(_ context.Context, name string) (func(), error) { return lock(name) }
