package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"facerec/internal/oci"
	"facerec/internal/retry"
)

// accessFlags are the flags of every verb that uses a registry.
type accessFlags struct {
	insecure     []string
	tokenServers []string
	caFile       string
	retries      int
	stall        time.Duration
	cache        string
	noCache      bool
	cacheLimit   int64

	// Made once a run: they remember what happened.
	once        sync.Once
	retry       *retry.Policy
	connections *oci.Connections
	blobs       *oci.Cache
}

func (f *accessFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.insecure, "insecure-registry", nil, "allow plain HTTP to `HOST[:PORT]` (always allowed for loopback); can be repeated")
	flags.StringArrayVar(&f.tokenServers, "token-server", nil, "also send a registry's credentials to its token server `HOST[:PORT]`, which is outside its domain; can be repeated")
	flags.StringVar(&f.caFile, "ca-file", "", "trust the certificate authorities in `FILE` (PEM) for registries, in addition to the system's")
	flags.IntVar(&f.retries, "retries", 5, "retry each failed request up to `N` times")
	flags.DurationVar(&f.stall, "stall", 30*time.Second, "abort and retry a connection that is idle for longer than `DURATION`")
	flags.StringVar(&f.cache, "cache", "", "cache blobs in `DIR`; auto is releaser/blobs in the user's cache directory")
	flags.BoolVar(&f.noCache, "no-cache", false, "do not use a cache")
	flags.Int64Var(&f.cacheLimit, "cache-limit", 10<<30, "on exit, evict the least recently used blobs above `BYTES` (0: no limit)")
}

// check refuses values that the flags' types accept.
func (f *accessFlags) check() error {
	if f.stall == 0 && f.retries == 0 && f.cacheLimit == 0 { // a verb without these flags
		return nil
	}
	if f.retries < 0 {
		return usage("--retries %d: expected 0 or more", f.retries)
	}
	if f.stall <= 0 {
		return usage("--stall %s: expected more than 0", f.stall)
	}
	return nil
}

// access returns how this run reaches registries. named are the references that the
// caller wrote: the command line's, and config.json's if it is not part of a
// release (callersWord). The registry in the environment and the addresses that heed
// kept are added here. What a release says is none of them.
func (a *app) access(named ...oci.Ref) oci.Access {
	f := &a.registries
	f.once.Do(func() {
		f.retry = &retry.Policy{Tries: f.retries + 1, Stall: f.stall, Notice: func(line string) { a.note("%s", line) }}
		f.connections = &oci.Connections{Clock: time.Now}
		f.blobs = a.blobCache()
	})
	named = slices.Concat(named, a.inside, registryAt(os.Getenv(variable("registry"))))
	access := oci.Access{TokenServers: f.tokenServers, Insecure: f.insecure, CAFile: f.caFile, UserAgent: "releaser/" + version, Retry: f.retry, Connections: f.connections, Cache: f.blobs}
	return access.Naming(named...)
}

// blobCache returns nil when no cache was requested: then only what the registry
// itself serves counts.
func (a *app) blobCache() *oci.Cache {
	f := &a.registries
	dir := f.cache
	if f.noCache || dir == "" || dir == "off" {
		return nil
	}
	if dir == "auto" {
		user, err := os.UserCacheDir()
		if err != nil {
			a.warn("no cache: %v; continuing without one", err)
			return nil
		}
		dir = filepath.Join(user, "releaser", "blobs")
	}
	return oci.NewCache(dir, f.cacheLimit, time.Now(), func(line string) { a.warn("%s", line) })
}

// noNetwork is the transport of a run with --offline: it refuses every request by
// name.
type noNetwork struct{}

func (noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("--offline: not connecting to %s", r.URL.Host)
}

// accessFor is access without a network if offline is set.
func (a *app) accessFor(offline bool, named ...oci.Ref) oci.Access {
	access := a.access(named...)
	if offline {
		access.Transport = noNetwork{}
	}
	return access
}
