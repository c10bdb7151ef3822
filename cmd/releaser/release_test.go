//go:build unix

package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"facerec/internal/loopback"
	"facerec/internal/oci"
	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/steps"
)

// gate is a server that can hold one request, for ever: whoever sent it can then be
// killed in the middle of what it does.
type gate struct {
	next http.Handler

	mu     sync.Mutex
	hold   func(r *http.Request, body []byte) bool
	held   chan struct{} // closed when a request is held
	passed []string      // METHOD PATH
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	g.mu.Lock()
	if g.hold != nil && g.hold(r, body) {
		g.hold = nil
		close(g.held)
		g.mu.Unlock()
		<-r.Context().Done()
		return
	}
	g.passed = append(g.passed, r.Method+" "+r.URL.Path)
	next := g.next
	g.mu.Unlock()
	next.ServeHTTP(w, r)
}

// reset stands in front of another server, and holds the nth request that fits.
func (g *gate) reset(next http.Handler, n int, fits func(r *http.Request, body []byte) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next, g.passed, g.hold, g.held = next, nil, nil, make(chan struct{})
	if fits == nil {
		return
	}
	count := 0
	g.hold = func(r *http.Request, body []byte) bool {
		if fits(r, body) {
			count++
		}
		return count == n
	}
}

// requests that a step makes and no other.
func puts(suffix string) func(*http.Request, []byte) bool {
	return func(r *http.Request, _ []byte) bool {
		return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, suffix)
	}
}

func attaches(kind string) func(*http.Request, []byte) bool {
	return func(r *http.Request, body []byte) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") && bytes.Contains(body, []byte(kind))
	}
}

// releasing is a tiny project with a registry and a page of its own.
type releasing struct {
	t        *testing.T
	template string // the repository as it is before a release
	dir      string // where it is released
	www      string // the page
	fifo     string // build_cmd waits at it, where it exists
	gate     *gate
	registry string // HOST:PORT
	single   bool   // there is one lineage

	noReferrers bool         // the registry has no referrers API
	backend     http.Handler // a registry that lasts; nil: a new one for each release
	args        []string
	env         []string
}

const tinyConfig = `{
  "project_name": "tool", "version": "1.0.0",
  "build_cmd": "mkdir -p out/$RELEASER_LINEAGE && echo $RELEASER_LINEAGE >out/$RELEASER_LINEAGE/tool && if test -p \"$FIFO\"; then echo in >\"$FIFO\"; read line <\"$FIFO\"; fi",
  "artifacts": [{"src": "out/{lineage}/tool", "dest": "/app/tool"}],
  "lineages": [LINEAGES],
  "platforms": ["linux/amd64"],
  "image": {"repository": "tool"},
  "identity": {"issuer": "ISSUER", "san": "ann@example.com"},
  "rolling_tags": ["{major}.{minor}{suffix}", "latest{suffix}"]
}
`

func newReleasing(t *testing.T, issuer, lineages string) *releasing {
	t.Helper()
	top := t.TempDir()
	r := &releasing{
		t: t, template: filepath.Join(top, "template"), dir: filepath.Join(top, "project"), www: filepath.Join(top, "www"), fifo: filepath.Join(top, "fifo"),
		gate: &gate{}, single: strings.Count(lineages, "name") == 1,
	}
	server := httptest.NewServer(r.gate)
	t.Cleanup(server.Close)
	r.registry = strings.TrimPrefix(server.URL, "http://")
	for name, text := range map[string]string{
		"config.json": strings.NewReplacer("ISSUER", issuer, "LINEAGES", lineages).Replace(tinyConfig), "CHANGELOG.md": "## 1.0.0\nThe first one.\n", ".gitignore": "/build/\n/dist/\n",
	} {
		if err := os.MkdirAll(r.template, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(r.template, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r.env = append(os.Environ(), "FIFO="+r.fifo, "RELEASER_REGISTRY="+r.registry, "RELEASER_PAGE=dir:"+r.www, "RELEASER_RETRIES=0")
	r.git("init", "-q")
	r.git("add", ".")
	r.git("commit", "-qm", "first")
	r.git("tag", "v1.0.0")
	return r
}

// onPage names another page, and what the forge wants to know.
func (r *releasing) onPage(page, token string) {
	r.env = append(r.env, "RELEASER_PAGE="+page, "RELEASER_TOKEN="+token)
}

// git runs it in the template.
func (r *releasing) git(args ...string) {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.template, "-c", "user.name=A", "-c", "user.email=a@example.org"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
}

// fresh takes everything away that a release made.
func (r *releasing) fresh(n int, fits func(*http.Request, []byte) bool) {
	r.t.Helper()
	for _, dir := range []string{r.dir, r.www, r.fifo} {
		if err := os.RemoveAll(dir); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := os.CopyFS(r.dir, os.DirFS(r.template)); err != nil {
		r.t.Fatal(err)
	}
	backend := r.backend
	if backend == nil {
		backend = registry.New(registry.WithReferrersSupport(!r.noReferrers), registry.Logger(log.New(io.Discard, "", 0)))
	}
	r.gate.reset(backend, n, fits)
}

func (r *releasing) command() *exec.Cmd {
	cmd := exec.Command("releaser", append([]string{"release"}, r.args...)...)
	cmd.Dir, cmd.Env = r.dir, r.env
	return cmd
}

// finish runs the release to its end.
func (r *releasing) finish() string {
	r.t.Helper()
	out, err := r.command().CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// fail runs the release and wants an exit code.
func (r *releasing) fail(code int) string {
	r.t.Helper()
	out, err := r.command().CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != code {
		r.t.Fatalf("%v, want exit code %d\n%s", err, code, out)
	}
	return string(out)
}

// kill starts a release and ends it with SIGKILL: when it has printed the line of the
// step after, or when the gate or build_cmd says that it is in the middle. It reports
// false if the release came to its end after that line, before the signal.
func (r *releasing) kill(after string) bool {
	r.t.Helper()
	cmd := r.command()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	reached, ended := make(chan struct{}), make(chan struct{})
	var printed strings.Builder
	go func() {
		defer close(ended)
		once := sync.OnceFunc(func() { close(reached) })
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(&printed, lines.Text())
			if step, _, _ := strings.Cut(lines.Text(), " "); step == after {
				once()
			}
		}
	}()
	built := make(chan struct{})
	if after == "in build" {
		go func() {
			f, err := os.Open(r.fifo) // when build_cmd writes to it
			if err != nil {
				return
			}
			defer f.Close()
			// Its line is taken, or writing it would fail and end build_cmd.
			if _, err := bufio.NewReader(f).ReadString('\n'); err == nil {
				close(built)
			}
		}()
	}
	select {
	case <-reached:
	case <-built:
	case <-r.gate.held:
	case <-ended:
		_ = cmd.Wait()
		r.t.Fatalf("it came to an end before it was killed:\n%s%s", printed.String(), errs.String())
	}
	if err := cmd.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	<-ended
	err = cmd.Wait()
	if err == nil && after != "" {
		return false
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		r.t.Fatalf("%v: not killed\n%s%s", err, printed.String(), errs.String())
	}
	return true
}

// layer is the request for the layer of the first image. A release makes it three
// times: to pack it, to verify the release, and to verify what was downloaded from
// the page.
func (r *releasing) layer() func(*http.Request, []byte) bool {
	r.t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.www, "v1.0.0", release.RecordFile))
	if err != nil {
		r.t.Fatal(err)
	}
	record, err := release.ParseRecord(raw)
	if err != nil {
		r.t.Fatal(err)
	}
	path := "/v2/tool/blobs/" + record.Cells[0].Layers[0].String()
	n := 0
	for _, request := range r.gate.passed {
		if request == "GET "+path {
			n++
		}
	}
	if n != 3 {
		r.t.Fatalf("%s was read %d times, want 3", path, n)
	}
	return func(r *http.Request, _ []byte) bool { return r.Method == http.MethodGet && r.URL.Path == path }
}

// contents reads a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[rel] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// referrers counts what refers to each index and manifest in the registry.
func (r *releasing) referrers() map[string]int {
	r.t.Helper()
	out := map[string]int{}
	for _, tag := range []string{"1.0.0", "1.0.0-one", "1.0", "1.0-one", "latest", "latest-one"} {
		if r.single && strings.HasSuffix(tag, "-one") {
			continue
		}
		ref, err := oci.ParseRef(r.registry + "/tool:" + tag)
		if err != nil {
			r.t.Fatal(err)
		}
		ix, err := oci.ReadIndex(r.t.Context(), ref, oci.Access{Named: []string{"127.0.0.1"}})
		if err != nil {
			r.t.Fatal(err)
		}
		for i, d := range []release.Digest{ix.Digest, ix.Manifests[0].Digest} {
			found, problems, err := oci.Referrers(r.t.Context(), ref, d, oci.Access{Named: []string{"127.0.0.1"}})
			if err != nil || len(problems) > 0 {
				r.t.Fatal(problems, err)
			}
			out[fmt.Sprintf("%s %d %s", tag, i, d)] = len(found)
		}
	}
	return out
}

// differences names what two pages do not have in common.
func differences(got, want map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			out = append(out, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			out = append(out, "+"+name)
		}
	}
	return out
}

// deterministicKey is an Ed25519 key: it gives a statement the same signature each
// time, so that whole pages can be compared.
func deterministicKey(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "release.key")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReleaseKilledAnywhere kills a release with SIGKILL after each step and in the
// middle of each, runs it again, and wants the page and the registry that a release
// has that nobody disturbed, byte for byte.
func TestReleaseKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a release some forty times")
	}
	r := newReleasing(t, "https://issuer.example", `{"name": "two"}, {"name": "one", "suffix": "-one"}`)
	r.args = []string{"-q", "--key", deterministicKey(t)}
	r.fresh(0, nil)
	r.finish()
	page, signed := contents(t, r.www), r.referrers()
	if len(page) != 10 { // two tarballs, two SBOMs, two bundles, checksums, record, notes, index
		t.Fatalf("the page has %q", slices.Sorted(maps.Keys(page)))
	}
	for subject, n := range signed {
		if want := map[bool]int{true: 3, false: 2}[strings.Contains(subject, " 1 ")]; n != want {
			t.Errorf("%s has %d referrers, want %d", subject, n, want)
		}
	}
	get := r.layer()

	type point struct {
		name  string
		after string // the step, or "" for in the middle
		n     int
		fits  func(*http.Request, []byte) bool
	}
	var points []point
	all := steps.Of(nil)
	for _, s := range all[:len(all)-1] {
		points = append(points, point{name: "after " + s.Name, after: s.Name})
	}
	// check reads the layout and nothing else: there is no middle that would differ
	// from what is after build.
	points = append(points, []point{
		{"in preflight", "", 1, func(r *http.Request, _ []byte) bool { return strings.HasSuffix(r.URL.Path, "/manifests/1.0.0") }},
		{"in build", "in build", 0, nil},
		{"in push, a blob", "", 2, func(r *http.Request, _ []byte) bool { return strings.Contains(r.URL.Path, "/blobs/uploads") }},
		{"in push, the second index", "", 1, puts("/manifests/1.0.0-one")},
		{"in sign-images, the first", "", 1, attaches("cosign/sign/v1")},
		{"in sign-images, a provenance", "", 3, attaches("slsa.dev/provenance")},
		{"in pack", "", 1, get},
		{"in sign", "", 2, attaches("spdx.dev/Document")},
		{"in verify", "", 2, get},
		{"in publish", "", 3, get},
		{"in rolling-tags", "", 1, puts("/manifests/latest")},
	}...)
	survived := 0
	for _, p := range points {
		t.Run(p.name, func(t *testing.T) {
			r.t = t
			killed := false
			for try := 0; try < 5 && !killed; try++ { // the last steps are quick
				r.fresh(p.n, p.fits)
				if p.after == "in build" {
					if err := syscall.Mkfifo(r.fifo, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				killed = r.kill(p.after)
			}
			if !killed {
				survived++
			}
			if p.after == "in build" { // build_cmd lives on, until somebody answers it
				f, err := os.OpenFile(r.fifo, os.O_RDWR, 0)
				if err == nil {
					_, err = f.WriteString("\n\n\n\n")
				}
				if err == nil {
					err = os.Remove(r.fifo)
				}
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
			}
			r.finish()
			if d := differences(contents(t, r.www), page); d != nil {
				t.Errorf("the page differs: %q", d)
			}
			if got := r.referrers(); !maps.Equal(got, signed) {
				t.Errorf("the registry has %v, want %v", got, signed)
			}
			if d := differences(contents(t, filepath.Join(r.dir, "dist")), contents(t, filepath.Join(r.www, "v1.0.0"))); !slices.Equal(d, []string{"NOTES.md"}) {
				t.Errorf("dist and the page differ: %q", d)
			}
			if out := r.finish(); strings.Count(out, " kept ") != len(all)-3 {
				t.Errorf("again, with nothing to do:\n%s", out)
			}
		})
	}
	if survived > 2 {
		t.Errorf("%d of %d releases came to their end before they were killed", survived, len(points))
	}
	r.t = t
}

// TestReleaseGoesOnBetweenTwoFiles has a directory in which a killed run left the
// provenance and not yet the signature of checksums.txt, and the other way round.
func TestReleaseGoesOnBetweenTwoFiles(t *testing.T) {
	r := newReleasing(t, "https://issuer.example", `{"name": "two"}`)
	r.args = []string{"-q", "--key", deterministicKey(t)}
	r.fresh(0, nil)
	r.finish()
	page := contents(t, r.www)
	for _, name := range []string{release.BundleFile, release.ProvenanceFile} {
		r.fresh(0, nil)
		r.args = append(r.args, "--to", steps.Sign)
		r.finish()
		r.args = r.args[:len(r.args)-2]
		if err := os.Remove(filepath.Join(r.dir, "dist", name)); err != nil {
			t.Fatal(err)
		}
		if out := r.finish(); !strings.Contains(out, "sign          done   1 signature made, 6 kept") {
			t.Errorf("without %s: got %s", name, out)
		}
		if d := differences(contents(t, r.www), page); d != nil {
			t.Errorf("without %s, the page differs: %q", name, d)
		}
	}
}

// TestReleaseWithoutReferrersAPI is killed between a signature and the index that
// lists it, in a registry that has no other list.
func TestReleaseWithoutReferrersAPI(t *testing.T) {
	r := newReleasing(t, "https://issuer.example", `{"name": "two"}`)
	r.args, r.noReferrers = []string{"-q", "--key", deterministicKey(t)}, true
	r.fresh(0, nil)
	r.finish()
	page, signed := contents(t, r.www), r.referrers()
	lists := func(r *http.Request, _ []byte) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/sha256-")
	}
	for n := 1; n <= 5; n++ { // two signatures, two provenances, an SBOM
		r.fresh(n, lists)
		r.kill("")
		r.finish()
		if d := differences(contents(t, r.www), page); d != nil {
			t.Errorf("killed at list %d, the page differs: %q", n, d)
		}
		if got := r.referrers(); !maps.Equal(got, signed) {
			t.Errorf("killed at list %d, the registry has %v, want %v", n, got, signed)
		}
	}
}

// TestReleaseKeepsKeylessSignatures kills a release that signs keyless, each
// signature another one: those that are in their places are in the release that comes
// of it, and no image has two of a kind.
func TestReleaseKeepsKeylessSignatures(t *testing.T) {
	s := newSigning(t)
	r := newReleasing(t, s.Mail, `{"name": "two"}`)
	r.args = []string{"-q", "--signing-config", s.SigningConfig, "--trusted-root", s.TrustedRoot, "--identity-token", s.tokenFile(t)}
	r.fresh(0, nil)
	r.finish()
	first, get := contents(t, r.www), r.layer()
	bundles := []string{release.BundleFile, release.ProvenanceFile}
	for _, p := range []struct {
		name   string
		n      int
		fits   func(*http.Request, []byte) bool
		signed bool // both bundles are there
		moved  bool // it goes on elsewhere
	}{
		{"in sign-images", 3, attaches("sigstore.bundle"), false, false},
		{"in sign", 1, attaches("spdx.dev/Document"), false, false},
		{"in verify", 2, get, true, false},
		{"in publish, on to another machine", 3, get, true, true},
	} {
		t.Run(p.name, func(t *testing.T) {
			r.t = t
			r.fresh(p.n, p.fits)
			r.kill("")
			before := map[string]string{}
			for _, name := range bundles {
				if raw, err := os.ReadFile(filepath.Join(r.dir, "dist", name)); err == nil {
					before[name] = string(raw)
				}
			}
			if p.moved {
				if err := os.RemoveAll(r.dir); err != nil {
					t.Fatal(err)
				}
				if err := os.CopyFS(r.dir, os.DirFS(r.template)); err != nil {
					t.Fatal(err)
				}
			}
			r.finish()
			page := contents(t, r.www)
			for name, raw := range before {
				if page["v1.0.0/"+name] != raw {
					t.Errorf("%s was signed again", name)
				}
			}
			if p.signed != (len(before) == 2) {
				t.Errorf("killed with %d bundles", len(before))
			}
			var other []string
			for _, name := range differences(page, first) {
				if !strings.HasSuffix(name, ".sigstore.json") && name != "v1.0.0/NOTES.md" && name != "releases.json" { // they have the bundles' digests
					other = append(other, name)
				}
			}
			if other != nil {
				t.Errorf("the page differs: %q", other)
			}
			for subject, n := range r.referrers() {
				if want := map[bool]int{true: 3, false: 2}[strings.Contains(subject, " 1 ")]; n != want {
					t.Errorf("%s has %d referrers, want %d", subject, n, want)
				}
			}
			r.finish()
			if d := differences(contents(t, r.www), page); d != nil {
				t.Errorf("again, the page differs: %q", d)
			}
		})
	}
	r.t = t
}

// forgeFront is a gate in front of Gitea, which then names itself by the gate's
// address.
func forgeFront(t *testing.T, real string) (*gate, string) {
	t.Helper()
	to, err := url.Parse(real)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.ModifyResponse = func(resp *http.Response) error {
		if !strings.Contains(resp.Header.Get("Content-Type"), "json") {
			return nil
		}
		body, err := io.ReadAll(resp.Body)
		body = bytes.ReplaceAll(body, []byte(real), []byte(server.URL))
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return err
	}
	g.next = proxy
	return g, server.URL
}

// TestReleaseOnGitea pushes to distribution's registry and publishes on the real
// forge, is killed while it uploads and before it promotes, and is told of a tag that
// is missing there or has moved.
func TestReleaseOnGitea(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Gitea")
	}
	needTools(t, "gitea", "registry")
	images, err := loopback.NewRegistry(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(images.Close)
	server, err := loopback.NewGitea(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	forge, address := forgeFront(t, server.URL)
	r := newReleasing(t, "https://issuer.example", `{"name": "two"}`)
	r.backend = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: images.Addr})
	r.args = []string{"-q", "--key", deterministicKey(t)}
	remote := func(name string) string {
		return strings.Replace(server.URL, "://", "://"+server.User+":"+server.Token+"@", 1) + "/" + server.User + "/" + name
	}
	// assets reads the published release as its maintainer.
	assets := func(t *testing.T, page string) map[string]string {
		t.Helper()
		reader, err := publish.Open(t.Context(), page, publish.Options{Token: func(string) string { return server.Token }})
		if err != nil {
			t.Fatal(err)
		}
		found, err := reader.(publish.Page).Find(t.Context(), "v1.0.0")
		if err != nil || len(found) != 1 || found[0].Draft {
			t.Fatalf("%+v, %v", found, err)
		}
		out := map[string]string{}
		for _, a := range found[0].Assets {
			raw, err := publish.ReadAsset(t.Context(), reader, found[0], a.Name, 1<<20, nil)
			if err != nil {
				t.Fatal(err)
			}
			out[a.Name] = string(raw)
		}
		return out
	}
	uploads := func(r *http.Request, _ []byte) bool {
		return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/assets")
	}
	promotes := func(r *http.Request, _ []byte) bool { return r.Method == http.MethodPatch }
	var first map[string]string
	for i, p := range []struct {
		name string
		n    int
		fits func(*http.Request, []byte) bool
	}{{"undisturbed", 0, nil}, {"the first upload", 1, uploads}, {"the fourth upload", 4, uploads}, {"promotion", 1, promotes}} {
		t.Run(p.name, func(t *testing.T) {
			r.t = t
			name := "tool" + strconv.Itoa(i)
			if _, _, err := server.Repository(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			r.git("push", "-qf", remote(name), "HEAD:main")
			page := address + "/" + server.User + "/" + name
			r.onPage(page, server.Token)
			r.fresh(0, nil)
			if out := r.fail(1); !strings.Contains(out, "step preflight: ") || !strings.Contains(out, "hint: push the tag first: git push REMOTE v1.0.0; ") {
				t.Errorf("without a tag on the page: got %s", out)
			}
			// Not by a push: Gitea sees to its releases some time after that, and makes a
			// draft public that it finds.
			if err := server.Tag(t.Context(), name, "v1.0.0", "main"); err != nil {
				t.Fatal(err)
			}
			forge.reset(forge.next, p.n, p.fits)
			if p.fits != nil {
				r.gate.held = forge.held
				r.kill("")
			}
			out := r.finish()
			if !strings.Contains(out, "publish       done   v1.0.0 at "+page) {
				t.Errorf("got %s", out)
			}
			got := assets(t, page)
			if first == nil {
				first = got
			}
			if d := differences(got, first); d != nil || len(got) != 6 {
				t.Errorf("the page has %d assets, and differs: %q", len(got), d)
			}
			if out = r.finish(); !strings.Contains(out, "publish       kept   v1.0.0 at "+page) {
				t.Errorf("again: got %s", out)
			}
		})
	}
	r.t = t
	// The tag is moved on the page, behind our back.
	r.git("commit", "-q", "--allow-empty", "-m", "second")
	r.git("push", "-qf", remote("tool0"), "HEAD:refs/tags/v1.0.0")
	r.onPage(address+"/"+server.User+"/tool0", server.Token)
	r.git("checkout", "-q", "v1.0.0")
	r.fresh(0, nil)
	if out := r.fail(3); !strings.Contains(out, "step preflight: git tag v1.0.0: expected commit ") {
		t.Errorf("got %s", out)
	}
	// Somebody who may not.
	r.onPage(address+"/"+server.User+"/tool1", "0000000000000000000000000000000000000000")
	if out := r.fail(1); !strings.Contains(out, "step preflight: ") {
		t.Errorf("got %s", out)
	}
}
