//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// specials are what is not a regular file, and one that is far too large, with the
// words of which one is in the message.
var specials = []struct {
	name  string
	make  func(path string) error
	words []string
}{
	{"pipe", func(p string) error { return syscall.Mkfifo(p, 0o600) }, []string{"a named pipe"}},
	{"zero", func(p string) error { return os.Symlink("/dev/zero", p) }, []string{"a device", "a symbolic link"}},
	{"directory", func(p string) error { return os.Mkdir(p, 0o755) }, []string{"a directory", "is a directory"}},
	{"sparse", func(p string) error {
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			return err
		}
		return os.Truncate(p, 3<<30)
	}, []string{"3221225472", "at most", "larger than", "more than", "got more", "expected sha256"}},
}

// within runs the program, which has to end on its own.
func within(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var o, e bytes.Buffer
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, args, strings.NewReader(""), &o, &e) }()
	select {
	case code = <-ended:
	case <-time.After(longest): // it would wait for ever
		t.Fatalf("%q: waits for the file", args)
	}
	return code, o.String(), e.String()
}

// TestOnlyRegularFilesInside does as TestOnlyRegularFiles for the files inside
// layouts, caches, releases and pages, and those that the environment names. The
// message names the path and what is there.
func TestOnlyRegularFilesInside(t *testing.T) {
	config := `{"project_name": "tool", "build_cmd": "true", "artifacts": [{"src": "x", "dest": "/app/x"}], "version": "1.0.0", "platforms": ["linux/amd64"]}`
	const unsafe = " --key k.pub --unsafe-no-transparency-log"
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	var manifest, image, layer string // paths of blobs
	blob := func(d string) string { return "lay/blobs/sha256/" + strings.TrimPrefix(d, "sha256:") }
	setUp := func(t *testing.T) {
		t.Chdir(t.TempDir())
		t.Setenv("DOCKER_CONFIG", "docker")
		t.Setenv("XDG_CACHE_HOME", filepath.Join(t.TempDir(), "cache"))
		t.Setenv("XDG_CONFIG_HOME", filepath.Join(t.TempDir(), "config"))
		for name, content := range map[string]string{
			"config.json": config, "x": "x", "token": "secret", "docker/config.json": "{}", "CHANGELOG.md": "## 1.0.0\nNotes.\n",
			"inputs.json": strings.Replace(config, "{", `{"inputs": ["inputs.lock.json"], `, 1),
		} {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if code, _, errs := within(t, "-q", "build", "--out", "lay"); code != 0 {
			t.Fatal(code, errs)
		}
		var doc struct {
			Manifests []struct{ Digest string }
			Config    struct{ Digest string }
			Layers    []struct{ Digest string }
		}
		for _, path := range []string{"lay/index.json", "", ""} {
			if path == "" {
				path = blob(doc.Manifests[0].Digest)
				manifest = path
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(raw, &doc); err != nil {
				t.Fatal(err)
			}
			if doc.Config.Digest != "" {
				break
			}
		}
		image, layer = blob(doc.Config.Digest), blob(doc.Layers[0].Digest)
	}
	setUp(t)
	type place struct {
		path, args string
		want       []int
	}
	at := func(path, args string, want ...int) place { return place{path, args, want} }
	// What is compared by its hash alone may have 3 GB, and a directory in the place of some files is none.
	large := func(path string) bool {
		return strings.HasSuffix(path, ".tar.gz") || strings.HasSuffix(path, ".spdx.json")
	}
	none := func(path string) bool {
		return path == "docker/config.json" || strings.HasSuffix(path, ".tar.gz") || path == "www/releases.json"
	}
	var places []place
	for _, verb := range []string{"ls oci-layout:lay:1.0.0 --platform linux/amd64", "check oci-layout:lay", "pack --image oci-layout:lay --out out", "push lay " + host + "/tool", "cp oci-layout:lay:1.0.0:/app out --platform linux/amd64", "join lay --out out"} {
		for _, path := range []string{"lay/index.json", "MANIFEST", "CONFIG", "LAYER"} {
			places = append(places, at(path, verb, 1, 2, 3)) // other bytes than the digest's are 3
		}
	}
	places = append(places,
		at("token", "publish dist --page dir:www --token-file token"+unsafe, 1, 2),
		at("token", "fetch github:"+s.URL+"/o/r out --token-file token"+unsafe, 1, 2),
		at("token", "discover --token-file token", 1, 2),
		at("ca.pem", "ls "+host+"/tool:1 --ca-file ca.pem", 1, 2),
		at("docker/config.json", "ls "+host+"/tool:1", 1, 2),
		at("inputs.lock.json", "discover --config inputs.json", 1, 2),
		at("go.mod", "discover --only go", 1, 2, 5),
		at("Dockerfile", "discover --only images", 1, 2, 5),
		at("pins.json", "fetch dir:www out --platform linux/amd64 --trust pins.json", 1, 2),
		at("changes.md", "publish dist --page dir:www2 --image oci-layout:lay --changelog changes.md"+unsafe, 1, 2),
		at("dist/tool_1.0.0_linux_amd64.tar.gz", "verify dist --image oci-layout:lay"+unsafe, 1, 2, 3),
		at("dist/tool_1.0.0_linux_amd64.tar.gz", "publish dist --page dir:www2 --image oci-layout:lay"+unsafe, 1, 2, 3),
		at("dist/tool_1.0.0_linux_amd64.tar.gz", "ls dist/tool_1.0.0_linux_amd64.tar.gz", 1, 2),
		at("dist/tool_1.0.0_linux_amd64.tar.gz", "diff dist/tool_1.0.0_linux_amd64.tar.gz oci-layout:lay:1.0.0 --platform linux/amd64", 1, 2),
		at("dist/tool_1.0.0_linux_amd64.spdx.json", "verify dist --image oci-layout:lay"+unsafe, 1, 2, 3, 4),
		at("www/v1.0.0/tool_1.0.0_linux_amd64.tar.gz", "fetch dir:www out --platform linux/amd64"+unsafe, 1, 2, 3),
		at("www/v1.0.0/checksums.txt", "fetch dir:www out --platform linux/amd64"+unsafe, 1, 2, 3, 4),
		at("www/v1.0.0/checksums.txt.sigstore.json", "fetch dir:www out --platform linux/amd64"+unsafe, 1, 2, 3, 4),
		at("www/v1.0.0/release.json", "fetch dir:www out --platform linux/amd64"+unsafe, 1, 2, 3, 4),
		at("www/releases.json", "publish dist --page dir:www --image oci-layout:lay"+unsafe, 0, 1, 2, 3),
		at("PARTIAL", "fetch dir:www out --platform linux/amd64"+unsafe, 1, 2),
		at("out/release.json", "fetch dir:www out --platform linux/amd64"+unsafe, 1, 2, 3),
		at("root.json", "fetch dir:www out --platform linux/amd64 --certificate-identity a@b.c --certificate-oidc-issuer https://b.c --trusted-root root.json", 1, 2),
	)
	for _, p := range places {
		for _, kind := range specials {
			if kind.name == "sparse" && (large(p.path) || p.path == "PARTIAL") || kind.name == "directory" && none(p.path) {
				continue
			}
			t.Run(strings.NewReplacer("/", "_", " ", "_", host, "HOST", s.URL, "URL").Replace(p.args+" with "+p.path)+" "+kind.name, func(t *testing.T) {
				setUp(t)
				path := map[string]string{"MANIFEST": manifest, "CONFIG": image, "LAYER": layer}[p.path]
				if path == "" {
					path = p.path
				}
				for _, args := range []string{
					"keygen k", "pack --image oci-layout:lay --out dist", "sign dist --key k.key",
					"publish dist --page dir:www --image oci-layout:lay" + unsafe,
				} {
					if !strings.Contains(p.args, "dist") && !strings.Contains(p.args, "www") {
						break
					}
					if code, _, errs := within(t, strings.Fields("-q "+args)...); code != 0 {
						t.Fatalf("%s: exit code %d: %s", args, code, errs)
					}
				}
				if path == "PARTIAL" { // what an earlier run of fetch left
					raw, err := os.ReadFile("dist/tool_1.0.0_linux_amd64.tar.gz")
					if err != nil {
						t.Fatal(err)
					}
					path = fmt.Sprintf("out/.partial-tool_1.0.0_linux_amd64.tar.gz-%.8x", sha256.Sum256(raw))
				}
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := kind.make(path); err != nil {
					t.Fatal(err)
				}
				code, out, errs := within(t, strings.Fields(p.args)...)
				ok := false
				for _, w := range p.want {
					ok = ok || code == w
				}
				if !ok {
					t.Errorf("expected exit code %d, got %d:\n%s%s", p.want, code, out, errs)
				}
				said := code == 0
				for _, w := range kind.words {
					said = said || strings.Contains(out+errs, w)
				}
				name := filepath.Base(path)
				if !said || code != 0 && !strings.Contains(out+errs, name) && !strings.Contains(out+errs, name[:min(len(name), 12)]) {
					t.Errorf("expected %s and one of %q in\n%s%s", path, kind.words, out, errs)
				}
			})
		}
	}
}

// TestOnlyRegularCacheFiles puts them in the place of cached blobs: a cache never
// stops a run, and never changes an answer.
func TestOnlyRegularCacheFiles(t *testing.T) {
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{
		"config.json": `{"project_name": "tool", "build_cmd": "true", "artifacts": [{"src": "x", "dest": "/app/x"}], "version": "1.0.0", "platforms": ["linux/amd64"]}`, "x": "x",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ls := strings.Fields("-q ls " + host + "/tool:1.0.0 --platform linux/amd64 --cache kept")
	want := ""
	for _, args := range [][]string{strings.Fields("-q build --out lay"), strings.Fields("-q push lay " + host + "/tool"), ls} {
		code, out, errs := within(t, args...)
		if code != 0 {
			t.Fatalf("%q: exit code %d: %s", args, code, errs)
		}
		want = out
	}
	kept := 0
	err := filepath.WalkDir("kept", func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		kept++
		for _, kind := range specials {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			if err := kind.make(path); err != nil {
				return err
			}
			if code, out, errs := within(t, ls...); code != 0 || out != want {
				t.Errorf("%s as %s: exit code %d: %s", kind.name, path, code, errs)
			}
		}
		return nil
	})
	if err != nil || kept == 0 {
		t.Fatalf("%d files kept, %v", kept, err)
	}
}
