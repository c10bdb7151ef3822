package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"facerec/internal/loopback"
	"facerec/internal/loopback/hostile"
	"facerec/internal/oci"
)

// faultCommand is what scripts spoil answers with:
//
//	fault KIND PATH TIMES [ARG…]
//
// KIND is one below, PATH is @FILE (what ends in the text of FILE) or the end of
// a path itself, TIMES 0 means for ever. "fault" alone mends all.
func faultCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		front(ts).ClearFaults()
		return
	}
	if neg || len(args) < 3 {
		ts.Fatalf("usage: fault KIND PATH TIMES [ARG…]")
	}
	times, err := strconv.Atoi(args[2])
	ts.Check(err)
	rest := args[3:]
	number := func() int {
		n, err := strconv.Atoi(rest[0])
		ts.Check(err)
		rest = rest[1:]
		return n
	}
	var with hostile.Spoiler
	switch args[0] {
	case "cut":
		with = hostile.Cut(number())
	case "stall":
		with = hostile.Stall(number())
	case "status":
		code := number()
		with = hostile.Status(code, rest...)
	case "header":
		with = hostile.Header(rest...)
	case "flip":
		with = hostile.Body(hostile.Flip, true)
	case "longer":
		with = hostile.Body(hostile.Longer, true)
	case "shorter":
		with = hostile.Body(hostile.Shorter, false)
	case "endless":
		with = hostile.Endless
	case "redirect":
		with = hostile.Redirect(rest[0])
	default:
		ts.Fatalf("unknown fault %q", args[0])
	}
	front(ts).Spoil(ending(ts, args[1]), times, with)
}

// asked N PATH wants the registry to have been asked for PATH that often since it
// was last mended.
func asked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: asked N PATH")
	}
	if got := len(front(ts).Requests(ending(ts, args[1]))); strconv.Itoa(got) != args[0] {
		ts.Fatalf("asked %d times for %s, want %s", got, args[1], args[0])
	}
}

func ending(ts *testscript.TestScript, path string) string {
	if name, ok := strings.CutPrefix(path, "@"); ok {
		return strings.TrimSpace(ts.ReadFile(name))
	}
	return path
}

// longest is how long tests wait for what comes soon, on any machine.
const longest = 3 * time.Minute

// waitFor PATTERN waits until a file is there, and is not empty.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor PATTERN")
	}
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		for _, f := range found {
			if fi, err := os.Stat(f); err == nil && fi.Size() > 0 {
				return
			}
		}
	}
	ts.Fatalf("%s does not appear", args[0])
}

// frontedRegistry is distribution's registry behind a proxy that counts requests and can
// spoil answers, at HOST:PORT.
func frontedRegistry(t testing.TB) (front *hostile.Registry, host string) {
	t.Helper()
	needTools(t, "registry")
	real, err := loopback.NewRegistry(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(real.Close)
	front = hostile.New(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: real.Addr}))
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	return front, strings.TrimPrefix(server.URL, "http://")
}

// TestResumeFromRealRegistry cuts every answer of distribution's registry short:
// only by its ranges can a layer arrive. Once through a log-in, as in the field.
func TestResumeFromRealRegistry(t *testing.T) {
	front, host := frontedRegistry(t)
	front.User, front.Password = "me", "secret"
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	login := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("me:secret")))
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(login), 0o600); err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	config := filepath.Join(dir, "config.json")
	if err := os.WriteFile(config, []byte(`{"project_name": "tool", "version": "1.0.0", "build_cmd": "seq 1 30000 >numbers",
  "artifacts": [{"src": "numbers", "dest": "/app/numbers"}], "platforms": ["linux/amd64"]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	call(t, "-q", "--config", config, "build", "--out", in("oci"))
	call(t, "-q", "push", in("oci"), host+"/tool")
	call(t, "-q", "--config", config, "pack", "--image", "oci-layout:"+in("oci"), "--out", in("want"))

	front.Spoil("", 0, func(w http.ResponseWriter, r *http.Request, a hostile.Answer) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			hostile.Cut(20_000)(w, r, a)
		}
		a.Send(w)
	})
	call(t, "-q", "--config", config, "pack", "--image", host+"/tool", "--out", in("got"))
	const asset = "tool_1.0.0_linux_amd64.tar.gz"
	want, err := os.ReadFile(filepath.Join(in("want"), asset))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(in("got"), asset))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("another tarball came out: %v", err)
	}
	ranges := 0
	for _, r := range front.Requests("") {
		if r.Range == "bytes=20000-" || r.Range == "bytes=40000-" {
			ranges++
		}
	}
	if ranges < 2 {
		t.Errorf("%d ranges were asked for, want 2 or more", ranges)
	}
}

// TestPiecesFromRealRegistry pulls an image with a layer of some 40 MB from distribution's
// registry: over a connection that is slow, as its clock has it, the layer comes in
// pieces, over one that is fast in two, and no byte of it twice.
func TestPiecesFromRealRegistry(t *testing.T) {
	front, host := frontedRegistry(t)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	noise := make([]byte, 40<<20)
	if _, err := rand.NewChaCha8([32]byte{}).Read(noise); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in("noise"), noise, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in("config.json"), []byte(`{"project_name": "tool", "version": "1.0.0", "build_cmd": "true",
  "artifacts": [{"src": "noise", "dest": "/app/noise", "binary": "any"}], "platforms": ["linux/amd64"]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	call(t, "-q", "--config", in("config.json"), "build", "--out", in("oci"))
	call(t, "-q", "push", in("oci"), host+"/tool")
	layout, err := oci.ReadIndex(t.Context(), mustRef(t, "oci-layout:"+in("oci")+":1.0.0"), oci.Access{})
	if err != nil {
		t.Fatal(err)
	}
	images, err := layout.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	layer := images[0].Layers[0]
	for name, passes := range map[string]time.Duration{"slow": time.Second, "fast": 0} {
		t.Run(name, func(t *testing.T) {
			front.ClearFaults()
			var now atomic.Int64
			from := mustRef(t, host+"/tool:1.0.0")
			access := oci.Access{Connections: &oci.Connections{Clock: func() time.Time { return time.Unix(0, now.Add(int64(passes))) }}}
			got, err := oci.Pull(t.Context(), []oci.PullJob{{From: from}}, in(name), oci.TransferOptions{Access: access.Naming(from)})
			if err != nil || got[0].Digest != layout.Digest {
				t.Fatalf("pulled %v, %v; expected %s", got, err, layout.Digest)
			}
			var ranges [][2]int64
			for _, r := range front.Requests(layer.Digest.String()) {
				first, last, _ := strings.Cut(strings.TrimPrefix(r.Range, "bytes="), "-")
				a, err := strconv.ParseInt(first, 10, 64)
				if err != nil {
					t.Fatalf("asked for %q, expected ranges only", r.Range)
				}
				z := layer.Size - 1
				if last != "" {
					if z, err = strconv.ParseInt(last, 10, 64); err != nil {
						t.Fatal(err)
					}
				}
				ranges = append(ranges, [2]int64{a, z})
			}
			slices.SortFunc(ranges, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
			next := int64(0)
			for _, r := range ranges {
				if r[0] != next {
					t.Fatalf("asked for %v, expected each byte once", ranges)
				}
				next = r[1] + 1
			}
			if next != layer.Size || (len(ranges) != 2) != (name == "slow") {
				t.Errorf("asked for %v of %d bytes", ranges, layer.Size)
			}
		})
	}
}
