package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facerec/internal/cache"
	"facerec/internal/text"
)

func (o *options) cacheFlag(fs *pflag.FlagSet) {
	fs.StringVar(&o.cache, "cache", "auto", "`directory` that keeps what was found in pictures; auto: in the user's cache directory; off: none")
	fs.BoolVar(&o.noCache, "no-cache", false, "short for --cache off")
}

// cacheLimit is what the cache may take on disk: some 200,000 pictures.
const cacheLimit = 512_000_000

// store is the cache: what was found in pictures, and what is in files that have
// not changed. Its failures are never fatal. A nil store keeps nothing.
type store struct {
	*cache.Cache
	dir     string
	env     *environment
	flushed time.Time
	// unreadable says why the directory cannot be read, or is nil.
	unreadable error
}

// cacheDir is the directory that --cache names, or "" for none.
func (o *options) cacheDir(env *environment) string {
	switch {
	case o.noCache, o.cache == "off", o.cache == "":
		return ""
	case o.cache != "auto":
		return o.cache
	}
	dir := env.getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(dir) { // as the XDG specification asks
		home := env.getenv("HOME")
		if !filepath.IsAbs(home) || home == "/" {
			return "" // nobody's home, as in many containers
		}
		dir = filepath.Join(home, ".cache")
	}
	return filepath.Join(dir, "facerec")
}

// packs is where the files of the cache are.
func packs(dir string) string { return filepath.Join(dir, "packs") }

// openStore opens the cache that --cache names.
func openStore(env *environment, o *options) *store {
	dir := o.cacheDir(env)
	if dir == "" {
		return nil
	}
	c, err := cache.Open(packs(dir), cacheLimit)
	s := &store{Cache: c, dir: dir, env: env, flushed: env.now(), unreadable: err}
	if !o.quiet {
		s.tell()
	}
	return s
}

// tell reports what is damaged.
func (s *store) tell() {
	for _, err := range s.Damage() {
		s.env.warnf("cache %s: damaged: %v; made anew where it is needed", text.Show(s.dir), err)
	}
}

// save writes what waits. It is not worth an error: the answer is complete.
func (s *store) save(o *options) {
	if s == nil {
		return
	}
	err := s.Flush()
	s.flushed = s.env.now()
	if o.quiet {
		return
	}
	s.tell()
	if err != nil && o.cache != "auto" {
		s.env.warnf("cache %s: cannot be written: %v", text.Show(s.dir), plain(err))
	}
}

// saveEvery is how much work a killed run loses at most.
const saveEvery = 30 * time.Second

// step saves now and then.
func (s *store) step(o *options) {
	if s != nil && s.env.now().Sub(s.flushed) >= saveEvery {
		s.save(o)
	}
}

// What is kept of a file: its state, and the SHA-256 of its bytes.
const (
	stateBytes = 5 * 8
	fileBytes  = stateBytes + sha256.Size
)

// state shows that a file was not changed, as far as that can be determined
// without reading it: device, inode, size, time of its content and of its entry.
// It is not a proof; see --check-models.
func state(fi fs.FileInfo) []byte {
	var dev, ino uint64
	var changed int64
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		dev, ino, changed = uint64(st.Dev), st.Ino, changeTime(st) //nolint:unconvert // Dev's type differs between systems
	}
	var b []byte
	for _, n := range []uint64{dev, ino, uint64(fi.Size()), uint64(fi.ModTime().UnixNano()), uint64(changed)} { //nolint:gosec // bits are kept
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// fileKey is what a file's state is kept under.
func fileKey(name string) (cache.Key, bool) {
	abs, err := filepath.Abs(name)
	return sha256.Sum256(fmt.Appendf(nil, "facerec file 1\n%q\n", abs)), err == nil
}

// sum is the SHA-256 of a file that was read before and has not changed since.
func (s *store) sum(name string, fi fs.FileInfo) (sum [sha256.Size]byte, ok bool) {
	if s == nil || fi == nil {
		return sum, false
	}
	key, ok := fileKey(name)
	if !ok {
		return sum, false
	}
	v, ok := s.Get(key)
	if !ok || len(v) != fileBytes || string(v[:stateBytes]) != string(state(fi)) {
		return sum, false
	}
	copy(sum[:], v[stateBytes:])
	return sum, true
}

// settled is how long ago a file must have been changed so that another change
// shows in its times: FAT counts in steps of two seconds.
const settled = 2 * time.Second

// keepSum notes the SHA-256 of a file, whose info is from before it was read.
func (s *store) keepSum(name string, fi fs.FileInfo, sum [sha256.Size]byte) {
	if s == nil || fi == nil {
		return
	}
	last := fi.ModTime()
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		if c := time.Unix(0, changeTime(st)); c.After(last) {
			last = c
		}
	}
	if ago := s.env.now().Sub(last); ago >= 0 && ago < settled {
		return
	}
	if key, ok := fileKey(name); ok {
		s.Put(key, append(state(fi), sum[:]...))
	}
}

// cacheOutside refuses a cache in a directory of pictures. One that nobody named
// is done without.
func (g *guard) cacheOutside(env *environment, o *options) error {
	dir := o.cacheDir(env)
	if dir == "" {
		return nil
	}
	err := g.dir("--cache", dir)
	if err == nil || o.cache != "auto" {
		return err
	}
	if strings.Contains(filepath.ToSlash(real(dir)), "/.") {
		return nil // a hidden directory, which is not searched
	}
	if !o.quiet {
		env.warnf("no cache is used: %s would be in a directory of pictures", text.Show(dir))
	}
	o.noCache = true
	return nil
}

func cacheCommand(env *environment, g *globals) *cobra.Command {
	o := &options{globals: g}
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Show where the cache is and its size, or clear it",
		Long: `Cache shows where facerec keeps what it found in pictures, and how much that is.
Faces are kept as numbers by which people can be recognised; facerec cache clear
removes them.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			format, err := o.form("text", "json")
			if err != nil {
				return err
			}
			s := openStore(env, o)
			if s == nil {
				return text.WithHint(fmt.Errorf("there is no cache"), "name a directory with --cache DIR")
			}
			defer s.Close()
			n, size := s.Size()
			if format == "json" {
				return env.printJSON(struct {
					Schema  string `json:"schema"`
					Dir     string `json:"dir"`
					Entries int    `json:"entries"`
					Bytes   int64  `json:"bytes"`
					Limit   int64  `json:"limit"`
				}{"facerec.cache/v1", s.dir, n, size, cacheLimit})
			}
			return env.printf("%s: %s\n", text.Show(s.dir), cacheSize(n, size))
		},
	}
	o.cacheFlag(cmd.Flags())
	o.answer(cmd.Flags(), "text", "json")
	co := &options{globals: g}
	clearing := &cobra.Command{
		Use:   "clear",
		Short: "Remove everything that the cache keeps",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			dir := co.cacheDir(env)
			if dir == "" {
				return text.WithHint(fmt.Errorf("there is no cache"), "name a directory with --cache DIR")
			}
			n, size, err := cache.Clear(packs(dir))
			if err != nil {
				return err
			}
			_ = os.Remove(packs(dir)) // if nothing else is in it
			return env.printf("%s: removed %s, %.1f MB\n", text.Show(dir), text.Count(n, "file"), float64(size)/1e6)
		},
	}
	co.cacheFlag(clearing.Flags())
	cmd.AddCommand(clearing)
	return cmd
}

func cacheSize(n int, size int64) string {
	return fmt.Sprintf("%s, %.1f MB of at most %d", text.CountForms(n, "entry", "entries"), float64(size)/1e6, cacheLimit/1_000_000)
}
