package trust_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"facerec/internal/loopback"
	"facerec/internal/trust"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

const (
	day    = 24 * time.Hour
	first  = `{"first":1}`
	second = `{"second":2}`
)

// repository is a TUF repository with the first target in it, and the request
// that asks it.
func repository(t *testing.T) (*loopback.TUF, trust.Request) {
	t.Helper()
	r, err := loopback.NewTUF(now.Add(90 * day))
	must(t, err)
	t.Cleanup(r.Close)
	r.Timestamp.Signed.Expires = now.Add(7 * day)
	must(t, r.Put("trusted_root.json", []byte(first)))
	anchor, err := r.PublishRoot()
	must(t, err)
	must(t, r.Publish())
	return r, trust.Request{Mirror: r.URL, Anchor: anchor, State: t.TempDir(), Now: now}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func update(t *testing.T, r trust.Request, want string) trust.Kept {
	t.Helper()
	k, err := trust.Update(t.Context(), r)
	if err != nil || string(k.Root) != want {
		t.Fatalf("got %q, %v, want %q", k.Root, err, want)
	}
	return k
}

func TestUpdate(t *testing.T) {
	r, ask := repository(t)
	ask.Mirror += "/" // as people write it
	k := update(t, ask, first)
	if k.Mirror != r.URL || k.PublicGood() || !strings.HasPrefix(k.Anchor, "sha256:") || !k.Fetched.Equal(now) || k.TUFRoot() != 1 || !k.Until().Equal(now.Add(90*day)) {
		t.Errorf("got %+v", k)
	}
	if m := k.Metadata[3]; m.Role != "timestamp" || m.Version != 1 || !m.Expires.Equal(now.Add(7*day)) {
		t.Errorf("got %+v", m)
	}

	// Nothing has changed: the metadata is not fetched again.
	r.Asked()
	update(t, ask, first)
	if got := strings.Join(r.Asked(), " "); !strings.HasPrefix(got, "2.root.json timestamp.json targets/") {
		t.Errorf("asked for %s", got)
	}

	// Another target.
	must(t, r.Put("trusted_root.json", []byte(second)))
	r.Targets.Signed.Expires = now.Add(30 * day)
	must(t, r.Next())
	if k := update(t, ask, second); !k.Until().Equal(now.Add(30*day)) || k.Metadata[1].Version != 2 {
		t.Errorf("got %+v", k)
	}
}

// TestSigningConfig fetches the second target where there is one.
func TestSigningConfig(t *testing.T) {
	r, ask := repository(t)
	if k := update(t, ask, first); k.SigningConfig != nil {
		t.Errorf("got %s", k.SigningConfig)
	}
	must(t, r.Put("signing_config.v0.2.json", []byte(second)))
	must(t, r.Next())
	k := update(t, ask, first)
	b, err := k.Format()
	must(t, err)
	if again, err := trust.ParseKept(b); err != nil || string(again.SigningConfig) != second {
		t.Errorf("got %s, %v", again.SigningConfig, err)
	}
	for path := range r.Files() {
		if strings.HasSuffix(path, "signing_config.v0.2.json") {
			r.Serve(path, []byte(first))
		}
	}
	var refused *trust.RefusedError
	if _, err := trust.Update(t.Context(), ask); !errors.As(err, &refused) {
		t.Errorf("got %v, want a refusal of what was not signed", err)
	}
}

// TestKeysChange turns over the root's key and the timestamp's, two versions at
// once: whoever begins with the first root gets there.
func TestKeysChange(t *testing.T) {
	r, ask := repository(t)
	update(t, ask, first)
	for range 2 {
		for _, role := range []string{metadata.ROOT, metadata.TIMESTAMP} {
			must(t, r.AddKey(role))
			must(t, r.DropKey(role))
		}
		_, err := r.PublishRoot()
		must(t, err)
	}
	must(t, r.Next())
	if k := update(t, ask, first); k.TUFRoot() != 3 {
		t.Errorf("got root %d", k.TUFRoot())
	}
	fresh := ask
	fresh.State = t.TempDir()
	update(t, fresh, first)

	// A root that was seen is not unseen, even if the mirror hides it again.
	r.Front(func(w http.ResponseWriter, path string) bool {
		if strings.HasSuffix(path, ".root.json") {
			http.NotFound(w, nil)
			return true
		}
		return false
	})
	if k := update(t, ask, first); k.TUFRoot() != 3 {
		t.Errorf("got root %d", k.TUFRoot())
	}
	fresh.State = t.TempDir()
	if _, err := trust.Update(t.Context(), fresh); err == nil {
		t.Error("a timestamp by a key that the first root does not know was believed")
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, r *loopback.TUF)
		later time.Duration
		want  string // of the error
	}{
		{"timestamp expired", func(t *testing.T, r *loopback.TUF) {}, 8 * day, "timestamp.json is expired"},
		{"root expired", func(t *testing.T, r *loopback.TUF) {}, 91 * day, "root.json is expired"},
		{"targets expired", func(t *testing.T, r *loopback.TUF) {
			r.Targets.Signed.Expires = now
			must(t, r.Next())
		}, day, "new targets is expired"},
		{"snapshot expired", func(t *testing.T, r *loopback.TUF) {
			r.Snapshot.Signed.Expires = now
			must(t, r.Next())
		}, day, "snapshot.json is expired"},
		{"timestamp rolled back", func(t *testing.T, r *loopback.TUF) {
			r.Timestamp.Signed.Version--
			must(t, r.Publish())
		}, 0, "new timestamp version 4 must be >= 5"},
		{"snapshot rolled back", func(t *testing.T, r *loopback.TUF) {
			r.Timestamp.Signed.Version++
			r.Snapshot.Signed.Version--
			must(t, r.Publish())
		}, 0, "new snapshot version 4 must be >= 5"},
		{"targets rolled back", func(t *testing.T, r *loopback.TUF) {
			r.Timestamp.Signed.Version++
			r.Snapshot.Signed.Version++
			r.Targets.Signed.Version--
			must(t, r.Publish())
		}, 0, "expected targets.json version 4, got 5"},
		{"target tampered with", func(t *testing.T, r *loopback.TUF) {
			must(t, r.Put("trusted_root.json", []byte(second)))
			must(t, r.Next())
			for path := range r.Files() {
				if strings.HasPrefix(path, "targets/") {
					r.Serve(path, bytes.ToUpper([]byte(second)))
				}
			}
		}, 0, "trusted_root.json: "},
		{"target too long", func(t *testing.T, r *loopback.TUF) {
			must(t, r.Put("trusted_root.json", []byte(second)))
			must(t, r.Next())
			for path := range r.Files() {
				if strings.HasPrefix(path, "targets/") {
					r.Serve(path, bytes.Repeat([]byte(" "), 1<<20))
				}
			}
		}, 0, "larger than expected"},
		{"huge target, signed", func(t *testing.T, r *loopback.TUF) {
			must(t, r.Put("trusted_root.json", make([]byte, 5<<20)))
			must(t, r.Next())
		}, 0, "expected at most 4194304 bytes"},
		{"no such target", func(t *testing.T, r *loopback.TUF) {
			delete(r.Targets.Signed.Targets, "trusted_root.json")
			must(t, r.Next())
		}, 0, "target trusted_root.json not found"},
		{"timestamp oversized", func(t *testing.T, r *loopback.TUF) { r.Serve("timestamp.json", make([]byte, 1<<20)) }, 0, "larger than expected"},
		{"root oversized", func(t *testing.T, r *loopback.TUF) { r.Serve("2.root.json", make([]byte, 1<<20)) }, 0, "larger than expected"},
		{"root of somebody else", func(t *testing.T, r *loopback.TUF) {
			other, _ := repository(t)
			must(t, other.AddKey(metadata.ROOT))
			b, err := other.PublishRoot()
			must(t, err)
			r.Serve("2.root.json", b)
		}, 0, "Verifying root failed"},
		{"root skips a version", func(t *testing.T, r *loopback.TUF) {
			r.Root.Signed.Version = 3
			b, err := r.PublishRoot()
			must(t, err)
			r.Serve("2.root.json", b)
		}, 0, "expected 2, got 3"},
		{"timestamp by another key", func(t *testing.T, r *loopback.TUF) {
			must(t, r.AddKey(metadata.TIMESTAMP)) // in no root that is published
			must(t, r.Next())
		}, 0, "Verifying timestamp failed"},
		{"one bit of the timestamp", func(t *testing.T, r *loopback.TUF) {
			b := bytes.Clone(r.Files()["timestamp.json"])
			b[bytes.Index(b, []byte(`"sig":"`))+10] ^= 1
			r.Serve("timestamp.json", b)
		}, 0, ""},
		{"not JSON", func(t *testing.T, r *loopback.TUF) { r.Serve("timestamp.json", []byte("<html>\n\x1b[2J")) }, 0, ""},
		{"deep JSON", func(t *testing.T, r *loopback.TUF) {
			r.Serve("timestamp.json", []byte(`{"signed":`+strings.Repeat("[", 8000)))
		}, 0, ""},
		{"another role", func(t *testing.T, r *loopback.TUF) { r.Serve("timestamp.json", r.Files()["1.root.json"]) }, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, ask := repository(t)
			r.Timestamp.Signed.Version, r.Snapshot.Signed.Version, r.Targets.Signed.Version = 4, 4, 4
			must(t, r.Next())
			update(t, ask, first)
			c.spoil(t, r)
			ask.Now = now.Add(c.later)
			_, err := trust.Update(t.Context(), ask)
			var refused *trust.RefusedError
			if !errors.As(err, &refused) || refused.Mirror != r.URL || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("got %v, want a refusal on one line with %q", err, c.want)
			}
		})
	}
}

// TestCannotAsk fails in ways that say nothing about the repository, and goes on
// once they have passed.
func TestCannotAsk(t *testing.T) {
	r, ask := repository(t)
	at := func(suffix string, f func(w http.ResponseWriter)) func(http.ResponseWriter, string) bool {
		return func(w http.ResponseWriter, path string) bool {
			if strings.HasSuffix(path, suffix) {
				f(w)
				return true
			}
			return false
		}
	}
	for name, front := range map[string]func(http.ResponseWriter, string) bool{
		"500 for the root":      at("2.root.json", func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }),
		"404 for the timestamp": at("timestamp.json", func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }),
		"cut in the snapshot": at("snapshot.json", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"signed"`))
		}),
		"cut in the target": at("trusted_root.json", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "11")
			_, _ = w.Write([]byte(first[:5]))
		}),
		"sent elsewhere": at("timestamp.json", func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://mirror.example/timestamp.json")
			w.WriteHeader(http.StatusFound)
		}),
		"sent in a circle": at("timestamp.json", func(w http.ResponseWriter) {
			w.Header().Set("Location", "/timestamp.json")
			w.WriteHeader(http.StatusFound)
		}),
	} {
		r.Front(front)
		ask.State = t.TempDir() // what one has fetched the next need not
		_, err := trust.Update(t.Context(), ask)
		var refused *trust.RefusedError
		if err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), "cannot ask "+r.URL) {
			t.Errorf("%s: got %v, want that it cannot be asked", name, err)
		}
	}
	r.Front(nil)
	update(t, ask, first)

	for name, mirror := range map[string]string{
		"in the clear": "http://mirror.example", "no URL": "mirror", "another scheme": "ftp://127.0.0.1/", "nothing at all": "https://", "broken": "http://[::1",
	} {
		bad := ask
		bad.Mirror = mirror
		var invalid *trust.InvalidError
		if _, err := trust.Update(t.Context(), bad); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "mirror") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	bad := ask
	bad.Anchor = []byte("{}")
	if _, err := trust.Update(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "first root.json") {
		t.Errorf("got %v", err)
	}
	bad = ask
	bad.State = filepath.Join(bad.State, "file")
	must(t, os.WriteFile(bad.State, nil, 0o600))
	if _, err := trust.Update(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "the kept copy of") {
		t.Errorf("a file for a folder: got %v", err)
	}
}

// TestInterrupted ends the context while the mirror does not answer.
func TestInterrupted(t *testing.T) {
	r, ask := repository(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	r.Front(func(http.ResponseWriter, string) bool {
		cancel()
		<-release
		return true
	})
	if _, err := trust.Update(ctx, ask); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestDamagedState has what was kept of the metadata destroyed: it is fetched
// again.
func TestDamagedState(t *testing.T) {
	_, ask := repository(t)
	update(t, ask, first)
	files, err := filepath.Glob(filepath.Join(ask.State, "*", "*.json"))
	must(t, err)
	if len(files) != 4 {
		t.Fatalf("got %v, want four files of metadata", files)
	}
	for _, f := range files {
		must(t, os.WriteFile(f, []byte("{"), 0o600))
	}
	if _, err := trust.Update(t.Context(), ask); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(ask.State, "*", "*"))
	must(t, err)
	if len(left) != 4 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKept(t *testing.T) {
	_, ask := repository(t)
	k := update(t, ask, first)
	b, err := k.Format()
	must(t, err)
	again, err := trust.ParseKept(b)
	must(t, err)
	if c, err := again.Format(); err != nil || !bytes.Equal(b, c) {
		t.Errorf("got %s, %v, want %s", c, err, b)
	}
	edit := func(old, with string) []byte {
		out := bytes.Replace(b, []byte(old), []byte(with), 1)
		if bytes.Equal(out, b) {
			t.Fatalf("%q is not in %s", old, b)
		}
		return out
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "not JSON": []byte("x"), "cut": b[:len(b)/2], "two": append(bytes.Clone(b), b...),
		"another schema": edit("/v1", "/v2"), "another root": edit(`"trusted_root": "e`, `"trusted_root": "f`),
		"unknown field": edit(`"mirror"`, `"miror"`), "no mirror": edit(k.Mirror, ""),
		"role missing": edit(`"role": "snapshot"`, `"role": "root"`), "no version": edit(`"version": 1`, `"version": 0`),
		"no date": edit(`"fetched": "2026-11-01T12:00:00Z"`, `"fetched": "0001-01-01T00:00:00Z"`), "huge": bytes.Repeat([]byte(" "), 13<<20),
	} {
		if _, err := trust.ParseKept(bad); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// FuzzParseKept wants what is read to come out as it was.
func FuzzParseKept(f *testing.F) {
	k := trust.Kept{Mirror: "https://mirror.example", Anchor: "public-good", Fetched: now, Root: []byte(first)}
	for _, role := range []string{"root", "targets", "snapshot", "timestamp"} {
		k.Metadata = append(k.Metadata, trust.Metadata{Role: role, Version: 1, Expires: now})
	}
	b, err := k.Format()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"schema":"releaser.kept-root/v1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := trust.ParseKept(data)
		if err != nil {
			return
		}
		b, err := k.Format()
		if err != nil {
			t.Skip() // a date that JSON cannot write
		}
		again, err := trust.ParseKept(b)
		if err != nil || !again.Until().Equal(k.Until()) || !bytes.Equal(again.Root, k.Root) {
			t.Errorf("got %+v, %v, want %+v", again, err, k)
		}
	})
}
