package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"

	"facerec/internal/app"
)

func (o *options) cacheFlag(fs *pflag.FlagSet) {
	fs.StringVar(&o.cache, "cache", "auto", "`folder` that keeps what was found in enrolled photos; auto: in the user's cache folder; off: none")
}

// cache keeps detections on disk, and which model files were found to be as
// pinned. It is a help and never a reason to fail: what cannot be read is not
// there, and what cannot be written is not kept. A nil cache keeps nothing.
type cache struct{ dir string }

// openCache resolves --cache.
func openCache(w *world, where string) *cache {
	switch where {
	case "off", "":
		return nil
	case "auto":
		dir := w.getenv("XDG_CACHE_HOME")
		if !filepath.IsAbs(dir) { // as the XDG specification asks
			home := w.getenv("HOME")
			if !filepath.IsAbs(home) || home == "/" {
				return nil // nobody's home, as in many containers
			}
			dir = filepath.Join(home, ".cache")
		}
		return &cache{filepath.Join(dir, "facerec")}
	}
	return &cache{where}
}

func (c *cache) path(kind string, key [sha256.Size]byte) string {
	name := hex.EncodeToString(key[:])
	return filepath.Join(c.dir, kind, name[:2], name)
}

// Get implements app.Cache; a corrupt entry is a miss.
func (c *cache) Get(key [sha256.Size]byte) ([]app.Detection, bool) {
	data, err := os.ReadFile(c.path("faces", key))
	if err != nil {
		return nil, false
	}
	found, err := app.UnmarshalDetections(data)
	return found, err == nil
}

// Put implements app.Cache.
func (c *cache) Put(key [sha256.Size]byte, found []app.Detection) {
	c.keep(c.path("faces", key), app.MarshalDetections(found))
}

// keep writes an entry whole or not at all.
func (c *cache) keep(name string, data []byte) {
	dir := filepath.Dir(name)
	if os.MkdirAll(dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return
	}
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name()) //nolint:errcheck // nothing more can be done
	}
}

// stamp names a file's content as far as that can be told without reading it:
// by path, inode, size and time of change. It is no proof; see --check-models.
func stamp(name string, fi fs.FileInfo, pin string) [sha256.Size]byte {
	abs, err := filepath.Abs(name)
	if err != nil {
		abs = name
	}
	var dev, ino uint64
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		dev, ino = uint64(st.Dev), st.Ino //nolint:unconvert // Dev's type differs between systems
	}
	return sha256.Sum256(fmt.Appendf(nil, "facerec model 1\n%q\n%d\n%d\n%d\n%d\n%s\n", abs, dev, ino, fi.Size(), fi.ModTime().UnixNano(), pin))
}

// vouched reports whether the file was hashed before and found as pinned.
func (c *cache) vouched(key [sha256.Size]byte) bool {
	if c == nil {
		return false
	}
	_, err := os.Stat(c.path("models", key))
	return err == nil
}

// vouch notes that the file was hashed and found as pinned.
func (c *cache) vouch(key [sha256.Size]byte) {
	if c != nil {
		c.keep(c.path("models", key), nil)
	}
}
