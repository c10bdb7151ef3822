package check

import (
	"archive/tar"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	ggname "github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	ggtarball "github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"facerec/internal/executable"
	"facerec/internal/executable/elftest"
	"facerec/internal/oci"
	"facerec/internal/oci/build"
	"facerec/internal/oci/layer"
	"facerec/internal/oci/ocitest"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

func exe(name, body string) ocitest.File {
	f := ocitest.Reg(name, body)
	f.Mode = 0o755
	return f
}

var goodTool = elftest.Spec{Machine: elf.EM_X86_64}.String()

// runImage is an image with a user and an entrypoint.
func runImage(t testing.TB, p v1.Platform, change func(*v1.ConfigFile), layers ...[]ocitest.File) v1.Image {
	t.Helper()
	img := ocitest.Image(t, p, layers...)
	cf, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cf = cf.DeepCopy()
	cf.Config.User, cf.Config.Entrypoint, cf.Config.WorkingDir = "10001:10001", []string{"/app/tool"}, "/app"
	if change != nil {
		change(cf)
	}
	if img, err = mutate.ConfigFile(img, cf); err != nil {
		t.Fatal(err)
	}
	return img
}

func checkIndex(t testing.TB, ix v1.ImageIndex, o Options) Report {
	t.Helper()
	d := t.TempDir()
	ocitest.SaveLayout(t, d, "1.0.0", ix)
	return checkLayout(t, d, o)
}

func checkLayout(t testing.TB, d string, o Options) Report {
	t.Helper()
	index, err := oci.ReadIndex(context.Background(), mustRef(t, "oci-layout:"+d+":1.0.0"), oci.Access{Named: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Image(context.Background(), layer.NewUnpacker(ocitest.Spool(t), layer.Limits{}), index, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// broken lists what does not hold, "CHECK status: detail" each.
func broken(r Report) []string {
	var out []string
	list := append([]Result(nil), r.Results...)
	for _, p := range r.Platforms {
		list = append(list, p.Results...)
	}
	for _, c := range list {
		if c.Status != OK {
			out = append(out, c.Rule+" "+string(c.Status)+": "+c.Detail)
		}
	}
	return out
}

// Every case breaks one rule, and only that one is reported.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	pem := "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx\n"
	mode := func(f ocitest.File, m int64) ocitest.File { f.Mode = m; return f }
	for _, c := range []struct {
		name   string
		layers [][]ocitest.File
		change func(*v1.ConfigFile)
		opts   Options
		want   string // "" for an image that holds
	}{
		{name: "good"},
		{name: "numeric user alone", change: func(c *v1.ConfigFile) { c.Config.User = "1000" }},
		{name: "no user", change: func(c *v1.ConfigFile) { c.Config.User = "" }, want: "user fail: user: none is set: the image runs as root"},
		{name: "root", change: func(c *v1.ConfigFile) { c.Config.User = "0:0" }, want: `user fail: user: "0:0" is root`},
		{name: "root with zeros", change: func(c *v1.ConfigFile) { c.Config.User = "000" }, want: "is root"},
		{name: "named user", change: func(c *v1.ConfigFile) { c.Config.User = "nobody" }, want: `expected a numeric user, got "nobody"`},
		{name: "named group", change: func(c *v1.ConfigFile) { c.Config.User = "1:staff" }, want: "expected a numeric group"},
		{name: "no entrypoint", change: func(c *v1.ConfigFile) { c.Config.Entrypoint = nil }, want: "entrypoint fail: entrypoint: the image has neither"},
		{name: "cmd alone, by PATH", change: func(c *v1.ConfigFile) {
			c.Config.Entrypoint, c.Config.Cmd, c.Config.Env = nil, []string{"tool"}, []string{"PATH=/bin:/app"}
		}},
		{name: "not in PATH", change: func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"tool"} }, want: "entrypoint fail: tool: is in no directory of PATH /usr/local/sbin"},
		{name: "relative", change: func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"./tool"} }},
		{name: "entrypoint missing", change: func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"/app/toool"} }, want: "entrypoint fail: /app/toool: is not in the image"},
		{name: "entrypoint a folder", change: func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"/app"} }, want: "entrypoint fail: /app: is a directory"},
		{name: "entrypoint by link", layers: [][]ocitest.File{{ocitest.Sym("app/run", "../app/tool")}}, change: func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"/app/run"} }},
		{name: "entrypoint deleted", layers: [][]ocitest.File{{ocitest.Gone("app/.wh.tool")}}, want: "entrypoint fail: /app/tool: is not in the image"},
		{name: "not executable", layers: [][]ocitest.File{{ocitest.Reg("app/tool", goodTool)}}, want: "entrypoint fail: /app/tool: mode 0644, owner 0:0: user \"10001:10001\" may not execute it"},
		{name: "for root only", layers: [][]ocitest.File{{mode(ocitest.Reg("app/tool", goodTool), 0o700)}}, want: "may not execute it"},
		{name: "for its owner only", layers: [][]ocitest.File{{{Name: "app/tool", Body: goodTool, Kind: tar.TypeReg, Mode: 0o500, UID: 10001}}}},
		{name: "empty", layers: [][]ocitest.File{{exe("app/tool", "")}}, want: "entrypoint fail: /app/tool: is empty"},
		{name: "script without its shell", layers: [][]ocitest.File{{exe("app/tool", "#! /bin/sh -e\n")}}, want: "its interpreter /bin/sh is not in the image"},
		{name: "script with its shell", layers: [][]ocitest.File{{exe("app/tool", "#! /bin/sh -e\n"), exe("bin/sh", goodTool)}}},
		{name: "set-id", layers: [][]ocitest.File{{mode(ocitest.Reg("app/su", "x"), 0o4755)}}, want: "set-id fail: /app/su: mode 4755"},
		{name: "set-gid folder", layers: [][]ocitest.File{{ocitest.Dir("app/d/", 0o2755)}}, want: "set-id fail: /app/d: mode 2755"},
		{name: "set-id allowed", layers: [][]ocitest.File{{mode(ocitest.Reg("app/su", "x"), 0o4755)}}, opts: Options{Allow: []Allowance{{"set-id", "/app/*"}}}},
		{name: "allowed elsewhere", layers: [][]ocitest.File{{mode(ocitest.Reg("app/su", "x"), 0o4755)}}, opts: Options{Allow: []Allowance{{"set-id", "/bin/**"}, {"owners", "/app/**"}}}, want: "set-id fail"},
		{name: "world-writable file", layers: [][]ocitest.File{{mode(ocitest.Reg("app/x", "x"), 0o666)}}, want: "world-writable fail: /app/x: mode 0666"},
		{name: "world-writable folder", layers: [][]ocitest.File{{ocitest.Dir("app/d/", 0o777)}}, want: "world-writable fail: /app/d"},
		{name: "world-writable top", layers: [][]ocitest.File{{ocitest.Dir("./", 0o777)}}, want: "world-writable fail: /: mode 0777"},
		{name: "sticky folder", layers: [][]ocitest.File{{ocitest.Dir("tmp/", 0o1777)}}},
		{name: "writable but deleted", layers: [][]ocitest.File{{mode(ocitest.Reg("app/x", "x"), 0o666)}, {ocitest.Gone("app/.wh.x")}}},
		{name: "owner by name", layers: [][]ocitest.File{{{Name: "app/x", Kind: tar.TypeReg, Mode: 0o644, UID: 1000, User: "builder"}}}, want: `owners fail: /app/x: user 1000 is also named "builder"`},
		{name: "root by name", layers: [][]ocitest.File{{{Name: "app/x", Kind: tar.TypeReg, Mode: 0o644, User: "root"}}}},
		{name: "device", layers: [][]ocitest.File{{{Name: "app/null", Kind: tar.TypeChar, Mode: 0o600}}}, want: "devices fail: /app/null: is a device (char 1:3)"},
		{name: "file capability", layers: [][]ocitest.File{{{Name: "app/ping", Kind: tar.TypeReg, Mode: 0o755, PAX: map[string]string{"SCHILY.xattr.security.capability": "\x01"}}}}, want: "attributes fail: /app/ping: security.capability"},
		{name: "other machine", layers: [][]ocitest.File{{exe("app/lib/x", elftest.Spec{Machine: elf.EM_386, Narrow: true}.String())}}, want: "machine fail: /app/lib/x: expected X86_64 (64 bit, little endian), got 386 (32 bit, little endian)"},
		{name: "other machine allowed", layers: [][]ocitest.File{{exe("app/lib/x", elftest.Spec{Machine: elf.EM_386, Narrow: true}.String())}}, opts: Options{Allow: []Allowance{{"machine", "/app/lib/**"}}}},
		{name: "malformed program", layers: [][]ocitest.File{{exe("app/x", goodTool[:70])}}, want: "machine fail: /app/x: malformed ELF file"},
		{name: "dynamic", layers: [][]ocitest.File{{exe("app/x", elftest.Spec{Machine: elf.EM_X86_64, Interp: "/lib/ld.so"}.String())}}, want: "static fail: /app/x: dynamically linked: interpreter /lib/ld.so"},
		{name: "needs libraries", layers: [][]ocitest.File{{exe("app/x", elftest.Spec{Machine: elf.EM_X86_64, Needed: []string{"libz.so"}}.String())}}, want: "static fail: /app/x: dynamically linked: needs libz.so"},
		{name: "build id, a note", layers: [][]ocitest.File{{exe("app/x", elftest.Spec{Machine: elf.EM_X86_64, Note: "GNU", Kind: 3, ID: []byte{1}}.String())}}},
		{name: "build id, strict", layers: [][]ocitest.File{{exe("app/x", elftest.Spec{Machine: elf.EM_X86_64, Note: "GNU", Kind: 3, ID: []byte{1}}.String())}}, opts: Options{Strict: []string{"build-id"}}, want: "build-id fail: /app/x: GNU 01"},
		{name: "path of the builder", layers: [][]ocitest.File{{exe("app/x", elftest.Spec{Machine: elf.EM_X86_64, Body: "\x00/root/src/main.go\x00"}.String())}}, want: `build-paths fail: /app/x: a path of the build machine at offset 289: "/root/src/main.go`},
		{name: "path given", layers: [][]ocitest.File{{exe("app/x", elftest.Spec{Machine: elf.EM_X86_64, Body: "\x00/srv/ci/job/x.c\x00"}.String())}}, opts: Options{Paths: []string{"/srv/ci/"}}, want: "build-paths fail: /app/x"},
		{name: "path in a text", layers: [][]ocitest.File{{ocitest.Reg("app/x", "see /home/you/config/x")}}},
		{name: "secret by name", layers: [][]ocitest.File{{ocitest.Reg("home/u/.ssh/id_ed25519", "x")}}, want: "secrets fail: /home/u/.ssh/id_ed25519: an SSH key"},
		{name: "repository", layers: [][]ocitest.File{{ocitest.Reg("app/.git/HEAD", "x"), ocitest.Reg("app/.git/config", "x")}}, want: "secrets fail: /app/.git: a git repository"},
		{name: "private key", layers: [][]ocitest.File{{ocitest.Reg("app/key.txt", "x\n"+pem)}}, want: "secrets fail: /app/key.txt: a private key at offset 2"},
		{name: "key deleted later", layers: [][]ocitest.File{{ocitest.Reg("app/key.txt", pem)}, {ocitest.Gone("app/.wh.key.txt")}}, want: "a private key at offset 0, deleted or replaced later, but still in layer sha256:"},
		{name: "secret in the environment", change: func(c *v1.ConfigFile) { c.Config.Env = []string{"NPM_TOKEN=x"} }, want: "secrets fail: env:NPM_TOKEN: the image's environment"},
		{name: "secret in the history", change: func(c *v1.ConfigFile) {
			c.History = append(c.History, v1.History{CreatedBy: "ENV K=AKIAABCDEFGHIJKLMNOP", EmptyLayer: true})
		}, want: "secrets fail: config: an AWS access key id"},
		{name: "too large as stored", opts: Options{MaxImage: 10}, want: "size fail: layers: "},
		{name: "too large unpacked", opts: Options{MaxFiles: 10}, want: "size fail: files: expected at most 10 bytes as unpacked, got 288"},
		{name: "platform missing", opts: Options{Platforms: []release.Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}}}, want: "platforms fail: linux/arm64: is not in the image: it has linux/amd64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			layers := append([][]ocitest.File{{ocitest.Dir("app/", 0o755), exe("app/tool", goodTool)}}, c.layers...)
			r := checkIndex(t, ocitest.Index(map[string]v1.Image{"linux/amd64": runImage(t, ocitest.AMD64, c.change, layers...)}), c.opts)
			got := broken(r)
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("got %q, want nothing", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("got  %q\nwant %s", got, c.want)
			}
			if worst := r.Worst(); (worst == OK) != (c.want == "") {
				t.Errorf("the whole is %s", worst)
			}
		})
	}
}

// Each platform is checked, and a shared ocitest.File counts against each.
func TestCheckEveryPlatform(t *testing.T) {
	arm := v1.Platform{OS: "linux", Architecture: "arm64"}
	layer := []ocitest.File{ocitest.Dir("app/", 0o755), exe("app/tool", goodTool)}
	r := checkIndex(t, ocitest.Index(map[string]v1.Image{
		"linux/amd64": runImage(t, ocitest.AMD64, nil, layer), "linux/arm64": runImage(t, arm, nil, layer),
		"unknown/unknown": ocitest.Image(t, v1.Platform{OS: "unknown", Architecture: "unknown"}, []ocitest.File{ocitest.Reg("attestation", "x")}),
	}), Options{})
	if len(r.Platforms) != 2 {
		t.Fatalf("%d platforms, want 2", len(r.Platforms))
	}
	got := broken(r)
	if len(got) != 1 || !strings.HasPrefix(got[0], "machine fail: /app/tool: expected AARCH64") {
		t.Errorf("got %q", got)
	}
}

// What --platform selects, and what is said of a platform that is not there or
// there twice.
func TestCheckSelectsPlatforms(t *testing.T) {
	index := func(platforms ...string) v1.ImageIndex {
		ix := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
		for i, p := range platforms {
			parts := append(strings.Split(p, "/"), "")
			says := v1.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
			ix = mutate.AppendManifests(ix, mutate.IndexAddendum{
				Add:        ocitest.Image(t, says, []ocitest.File{ocitest.Reg("n", fmt.Sprint(i))}),
				Descriptor: v1.Descriptor{Platform: &says},
			})
		}
		return ix
	}
	for _, c := range []struct {
		name string
		in   []string // of the index
		ask  []string
		want string // what is checked
		says string // of the rule "platforms"
	}{
		{"all", []string{"linux/amd64", "windows/amd64"}, nil, "linux/amd64 windows/amd64", ""},
		{"windows", []string{"linux/amd64", "windows/amd64"}, []string{"windows/amd64"}, "windows/amd64", ""},
		{"v7", []string{"linux/arm/v6", "linux/arm/v7"}, []string{"linux/arm/v7"}, "linux/arm/v7", ""},
		{"v6", []string{"linux/arm/v6", "linux/arm/v7"}, []string{"linux/arm/v6"}, "linux/arm/v6", ""},
		{"arm is v7", []string{"linux/arm/v6", "linux/arm/v7"}, []string{"linux/arm"}, "linux/arm/v7", ""},
		{"amd64/v1", []string{"linux/amd64", "linux/arm64/v8"}, []string{"linux/amd64/v1", "linux/arm64"}, "linux/amd64 linux/arm64", ""},
		{"a variant that is left out", []string{"linux/amd64/v2"}, []string{"linux/amd64"}, "linux/amd64/v2", ""},
		{"v6 is not v7", []string{"linux/arm/v7"}, []string{"linux/arm/v6"}, "", "linux/arm/v6: is not in the image: it has linux/arm/v7"},
		{"one of two", []string{"linux/amd64"}, []string{"windows/amd64", "linux/amd64"}, "linux/amd64", "windows/amd64: is not in the image: it has linux/amd64"},
		{"twice", []string{"windows/amd64", "windows/amd64"}, []string{"windows/amd64"}, "windows/amd64 windows/amd64", "windows/amd64: the index names it 2 times: expected once"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o Options
			for _, s := range c.ask {
				p, err := release.ParsePlatform(s)
				if err != nil {
					t.Fatal(err)
				}
				o.Platforms = append(o.Platforms, p)
			}
			r := checkIndex(t, index(c.in...), o)
			var got []string
			for _, p := range r.Platforms {
				got = append(got, p.Platform)
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("checked %q, want %q", s, c.want)
			}
			if rule := r.Results[0]; rule.Rule != "platforms" || (rule.Status == OK) != (c.says == "") || c.says != "" && rule.Detail != c.says {
				t.Errorf("got %+v, want %q", rule, c.says)
			}
		})
	}
}

// A foreign layer that is missing is no fault of the image, and no pass.
func TestCheckSkipsForeignLayers(t *testing.T) {
	for url, want := range map[string]Status{"https://example.invalid/layer": Skip, "": Fail} {
		d := t.TempDir()
		ocitest.SaveLayout(t, d, "1.0.0", ocitest.Index(map[string]v1.Image{"linux/amd64": ocitest.Image(t, ocitest.AMD64, []ocitest.File{ocitest.Reg("a", "A")})}))
		top := readDocument[v1.IndexManifest](t, d, "index.json")
		index := readDocument[v1.IndexManifest](t, d, blob(top.Manifests[0]))
		manifest := readDocument[v1.Manifest](t, d, blob(index.Manifests[0]))
		if err := os.Remove(filepath.Join(d, blob(manifest.Layers[0]))); err != nil {
			t.Fatal(err)
		}
		if url != "" {
			manifest.Layers[0].URLs = []string{url}
		}
		index.Manifests[0] = writeDocument(t, d, manifest, index.Manifests[0])
		top.Manifests[0] = writeDocument(t, d, index, top.Manifests[0])
		writeDocument(t, d, top, v1.Descriptor{})
		for _, c := range checkLayout(t, d, Options{}).Platforms[0].Results {
			if c.Rule == "layers" && (c.Status != want || !strings.Contains(c.Detail, "not found")) {
				t.Errorf("%q: got %+v, want %s", url, c, want)
			}
		}
	}
}

func blob(d v1.Descriptor) string { return filepath.Join("blobs", "sha256", d.Digest.Hex) }

func readDocument[T any](t *testing.T, dir, name string) (out T) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// writeDocument stores a document under its digest, or without a descriptor as
// index.json.
func writeDocument(t *testing.T, dir string, doc any, d v1.Descriptor) v1.Descriptor {
	t.Helper()
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	name := "index.json"
	if d.MediaType != "" {
		d.Digest.Hex, d.Size = release.DigestBytes(raw).Hex(), int64(len(raw))
		name = blob(d)
	}
	if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

const checkConfigJSON = `{
  "project_name": "tool", "build_cmd": "true", "epoch": 7,
  "artifacts": [{"src": "out/tool", "dest": "/app/tool", "mode": "0755"}],
  "platforms": ["linux/amd64"],
  "image": {"entrypoint": ["/app/tool"], "labels": {"org.opencontainers.image.licenses": "MIT"}}
}`

// What Build makes holds; what differs from the configuration is named.
func TestCheckAgainstConfig(t *testing.T) {
	conf, err := release.Parse("config.json", []byte(checkConfigJSON))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "out", "tool"), []byte(goodTool), 0o755); err != nil {
		t.Fatal(err)
	}
	d := filepath.Join(t.TempDir(), "oci")
	p := build.Plan{Config: conf, Version: "1.0.0", Cells: conf.Cells(), Root: root, Spool: ocitest.Spool(t)}
	files, err := p.Snapshot(p.Cells[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Layout(context.Background(), d, []build.Snapshot{files}); err != nil {
		t.Fatal(err)
	}
	o := Options{Config: conf, Version: "1.0.0", Lineage: &conf.Lineages[0]}
	if got := broken(checkLayout(t, d, o)); len(got) > 0 {
		t.Fatalf("what was built does not hold: %q", got)
	}
	for _, c := range []struct {
		name, old, new, want string
	}{
		{"epoch", `"epoch": 7`, `"epoch": 8`, "created fail: config: expected 1970-01-01T00:00:08Z (epoch of config.json), got 1970-01-01T00:00:07Z"},
		{"label", `"MIT"`, `"Apache-2.0"`, `labels fail: org.opencontainers.image.licenses: expected "Apache-2.0", got "MIT"`},
		{"more labels", `"MIT"`, `"MIT", "a": "b"`, `labels fail: a: expected "b", got none`},
		{"user", `"image": {`, `"image": {"user": "5", `, `config fail: user: expected "5", got "10001:10001"`},
		{"mode", `"0755"`, `"0555"`, "contents fail: /app/tool: expected mode 0555, got 0755"},
		{"content", `"epoch": 7`, `"epoch": 7, "extern_data": [{"src": "a", "dest": "/app/a"}]`, "contents fail: /app/a: config.json promises it"},
		{"platforms", `["linux/amd64"]`, `["linux/arm64", "linux/amd64"]`, "platforms fail: linux/arm64: is not in the image"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(checkConfigJSON, c.old, c.new, 1)
			other, err := release.Parse("config.json", []byte(text))
			if err != nil || text == checkConfigJSON {
				t.Fatal("the case is wrong", err)
			}
			got := broken(checkLayout(t, d, Options{Config: other, Version: "1.0.0", Lineage: &other.Lineages[0]}))
			if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
				t.Errorf("got  %q\nwant %s", got, c.want)
			}
		})
	}
	o.Lineage, o.Unknown = nil, "no lineage"
	if r := checkLayout(t, d, o); r.Worst() != Skip || strings.Join(broken(r), "") != "labels skip: no lineage" {
		t.Errorf("got %q", broken(r))
	}
}

// What a rule of hygiene finds is in the answer, and says what to change only
// where it fails.
func TestNotesAndFixes(t *testing.T) {
	img := ocitest.Index(map[string]v1.Image{"linux/amd64": runImage(t, ocitest.AMD64, nil, []ocitest.File{
		ocitest.Dir("app/", 0o755), exe("app/tool", elftest.Spec{Machine: elf.EM_X86_64, Note: "GNU", Kind: 3, ID: []byte{1}}.String()),
	})})
	for _, strict := range []bool{false, true} {
		o := Options{}
		if strict {
			o.Strict = []string{"build-id"}
		}
		for _, r := range checkIndex(t, img, o).Platforms[0].Results {
			if r.Rule == "build-id" && (len(r.Notes) == 1) == strict || (r.Fix != "") != (r.Status == Fail) {
				t.Errorf("strict %v: %+v", strict, r)
			}
		}
	}
	for _, r := range rules {
		if r.fix == "" || r.doc == "" {
			t.Errorf("rule %s has no fix or no doc", r.name)
		}
	}
}

// A damaged layer fails, and what lies in it is skipped: never passed.
func TestCheckDamagedLayer(t *testing.T) {
	d := t.TempDir()
	img := runImage(t, ocitest.AMD64, nil, []ocitest.File{ocitest.Dir("app/", 0o755), exe("app/tool", goodTool)})
	ocitest.SaveLayout(t, d, "1.0.0", ocitest.Index(map[string]v1.Image{"linux/amd64": img}))
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	h, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(d, "blobs", "sha256", h.Hex)
	raw, err := os.ReadFile(blob)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(blob, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	see := func(want string) {
		t.Helper()
		r := checkLayout(t, d, Options{})
		got := broken(r)
		if r.Worst() != Fail || len(got) != 13 || !strings.HasPrefix(got[0], "layers fail: ") || !strings.Contains(got[0], want) {
			t.Errorf("got %q", got)
		}
		for _, g := range got[1:] {
			if !strings.Contains(g, " skip: the layers could not be read") {
				t.Errorf("got %q", g)
			}
		}
	}
	see("expected sha256:" + h.Hex)
	if err := os.Remove(blob); err != nil {
		t.Fatal(err)
	}
	see("not found")
}

func TestParseAllowance(t *testing.T) {
	for _, c := range []struct {
		in, name string
		want     bool
	}{
		{"set-id", "/a/b", true},
		{"set-id=/a/b", "/a/b", true},
		{"set-id=/a/*", "/a/b/c", false},
		{"set-id=/a/**", "/a/b/c", true},
		{"set-id=/a/**", "/ab", false},
		{"set-id=/*/b/**", "/a/b/c/d", true},
		{"secrets=env:X", "env:X", true},
		{"owners=/a/b", "/a/b", false},
	} {
		a, err := ParseAllowance(c.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.permits(setID, c.name) || a.permits(secrets, c.name); got != c.want {
			t.Errorf("%s, %s: %v", c.in, c.name, got)
		}
	}
	for _, bad := range []string{"", "setid", "set-id=[", "=x"} {
		if _, err := ParseAllowance(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func TestTraces(t *testing.T) {
	for _, c := range []struct {
		text    string
		program bool
		secrets int
		paths   int
	}{
		{"-----BEGIN PRIVATE KEY-----", false, 1, 0},
		{"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", false, 1, 0},
		{"-----BEGIN PGP PRIVATE KEY BLOCK-----", false, 1, 0},
		{"-----BEGIN PUBLIC KEY-----", false, 0, 0},
		{"-----BEGIN CERTIFICATE-----", false, 0, 0},
		{"-----BEGIN RSA PRIVATE KEY-----\x00invalid", true, 0, 0}, // every TLS library has it
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq8", true, 1, 0},
		{"id=AKIAABCDEFGHIJKLMNOP;", false, 1, 0},
		{"xAKIAABCDEFGHIJKLMNOP;", false, 0, 0},
		{"AKIAABCDEFGHIJKLMNOPQ", false, 0, 0},
		{"ghp_" + strings.Repeat("a", 36), false, 1, 0},
		{"ghp_short", false, 0, 0},
		{"\x00/root/go/src/x.go\x00", true, 0, 1},
		{"/proc/self/root/etc", true, 0, 0},
		{"example.org/pkg/root/x.go", true, 0, 0},
		{"example.org/home/user/x.go", true, 0, 0},
		{"textbefore/root/go/src/x.go", true, 0, 1},
		{"textbefore/root/.cache/go-build/x", true, 0, 1},
		{"/home/\x00", true, 0, 0},
		{"\x00/tmp\x00/tmp/\x00/var/tmp/x/y", true, 0, 0},
		{"\x00/tmp/go-build1/b001/x.o", true, 0, 1},
		{"/go/pkg/mod/github.com/x/y@v1/z.go", true, 0, 1},
		{"github.com/x/y@v1.0.0/z.go", true, 0, 0},
	} {
		s, err := findSecrets(bytesOf(c.text), c.program)
		if err != nil {
			t.Fatal(err)
		}
		p, err := executable.FindPaths(strings.NewReader(c.text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(s) != c.secrets || len(p) != c.paths {
			t.Errorf("%q: %d secrets, %d paths: want %d, %d", c.text, len(s), len(p), c.secrets, c.paths)
		}
	}
	for name, want := range map[string]bool{
		"/app/.env": true, "/app/.env.production": true, "/app/.env.example": false, "/app/env": false,
		"/root/.docker/config.json": true, "/app/config.json": false, "/root/.aws/credentials": true, "/app/id_rsa.pub": false, "/app/id_rsa": true,
	} {
		if got := secretName(name) != ""; got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func bytesOf(s string) tarball.Content { return tarball.BytesContent([]byte(s)) }

// What `docker save` writes can be checked too.
func TestCheckDockerArchive(t *testing.T) {
	img := runImage(t, ocitest.AMD64, nil, []ocitest.File{ocitest.Dir("app/", 0o755), exe("app/tool", goodTool), ocitest.Reg("app/.env", "x")})
	name := filepath.Join(t.TempDir(), "image.tar")
	tag, err := ggname.NewTag("example.org/tool:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ggtarball.WriteToFile(name, tag, img); err != nil {
		t.Fatal(err)
	}
	index, err := oci.ReadIndex(context.Background(), mustRef(t, "docker-archive:"+name), oci.Access{Named: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Image(context.Background(), layer.NewUnpacker(ocitest.Spool(t), layer.Limits{}), index, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := broken(r); len(got) != 1 || got[0] != "secrets fail: /app/.env: an environment file" {
		t.Errorf("got %q", got)
	}
}

// What a registry does not hand out is not judged: a skip, which is no pass.
func TestCheckRegistryFails(t *testing.T) {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var shut atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if shut.Load() && strings.Contains(r.URL.Path, "/blobs/") {
			http.Error(w, "not for you", http.StatusForbidden)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	at := strings.TrimPrefix(s.URL, "http://") + "/tool:1.0.0"
	ocitest.PushIndex(t, at, ocitest.Index(map[string]v1.Image{"linux/amd64": runImage(t, ocitest.AMD64, nil, []ocitest.File{ocitest.Dir("app/", 0o755), exe("app/tool", goodTool)})}))
	index, err := oci.ReadIndex(context.Background(), mustRef(t, at), oci.Access{Named: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	shut.Store(true)
	r, err := Image(context.Background(), layer.NewUnpacker(ocitest.Spool(t), layer.Limits{}), index, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := broken(r)
	if r.Worst() != Skip || !strings.HasPrefix(got[0], "manifest skip: ") || !strings.Contains(got[0], "refused access (HTTP 403)") {
		t.Errorf("got %q", got)
	}
}

func mustRef(t testing.TB, s string) oci.Ref {
	t.Helper()
	r, err := oci.ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
