package inputs

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Get gives the path of a pinned file: from the cache, from the offline directory,
// or fetched with apt. The file's hash has been checked when it returns.
func (s *Store) Get(ctx context.Context, p Pin) (string, error) {
	if path, ok := s.cached(p.SHA256); ok {
		return path, nil
	}
	if s.Offline != "" {
		from := filepath.Join(s.Offline, p.File)
		path, err := s.takeFile(from, from, p.SHA256, p.Size, "fill the directory again with `go run ./tools/inputs vendor DIR`")
		if os.IsNotExist(err) {
			return "", fmt.Errorf("%s is missing in the offline directory %s: fill it with `go run ./tools/inputs vendor DIR` where there is a network", p.File, s.Offline)
		}
		return path, err
	}
	var path string
	err := s.fetched(ctx, p, func(dir string) (err error) {
		from := filepath.Join(dir, p.File)
		if _, err := os.Stat(from); err != nil {
			return fmt.Errorf("%s %s of %s has no file %s: run `go run ./tools/inputs relock` and look at the difference", p.Name, p.Version, p.Suite, p.File)
		}
		path, err = s.takeFile(from, p.File, p.SHA256, p.Size, "the archive serves another file than the one pinned: run `go run ./tools/inputs relock` and look at the difference")
		return err
	})
	return path, err
}

// fetched downloads the package of a pin into a directory that exists while use
// runs. The files' hashes are not checked.
func (s *Store) fetched(ctx context.Context, p Pin, use func(dir string) error) error {
	arch := p.Arch
	if arch == "" || arch == "all" {
		arch = HostArch(ctx)
	}
	apt, err := s.apt(p.Suite, arch, p.Kind == "source")
	if err != nil {
		return err
	}
	tmp, err := s.tempDir("fetch-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	s.say("apt: fetching %s %s (%s, %s)", p.Name, p.Version, p.Suite, arch)
	stop := s.watch(tmp, p.Name)
	err = s.locked("apt", func() error { return apt.download(ctx, tmp, p.Name, p.Version) })
	stop()
	if err != nil {
		return err
	}
	return use(tmp)
}

// watch says every few seconds how much of a download has arrived in dir,
// until the function it gives is called.
func (s *Store) watch(dir, name string) (stop func()) {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(3 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				s.say("apt: %s: %d MB so far", name, sizeBelow(dir)>>20)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// sizeBelow sums up the files below dir, in bytes; what vanishes meanwhile
// does not count.
func sizeBelow(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// tempDir makes a directory inside the store, so that renaming out of it works.
func (s *Store) tempDir(pattern string) (string, error) {
	base := filepath.Join(s.Dir, "tmp")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(base, pattern)
}

// HostArch is the machine's Debian architecture; amd64 where dpkg cannot say.
func HostArch(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "dpkg", "--print-architecture").Output()
	if err != nil || len(out) < 2 {
		return "amd64"
	}
	return string(out[:len(out)-1])
}

// unpackDeb unpacks a stored .deb into dir, which must be there.
func unpackDeb(ctx context.Context, deb, dir string) error {
	_, err := output(exec.CommandContext(ctx, "dpkg-deb", "--extract", deb, dir))
	return err
}
