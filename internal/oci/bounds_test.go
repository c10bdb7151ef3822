package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/release"
)

// What a small archive of images may make its reader hold or compute.
func TestArchivesAreBounded(t *testing.T) {
	long := strings.Repeat("a", maxArchiveName-10)
	var names, old []saved
	for i := range maxArchiveNames/len(long) + 2 {
		names = append(names, saved{name: fmt.Sprintf("%d%s", i, long)})
	}
	old = append(old, saved{name: "base/json", data: `{"id": "base", "container_config": {"Cmd": ["` + strings.Repeat("a", maxManifest-100) + `"]}}`}, saved{name: "base/layer.tar"})
	for i := range maxConfigurations/maxManifest + 2 {
		old = append(old, saved{name: fmt.Sprintf("i%d/json", i), data: `{"parent": "base"}`}, saved{name: fmt.Sprintf("i%d/layer.tar", i)})
	}
	wide := `[` + strings.Repeat("{},", maxJSONValues) + `{}]`
	config := saved{name: "c.json", data: `{"author": "` + strings.Repeat("a", maxManifest-20) + `"}`}
	for _, c := range []struct {
		name  string
		ref   string
		files []saved
		want  string
	}{
		{"names", "docker-archive:", names, "more than 16777216 bytes of names"},
		{"one name", "docker-archive:", []saved{{name: long + "0123456789a"}}, "a name of more than 4096 bytes"},
		{"values in manifest.json", "docker-archive:", []saved{{name: "manifest.json", data: wide}}, "JSON has more than 100000 values"},
		{"values in index.json", "oci-archive:", []saved{{name: "oci-layout"}, {name: "index.json", data: `{"manifests": ` + wide + `}`}}, "JSON has more than 100000 values"},
		{"depth of index.json", "oci-archive:", []saved{{name: "oci-layout"}, {name: "index.json", data: strings.Repeat("[", 1000)}}, "JSON is nested more than 100 levels deep"},
		{"configurations", "docker-archive:", []saved{config, {name: "manifest.json", data: `[` + strings.Repeat(`{"Config": "c.json"}, `, 20) + `{"Config": "c.json"}]`}}, "configurations of more than 33554432 bytes"},
		{"old configurations", "docker-archive:", old, "configurations of more than 33554432 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := readArchived(t, c.ref+writeArchive(t, true, c.files...)); !strings.Contains(got, c.want) {
				t.Errorf("got %s, expected %s", got, c.want)
			}
		})
	}
	bomb := filepath.Join(t.TempDir(), "bomb")
	if err := os.WriteFile(bomb, bytes.Repeat(packed(make([]byte, 1<<20)), 600), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := readArchived(t, "docker-archive:"+bomb); !strings.Contains(got, "bytes in a compressed file of") {
		t.Errorf("got %s", got)
	}
}

// A file of a layer is looked at once, however many layers, names and images it
// stands for.
func TestLayerFilesAreReadOnce(t *testing.T) {
	one := layerTar(t, reg("one", "1"))
	ids := strings.TrimSuffix(strings.Repeat(`"`+release.DigestBytes(one).String()+`",`, 3), ",")
	name := writeArchive(t, false, saved{name: "c.json", data: `{"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [` + ids + `]}}`},
		saved{name: "l.tar", data: string(packed(one))}, saved{name: "m.tar", data: "l.tar", link: tar.TypeLink},
		saved{name: "manifest.json", data: `[{"Config": "c.json", "Layers": ["l.tar", "m.tar", "./l.tar"]}]`})
	s, err := readArchive(mustRef(t, "docker-archive:"+name))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.stats) != 1 {
		t.Errorf("%d files were looked at, expected 1", len(s.stats))
	}
}

// What travels is bounded by what is listed, not by how often: an index of two
// inside one of two, and so on, would double with each.
func TestVisitIsBounded(t *testing.T) {
	for _, c := range []struct {
		name string
		top  func(b blobs) string
		want string
	}{
		{"depth", func(b blobs) string {
			d := b.image("linux/amd64", mediaLayer, "")
			for range maxIndexDepth + 1 {
				d = b.index("", d)
			}
			return d
		}, "more than 4 indexes inside one another"},
		{"doubling", func(b blobs) string {
			d := b.image("linux/amd64", mediaLayer, "")
			for range maxIndexDepth {
				d = b.index("", strings.Repeat(d+", ", 6)+d)
			}
			return d
		}, "more than 512 manifests"},
		{"bytes", func(b blobs) string {
			d := b.put(mediaManifest, []byte(`{"schemaVersion": 2, "config": `+b.put(mediaConfig, []byte("{}"), "")+`, "annotations": {"a": "`+strings.Repeat("a", 1<<20)+`"}}`), "")
			return b.index("", strings.Repeat(d+", ", 40)+d)
		}, "manifests of more than 33554432 bytes"},
		{"layers", func(b blobs) string {
			l := b.put(mediaLayer, layerTar(b.t, reg("x", "y")), "")
			return b.put(mediaManifest, []byte(`{"schemaVersion": 2, "config": `+b.put(mediaConfig, []byte("{}"), "")+`, "layers": [`+strings.Repeat(l+", ", maxLayers)+l+`]}`), "")
		}, "expected at most 512 layers, got 513"},
		{"once", func(b blobs) string {
			d := b.image("linux/amd64", mediaLayer, "")
			return b.index("", d, d, b.index("", d))
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBlobs(t)
			b.write("index.json", []byte(`{"schemaVersion": 2, "manifests": [`+c.top(b)+`]}`))
			src, err := Open(t.Context(), Ref{Kind: Layout, Name: b.dir}, Access{})
			if err != nil {
				t.Fatal(err)
			}
			top, err := src.Resolve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			read, manifests := 0, 0
			err = visit(t.Context(), src, top, func(blobUse) error { read++; return nil }, func(Descriptor, []byte) error { manifests++; return nil })
			if c.want == "" && (err != nil || read != 2 || manifests != 3) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, %d blobs, %d manifests, expected %q", err, read, manifests, c.want)
			}
		})
	}
}

// What stands on top of a layout is read once to find out what it is.
func TestTopsAreReadOnce(t *testing.T) {
	b := newBlobs(t)
	big := b.put(mediaManifest, []byte(`{"schemaVersion": 2, "annotations": {"a": "`+strings.Repeat("a", 3<<20)+`"}}`), "")
	b.write("index.json", []byte(`{"schemaVersion": 2, "manifests": [`+strings.Repeat(big+", ", 200)+big+`]}`))
	s, err := openLayout(Ref{Kind: Layout, Name: b.dir})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := s.choices(false); err != nil || len(all) != 1 || s.facts.bytes > 4<<20 {
		t.Errorf("%d choices, %v, %d bytes read", len(all), err, s.facts.bytes)
	}
	s.facts.bytes = maxReferrerSearch + 1
	if _, err := s.choices(false); err == nil || !strings.Contains(err.Error(), "more than 67108864 bytes of manifests on top") {
		t.Errorf("got %v", err)
	}
}

// A layout of very many tags is not pushed by accident.
func TestPushedTagsAreBounded(t *testing.T) {
	b := newBlobs(t)
	d := b.image("linux/amd64", mediaLayer, "")
	var tops []string
	for i := range maxPushed + 1 {
		tops = append(tops, strings.TrimSuffix(d, "}")+fmt.Sprintf(`, "annotations": {%q: "t%d"}}`, refName, i))
	}
	b.write("index.json", []byte(`{"schemaVersion": 2, "manifests": [`+strings.Join(tops, ", ")+`]}`))
	_, err := Push(context.Background(), Ref{Kind: Layout, Name: b.dir}, Ref{Kind: Registry, Name: "127.0.0.1:1/x"}, TransferOptions{})
	if err == nil || !strings.Contains(err.Error(), "holds 257 tags, expected at most 256") {
		t.Errorf("got %v", err)
	}
}
