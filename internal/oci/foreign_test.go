package oci

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/release"
)

const dockerForeign = "application/vnd.docker.image.rootfs.foreign.diff.tar"

// windows stores an image of one layer whose descriptor has more fields, and
// deletes the layer unless keep is set.
func (b blobs) windows(layerType, more string, keep bool) string {
	raw := layerTar(b.t, reg("Windows/x", "X"))
	conf := fmt.Sprintf(`{"os": "windows", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [%q]}}`, release.DigestBytes(raw))
	d := b.put(mediaManifest, []byte(`{"schemaVersion": 2, "config": `+b.put(mediaConfig, []byte(conf), "")+`, "layers": [`+b.put(layerType, raw, more)+`]}`), says("windows/amd64"))
	if !keep {
		if err := os.Remove(filepath.Join(b.dir, "blobs", "sha256", release.DigestBytes(raw).Hex())); err != nil {
			b.t.Fatal(err)
		}
	}
	return d
}

// Foreign layers: those that are missing stay where their URLs say and are named,
// through a pull, a push, and a pull from the registry; what else is missing is an
// error, and so is a missing layer that is read.
func TestForeignLayers(t *testing.T) {
	const url = `, "urls": ["", "https://example.invalid/layer", "https://example.invalid/2"]`
	layer := release.DigestBytes(layerTar(t, reg("Windows/x", "X")))
	left := layer.String() + " https://example.invalid/layer"
	for _, c := range []struct {
		name, layerType, more string
		keep                  bool
		twin                  bool // the same layer in another image, where it is not foreign

		pulled, pushed string // what was left; or the error
		read           string // the error of reading it in the layout, "" if it can be read
	}{
		{"missing", dockerForeign, url, false, false, left, left, "not found: its manifest leaves it at https://example.invalid/layer, and nothing is downloaded from there"},
		{"missing, of an ordinary type", mediaLayer, url, false, false, left, left, "nothing is downloaded from there"},
		{"there", dockerForeign, url, true, false, "", left, ""},
		{"there, of an ordinary type", mediaLayer, url, true, false, "", "", ""},
		{"there, without URLs", dockerForeign, "", true, false, "", layer.String() + " ", ""},
		{"missing, without URLs", dockerForeign, "", false, false, "blob ", "blob ", "blob "},
		{"missing, not foreign", mediaLayer, "", false, false, "blob ", "blob ", "blob "},
		{"missing, and needed by another image", dockerForeign, url, false, true, "blob ", "blob ", "nothing is downloaded from there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBlobs(t)
			manifests := []string{b.image("linux/amd64", mediaLayer, says("linux/amd64")), b.windows(c.layerType, c.more, c.keep)}
			if c.twin {
				manifests = append(manifests, strings.Replace(b.windows(mediaLayer, "", c.keep), "windows", "freebsd", 1))
			}
			ix, err := b.open(b.index(`, "annotations": {"org.opencontainers.image.ref.name": "1"}`, manifests...))
			if err != nil {
				t.Fatal(err)
			}
			img, err := ix.Image(t.Context(), platform(t, "windows/amd64"))
			if err != nil {
				t.Fatal(err)
			}
			err = img.ReadLayer(t.Context(), img.Layers[0], func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err })
			if c.read == "" && err != nil || !strings.Contains(fmt.Sprint(err), c.read) {
				t.Errorf("reading: got %v, want %q", err, c.read)
			}
			var foreign *ForeignLayerError
			if got, want := errors.As(err, &foreign), strings.Contains(c.read, "downloaded"); got != want {
				t.Errorf("a foreign layer: got %t, want %t: %v", got, want, err)
			}

			from := Ref{Kind: Layout, Name: b.dir, Tag: "1"}
			pulled := filepath.Join(t.TempDir(), "pulled")
			check := func(what, want string, got []Pushed, told []string, err error) {
				t.Helper()
				if err != nil {
					if !strings.Contains(err.Error(), want) || want == "" {
						t.Errorf("%s: got %v, want %q", what, err, want)
					}
					return
				}
				var answer []string
				for _, l := range got[0].Left {
					answer = append(answer, l.Digest.String()+" "+l.URL)
				}
				if s := strings.Join(answer, "; "); s != want || strings.Join(told, "; ") != want {
					t.Errorf("%s: left %q, told %q, want %q", what, s, told, want)
				}
				if got[0].Digest != ix.Digest {
					t.Errorf("%s: the index became %s", what, got[0].Digest)
				}
			}
			var told []string
			o := TransferOptions{Access: Access{Named: loopback}, Left: func(l LeftLayer) { told = append(told, l.Digest.String()+" "+l.URL) }}
			got, err := Pull(t.Context(), []PullJob{{From: from, Tag: "1"}}, pulled, o)
			check("pull", c.pulled, got, told, err)
			if err != nil {
				return
			}
			if _, err := os.Stat(filepath.Join(pulled, "blobs", "sha256", layer.Hex())); (err == nil) != c.keep {
				t.Errorf("the layer in the layout: %v", err)
			}

			told = nil
			to := Ref{Name: startRegistry(t) + "/test/windows", Tag: "1"}
			got, err = Push(t.Context(), Ref{Kind: Layout, Name: pulled, Tag: "1"}, to, o)
			check("push", c.pushed, got, told, err)

			if c.more == "" { // the registry has half an image, and nobody knows where the rest is
				return
			}
			told = nil
			again, err := Pull(t.Context(), []PullJob{{From: to}}, filepath.Join(t.TempDir(), "again"), o)
			check("pull from the registry", c.pushed, again, told, err)
		})
	}
}

// A foreign layer that one place does not have is taken from the next.
func TestForeignLayerFromAnotherPlace(t *testing.T) {
	const url = `, "urls": ["https://example.invalid/layer"]`
	var jobs []PullJob
	for i, keep := range []bool{false, true, false} {
		b := newBlobs(t)
		if _, err := b.open(b.index(fmt.Sprintf(`, "annotations": {"org.opencontainers.image.ref.name": "%d"}`, i), b.windows(dockerForeign, url, keep))); err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, PullJob{From: Ref{Kind: Layout, Name: b.dir}, Tag: fmt.Sprint(i)})
	}
	dir := filepath.Join(t.TempDir(), "all")
	got, err := Pull(t.Context(), jobs, dir, TransferOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got[0].Left) != 0 || len(got[1].Left) != 0 || len(got[2].Left) != 0 {
		t.Errorf("left: %v", got)
	}
	if _, err := readLayersOf(t, Ref{Kind: Layout, Name: dir, Tag: "0"}); err != nil {
		t.Error(err)
	}
}

func readLayersOf(t *testing.T, ref Ref) ([]byte, error) {
	t.Helper()
	ix, err := ReadIndex(t.Context(), ref, Access{Named: loopback})
	if err != nil {
		return nil, err
	}
	img, err := ix.Image(t.Context(), platform(t, "windows/amd64"))
	if err != nil {
		return nil, err
	}
	return readLayers(t.Context(), img)
}
