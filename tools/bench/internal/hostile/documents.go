package hostile

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
)

// documentInputs are hostile documents of a release and of its configuration.
func documentInputs() []Input {
	const nesting = 450_000
	deep := strings.Repeat("[", nesting)
	hash := strings.Repeat("0", 64)
	var out []Input
	add := func(name string, build func(d *Dir), calls ...string) {
		out = append(out, Input{Name: name, Build: build, Calls: calls})
	}

	for _, k := range []struct{ name, text string }{
		{"config.json: nested 450,000 deep", `{"project_name":` + deep},
		{"config.json: 50,000 unknown keys", "{" + many(50_000, ",", numbered(`"platform%d":1`)) + "}"},
		{"config.json: 900 kB of one string", `{"project_name":"` + strings.Repeat("a", 900*kB) + `"}`},
		{"config.json: a number of 900 kB", `{"epoch":` + strings.Repeat("9", 900*kB) + `}`},
		{"config.json: 20,000 lineages on 20,000 platforms", `{"project_name":"tool","version":"1.0.0","build_cmd":"true","artifacts":[{"src":"x","dest":"/app/x"}],"lineages":[` +
			many(20_000, ",", numbered(`{"name":"l%d"}`)) + `],"platforms":[` + many(20_000, ",", numbered(`"linux/arm64/v%d"`)) + `]}`},
		{"config.json: 20,000 artifacts", `{"project_name":"tool","version":"1.0.0","build_cmd":"true","artifacts":[` + many(20_000, ",", numbered(`{"src":"x%[1]d","dest":"/app/x%[1]d"}`)) + `]}`},
	} {
		add(k.name, func(d *Dir) { d.File("config.json", []byte(k.text)) },
			"matrix", "build --no-run --out built", "pack --image oci-layout:OURS/oci --out packed", "verify OURS/dist --offline", "check oci-layout:OURS/oci")
	}
	add("config.json: 4,000 patterns for 3,000 files", func(d *Dir) {
		d.File("config.json", []byte(`{"project_name":"tool","version":"1.0.0","build_cmd":"true","artifacts":[{"src":"x","dest":"/app/x"}],"extract":{"include":[`+many(20_000, ",", numbered(`"**/a*a*a*a*a*%d"`))+`]}}`))
		s := stream(func(t *tarWriter) {
			for i := range 3_000 {
				t.file(fmt.Sprintf("app/%s%d", strings.Repeat("a", 60), i))
			}
		})
		d.image("image", s.layer(s.gzip()))
	}, "pack --image oci-layout:image --out packed")

	dist := func(file, text string) func(d *Dir) {
		return func(d *Dir) {
			d.CopyOwn("dist", "dist")
			d.File("dist/"+file, []byte(text))
		}
	}
	const signer = " --key OURS/k.pub --unsafe-no-transparency-log"
	verifies := []string{"verify dist --offline" + signer, "verify dist --offline --image oci-layout:OURS/oci" + signer, "verify dist --cells linux/amd64 --offline" + signer,
		"--config OURS/config.json publish dist --page dir:page --image oci-layout:OURS/oci" + signer, "--config OURS/config.json sign dist --key OURS/k.key"}
	for _, k := range []struct{ name, text string }{
		{"checksums.txt: 13,000 lines", many(13_000, "", numbered(hash+"  f%d\n"))},
		{"checksums.txt: 12,000 times one name", many(12_000, "", same(hash+"  tool.tar.gz\n"))},
		{"checksums.txt: one line of 900 kB", hash + "  " + strings.Repeat("a", 900*kB) + "\n"},
		{"checksums.txt: 900,000 empty lines", strings.Repeat("\n", 900*kB)},
	} {
		add(k.name, dist("checksums.txt", k.text), append([]string{"verify dist --offline --checksums dist/checksums.txt" + signer}, verifies...)...)
	}
	cell := func(i int) string { return fmt.Sprintf(`{"lineage":"l%d","platform":"linux/amd64"}`, i) }
	for _, k := range []struct{ name, text string }{
		{"release.json: nested 450,000 deep", `{"cells":` + deep},
		{"release.json: 20,000 cells", `{"schema":"releaser.release/v1","cells":[` + many(20_000, ",", cell) + `]}`},
		{"release.json: 300,000 empty cells", `{"schema":"releaser.release/v1","cells":[` + many(300_000, ",", same("{}")) + `]}`},
		{"release.json: 300,000 empty entries", `{"schema":"releaser.release/v1","cells":[{"entries":[` + many(300_000, ",", same("{}")) + `]}]}`},
		{"release.json: a number of 900 kB", `{"epoch":` + strings.Repeat("9", 900*kB) + `}`},
	} {
		add(k.name, dist("release.json", k.text), verifies...)
		add(k.name+", not signed", func(d *Dir) { // what checksums.txt names, but nobody signed it
			d.File("dist/release.json", []byte(k.text))
			d.File("dist/checksums.txt", []byte(strings.TrimPrefix(digest([]byte(k.text)), "sha256:")+"  release.json\n"))
		}, "verify dist --offline"+signer, "verify dist --offline --image oci-layout:OURS/oci", "verify dist --cells linux/amd64 --offline"+signer)
	}
	for _, k := range []struct{ name, text string }{
		{"SBOM: nested 450,000 deep", `{"packages":` + deep},
		{"SBOM: 300,000 empty packages", `{"spdxVersion":"SPDX-2.3","packages":[` + many(300_000, ",", same("{}")) + `]}`},
	} {
		add(k.name, dist("tool_1.0.0_linux_amd64.spdx.json", k.text), append([]string{"sign dist --attest --image REGISTRY/tool:1.0.0 --key OURS/k.key"}, verifies...)...)
	}
	add("release: 9,000 files that nobody signed", func(d *Dir) {
		d.CopyOwn("dist", "dist")
		for i := range 9_000 {
			d.File(fmt.Sprintf("dist/%d/%d.tar.gz", i/100, i), nil)
		}
	}, verifies...)
	for _, k := range []struct {
		name string
		s    stream
	}{
		{"release: a tarball of 190,000 other entries", func(t *tarWriter) {
			for i := range 190_000 {
				t.file(fmt.Sprintf("tool-1.0.0/%d", i))
			}
		}},
		{"release: a tarball of 600 MB", func(t *tarWriter) { t.zeros("tool-1.0.0/a", 600*mB) }},
	} {
		add(k.name, func(d *Dir) {
			d.CopyOwn("dist", "dist")
			d.File("dist/tool_1.0.0_linux_amd64.tar.gz", k.s.gzip())
		}, append([]string{"verify dist --fast --offline --image oci-layout:OURS/oci" + signer}, verifies...)...)
	}
	add("archives: 1,000 files of 250 kB, the other way round", reversed, "diff a.tar.gz b.tar.gz", "diff a.tar.gz b.tar.gz --json")

	for _, k := range []struct{ name, text string }{
		{"page: releases.json nested 450,000 deep", `{"schema":"releaser.releases/v1","releases":` + deep},
		{"page: releases.json with 300,000 empty releases", `{"schema":"releaser.releases/v1","releases":[` + many(300_000, ",", same("{}")) + `]}`},
		{"page: releases.json with 15,000 releases", `{"schema":"releaser.releases/v1","releases":[` + many(15_000, ",", numbered(`{"tag":"v1.0.%d","assets":[]}`)) + `]}`},
	} {
		add(k.name, func(d *Dir) {
			d.CopyOwn("page", "page")
			d.File("page/releases.json", []byte(k.text))
		}, "fetch dir:page got"+signer, "--config OURS/config.json publish OURS/dist --page dir:page --image oci-layout:OURS/oci"+signer, "fetch http://REGISTRY/ got"+signer)
		out[len(out)-1].Serve = func(d *Dir) http.Handler { return http.FileServer(http.Dir(filepath.Join(d.Path, "page"))) }
	}
	return out
}
