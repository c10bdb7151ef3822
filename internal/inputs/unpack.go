package inputs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Unpack unpacks packages of a Debian suite, in the versions that it has now, below
// dir: programs that tests compare with, and that this machine's suite does not
// have. Nothing is installed. A package is NAME, or NAME=VERSION.
func (s *Store) Unpack(ctx context.Context, suite string, packages []string, dir string) error {
	apt, err := s.apt(suite, HostArch(ctx), false)
	if err != nil {
		return err
	}
	tmp, err := s.tempDir("unpack-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	err = s.locked("apt", func() error {
		if err := apt.update(ctx); err != nil {
			return err
		}
		_, err := apt.run(ctx, tmp, append([]string{"apt-get", "download", "-q"}, packages...)...)
		return err
	})
	if err != nil {
		return fmt.Errorf("packages of %s: %w", suite, err)
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil {
		return err
	}
	if len(debs) != len(packages) {
		return fmt.Errorf("packages of %s: expected %d files, got %d", suite, len(packages), len(debs))
	}
	for _, deb := range debs {
		if err := unpackDeb(ctx, deb, dir); err != nil {
			return err
		}
	}
	return nil
}
