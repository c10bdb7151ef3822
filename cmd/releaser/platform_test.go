package main

import (
	"bytes"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

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
		{"ls oci-layout:encrypted:1 --platform windows/amd64", 1, "it is encrypted (" + encrypted + "): decrypt the image first"},
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
		{"check oci-layout:encrypted:1", exitDiffers, "it is encrypted"},
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
