package main

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"facerec/internal/oci"
)

// accessFlags say how registries are reached, in every verb that does.
type accessFlags struct {
	insecure   []string
	retries    int
	stall      time.Duration
	cache      string
	noCache    bool
	cacheLimit int64

	// Made once a run: they remember what happened.
	once     sync.Once
	patience *oci.Patience
	blobs    *oci.Cache
}

func (f *accessFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.insecure, "insecure-registry", nil, "speak plain HTTP with `HOST[:PORT]` (loopback needs no permission)")
	flags.IntVar(&f.retries, "retries", 5, "how often a request to a registry is repeated when it was cut, refused for the moment (429, 5xx) or brought nothing new")
	flags.DurationVar(&f.stall, "stall", 30*time.Second, "take a connection to a registry that is silent for this `TIME` for cut")
	flags.StringVar(&f.cache, "cache", os.Getenv("RELEASER_CACHE"), "keep blobs of registries in `DIR` and look there first; auto is releaser/blobs in the user's cache folder (environment: RELEASER_CACHE)")
	flags.BoolVar(&f.noCache, "no-cache", false, "keep no blobs, whatever RELEASER_CACHE says")
	flags.Int64Var(&f.cacheLimit, "cache-limit", 10<<30, "when done, remove what was not used for longest until the cache has at most `BYTES` (0: no limit)")
}

// check is for what the flags' types let through.
func (f *accessFlags) check() error {
	if f.retries < 0 {
		return usage("--retries %d: want 0 or more", f.retries)
	}
	if f.stall <= 0 {
		return usage("--stall %s: want more than 0", f.stall)
	}
	return nil
}

// access is how registries are reached in this run.
func (a *app) access() oci.Access {
	f := &a.registries
	f.once.Do(func() {
		f.patience = &oci.Patience{Tries: f.retries + 1, Stall: f.stall, Notice: func(line string) { a.note("%s", line) }}
		f.blobs = a.blobCache()
	})
	return oci.Access{Insecure: f.insecure, UserAgent: "releaser/" + version, Patience: f.patience, Cache: f.blobs}
}

// blobCache is nil when none is asked for: what a registry has itself is then
// what is looked at.
func (a *app) blobCache() *oci.Cache {
	f := &a.registries
	dir := f.cache
	if f.noCache || dir == "" || dir == "off" {
		return nil
	}
	if dir == "auto" {
		user, err := os.UserCacheDir()
		if err != nil {
			a.warn("no cache: %v: going on without; --cache names a folder", err)
			return nil
		}
		dir = filepath.Join(user, "releaser", "blobs")
	}
	return oci.NewCache(dir, f.cacheLimit, time.Now(), func(line string) { a.warn("%s", line) })
}
