package hostile

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// CopyOwn copies a directory of the caller's own files.
func (d *Dir) CopyOwn(from, to string) {
	if d.Err == nil {
		d.Err = os.CopyFS(filepath.Join(d.Path, to), os.DirFS(filepath.Join(d.Own, from)))
	}
}

// registryInputs are hostile registries, and hostile referrers.
func registryInputs() []Input {
	const signer = " --key OURS/k.pub --unsafe-no-transparency-log"
	images := []string{"verify-image REGISTRY/x/y:1.0.0" + signer, "pull REGISTRY/x/y:1.0.0 pulled", "ls REGISTRY/x/y:1.0.0 --platform linux/amd64", "check REGISTRY/x/y --config="}
	layouts := []string{"verify-image oci-layout:image:1.0.0" + signer, "pull oci-layout:image:1.0.0 pulled", "ls oci-layout:image:1.0.0 --platform linux/amd64"}
	bad := `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"a"},"tlogEntries":[]},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"AAAA"},"signature":"%s"}}`
	out := []Input{
		{Name: "referrers: 4,000 layers that are one bundle of 350 kB", Calls: append(layouts, images...), Serve: serveLayout, Build: func(d *Dir) {
			d.signed("image", []byte(fmt.Sprintf(bad, strings.Repeat("A", 350*kB))), 2_500)
		}},
		{Name: "referrers: 190 manifests of 4 kB", Calls: append(layouts, images...), Serve: serveLayout, Build: func(d *Dir) {
			layers := []layer{good(0)}
			image := d.manifest("image", config(layers, ""), layers, "")
			list := []string{strings.TrimSuffix(image, "}") + tagged("1.0.0") + "}"}
			for i := range 190 {
				m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":"a/b","config":{},"layers":[%s],"subject":%s,"annotations":{"n":"%d"}}`, mediaManifest, many(15, ",", same(descriptor("application/vnd.dev.sigstore.bundle.v0.3+json", digest(nil), 0, ""))), image, i)
				list = append(list, d.stored("image", mediaManifest, []byte(m), `,"artifactType":"a/b"`))
			}
			d.top("image", list...)
		}},
		{Name: "referrers: a list of 100,000", Calls: images, Build: one, Serve: func(d *Dir) http.Handler {
			list := index(strings.Split(many(100_000, ",", numbered(`{"digest":"sha256:%064x"}`)), ",")...)
			return answering(d, map[string]func(http.ResponseWriter){"/referrers/": document(mediaIndex, list)})
		}},
		{Name: "referrers: pages without end, 4 MB of empty descriptors each", Calls: images, Build: one, Serve: func(d *Dir) http.Handler {
			page := index(strings.Split(many(1_300_000, ",", same("{}")), ",")...)
			return answering(d, map[string]func(http.ResponseWriter){"/referrers/": func(w http.ResponseWriter) {
				w.Header().Set("Link", `</v2/x/y/referrers/next>; rel="next"`)
				document(mediaIndex, page)(w)
			}})
		}},
		{Name: "tags: pages without end", Calls: []string{"ls REGISTRY/x/y:nowhere", "check REGISTRY/x/y --config="}, Build: one, Serve: func(d *Dir) http.Handler {
			return answering(d, map[string]func(http.ResponseWriter){"/tags/list": func(w http.ResponseWriter) {
				w.Header().Set("Link", `</v2/x/y/tags/list?n=1>; rel="next"`)
				document("application/json", `{"name":"x/y","tags":[`+many(9_000, ",", numbered(`"t%0100d"`))+`]}`)(w)
			}})
		}},
		{Name: "manifest: gzip as content encoding, 600 MB", Calls: images, Build: one, Serve: func(d *Dir) http.Handler {
			bomb := gzipped(make([]byte, 600*mB))
			return answering(d, map[string]func(http.ResponseWriter){"/manifests/": func(w http.ResponseWriter) {
				w.Header().Set("Content-Encoding", "gzip")
				document(mediaIndex, string(bomb))(w)
			}})
		}},
		{Name: "registry: a refusal of 900 kB of errors", Calls: images, Build: one, Serve: func(*Dir) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = w.Write([]byte(`{"errors":[` + many(300_000, ",", same("{}")) + `]}`))
			})
		}},
		{Name: "registry: a header of 900 kB", Calls: images, Build: one, Serve: func(*Dir) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Www-Authenticate", `Bearer realm="`+strings.Repeat("a", 900*kB)+`"`)
				w.WriteHeader(http.StatusUnauthorized)
			})
		}},
	}
	return out
}

// one is a layout with one good image.
func one(d *Dir) { d.image("image", good(0)) }

// document answers with a text.
func document(mediaType, text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write([]byte(text)) // a client that went away is a client's affair
	}
}

// answering serves the layout "image", but for paths with one of the parts.
func answering(d *Dir, special map[string]func(http.ResponseWriter)) http.Handler {
	honest := serveLayout(d)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for part, answer := range special {
			if strings.Contains(r.URL.Path, part) {
				answer(w)
				return
			}
		}
		honest.ServeHTTP(w, r)
	})
}

// serveLayout serves the layout "image" as a repository: its one tag, and its
// blobs. All its tops are listed as referrers.
func serveLayout(d *Dir) http.Handler {
	layout := filepath.Join(d.Path, "image")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.URL.Path, "/")
		last := parts[len(parts)-1]
		index, err := os.ReadFile(filepath.Join(layout, "index.json"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		switch {
		case strings.Contains(r.URL.Path, "/tags/list"):
			document("application/json", `{"name":"x/y","tags":["1.0.0"]}`)(w)
			return
		case strings.Contains(r.URL.Path, "/referrers/"):
			document(mediaIndex, string(index))(w)
			return
		case last == "1.0.0":
			_, after, _ := strings.Cut(string(index), `"digest":"`)
			last, _, _ = strings.Cut(after, `"`)
		}
		blob, err := os.ReadFile(filepath.Join(layout, "blobs", "sha256", strings.TrimPrefix(last, "sha256:")))
		if err != nil || !strings.HasPrefix(last, "sha256:") {
			if last != "" {
				http.NotFound(w, r)
			}
			return
		}
		mediaType := "application/octet-stream"
		if strings.Contains(r.URL.Path, "/manifests/") {
			mediaType = mediaManifest
			if strings.Contains(string(blob[:min(len(blob), 200)]), mediaIndex) {
				mediaType = mediaIndex
			}
		}
		document(mediaType, string(blob))(w)
	})
}
