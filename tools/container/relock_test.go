package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/inputs"
	"facerec/internal/oci"
	"facerec/internal/oci/ocitest"
)

// hub is a registry on loopback that has both base images, and a copy of the files
// that carry their digests.
type hub struct {
	at, lock, dockerfile string
	digest               map[string]string // by name
}

func newHub(t *testing.T, platforms ...string) hub {
	t.Helper()
	h := hub{at: ocitest.Registry(t) + "/library", digest: map[string]string{}}
	dir := t.TempDir()
	h.lock, h.dockerfile = filepath.Join(dir, "inputs.lock.json"), filepath.Join(dir, "Dockerfile")
	for name, to := range map[string]string{"inputs.lock.json": h.lock, "Dockerfile": h.dockerfile} {
		data, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h.push(t, "first", platforms...)
	return h
}

// push moves the tags of both images to others.
func (h hub) push(t *testing.T, content string, platforms ...string) {
	t.Helper()
	lock, err := inputs.ReadLock(h.lock)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range wantedImages(lock) {
		images := map[string]v1.Image{}
		for _, p := range platforms {
			os, arch, _ := strings.Cut(p, "/")
			images[p] = ocitest.Image(t, v1.Platform{OS: os, Architecture: arch}, []ocitest.File{ocitest.Reg("etc/"+i.Arg, content)})
		}
		index := ocitest.Index(images)
		ocitest.PushIndex(t, h.at+"/"+i.Name, index)
		d, err := index.Digest()
		if err != nil {
			t.Fatal(err)
		}
		h.digest[i.Arg] = i.Name + "@" + d.String()
	}
}

func (h hub) relock(t *testing.T) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	err := relockImages(t.Context(), []string{"--from", h.at, "--lock", h.lock, "--dockerfile", h.dockerfile}, &out, &errs)
	return out.String(), err
}

func (h hub) files(t *testing.T) string {
	t.Helper()
	var all []string
	for _, name := range []string{h.lock, h.dockerfile} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(data))
	}
	return strings.Join(all, "\n")
}

func TestRelockImages(t *testing.T) {
	h := newHub(t, builders...)
	for _, content := range []string{"first", "second"} { // from what is committed, and again when the tags have moved
		h.push(t, content, builders...)
		out, err := h.relock(t)
		if err != nil {
			t.Fatal(err)
		}
		lock, err := inputs.ReadLock(h.lock)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range lock.Images {
			if want := h.digest[i.Arg]; i.Reference() != want || !strings.Contains(h.files(t), "\nARG "+i.Arg+"="+want+"\n") || !strings.Contains(out, "~ "+want+"\n") {
				t.Errorf("got %+v and %s, want %s in lock, Dockerfile and output", i, out, want)
			}
		}
		before := h.files(t)
		if out, err := h.relock(t); err != nil || strings.Contains(out, "~") || h.files(t) != before {
			t.Errorf("again: got %v, %s, want no difference", err, out)
		}
	}
	if len(h.digest) != 2 {
		t.Errorf("got %v, want two images", h.digest)
	}
}

// TestRelockImagesRefuses writes nothing.
func TestRelockImagesRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		platforms []string
		spoil     func(t *testing.T, h *hub)
		want      string
	}{
		"a builder's platform is missing": {[]string{"linux/amd64"}, func(*testing.T, *hub) {}, "linux/arm64"},
		"no such image":                   {builders, func(_ *testing.T, h *hub) { h.at += "/other" }, "debian:" + suite + "-slim: "},
		"no registry":                     {builders, func(_ *testing.T, h *hub) { h.at = "library" }, "names no registry"},
		"no such argument": {builders, func(t *testing.T, h *hub) {
			if err := os.WriteFile(h.dockerfile, []byte("ARG BASE=debian\nFROM ${BASE}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "expected one line ARG GO=NAME, got 0"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, c.platforms...)
			c.spoil(t, &h)
			before := h.files(t)
			if out, err := h.relock(t); err == nil || !strings.Contains(err.Error(), c.want) || out != "" {
				t.Errorf("got %v and %s, want %q", err, out, c.want)
			}
			if h.files(t) != before {
				t.Error("files have changed")
			}
		})
	}
}

// TestImageNames asks nobody: a bare name is where engines look for it.
func TestImageNames(t *testing.T) {
	for name, want := range map[string]string{"debian:bookworm-slim": "/library/debian:bookworm-slim", "127.0.0.1:5000/a/b:c": "127.0.0.1:5000/a/b:c"} {
		if ref, err := oci.ParseImageName(name); err != nil || !strings.HasSuffix(ref.String(), want) || strings.HasPrefix(ref.String(), "/") {
			t.Errorf("%s: got %s, %v, want %s", name, ref, err, want)
		}
	}
	if ref, err := oci.ParseImageName("A b:c"); err == nil {
		t.Error(fmt.Errorf("got %s, want an error", ref))
	}
}
