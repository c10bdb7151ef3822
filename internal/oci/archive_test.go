package oci

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"facerec/internal/release"
)

// saved is one file of an archive; a link leads to data if link is set.
type saved struct {
	name string
	data string
	link byte
}

func writeArchive(t *testing.T, compressed bool, list ...saved) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range list {
		h := &tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.data))}
		if f.link != 0 {
			h.Typeflag, h.Linkname, h.Size = f.link, f.data, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if f.link == 0 {
			_, _ = w.Write([]byte(f.data))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out := b.Bytes()
	if compressed {
		out = packed(out)
	}
	name := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(name, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func packed(data []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(data)
	_ = w.Close()
	return z.Bytes()
}

// savedConfig is the configuration of an image with one layer.
func savedConfig(arch string, layer []byte) string {
	return fmt.Sprintf(`{"os": "linux", "architecture": %q, "rootfs": {"type": "layers", "diff_ids": [%q]}}`, arch, release.DigestBytes(layer))
}

// Archives as `docker save`, podman and Nix have written them over the years.
func TestDockerArchives(t *testing.T) {
	one := layerTar(t, reg("one", "1"))
	two := layerTar(t, reg("two", "2"), reg("large", strings.Repeat("x", 64<<10)))
	confOne, confTwo := savedConfig("amd64", one), savedConfig("arm64", two)
	id := func(conf string) string { return "@" + release.DigestBytes([]byte(conf)).String() }
	pair := func(tagsOne, tagsTwo string) []saved {
		return []saved{
			{name: "c0.json", data: confOne}, {name: "l0/layer.tar", data: string(one)},
			{name: "c1.json", data: confTwo}, {name: "l1/layer.tar", data: string(two)},
			{name: "manifest.json", data: `[{"Config": "c0.json", "RepoTags": ` + tagsOne + `, "Layers": ["l0/layer.tar"]}, {"Config": "c1.json", "RepoTags": ` + tagsTwo + `, "Layers": ["l1/layer.tar"]}]`},
		}
	}
	hex := func(c byte) string { return strings.Repeat(string(c), 64) }
	legacy := []saved{
		{name: hex('a') + "/VERSION", data: "1.0"},
		{name: hex('a') + "/json", data: `{"id": "` + hex('a') + `", "os": "linux", "architecture": "amd64"}`},
		{name: hex('a') + "/layer.tar", data: string(one)},
		{name: hex('b') + "/json", data: `{"id": "` + hex('b') + `", "parent": "` + hex('a') + `", "os": "linux", "architecture": "arm64", "config": {"Cmd": ["/two"]}}`},
		{name: hex('b') + "/layer.tar", data: string(two)},
	}
	for _, c := range []struct {
		name  string
		files []saved
		tag   string // with its colon or @
		want  string // the platform and the number of layers; or the error
	}{
		{"one", pair(`["tool:1.0"]`, `[]`)[:2], "", "expected manifest.json or the layers of an older docker save: found neither"},
		{"one image", []saved{{name: "c.json", data: confOne}, {name: "l/layer.tar", data: string(one)}, {name: "manifest.json", data: `[{"Config": "c.json", "RepoTags": null, "Layers": ["l/layer.tar"]}]`}}, "", "linux/amd64 1"},
		{"two, none chosen", pair(`["tool:1.0"]`, `["tool:2.0"]`), "", "holds 2 images: choose one of tool:1.0, tool:2.0"},
		{"two, the first", pair(`["tool:1.0"]`, `["tool:2.0"]`), ":tool:1.0", "linux/amd64 1"},
		{"two, the second", pair(`["tool:1.0"]`, `["tool:2.0"]`), ":tool:2.0", "linux/arm64 1"},
		{"by full name", pair(`["tool:1.0"]`, `["example.com:5000/a/tool:1.0"]`), ":docker.io/library/tool:1.0", "linux/amd64 1"},
		{"by name with a port", pair(`["tool:1.0"]`, `["example.com:5000/a/tool:1.0"]`), ":example.com:5000/a/tool:1.0", "linux/arm64 1"},
		{"another name", pair(`["tool:1.0"]`, `["tool:2.0"]`), ":tool:3.0", "the archive has tool:1.0, tool:2.0"},
		{"no names", pair(`null`, `null`), "", "choose one of @"},
		{"no names, by digest", pair(`null`, `null`), id(confTwo), "linux/arm64 1"},
		{"the same image in two entries", append(pair(`["tool:1.0"]`, `[]`)[:4:4], saved{name: "manifest.json", data: `[{"Config": "c0.json", "RepoTags": ["tool:1.0"], "Layers": ["l0/layer.tar"]}, {"Config": "c0.json", "RepoTags": ["tool:2.0"], "Layers": ["l0/layer.tar"]}]`}), "", "choose one of tool:1.0, tool:2.0"},
		{"one image, two names", pair(`["tool:1.0", "tool:latest"]`, `["other:1"]`), ":tool:latest", "linux/amd64 1"},
		{"names with ./, as Nix writes them", []saved{{name: "./c.json", data: confOne}, {name: "./l/layer.tar", data: string(one)}, {name: "./manifest.json", data: `[{"Config": "c.json", "RepoTags": ["nix:x"], "Layers": ["l/layer.tar"]}]`}}, "", "linux/amd64 1"},
		{"symbolic link, as podman writes it", []saved{{name: "c.json", data: confOne}, {name: "x.tar", data: string(one)}, {name: "l/layer.tar", data: "../x.tar", link: tar.TypeSymlink}, {name: "manifest.json", data: `[{"Config": "c.json", "Layers": ["l/layer.tar"]}]`}}, "", "linux/amd64 1"},
		{"hard link", []saved{{name: "c.json", data: confOne}, {name: "x.tar", data: string(one)}, {name: "l/layer.tar", data: "x.tar", link: tar.TypeLink}, {name: "manifest.json", data: `[{"Config": "c.json", "Layers": ["l/layer.tar"]}]`}}, "", "linux/amd64 1"},
		{"link to itself", []saved{{name: "c.json", data: confOne}, {name: "l", data: "l", link: tar.TypeSymlink}, {name: "manifest.json", data: `[{"Config": "c.json", "Layers": ["l"]}]`}}, "", "more than 8 links to follow"},
		{"compressed layer", []saved{{name: "c.json", data: confOne}, {name: "l.tar.gz", data: string(packed(one))}, {name: "manifest.json", data: `[{"Config": "c.json", "Layers": ["l.tar.gz"]}]`}}, "", "linux/amd64 1"},
		{"missing layer", []saved{{name: "c.json", data: confOne}, {name: "manifest.json", data: `[{"Config": "c.json", "Layers": ["l.tar"]}]`}}, "", "l.tar"},
		{"damaged layer", []saved{{name: "c.json", data: confOne}, {name: "l.tar", data: string(one[:len(one)-1]) + "x"}, {name: "manifest.json", data: `[{"Config": "c.json", "Layers": ["l.tar"]}]`}}, "", "expected sha256:"},
		{"OCI layout", []saved{{name: "index.json", data: "{}"}}, "", "expected manifest.json, got an OCI layout"},
		{"legacy, by name", append(legacy, saved{name: "repositories", data: `{"tool": {"1": "` + hex('a') + `", "2": "` + hex('b') + `"}}`}), ":tool:2", "linux/arm64 2"},
		{"legacy, a parent", append(legacy, saved{name: "repositories", data: `{"tool": {"1": "` + hex('a') + `", "2": "` + hex('b') + `"}}`}), ":tool:1", "linux/amd64 1"},
		{"legacy, several", append(legacy, saved{name: "repositories", data: `{"tool": {"1": "` + hex('a') + `", "2": "` + hex('b') + `"}}`}), "", "choose one of tool:1, tool:2"},
		{"legacy without names", legacy, "", "linux/arm64 2"},
		{"legacy in a circle", []saved{{name: "a/json", data: `{"parent": "a"}`}, {name: "a/layer.tar", data: "x"}, {name: "repositories", data: `{"t": {"1": "a"}}`}}, "", "more than 512 layers below it"},
	} {
		for _, compressed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s gzip=%t", c.name, compressed), func(t *testing.T) {
				name := writeArchive(t, compressed, c.files...)
				got := readArchived(t, "docker-archive:"+name+c.tag)
				if !strings.Contains(got, c.want) {
					t.Errorf("got %s, expected %s", got, c.want)
				}
				followOffer(t, got, "docker-archive:"+name)
			})
		}
	}
}

// readArchived returns the platform and the number of layers, or the error.
func readArchived(t *testing.T, s string) string {
	t.Helper()
	ix, err := ReadIndex(t.Context(), mustRef(t, s), Access{Named: loopback})
	if err != nil {
		return err.Error()
	}
	images, err := ix.Images(t.Context())
	if err != nil {
		return err.Error()
	}
	if _, err := readLayers(t.Context(), images[0]); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %d", images[0].Platform, len(images[0].Layers))
}

var offered = regexp.MustCompile(`(choose one of|has) (.*)$`)

// followOffer checks that whatever a message lists can be chosen.
func followOffer(t *testing.T, message, at string) {
	t.Helper()
	m := offered.FindStringSubmatch(message)
	if m == nil {
		return
	}
	for name := range strings.SplitSeq(m[2], ", ") {
		name, _, _ = strings.Cut(name, " (")
		if !strings.HasPrefix(name, "@") {
			name = ":" + name
		}
		if got := readArchived(t, at+name); !strings.HasPrefix(got, "linux/") {
			t.Errorf("%s was offered and gives %s", name, got)
		}
	}
}

// Layouts with full image names, several images and none named, in directories
// and archives.
func TestLayoutNames(t *testing.T) {
	name := func(n string) string {
		return fmt.Sprintf(`, "annotations": {"org.opencontainers.image.ref.name": %q}`, n)
	}
	both := func(tag, full string) string {
		return fmt.Sprintf(`, "annotations": {"org.opencontainers.image.ref.name": %q, "io.containerd.image.name": %q}`, tag, full)
	}
	for _, c := range []struct {
		name     string
		moreA    string
		moreB    string
		tag      string
		want     string
		nothingB bool
	}{
		{"full names", name("localhost/tool:1.0"), name("localhost/tool:1.1"), "", "choose one of localhost/tool:1.0, localhost/tool:1.1", false},
		{"by full name", name("localhost/tool:1.0"), name("localhost/tool:1.1"), ":localhost/tool:1.1", "linux/arm64 1", false},
		{"by the tag of a full name", name("localhost/tool:1.0"), name("localhost/tool:1.1"), ":1.0", "linux/amd64 1", false},
		{"the tag of two", name("localhost/tool:1"), name("localhost/other:1"), ":1", "choose one of localhost/other:1, localhost/tool:1", false},
		{"Docker's short name", name("docker.io/library/x:1"), name("2"), ":x:1", "linux/amd64 1", false},
		{"name with a port", name("localhost:5000/x:1"), name("2"), ":localhost:5000/x:1", "linux/amd64 1", false},
		{"containerd's annotation", both("1", "docker.io/library/x:1"), both("1", "docker.io/library/y:1"), ":docker.io/library/y:1", "linux/arm64 1", false},
		{"one tag, two names", both("1", "docker.io/library/x:1"), both("1", "docker.io/library/y:1"), "", "choose one of docker.io/library/x:1, docker.io/library/y:1", false},
		{"none named", "", says("linux/arm64"), "", "(linux/amd64)", false},
		{"none named, by tag", "", "", ":1", "the layout has @sha256:", false},
		{"another", name("a:1"), name("b:1"), ":c:1", "the layout has a:1, b:1", false},
		{"one, not named", "", "", "", "linux/amd64 1", true},
	} {
		for _, kind := range []string{"oci-layout:", "oci-archive:", "gzip"} {
			t.Run(c.name+" "+kind, func(t *testing.T) {
				b := newBlobs(t)
				tops := []string{b.image("linux/amd64", mediaLayer, c.moreA), b.image("linux/arm64", mediaLayer, c.moreB)}
				if c.nothingB {
					tops = tops[:1]
				}
				b.write("index.json", []byte(`{"schemaVersion": 2, "manifests": [`+strings.Join(tops, ", ")+`]}`))
				at := kind + b.dir
				if kind != "oci-layout:" {
					at = "oci-archive:" + archived(t, b.dir, kind == "gzip")
				}
				got := readArchived(t, at+c.tag)
				if !strings.Contains(got, c.want) {
					t.Errorf("got %s, expected %s", got, c.want)
				}
				followOffer(t, got, at)
			})
		}
	}
}

// archived packs a directory as podman does.
func archived(t *testing.T, dir string, compressed bool) string {
	t.Helper()
	var list []saved
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		list = append(list, saved{name: name, data: string(data)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return writeArchive(t, compressed, list...)
}

// What is neither archive nor layout is named.
func TestNotAnArchive(t *testing.T) {
	file := func(data string) string {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, scheme := range []string{"docker-archive:", "oci-archive:"} {
		for name, want := range map[string]string{
			file(""):                                  "the file is empty",
			file("\xfd7zXZ\x00…"):                     "got xz",
			file("PK\x03\x04…"):                       "got zip",
			file("<!DOCTYPE html><html>…"):            "got an HTML page",
			file(strings.Repeat("no archive", 1<<10)): "expected a tar archive",
			filepath.Join(t.TempDir(), "none"):        "not found",
			t.TempDir():                               "expected a regular file",
		} {
			if got := readArchived(t, scheme+name); !strings.Contains(got, want) {
				t.Errorf("%s: got %s, expected %s", scheme, got, want)
			}
		}
	}
	name := writeArchive(t, false, saved{name: "manifest.json", data: "[]"})
	if got := readArchived(t, "oci-archive:"+name); !strings.Contains(got, "got a docker archive") {
		t.Errorf("got %s", got)
	}
}
