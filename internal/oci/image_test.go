package oci

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/release"
)

// blobs is a layout written by hand, so that it can hold what no tool writes.
type blobs struct {
	t   *testing.T
	dir string
}

func newBlobs(t *testing.T) blobs {
	b := blobs{t, t.TempDir()}
	if err := os.MkdirAll(filepath.Join(b.dir, "blobs", "sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.write("oci-layout", []byte(layoutMarker))
	return b
}

func (b blobs) write(name string, data []byte) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// put stores a blob and returns its descriptor as JSON, with more fields.
func (b blobs) put(mediaType string, data []byte, more string) string {
	d := release.DigestBytes(data)
	b.write(filepath.Join("blobs", "sha256", d.Hex()), data)
	return fmt.Sprintf(`{"mediaType": %q, "digest": %q, "size": %d%s}`, mediaType, d, len(data), more)
}

// image stores an image for a platform and returns its descriptor.
func (b blobs) image(platform, layerType, more string) string {
	p := append(strings.Split(platform, "/"), "")
	raw := layerTar(b.t, reg("x", platform))
	conf := fmt.Sprintf(`{"os": %q, "architecture": %q, "variant": %q, "rootfs": {"type": "layers", "diff_ids": [%q]}}`, p[0], p[1], p[2], release.DigestBytes(raw))
	return b.put(mediaManifest, []byte(`{"schemaVersion": 2, "config": `+b.put(mediaConfig, []byte(conf), "")+`, "layers": [`+b.put(layerType, raw, "")+`]}`), more)
}

func (b blobs) index(more string, manifests ...string) string {
	return b.put(mediaIndex, []byte(`{"schemaVersion": 2, "manifests": [`+strings.Join(manifests, ", ")+`]}`), more)
}

func (b blobs) open(top string) (*Index, error) {
	b.write("index.json", []byte(`{"schemaVersion": 2, "manifests": [`+top+`]}`))
	return ReadIndex(b.t.Context(), Ref{Kind: Layout, Name: b.dir}, Access{Named: loopback})
}

func says(platform string) string {
	p := append(strings.Split(platform, "/"), "")
	raw, _ := json.Marshal(map[string]string{"os": p[0], "architecture": p[1], "variant": p[2]})
	return `, "platform": ` + string(raw)
}

// Indexes as builders write them: what they offer, and what is read for a
// platform.
func TestIndexesAsBuildersWriteThem(t *testing.T) {
	const plain = mediaLayer
	att := `, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}`
	for _, c := range []struct {
		name string
		top  func(b blobs) string
		ask  string
		want string // platforms of the index; or the error
		took string // platform of the image read; or the error
	}{
		{"nested", func(b blobs) string {
			return b.index("", b.index("", b.image("linux/amd64", plain, says("linux/amd64"))), b.index("", b.image("linux/arm64", plain, says("linux/arm64/v8"))))
		}, "linux/arm64", "linux/amd64 linux/arm64", "linux/arm64"},
		{"nested, the platform said outside", func(b blobs) string {
			return b.index("", b.index(says("linux/s390x"), b.image("linux/s390x", plain, "")))
		}, "linux/s390x", "linux/s390x", "linux/s390x"},
		{"nested too deep", func(b blobs) string {
			d := b.image("linux/amd64", plain, says("linux/amd64"))
			for range maxIndexDepth + 1 {
				d = b.index("", d)
			}
			return d
		}, "", "more than 4 indexes inside one another", ""},
		{"too many manifests", func(b blobs) string {
			d := b.image("linux/amd64", plain, says("linux/amd64"))
			return b.index("", strings.Repeat(d+", ", maxIndexEntries)+d)
		}, "", "more than 512 manifests", ""},
		{"attestation by annotation", func(b blobs) string {
			return b.index("", b.image("linux/amd64", plain, says("linux/amd64")), b.image("unknown/unknown", plain, att))
		}, "linux/amd64", "linux/amd64", "linux/amd64"},
		{"no platform", func(b blobs) string { return b.index("", b.image("linux/riscv64", plain, "")) },
			"linux/riscv64", "linux/riscv64", "linux/riscv64"},
		{"index says v2", func(b blobs) string { return b.index("", b.image("linux/amd64", plain, says("linux/amd64/v2"))) },
			"linux/amd64", "linux/amd64/v2", "linux/amd64/v2"},
		{"configuration says v2", func(b blobs) string { return b.index("", b.image("linux/amd64/v2", plain, says("linux/amd64"))) },
			"linux/amd64/v1", "linux/amd64", "linux/amd64"},
		{"contradiction", func(b blobs) string { return b.index("", b.image("linux/arm/v6", plain, says("linux/arm/v7"))) },
			"linux/arm", "linux/arm/v7", "the index says platform linux/arm/v7, its configuration says linux/arm/v6"},
		{"the very variant first", func(b blobs) string {
			return b.index("", b.image("linux/amd64/v3", plain, says("linux/amd64/v3")), b.image("linux/amd64", plain, says("linux/amd64")))
		}, "linux/amd64", "linux/amd64/v3 linux/amd64", "linux/amd64"},
		{"twice, the first encrypted", func(b blobs) string {
			return b.index("", b.image("linux/amd64", plain+"+encrypted", says("linux/amd64")), b.image("linux/amd64", plain, says("linux/amd64/v1")))
		}, "linux/amd64", "linux/amd64", "linux/amd64 other 1"},
		{"encrypted", func(b blobs) string {
			return b.index("", b.image("linux/amd64", plain+"+encrypted", says("linux/amd64")))
		},
			"linux/amd64", "linux/amd64", "it is encrypted (" + plain + "+encrypted)"},
		{"unknown layer type", func(b blobs) string {
			return b.index("", b.image("linux/amd64", "application/vnd.example.disk", says("linux/amd64")))
		},
			"linux/amd64", "linux/amd64", "expected a file system layer, got the media type application/vnd.example.disk"},
		{"windows beside linux", func(b blobs) string {
			return b.index("", b.image("linux/amd64", plain, says("linux/amd64")), b.image("windows/amd64", plain, says("windows/amd64")))
		}, "windows/amd64", "linux/amd64 windows/amd64", "windows/amd64"},
		{"v7 is not v6", func(b blobs) string {
			return b.index("", b.image("linux/arm/v6", plain, says("linux/arm/v6")), b.image("linux/arm/v7", plain, says("linux/arm/v7")))
		}, "linux/arm/v7", "linux/arm/v6 linux/arm/v7", "linux/arm/v7"},
		{"v6 is not v7", func(b blobs) string { return b.index("", b.image("linux/arm/v7", plain, says("linux/arm/v7"))) },
			"linux/arm/v6", "linux/arm/v7", "the image has linux/arm/v7"},
		{"arm is arm/v7", func(b blobs) string {
			return b.index("", b.image("linux/arm/v6", plain, says("linux/arm/v6")), b.image("linux/arm", plain, says("linux/arm")))
		}, "linux/arm/v7", "linux/arm/v6 linux/arm/v7", "linux/arm/v7"},
		{"arm64 is arm64/v8", func(b blobs) string { return b.index("", b.image("linux/arm64", plain, says("linux/arm64"))) },
			"linux/arm64/v8", "linux/arm64", "linux/arm64"},
		{"arm64/v9 where the index has v8", func(b blobs) string { return b.index("", b.image("linux/arm64/v8", plain, says("linux/arm64/v8"))) },
			"linux/arm64/v9", "linux/arm64", "linux/arm64"},
		{"no index", func(b blobs) string { return b.image("linux/arm/v6", plain, "") },
			"linux/arm/v6", "linux/arm/v6", "linux/arm/v6"},
		{"no index, another platform", func(b blobs) string { return b.image("linux/arm/v6", plain, "") },
			"linux/arm64", "linux/arm/v6", "the image has linux/arm/v6"},
		{"twice", func(b blobs) string {
			return b.index("", b.image("linux/amd64", plain, says("linux/amd64")), b.image("linux/amd64/v1", plain, says("linux/amd64")))
		}, "linux/amd64", "linux/amd64", "linux/amd64 other 1"},
		{"twice, neither to be read", func(b blobs) string {
			return b.index("", b.image("linux/amd64", plain+"+encrypted", says("linux/amd64")), b.image("linux/amd64/v1", "application/vnd.example.disk", says("linux/amd64")))
		}, "linux/amd64", "linux/amd64", "it is encrypted"},
		{"another platform", func(b blobs) string { return b.index("", b.image("linux/arm64", plain, says("linux/arm64"))) },
			"windows/amd64", "linux/arm64", "the image has linux/arm64"},
		{"artifact", func(b blobs) string {
			return b.put(mediaManifest, []byte(`{"schemaVersion": 2, "artifactType": "application/vnd.example+json", "config": `+b.put("application/vnd.oci.empty.v1+json", []byte("{}"), "")+`, "layers": []}`), "")
		}, "", "is an artifact of type application/vnd.example+json, not an image", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBlobs(t)
			ix, err := b.open(c.top(b))
			if err != nil {
				if c.took != "" || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("got %v, want %s", err, c.want)
				}
				return
			}
			if got := strings.Join(ix.Platforms(), " "); got != c.want {
				t.Fatalf("got platforms %q, want %q", got, c.want)
			}
			p, err := release.ParsePlatform(c.ask)
			if err != nil {
				t.Fatal(err)
			}
			img, err := ix.Image(t.Context(), p)
			m, notThere := ix.Platform(t.Context(), p)
			switch {
			case IsNotFound(err) != IsNotFound(notThere):
				t.Errorf("Image says %v, Platform %v", err, notThere)
			case err == nil && m.Digest != img.Digest:
				t.Errorf("Image took %s, Platform %s", img.Digest, m.Digest)
			}
			got := fmt.Sprint(err)
			if err == nil {
				if got = img.Platform; len(img.Others) > 0 {
					got += fmt.Sprintf(" other %d", len(img.Others))
				}
			}
			if !strings.Contains(got, c.took) || err == nil && got != c.took {
				t.Errorf("got %q, want %q", got, c.took)
			}
		})
	}
}
