package oci

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"facerec/internal/loopback/hostile"
	"facerec/internal/release"
	"facerec/internal/retry"
)

var today = time.Date(2026, 11, 6, 12, 0, 0, 0, time.UTC)

// newCache makes one with the warnings that it gives.
func newCache(dir string, limit int64) (*Cache, *[]string) {
	warnings := &[]string{}
	return NewCache(dir, limit, today, func(line string) { *warnings = append(*warnings, line) }), warnings
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(dir, "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// TestCache pulls twice: the second time no blob is asked for.
func TestCache(t *testing.T) {
	n, dir := newBadNetwork(t), t.TempDir()
	for i, blobs := range []int{1, 0} {
		c, warnings := newCache(dir, 0)
		if err := n.pull(t.Context(), t, Access{Named: loopback, Cache: c}); err != nil {
			t.Fatal(err)
		}
		if got := len(n.Requests(n.layer.Digest.String())); got != blobs || len(*warnings) > 0 {
			t.Errorf("run %d: %d requests for the layer, want %d; %q", i, got, blobs, *warnings)
		}
		n.ClearFaults()
	}
	if got := names(t, dir); len(got) != 2 || !slices.Contains(got, n.layer.Digest.Hex()) || !slices.Contains(got, n.config.Hex()) {
		t.Errorf("the cache has %q", got)
	}
	fi, err := os.Stat(filepath.Join(dir, "sha256", n.layer.Digest.Hex()))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
}

// TestDamagedCache damages each entry in several ways: one warning, and the run
// goes as if there were none. The entry is then as it should be.
func TestDamagedCache(t *testing.T) {
	n, dir := newBadNetwork(t), t.TempDir()
	c, _ := newCache(dir, 0)
	if err := n.pull(t.Context(), t, Access{Named: loopback, Cache: c}); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"flipped":            hostile.Flip,
		"flipped at the end": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"longer":             hostile.Longer,
		"shorter":            hostile.Shorter,
		"empty":              func([]byte) []byte { return nil },
		"another blob":       func([]byte) []byte { return []byte("something else") },
	} {
		for what, d := range map[string]release.Digest{"layer": n.layer.Digest, "config": n.config} {
			t.Run(name+" "+what, func(t *testing.T) {
				n.ClearFaults()
				path := filepath.Join(dir, "sha256", d.Hex())
				good, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, damage(bytes.Clone(good)), 0o600); err != nil {
					t.Fatal(err)
				}
				c, warnings := newCache(dir, 0)
				if err := n.pull(t.Context(), t, Access{Named: loopback, Cache: c}); err != nil {
					t.Error(err)
				}
				if len(*warnings) != 1 || !strings.Contains((*warnings)[0], path+" was damaged (expected ") || strings.Contains((*warnings)[0], "\n") {
					t.Errorf("warnings %q", *warnings)
				}
				if got := len(n.Requests(d.String())); got != 1 {
					t.Errorf("asked for it %d times, want once", got)
				}
				if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, good) {
					t.Errorf("the entry was not mended: %d bytes, %v", len(again), err)
				}
			})
		}
	}
	t.Run("and the registry too", func(t *testing.T) {
		n.ClearFaults()
		path := filepath.Join(dir, "sha256", n.layer.Digest.Hex())
		if err := os.WriteFile(path, hostile.Flip(bytes.Clone(n.body)), 0o600); err != nil {
			t.Fatal(err)
		}
		n.Spoil(n.layer.Digest.String(), 0, hostile.Body(hostile.Flip, true))
		c, _ := newCache(dir, 0)
		want[*MismatchError](t, n.pull(t.Context(), t, Access{Named: loopback, Cache: c}), n.layer.Digest.String())
		if got := names(t, dir); len(got) != 1 {
			t.Errorf("what is wrong was kept: %q", got)
		}
	})
}

// TestUselessCache has folders that cannot be used: one warning each.
func TestUselessCache(t *testing.T) {
	n := newBadNetwork(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"a file": file, "below a file": filepath.Join(file, "x"), "no device": "/proc/1/nowhere"} {
		c, warnings := newCache(dir, 0)
		if err := n.pull(t.Context(), t, Access{Named: loopback, Cache: c}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(*warnings) != 1 || !strings.Contains((*warnings)[0], dir) || !strings.Contains((*warnings)[0], "continuing without it") {
			t.Errorf("%s: warnings %q", name, *warnings)
		}
		c.Prune()
	}
}

// TestHalfBlobsAreNotKept stops in the middle, in every way short of a kill.
func TestHalfBlobsAreNotKept(t *testing.T) {
	n, dir := newBadNetwork(t), t.TempDir()
	c, warnings := newCache(dir, 0)
	src, err := Open(t.Context(), n.ref, Access{Named: loopback, Cache: c, Retry: &retry.Policy{Tries: 1}})
	if err != nil {
		t.Fatal(err)
	}
	rc, err := src.Blob(t.Context(), n.layer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, rc, 1000); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); len(got) != 1 || !strings.HasPrefix(got[0], partialBlob) {
		t.Errorf("while it is read: %q", got)
	}
	rc.Close()
	for _, with := range []hostile.Spoiler{hostile.Cut(1000), hostile.Body(hostile.Flip, true), hostile.Body(hostile.Shorter, false), hostile.Endless} {
		n.ClearFaults()
		n.Spoil(n.layer.Digest.String(), 0, with)
		if rc, err := src.Blob(t.Context(), n.layer); err == nil {
			if _, err := io.Copy(io.Discard, rc); err == nil {
				t.Error("read to its end")
			}
			rc.Close()
		}
	}
	if got := names(t, dir); len(got) != 0 || len(*warnings) != 0 {
		t.Errorf("left behind: %q, %q", got, *warnings)
	}
}

// TestManyAtOnce has runs share a folder.
func TestManyAtOnce(t *testing.T) {
	n, dir := newBadNetwork(t), t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var mu sync.Mutex
			var warnings []string
			// By this machine's clock: what another run is writing is not old.
			c := NewCache(dir, 0, time.Now(), func(line string) {
				mu.Lock()
				defer mu.Unlock()
				warnings = append(warnings, line)
			})
			if err := n.pull(t.Context(), t, Access{Named: loopback, Cache: c}); err != nil || len(warnings) > 0 {
				t.Errorf("%v, %q", err, warnings)
			}
			c.Prune()
		})
	}
	wg.Wait()
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("the cache has %q", got)
	}
}

// TestPrune has entries of known ages and sizes.
func TestPrune(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, size int, age time.Duration) {
		t.Helper()
		path := filepath.Join(dir, "sha256", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, today.Add(-age), today.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	hex := func(c string) string { return strings.Repeat(c, 64) }
	put(hex("a"), 100, 3*time.Hour)
	put(hex("b"), 100, 2*time.Hour)
	put(hex("c"), 100, time.Hour)
	put(hex("d"), 251, 0) // used last, and above the limit by itself
	put(partialBlob+"old", 100, 25*time.Hour)
	put(partialBlob+"new", 100, time.Hour)
	put("README", 1000, 100*time.Hour)
	c, _ := newCache(dir, 250)
	c.Prune()
	if got := names(t, dir); len(got) != 7 {
		t.Errorf("an unused cache was pruned: %q", got)
	}
	if rc := c.open(Descriptor{Digest: mustDigest(t, hex("a")), Size: 100}, "x"); rc == nil { // now used last
		t.Fatal("the entry is not there")
	} else {
		rc.Close()
	}
	c.Prune()
	if got, want := strings.Join(names(t, dir), " "), partialBlob+"new README "+hex("a")+" "+hex("c"); got != want {
		t.Errorf("left %s, want %s", got, want)
	}
}

func mustDigest(t *testing.T, hex string) release.Digest {
	t.Helper()
	d, err := release.ParseHex(hex)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
