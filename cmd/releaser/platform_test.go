package main

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"facerec/internal/loopback"
	"facerec/internal/oci/ocitest"
)

// TestAnyPlatform asks the verbs for platforms that are not this machine's. Each
// image has its own name as a file; encrypted ones cannot be read.
func TestAnyPlatform(t *testing.T) {
	t.Chdir(t.TempDir())
	type entry struct {
		platform, body string
		silent         bool            // the index does not say the platform
		layer          types.MediaType // "" for an ordinary one
	}
	image := func(e entry) (v1.Image, v1.Platform) {
		p := append(strings.Split(e.platform, "/"), "")
		says := v1.Platform{OS: p[0], Architecture: p[1], Variant: p[2]}
		img := ocitest.Image(t, says)
		l := ocitest.Layer(t, ocitest.Dir("app", 0o755), ocitest.Reg("app/x", e.body))
		img, err := mutate.Append(img, mutate.Addendum{Layer: l, MediaType: e.layer})
		if err != nil {
			t.Fatal(err)
		}
		return img, says
	}
	save := func(dir string, entries ...entry) {
		ix := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
		for _, e := range entries {
			img, says := image(e)
			add := mutate.IndexAddendum{Add: img}
			if !e.silent {
				add.Platform = &says
			}
			ix = mutate.AppendManifests(ix, add)
		}
		ocitest.SaveLayout(t, dir, "1", ix)
	}
	const encrypted = "application/vnd.oci.image.layer.v1.tar+encrypted"
	save("one", entry{platform: "linux/arm/v6", body: "six"}, entry{platform: "linux/arm/v7", body: "seven"}, entry{platform: "windows/amd64", body: "windows"})
	save("two", entry{platform: "linux/arm/v7", body: "seven"}, entry{platform: "windows/amd64", body: "other"})
	save("silent", entry{platform: "windows/amd64", body: "windows", silent: true}, entry{platform: "linux/arm/v6", body: "six", silent: true})
	save("twice", entry{platform: "windows/amd64", body: "secret", layer: encrypted}, entry{platform: "windows/amd64", body: "windows"}, entry{platform: "windows/amd64", body: "later"})
	save("encrypted", entry{platform: "windows/amd64", body: "secret", layer: encrypted})
	save("disk", entry{platform: "windows/amd64", body: "secret", layer: "application/vnd.example.disk"})
	single, _ := image(entry{platform: "windows/amd64", body: "windows"})
	p, err := layout.Write("single", empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendImage(single, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "1"})); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string // in what is printed, after "not:" what is not
	}{
		{"cp oci-layout:one:1:/app/x - --platform windows/amd64", 0, "windows"},
		{"cp oci-layout:one:1:/app/x - --platform linux/arm/v6", 0, "six"},
		{"cp oci-layout:one:1:/app/x - --platform linux/arm/v7", 0, "seven"},
		{"cp oci-layout:one:1:/app/x - --platform linux/arm", 0, "seven"},
		{"cp oci-layout:one:1:/app/x - --platform linux/arm/v5", 1, "the image has linux/arm/v6"},
		{"cp oci-layout:one:1:/app/x - --platform Windows", exitUsage, "expected OS/ARCH[/VARIANT]"},
		{"ls oci-layout:silent:1 --platform windows/amd64", 0, " app/x "},
		{"cp oci-layout:silent:1:/app/x - --platform linux/arm/v6", 0, "six"},
		{"cp oci-layout:single:1:/app/x - --platform windows/amd64", 0, "not:warning"},
		{"cp oci-layout:single:1:/app/x - --platform linux/arm/v6", 0, "is a single image for windows/amd64, not for linux/arm/v6"},
		{"cp oci-layout:twice:1:/app/x - --platform windows/amd64", 0, "has windows/amd64 3 times: took the first that can be read, sha256:"},
		{"cp oci-layout:twice:1:/app/x - --platform windows/amd64", 0, "windows\n"},
		{"ls oci-layout:encrypted:1 --platform windows/amd64", 1, "it is encrypted (" + encrypted + ")\nhint: decrypt the image first"},
		{"ls oci-layout:disk:1 --platform windows/amd64", 1, "got the media type application/vnd.example.disk"},

		{"diff oci-layout:one:1 oci-layout:two:1 --platform linux/arm/v7", 0, ""},
		{"diff oci-layout:one:1 oci-layout:two:1 --platform windows/amd64", exitDiffers, "x: content differs"},
		{"diff oci-layout:one:1 oci-layout:two:1 --platform linux/arm/v6", 1, "the image has linux/arm/v7"},
		{"diff oci-layout:one:1 oci-layout:silent:1 --platform linux/arm/v6", 0, ""},
		{"diff oci-layout:one:1 oci-layout:single:1 --platform windows/amd64", 0, "not:warning"},
		{"diff oci-layout:one:1 oci-layout:twice:1 --platform windows/amd64", 0, "took the first that can be read"},
		{"diff oci-layout:one:1 oci-layout:encrypted:1 --platform windows/amd64", 1, "it is encrypted"},

		{"check oci-layout:one:1 --platform linux/arm", exitDiffers, "linux/arm/v7  manifest"},
		{"check oci-layout:one:1 --platform linux/arm", exitDiffers, "not:linux/arm/v6  manifest"},
		{"check oci-layout:silent:1 --platform windows/amd64", exitDiffers, "windows/amd64 layers"},
		{"check oci-layout:one:1 --platform linux/s390x", exitDiffers, "linux/s390x: is not in the image"},
		{"check oci-layout:one:1 --platform s390x", exitUsage, "expected OS/ARCH[/VARIANT]"},
		{"check oci-layout:encrypted:1", exitDiffers, "fix: decrypt the image first"},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), strings.Fields(c.args), nil, &out, &errs)
		got := out.String() + "\n" + errs.String()
		not, no := strings.CutPrefix(c.want, "not:")
		if code != c.code || strings.Contains(got, not) == no {
			t.Errorf("releaser %s: exit code %d, want %d and %q, got\n%s", c.args, code, c.code, c.want, got)
		}
	}
}

// TestWhatImagesCannotGive: layers that lie elsewhere, devices and attributes are
// named by every verb that meets them, and only by those.
func TestWhatImagesCannotGive(t *testing.T) {
	t.Chdir(t.TempDir())
	const url = "https://example.invalid/layer"
	const foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	save := func(dir string, urls []string, files ...ocitest.File) v1.Layer {
		t.Helper()
		l := ocitest.Layer(t, files...)
		add := mutate.Addendum{Layer: l, URLs: urls}
		if urls != nil {
			add.MediaType = foreign
		}
		img, err := mutate.Append(ocitest.Image(t, ocitest.AMD64), add)
		if err != nil {
			t.Fatal(err)
		}
		ocitest.SaveLayout(t, dir, "1.0.0", ocitest.Index(map[string]v1.Image{"linux/amd64": img}))
		return l
	}
	ping := ocitest.Reg("app/ping", "P")
	ping.PAX = map[string]string{"SCHILY.xattr.security.capability": "\x01"}
	save("special", nil, ocitest.Dir("app", 0o755), ocitest.Reg("app/x", "X"),
		ocitest.File{Name: "app/null", Kind: tar.TypeChar, Mode: 0o600}, ocitest.File{Name: "app/pipe", Kind: tar.TypeFifo, Mode: 0o600})
	save("capable", nil, ocitest.Dir("app", 0o755), ping)
	there := save("foreign", []string{url}, ocitest.Dir("app", 0o755), ocitest.Reg("app/x", "X"))
	sum, err := there.Digest()
	if err != nil {
		t.Fatal(err)
	}
	config := `{"project_name": "tool", "version": "1.0.0", "build_cmd": "true", "artifacts": [{"src": "x", "dest": "/app/x"}], "platforms": ["linux/amd64"]}`
	if err := os.WriteFile("config.json", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	strict, err := loopback.NewRegistry(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(strict.Close)
	const left = "foreign layer oci-layout:foreign@sha256:"
	const where = "not found: its manifest leaves it at " + url
	const verify = " --key k.pub --unsafe-no-transparency-log --image oci-layout:"
	for _, c := range []struct {
		args string
		code int
		want []string // in what is printed; with "not:" before it, not in it
	}{
		{"ls special --platform linux/amd64", 0, []string{"char 1:3 0600", "pipe     0600", "app/x "}},
		{"cp oci-layout:special:1.0.0:/app copied --platform linux/amd64", 0, []string{"null is a device or a named pipe (char 1:3): left out", "(pipe): left out"}},
		{"check special --config=", exitDiffers, []string{"/app/null: is a device (char 1:3)", "/app/pipe: is a named pipe"}},
		{"pack --image oci-layout:special --out no", 1, []string{`entry "null" is a device or a named pipe (char 1:3)`}},

		{"ls capable --platform linux/amd64", 0, []string{"(left out of tarballs: security.capability)"}},
		{"check capable --config=", exitDiffers, []string{"attributes      /app/ping: security.capability"}},
		{"keygen k", 0, nil},
		{"pack --image oci-layout:capable --out capable-dist", 0, []string{"warning: default/linux/amd64: the tarball loses attributes of ping: security.capability"}},
		{"sign capable-dist --key k.key", 0, nil},
		{"verify capable-dist" + verify + "capable", 0, []string{"note: default/linux/amd64: the image has attributes that the tarball loses: ping: security.capability\n"}},
		{"verify capable-dist --json" + verify + "capable", 0, []string{`"the image has attributes that the tarball loses: ping: security.capability"`}},
		{"verify capable-dist --format html" + verify + "capable", 0, []string{"Note: the image has attributes that the tarball loses: ping: security.capability"}},

		{"pack --image oci-layout:foreign --out dist", 0, []string{"not:foreign layer"}},
		{"sign dist --key k.key", 0, nil},
		{"verify dist" + verify + "foreign", 0, []string{"not:note: default", "not:foreign layer"}},
		{"pull oci-layout:foreign:1.0.0 oci-layout:whole", 0, []string{"not:warning"}},
		{"gone", 0, nil},
		{"ls foreign --platform linux/amd64", 1, []string{left, where}},
		{"cp oci-layout:foreign:1.0.0:/app/x - --platform linux/amd64", 1, []string{left, where}},
		{"diff foreign whole --platform linux/amd64", 1, []string{left, where}},
		{"check foreign --platform linux/amd64", exitDiffers, []string{"skip  linux/amd64   layers          " + left, where, "FAIL  linux/amd64   user"}},
		{"check foreign --platform linux/amd64 --config= --allow user --allow entrypoint", exitIncomplete, []string{where}},
		{"pack --image oci-layout:foreign --out no", 1, []string{left, where}},
		{"verify dist" + verify + "foreign", 1, []string{left, where, "the layers could not be read", "not:do not match their digests"}},
		{"pull oci-layout:foreign:1.0.0 part", 0, []string{"warning: foreign layer " + sum.String() + " was not moved: its manifest leaves it at " + url}},
		{"pull oci-layout:foreign:1.0.0 part --json", 0, []string{`"left": [`, `"digest": "` + sum.String() + `"`, `"url": "` + url + `"`}},
		{"push part " + strict.Addr + "/tool", 1, []string{"HTTP 400", "hint: the registry may want foreign layer " + sum.String() + ", which is not sent"}},
	} {
		if c.args == "gone" {
			if err := os.Remove(filepath.Join("foreign", "blobs", "sha256", sum.Hex)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var out, errs bytes.Buffer
		code := run(t.Context(), strings.Fields(c.args), nil, &out, &errs)
		got := out.String() + "\n" + errs.String()
		if code != c.code {
			t.Errorf("releaser %s: exit code %d, want %d:\n%s", c.args, code, c.code, got)
		}
		for _, want := range c.want {
			if w, no := strings.CutPrefix(want, "not:"); strings.Contains(got, w) == no {
				t.Errorf("releaser %s: want %q, got\n%s", c.args, want, got)
			}
		}
	}
	if _, err := os.Lstat("no"); err == nil {
		t.Error("a failed pack left a directory")
	}
}
