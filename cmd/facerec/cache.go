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
	"facerec/internal/atomicfile"
)

func (o *options) cacheFlag(fs *pflag.FlagSet) {
	fs.StringVar(&o.cache, "cache", "auto", "`directory` that keeps what was found in enrolled photos; auto: in the user's cache directory; off: none")
}

// cache keeps detections on disk, and which model files were found to be as
// pinned. Its failures are never fatal: unreadable entries are misses, write
// errors are ignored. A nil cache keeps nothing.
type cache struct{ dir string }

// maxEntryBytes is the largest entry that is read.
const maxEntryBytes = 64 << 20

// openCache resolves --cache.
func openCache(env *environment, where string) *cache {
	switch where {
	case "off", "":
		return nil
	case "auto":
		dir := env.getenv("XDG_CACHE_HOME")
		if !filepath.IsAbs(dir) { // as the XDG specification asks
			home := env.getenv("HOME")
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
	data, err := atomicfile.ReadFile(c.path("faces", key), maxEntryBytes)
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
	if os.MkdirAll(filepath.Dir(name), 0o700) == nil {
		_ = atomicfile.WriteBytes(name, 0o600, data) // see cache
	}
}

// stamp names a file's content as far as that can be determined without reading it:
// by path, inode, size and time of change. It is not a proof; see --check-models.
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
