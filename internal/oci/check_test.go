package oci

import (
	"archive/tar"
	"bytes"
	"compress/zlib"
	"context"
	"debug/elf"
	"encoding/binary"
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
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	ggtarball "github.com/google/go-containerregistry/pkg/v1/tarball"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

func exe(name, body string) file {
	f := reg(name, body)
	f.mode = 0o755
	return f
}

var goodTool = elfSpec{machine: elf.EM_X86_64}.make()

// runImage is an image with a user and an entrypoint.
func runImage(t testing.TB, p v1.Platform, change func(*v1.ConfigFile), layers ...[]file) v1.Image {
	t.Helper()
	img := makeImage(t, p, layers...)
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

func checkIndex(t testing.TB, ix v1.ImageIndex, o CheckOptions) CheckReport {
	t.Helper()
	d := t.TempDir()
	saveLayout(t, d, "1.0.0", ix)
	return checkLayout(t, d, o)
}

func checkLayout(t testing.TB, d string, o CheckOptions) CheckReport {
	t.Helper()
	index, err := ReadIndex(context.Background(), mustRef(t, "oci-layout:"+d+":1.0.0"), Access{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewUnpacker(newSpool(t), Limits{}).Check(context.Background(), index, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// broken lists what does not hold, "CHECK status: detail" each.
func broken(r CheckReport) []string {
	var out []string
	list := append([]CheckResult(nil), r.Checks...)
	for _, p := range r.Platforms {
		list = append(list, p.Checks...)
	}
	for _, c := range list {
		if c.Status != CheckOK {
			out = append(out, c.Check+" "+string(c.Status)+": "+c.Detail)
		}
	}
	return out
}

// Every case breaks one rule, and only that one is reported.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	pem := "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx\n"
	mode := func(f file, m int64) file { f.mode = m; return f }
	for _, c := range []struct {
		name   string
		layers [][]file
		change func(*v1.ConfigFile)
		opts   CheckOptions
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
		{name: "not in PATH", change: func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"tool"} }, want: "entrypoint fail: tool: is in no folder of PATH /usr/local/sbin"},
		{name: "relative", change: func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"./tool"} }},
		{name: "entrypoint missing", change: func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"/app/toool"} }, want: "entrypoint fail: /app/toool: is not in the image"},
		{name: "entrypoint a folder", change: func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"/app"} }, want: "entrypoint fail: /app: is a folder"},
		{name: "entrypoint by link", layers: [][]file{{sym("app/run", "../app/tool")}}, change: func(c *v1.ConfigFile) { c.Config.Entrypoint = []string{"/app/run"} }},
		{name: "entrypoint deleted", layers: [][]file{{gone("app/.wh.tool")}}, want: "entrypoint fail: /app/tool: is not in the image"},
		{name: "not executable", layers: [][]file{{reg("app/tool", goodTool)}}, want: "entrypoint fail: /app/tool: mode 0644, owner 0:0: user \"10001:10001\" may not execute it"},
		{name: "for root only", layers: [][]file{{mode(reg("app/tool", goodTool), 0o700)}}, want: "may not execute it"},
		{name: "for its owner only", layers: [][]file{{{name: "app/tool", body: goodTool, kind: tar.TypeReg, mode: 0o500, uid: 10001}}}},
		{name: "empty", layers: [][]file{{exe("app/tool", "")}}, want: "entrypoint fail: /app/tool: is empty"},
		{name: "script without its shell", layers: [][]file{{exe("app/tool", "#! /bin/sh -e\n")}}, want: "its interpreter /bin/sh is not in the image"},
		{name: "script with its shell", layers: [][]file{{exe("app/tool", "#! /bin/sh -e\n"), exe("bin/sh", goodTool)}}},
		{name: "set-id", layers: [][]file{{mode(reg("app/su", "x"), 0o4755)}}, want: "set-id fail: /app/su: mode 4755"},
		{name: "set-gid folder", layers: [][]file{{dir("app/d/", 0o2755)}}, want: "set-id fail: /app/d: mode 2755"},
		{name: "set-id allowed", layers: [][]file{{mode(reg("app/su", "x"), 0o4755)}}, opts: CheckOptions{Allow: []Allowance{{"set-id", "/app/*"}}}},
		{name: "allowed elsewhere", layers: [][]file{{mode(reg("app/su", "x"), 0o4755)}}, opts: CheckOptions{Allow: []Allowance{{"set-id", "/bin/**"}, {"owners", "/app/**"}}}, want: "set-id fail"},
		{name: "world-writable file", layers: [][]file{{mode(reg("app/x", "x"), 0o666)}}, want: "world-writable fail: /app/x: mode 0666"},
		{name: "world-writable folder", layers: [][]file{{dir("app/d/", 0o777)}}, want: "world-writable fail: /app/d"},
		{name: "world-writable top", layers: [][]file{{dir("./", 0o777)}}, want: "world-writable fail: /: mode 0777"},
		{name: "sticky folder", layers: [][]file{{dir("tmp/", 0o1777)}}},
		{name: "writable but deleted", layers: [][]file{{mode(reg("app/x", "x"), 0o666)}, {gone("app/.wh.x")}}},
		{name: "owner by name", layers: [][]file{{{name: "app/x", kind: tar.TypeReg, mode: 0o644, uid: 1000, uname: "builder"}}}, want: `owners fail: /app/x: user 1000 is also named "builder"`},
		{name: "root by name", layers: [][]file{{{name: "app/x", kind: tar.TypeReg, mode: 0o644, uname: "root"}}}},
		{name: "device", layers: [][]file{{{name: "app/null", kind: tar.TypeChar, mode: 0o600}}}, want: "devices fail: /app/null: is a device"},
		{name: "other machine", layers: [][]file{{exe("app/lib/x", elfSpec{machine: elf.EM_386, narrow: true}.make())}}, want: "machine fail: /app/lib/x: expected X86_64 (64 bit, little endian), got 386 (32 bit, little endian)"},
		{name: "other machine allowed", layers: [][]file{{exe("app/lib/x", elfSpec{machine: elf.EM_386, narrow: true}.make())}}, opts: CheckOptions{Allow: []Allowance{{"machine", "/app/lib/**"}}}},
		{name: "malformed program", layers: [][]file{{exe("app/x", goodTool[:70])}}, want: "machine fail: /app/x: malformed ELF file"},
		{name: "dynamic", layers: [][]file{{exe("app/x", elfSpec{machine: elf.EM_X86_64, interp: "/lib/ld.so"}.make())}}, want: "static fail: /app/x: dynamically linked: interpreter /lib/ld.so"},
		{name: "needs libraries", layers: [][]file{{exe("app/x", elfSpec{machine: elf.EM_X86_64, needed: []string{"libz.so"}}.make())}}, want: "static fail: /app/x: dynamically linked: needs libz.so"},
		{name: "build id", layers: [][]file{{exe("app/x", elfSpec{machine: elf.EM_X86_64, note: "GNU", kind: 3, id: []byte{1}}.make())}}, want: "build-id fail: /app/x: GNU 01"},
		{name: "path of the builder", layers: [][]file{{exe("app/x", elfSpec{machine: elf.EM_X86_64, body: "\x00/root/src/main.go\x00"}.make())}}, want: `build-paths fail: /app/x: a path of the build machine at offset 289: "/root/src/main.go`},
		{name: "path given", layers: [][]file{{exe("app/x", elfSpec{machine: elf.EM_X86_64, body: "\x00/srv/ci/job/x.c\x00"}.make())}}, opts: CheckOptions{Paths: []string{"/srv/ci/"}}, want: "build-paths fail: /app/x"},
		{name: "path in a text", layers: [][]file{{reg("app/x", "see /home/you/config/x")}}},
		{name: "secret by name", layers: [][]file{{reg("home/u/.ssh/id_ed25519", "x")}}, want: "secrets fail: /home/u/.ssh/id_ed25519: an SSH key"},
		{name: "repository", layers: [][]file{{reg("app/.git/HEAD", "x"), reg("app/.git/config", "x")}}, want: "secrets fail: /app/.git: a git repository"},
		{name: "private key", layers: [][]file{{reg("app/key.txt", "x\n"+pem)}}, want: "secrets fail: /app/key.txt: a private key at offset 2"},
		{name: "key deleted later", layers: [][]file{{reg("app/key.txt", pem)}, {gone("app/.wh.key.txt")}}, want: "a private key at offset 0, deleted or replaced later, but still in layer sha256:"},
		{name: "secret in the environment", change: func(c *v1.ConfigFile) { c.Config.Env = []string{"NPM_TOKEN=x"} }, want: "secrets fail: env:NPM_TOKEN: the image's environment"},
		{name: "secret in the history", change: func(c *v1.ConfigFile) {
			c.History = append(c.History, v1.History{CreatedBy: "ENV K=AKIAABCDEFGHIJKLMNOP", EmptyLayer: true})
		}, want: "secrets fail: config: an AWS access key id"},
		{name: "too large as stored", opts: CheckOptions{MaxImage: 10}, want: "size fail: layers: "},
		{name: "too large unpacked", opts: CheckOptions{MaxFiles: 10}, want: "size fail: files: 288 bytes as unpacked: at most 10"},
		{name: "platform missing", opts: CheckOptions{Platforms: []string{"linux/amd64", "linux/arm64"}}, want: "platforms fail: linux/arm64: is not in the image: it has linux/amd64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			layers := append([][]file{{dir("app/", 0o755), exe("app/tool", goodTool)}}, c.layers...)
			r := checkIndex(t, makeIndex(map[string]v1.Image{"linux/amd64": runImage(t, amd64, c.change, layers...)}), c.opts)
			got := broken(r)
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("got %q, want nothing", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("got  %q\nwant %s", got, c.want)
			}
			if worst := r.Worst(); (worst == CheckOK) != (c.want == "") {
				t.Errorf("the whole is %s", worst)
			}
		})
	}
}

// Each platform is checked, and a shared file counts against each.
func TestCheckEveryPlatform(t *testing.T) {
	arm := v1.Platform{OS: "linux", Architecture: "arm64"}
	layer := []file{dir("app/", 0o755), exe("app/tool", goodTool)}
	r := checkIndex(t, makeIndex(map[string]v1.Image{
		"linux/amd64": runImage(t, amd64, nil, layer), "linux/arm64": runImage(t, arm, nil, layer),
		"unknown/unknown": makeImage(t, v1.Platform{OS: "unknown", Architecture: "unknown"}, []file{reg("attestation", "x")}),
	}), CheckOptions{})
	if len(r.Platforms) != 2 {
		t.Fatalf("%d platforms, want 2", len(r.Platforms))
	}
	got := broken(r)
	if len(got) != 1 || !strings.HasPrefix(got[0], "machine fail: /app/tool: expected AARCH64") {
		t.Errorf("got %q", got)
	}
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
	b := Build{Config: conf, Version: "1.0.0", Cells: conf.Cells(), Root: root, Spool: newSpool(t)}
	if _, err := b.Layout(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	o := CheckOptions{Config: conf, Version: "1.0.0", Lineage: &conf.Lineages[0]}
	if got := broken(checkLayout(t, d, o)); len(got) > 0 {
		t.Fatalf("what was built does not hold: %q", got)
	}
	for _, c := range []struct {
		name, old, new, want string
	}{
		{"epoch", `"epoch": 7`, `"epoch": 8`, "created fail: config: expected 1970-01-01T00:00:08Z (epoch of config.json), got 1970-01-01T00:00:07Z"},
		{"label", `"MIT"`, `"Apache-2.0"`, `labels fail: org.opencontainers.image.licenses: expected "Apache-2.0", got "MIT"`},
		{"more labels", `"MIT"`, `"MIT", "a": "b"`, `labels fail: a: expected "b", got no such label`},
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
			got := broken(checkLayout(t, d, CheckOptions{Config: other, Version: "1.0.0", Lineage: &other.Lineages[0]}))
			if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
				t.Errorf("got  %q\nwant %s", got, c.want)
			}
		})
	}
	o.Lineage, o.Unknown = nil, "no lineage"
	if r := checkLayout(t, d, o); r.Worst() != CheckSkip || strings.Join(broken(r), "") != "labels skip: no lineage" {
		t.Errorf("got %q", broken(r))
	}
}

// A damaged layer fails, and what lies in it is skipped: never passed.
func TestCheckDamagedLayer(t *testing.T) {
	d := t.TempDir()
	img := runImage(t, amd64, nil, []file{dir("app/", 0o755), exe("app/tool", goodTool)})
	saveLayout(t, d, "1.0.0", makeIndex(map[string]v1.Image{"linux/amd64": img}))
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
		r := checkLayout(t, d, CheckOptions{})
		got := broken(r)
		if r.Worst() != CheckFail || len(got) != 12 || !strings.HasPrefix(got[0], "layers fail: ") || !strings.Contains(got[0], want) {
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
	see("is not there")
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
		if got := a.permits(checkSetID, c.name) || a.permits(checkSecrets, c.name); got != c.want {
			t.Errorf("%s, %s: %v", c.in, c.name, got)
		}
	}
	for _, bad := range []string{"", "setid", "set-id=[", "=x"} {
		if _, err := ParseAllowance(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

// A trace is found wherever it lies, across the pieces that files are read in.
func TestScanAcrossPieces(t *testing.T) {
	for _, at := range []int{0, 1, scanPiece - 5, scanPiece, scanPiece + scanOverlap, scanPiece + 2*scanOverlap - 3, 2*scanPiece - 10, 3*scanPiece + 7} {
		b := bytes.Repeat([]byte{0}, 3*scanPiece+100)
		copy(b[at:], "/home/builder/src/x.c")
		hits, err := findBuildPaths(bytes.NewReader(b), nil)
		if err != nil || len(hits) != 1 || hits[0].at != int64(at) {
			t.Errorf("at %d: %v, %v", at, hits, err)
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
		p, err := findBuildPaths(strings.NewReader(c.text), nil)
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

// Compressed debug information hides nothing.
func TestPathsInCompressedSections(t *testing.T) {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	body := []byte("\x00/home/builder/src/x.c\x00")
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	b := []byte(goodTool)
	section := len(b)
	chdr := make([]byte, 24) // type, reserved, size, alignment
	le.PutUint32(chdr, uint32(elf.COMPRESS_ZLIB))
	le.PutUint64(chdr[8:], uint64(len(body)))
	le.PutUint64(chdr[16:], 1)
	b = append(append(b, chdr...), z.Bytes()...)
	length, names := len(b)-section, len(b)
	b = append(b, "\x00.debug_line\x00.shstrtab\x00"...)
	shoff := len(b)
	sh := make([]byte, 3*64)
	le.PutUint32(sh[64:], 1)
	le.PutUint32(sh[64+4:], uint32(elf.SHT_PROGBITS))
	le.PutUint64(sh[64+8:], uint64(elf.SHF_COMPRESSED))
	le.PutUint64(sh[64+24:], uint64(section))
	le.PutUint64(sh[64+32:], uint64(length))
	le.PutUint32(sh[128:], 13)
	le.PutUint32(sh[128+4:], uint32(elf.SHT_STRTAB))
	le.PutUint64(sh[128+24:], uint64(names))
	le.PutUint64(sh[128+32:], uint64(shoff-names))
	b = append(b, sh...)
	le.PutUint64(b[40:], uint64(shoff))
	le.PutUint16(b[58:], 64)
	le.PutUint16(b[60:], 3)
	le.PutUint16(b[62:], 2)
	hits, err := findInCompressed(bytesOf(string(b)), nil)
	if err != nil || len(hits) != 1 || !strings.Contains(hits[0].what, "compressed section .debug_line") {
		t.Errorf("%v, %v", hits, err)
	}
}

func bytesOf(s string) tarball.Content { return tarball.BytesContent([]byte(s)) }

// What `docker save` writes can be checked too.
func TestCheckDockerArchive(t *testing.T) {
	img := runImage(t, amd64, nil, []file{dir("app/", 0o755), exe("app/tool", goodTool), reg("app/.env", "x")})
	name := filepath.Join(t.TempDir(), "image.tar")
	tag, err := ggname.NewTag("example.org/tool:1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ggtarball.WriteToFile(name, tag, img); err != nil {
		t.Fatal(err)
	}
	index, err := ReadIndex(context.Background(), mustRef(t, "docker-archive:"+name), Access{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewUnpacker(newSpool(t), Limits{}).Check(context.Background(), index, CheckOptions{})
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
	pushIndex(t, at, makeIndex(map[string]v1.Image{"linux/amd64": runImage(t, amd64, nil, []file{dir("app/", 0o755), exe("app/tool", goodTool)})}))
	index, err := ReadIndex(context.Background(), mustRef(t, at), Access{})
	if err != nil {
		t.Fatal(err)
	}
	shut.Store(true)
	r, err := NewUnpacker(newSpool(t), Limits{}).Check(context.Background(), index, CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := broken(r)
	if r.Worst() != CheckSkip || !strings.HasPrefix(got[0], "manifest skip: ") || !strings.Contains(got[0], "refused access (HTTP 403)") {
		t.Errorf("got %q", got)
	}
}
