package hostile

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
)

// layer is a layer as it is stored, and its diff ID.
type layer struct {
	stored []byte
	diffID string
}

func digest(p []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(p)) }

const (
	mediaIndex    = "application/vnd.oci.image.index.v1+json"
	mediaManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaConfig   = "application/vnd.oci.image.config.v1+json"
	mediaLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
	amd64         = `"platform":{"os":"linux","architecture":"amd64"}`
	refName       = "org.opencontainers.image.ref.name"
)

// blob writes a blob of a layout and gives its digest.
func (d *Dir) blob(layout string, data []byte) string {
	sum := digest(data)
	d.File(layout+"/blobs/sha256/"+strings.TrimPrefix(sum, "sha256:"), data)
	return sum
}

func descriptor(mediaType, digest string, size int, more string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d%s}`, mediaType, digest, size, more)
}

// stored writes a blob and gives its descriptor.
func (d *Dir) stored(layout, mediaType string, data []byte, more string) string {
	return descriptor(mediaType, d.blob(layout, data), len(data), more)
}

// top finishes a layout whose index.json lists the given descriptors.
func (d *Dir) top(layout string, descriptors ...string) {
	d.File(layout+"/oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	d.File(layout+"/index.json", []byte(index(descriptors...)))
}

func index(descriptors ...string) string {
	return `{"schemaVersion":2,"mediaType":"` + mediaIndex + `","manifests":[` + strings.Join(descriptors, ",") + `]}`
}

func tagged(tag string) string { return fmt.Sprintf(`,"annotations":{%q:%q}`, refName, tag) }

// config is the configuration of an image with these layers.
func config(layers []layer, more string) string {
	return fmt.Sprintf(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[%s]}%s}`,
		many(len(layers), ",", func(i int) string { return fmt.Sprintf("%q", layers[i].diffID) }), more)
}

// manifest stores an image's layers, configuration and manifest, and gives the
// manifest's descriptor.
func (d *Dir) manifest(layout string, config string, layers []layer, more string) string {
	list := make([]string, len(layers))
	for i, l := range layers {
		list[i] = d.stored(layout, mediaLayer, l.stored, "")
	}
	c := d.stored(layout, mediaConfig, []byte(config), "")
	m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, mediaManifest, c, strings.Join(list, ","))
	return d.stored(layout, mediaManifest, []byte(m), more)
}

// image writes a layout with an index, tagged 1.0.0, of one image.
func (d *Dir) image(layout string, layers ...layer) {
	m := d.manifest(layout, config(layers, ""), layers, ","+amd64)
	d.top(layout, d.stored(layout, mediaIndex, []byte(index(m)), tagged("1.0.0")))
}

func good(i int) layer {
	s := stream(func(t *tarWriter) { t.dir("app/"); t.reg(fmt.Sprintf("app/%d", i), []byte("hello")) })
	return s.layer(s.gzip())
}

// layoutCalls are the verbs that read a layout.
var layoutCalls = append([]string{
	"ls oci-layout:image --platform linux/amd64",
	"verify-image oci-layout:image:1.0.0 --key OURS/k.pub --unsafe-no-transparency-log",
	"pull oci-layout:image:1.0.0 pulled",
	"push image REGISTRY/x/y",
	"--config OURS/config.json join image --out joined",
	"verify OURS/dist --key OURS/k.pub --unsafe-no-transparency-log --offline --image oci-layout:image",
}, imageCalls...)

// imageInputs are hostile layouts.
func imageInputs() []Input {
	one := []layer{good(0)}
	type kind struct {
		name        string
		build       func(d *Dir)
		limit, says string
	}
	var out []Input
	for _, k := range []kind{
		{"layout: index.json of 300,000 empty descriptors", func(d *Dir) { d.top("image", strings.Split(many(300_000, ",", same("{}")), ",")...) }, "", ""},
		{"layout: index.json nested 400,000 deep", func(d *Dir) {
			d.top("image")
			d.File("image/index.json", []byte(`{"manifests":`+strings.Repeat("[", 400_000)))
		}, "", ""},
		{"layout: index.json with a number of 900 kB", func(d *Dir) {
			d.top("image")
			d.File("image/index.json", []byte(`{"manifests":[{"size":`+strings.Repeat("9", 900*kB)+`}]}`))
		}, "", ""},
		{"layout: 4,000 tops that are one manifest of 400 kB", func(d *Dir) {
			m := d.manifest("image", config(one, ""), one, "")
			big := d.stored("image", mediaManifest, []byte(`{"schemaVersion":2,"annotations":{"a":"`+strings.Repeat("a", 400*kB)+`"}}`), "")
			list := []string{strings.TrimSuffix(m, "}") + tagged("1.0.0") + "}"}
			for range 3_400 {
				list = append(list, big)
			}
			d.top("image", list...)
		}, "", ""},
		{"layout: 3,900 names for one image", func(d *Dir) {
			m := d.manifest("image", config(one, ""), one, "")
			var list []string
			for i := range 3_900 {
				list = append(list, strings.TrimSuffix(m, "}")+tagged(fmt.Sprintf("t%d", i))+"}")
			}
			d.top("image", list...)
		}, "", ""},
		{"index: 4,000 manifests", func(d *Dir) {
			m := d.manifest("image", config(one, ""), one, ","+amd64)
			list := make([]string, 4_000)
			for i := range list {
				list[i] = m
			}
			d.top("image", d.stored("image", mediaIndex, []byte(index(list...)), tagged("1.0.0")))
		}, "", ""},
		{"index: 300,000 empty descriptors", func(d *Dir) {
			d.top("image", d.stored("image", mediaIndex, []byte(index(strings.Split(many(300_000, ",", same("{}")), ",")...)), tagged("1.0.0")))
		}, "", ""},
		{"index: 1,000 indexes inside one another", func(d *Dir) {
			m := d.manifest("image", config(one, ""), one, ","+amd64)
			for range 1_000 {
				m = d.stored("image", mediaIndex, []byte(index(m)), "")
			}
			d.top("image", strings.TrimSuffix(m, "}")+tagged("1.0.0")+"}")
		}, "", ""},
		{"index: 40 indexes, each twice in the next", func(d *Dir) {
			m := d.manifest("image", config(one, ""), one, ","+amd64)
			for range 40 {
				m = d.stored("image", mediaIndex, []byte(index(m, m)), "")
			}
			d.top("image", strings.TrimSuffix(m, "}")+tagged("1.0.0")+"}")
		}, "", ""},
		{"index: 500 times one index of 800 kB", func(d *Dir) {
			m := d.manifest("image", config(one, ""), one, ","+amd64)
			inner := d.stored("image", mediaIndex, []byte(`{"schemaVersion":2,"annotations":{"a":"`+strings.Repeat("a", 800*kB)+`"},"manifests":[]}`), "")
			list := []string{m}
			for range 500 {
				list = append(list, inner)
			}
			d.top("image", d.stored("image", mediaIndex, []byte(index(list...)), tagged("1.0.0")))
		}, "", ""},
		{"index: 500 platforms of one manifest, configuration 800 kB", func(d *Dir) {
			m := d.manifest("image", config(one, `,"author":"`+strings.Repeat("a", 800*kB)+`"`), one, "")
			list := []string{}
			for i := range 500 {
				list = append(list, strings.TrimSuffix(m, "}")+fmt.Sprintf(`,"platform":{"os":"linux","architecture":"amd64","variant":"v%d"}}`, i))
			}
			d.top("image", d.stored("image", mediaIndex, []byte(index(list...)), tagged("1.0.0")))
		}, "", ""},
		{"manifest: 300,000 empty layers", func(d *Dir) {
			c := d.stored("image", mediaConfig, []byte(config(nil, "")), "")
			m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, mediaManifest, c, many(300_000, ",", same("{}")))
			d.top("image", d.stored("image", mediaManifest, []byte(m), tagged("1.0.0")))
		}, "", ""},
		{"manifest: one layer of 20,000 files, 500 times", func(d *Dir) {
			s := stream(func(t *tarWriter) {
				t.dir("app/")
				for i := range 20_000 {
					t.file(fmt.Sprintf("app/%05d", i))
				}
			})
			l := s.layer(s.gzip())
			layers := make([]layer, 500)
			for i := range layers {
				layers[i] = l
			}
			d.image("image", layers...)
		}, "", ""},
		{"manifest: one layer that removes what the other has, 250 times each", func(d *Dir) {
			a := stream(func(t *tarWriter) {
				for i := range 10_000 {
					t.file(fmt.Sprintf("app/%05d", i))
				}
			})
			b := stream(func(t *tarWriter) { t.file("app/.wh..wh..opq") })
			la, lb := a.layer(a.gzip()), b.layer(b.gzip())
			var layers []layer
			for range 250 {
				layers = append(layers, la, lb)
			}
			d.image("image", layers...)
		}, "", ""},
		{"manifest: one layer of 200 MB of zero bytes, 500 times", func(d *Dir) {
			s := stream(func(t *tarWriter) { t.zeros("app/a", 190*mB) })
			l := s.layer(s.gzip())
			layers := make([]layer, 500)
			for i := range layers {
				layers[i] = l
			}
			d.image("image", layers...)
		}, "", ""},
		{"configuration: 300,000 histories", func(d *Dir) {
			m := d.manifest("image", config(one, `,"history":[`+many(300_000, ",", same("{}"))+`]`), one, ","+amd64)
			d.top("image", d.stored("image", mediaIndex, []byte(index(m)), tagged("1.0.0")))
		}, "", ""},
		{"configuration: 60,000 labels and variables", func(d *Dir) {
			m := d.manifest("image", config(one, `,"config":{"Labels":{`+many(30_000, ",", numbered(`"%d":"a"`))+`},"Env":[`+many(30_000, ",", numbered(`"A%d=b"`))+`]}`), one, ","+amd64)
			d.top("image", d.stored("image", mediaIndex, []byte(index(m)), tagged("1.0.0")))
		}, "", ""},
		{"configuration: nested 400,000 deep", func(d *Dir) {
			m := d.manifest("image", config(one, `,"a":`+strings.Repeat("[", 400_000)), one, ","+amd64)
			d.top("image", d.stored("image", mediaIndex, []byte(index(m)), tagged("1.0.0")))
		}, "", ""},
	} {
		out = append(out, Input{Name: k.name, Build: k.build, Limit: k.limit, Says: k.says, Calls: layoutCalls})
	}
	return out
}

// archiveInputs are hostile archives of images.
func archiveInputs() []Input {
	calls := []string{"ls docker-archive:x.tar.gz", "ls docker-archive:x.tar.gz:a:t9", "ls oci-archive:x.tar.gz", "ls docker-archive:x.tar.gz@sha256:" + strings.Repeat("0", 64), "check docker-archive:x.tar.gz --config=", "pull docker-archive:x.tar.gz pulled", "verify-image oci-archive:x.tar.gz --key OURS/k.pub --unsafe-no-transparency-log"}
	big := many(4*mB/3-100, ",", same("{}"))
	type kind struct {
		name        string
		s           stream
		limit, says string
	}
	// saved is a docker archive: its images, as manifest.json has them.
	var out []Input
	for _, k := range []kind{
		{"docker archive: manifest.json of 4 MB of empty images", func(t *tarWriter) { t.reg("manifest.json", []byte("["+big+"]")) }, "", ""},
		{"docker archive: 500 images with one configuration of 4 MB", func(t *tarWriter) {
			t.reg("c.json", []byte(`{"os":"linux","architecture":"amd64","history":[`+big[:3*mB-1]+`],"rootfs":{"type":"layers","diff_ids":[]}}`))
			t.reg("manifest.json", []byte("["+many(500, ",", numbered(`{"Config":"c.json","RepoTags":["a:t%d"],"Layers":[]}`))+"]"))
		}, "", ""},
		{"docker archive: 500 layers that are one of 300 MB", func(t *tarWriter) {
			ids := many(500, ",", same(`"`+digest(nil)+`"`))
			t.reg("c.json", []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[`+ids+`]}}`))
			t.reg("manifest.json", []byte(`[{"Config":"c.json","RepoTags":["a:t9"],"Layers":[`+many(500, ",", same(`"l.tar"`))+`]}]`))
			t.head('0', "l.tar", "", 300*mB)
			t.fill(300*mB-300*mB%512+512, []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"))
		}, "", ""},
		{"docker archive: 500 images of 200 layers of 5 MB", func(t *tarWriter) {
			ids := many(200, ",", same(`"`+digest(nil)+`"`))
			t.reg("c.json", []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[`+ids+`]}}`))
			t.reg("manifest.json", []byte("["+many(500, ",", func(i int) string {
				return fmt.Sprintf(`{"Config":"c.json","RepoTags":["a:t%d"],"Layers":[%s]}`, i, many(200, ",", same(`"l.tar"`)))
			})+"]"))
			t.head('0', "l.tar", "", 5*mB)
			t.fill(5*mB-5*mB%512+512, []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"))
		}, "", ""},
		{"docker archive: 60,000 names of 4 kB", func(t *tarWriter) {
			for i := range 60_000 {
				t.long('L', fmt.Sprintf("%d-%s\x00", i, strings.Repeat("a", 4000)))
				t.file("a")
			}
		}, "", ""},
		{"docker archive: 60,000 small files", func(t *tarWriter) {
			for i := range 60_000 {
				t.reg(fmt.Sprintf("%d/json", i), make([]byte, 300))
			}
		}, "", ""},
		{"docker archive: 900 MB in one file", func(t *tarWriter) { t.zeros("a", 900*mB); t.reg("manifest.json", []byte("[]")) }, "", ""},
		{"docker archive: 500 old images above one layer of 4 MB of text", func(t *tarWriter) {
			t.reg("base/json", []byte(`{"id":"base","container_config":{"Cmd":["`+strings.Repeat("a", 3_900*kB)+`"]}}`))
			t.file("base/layer.tar")
			for i := range 500 {
				t.reg(fmt.Sprintf("i%d/json", i), []byte(fmt.Sprintf(`{"id":"i%d","parent":"base"}`, i)))
				t.file(fmt.Sprintf("i%d/layer.tar", i))
			}
		}, "", ""},
		{"docker archive: 500 old images above 500 layers", func(t *tarWriter) {
			parent := ""
			for i := range 500 {
				t.reg(fmt.Sprintf("b%d/json", i), []byte(fmt.Sprintf(`{"id":"b%d","parent":%q}`, i, parent)))
				t.file(fmt.Sprintf("b%d/layer.tar", i))
				parent = fmt.Sprintf("b%d", i)
			}
			for i := range 500 {
				t.reg(fmt.Sprintf("i%d/json", i), []byte(fmt.Sprintf(`{"id":"i%d","parent":%q}`, i, parent)))
				t.file(fmt.Sprintf("i%d/layer.tar", i))
			}
		}, "", ""},
		{"docker archive: 900 old layers of 400 kB", func(t *tarWriter) {
			for i := range 900 {
				t.reg(fmt.Sprintf("i%d/json", i), []byte(fmt.Sprintf(`{"id":"i%d","comment":"%s"}`, i, strings.Repeat("a", 100*kB))))
				t.zeros(fmt.Sprintf("i%d/layer.tar", i), 300*kB)
			}
		}, "", ""},
		{"OCI archive: index.json of 4 MB of empty descriptors", func(t *tarWriter) {
			t.reg("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
			t.reg("index.json", []byte(index(strings.Split(big, ",")[:1_300_000]...)))
		}, "", ""},
		{"OCI archive: a manifest of 4 MB of empty layers", func(t *tarWriter) {
			t.reg("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
			m := []byte(`{"schemaVersion":2,"config":` + descriptor(mediaConfig, digest(nil), 0, "") + `,"layers":[` + big[:3_900_000] + `{}]}`)
			t.reg("index.json", []byte(index(descriptor(mediaManifest, digest(m), len(m), ""))))
			t.reg("blobs/sha256/"+digest(m)[7:], m)
		}, "", ""},
		{"OCI archive: 2,000 tops, manifests of 100 kB, each read from the start", func(t *tarWriter) {
			t.reg("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
			var list []string
			var blobs [][]byte
			for i := range 2_000 {
				m := []byte(fmt.Sprintf(`{"schemaVersion":2,"n":%d,"annotations":{"a":"%s"}}`, i, strings.Repeat("a", 100*kB)))
				list, blobs = append(list, descriptor(mediaManifest, digest(m), len(m), "")), append(blobs, m)
			}
			t.reg("index.json", []byte(index(list...)))
			for _, m := range blobs {
				t.reg("blobs/sha256/"+digest(m)[7:], m)
			}
		}, "", ""},
	} {
		out = append(out, Input{Name: k.name, Limit: k.limit, Says: k.says, Calls: calls, Build: func(d *Dir) { d.File("x.tar.gz", k.s.gzip()) }})
	}
	return out
}

// reversed builds two archives of the same files in opposite orders.
func reversed(d *Dir) {
	for _, name := range []string{"a", "b"} {
		s := stream(func(t *tarWriter) {
			for i := range 1_000 {
				n := i
				if name == "b" {
					n = 999 - i
				}
				t.reg(fmt.Sprintf("app/%03d", n), bytes.Repeat([]byte(name), 250*kB))
			}
		})
		d.File(name+".tar.gz", s.gzip())
	}
}
