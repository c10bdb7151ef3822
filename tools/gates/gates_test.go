package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"facerec/internal/loopback"
)

// repository makes a directory under git with these files in one commit.
func repository(t *testing.T, files map[string]string) *world {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	commit(t, dir)
	return &world{root: dir, today: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), tool: builtTool(t), dist: filepath.Join(dir, "dist"), layout: filepath.Join(dir, "oci")}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func commit(t *testing.T, dir string) {
	t.Helper()
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"},
		{"-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "--allow-empty", "-m", "files"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
}

// builtTool hands out pinned tools. One that is not in the cache skips the test;
// BUILD_TOOLS=1 builds it, in minutes.
func builtTool(t *testing.T) func(context.Context, string) (string, error) {
	return func(ctx context.Context, name string) (string, error) {
		if name != "dockerlint" && !loopback.Built(name) && os.Getenv("BUILD_TOOLS") == "" {
			t.Skipf("%s is not built yet; BUILD_TOOLS=1 builds it, in minutes", name)
		}
		return tool(ctx, name)
	}
}

// bites runs a gate and expects it to find exactly what was planted.
func bites(t *testing.T, g func(context.Context, *world) (string, error), w *world, planted string) {
	t.Helper()
	note, err := g(t.Context(), w)
	var wrong *foundError
	if !errors.As(err, &wrong) {
		t.Fatalf("want a finding with %q, got note %q, error %v", planted, note, err)
	}
	if !strings.Contains(strings.Join(wrong.lines, "\n"), planted) {
		t.Errorf("want a finding with %q, got:\n%s", planted, strings.Join(wrong.lines, "\n"))
	}
}

func passes(t *testing.T, g func(context.Context, *world) (string, error), w *world) {
	t.Helper()
	note, err := g(t.Context(), w)
	var wrong *foundError
	if errors.As(err, &wrong) {
		t.Fatalf("want ok, got %q, %v:\n%s", note, err, strings.Join(wrong.lines, "\n"))
	}
	if err != nil {
		t.Fatalf("want ok, got %q, %v", note, err)
	}
}

func refuses(t *testing.T, g func(context.Context, *world) (string, error), w *world, why string) {
	t.Helper()
	if _, err := g(t.Context(), w); !errors.Is(err, errUnchecked) || !strings.Contains(err.Error(), why) {
		t.Errorf("want not checked with %q, got %v", why, err)
	}
}

const goMod = "module example.com/m\n\ngo 1.26\n"

func TestFormatGate(t *testing.T) {
	w := repository(t, map[string]string{"go.mod": goMod, "a.go": "package m\n"})
	passes(t, formatGate, w)
	write(t, w.root, map[string]string{"a.go": "package   m\n"})
	bites(t, formatGate, w, "a.go: run gofmt")
	write(t, w.root, map[string]string{"a.go": "package m\n", "go.mod": goMod + "\nrequire example.com/x v1.0.0\n\nreplace example.com/x => ./x\n", "x/go.mod": "module example.com/x\n"})
	bites(t, formatGate, w, "go.mod: run go mod tidy")
	refuses(t, formatGate, repository(t, nil), "no Go files")
}

func TestOnlyMoved(t *testing.T) {
	for _, c := range []struct {
		diff string
		want bool
	}{
		{"--- a\n+++ b\n x\n+y\n z\n-y", true},
		{"--- a\n+++ b\n+y\n+w\n-y", false},
		{"--- a\n+++ b\n-y", false},
		{"", false},
	} {
		if got := onlyMoved(strings.Split(c.diff, "\n")); got != c.want {
			t.Errorf("%q: want %v, got %v", c.diff, c.want, got)
		}
	}
}

func TestDockerfileGate(t *testing.T) {
	w := repository(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a /a\nENTRYPOINT [\"/a\"]\n"})
	passes(t, dockerfileGate, w)
	for _, c := range []struct{ text, want string }{
		{"FROM scratch as x\nCOPY a /a\n", "FromAsCasing"},
		{"FROM scratch\nENTRYPOINT /a\n", "JSONArgsRecommended"},
		{"FROM scratch\nENV PASSWORD=x\n", "SecretsUsedInArgOrEnv"},
	} {
		write(t, w.root, map[string]string{"Dockerfile": c.text})
		bites(t, dockerfileGate, w, c.want)
	}
	write(t, w.root, map[string]string{"Dockerfile": "FORM scratch\n"})
	refuses(t, dockerfileGate, w, "dockerlint")
	refuses(t, dockerfileGate, repository(t, nil), "no Dockerfile")
}

func TestWorkflowsGate(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("shellcheck is not installed (Debian package shellcheck)")
	}
	flow := func(step string) map[string]string {
		return map[string]string{".github/workflows/a.yml": "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - " + step + "\n"}
	}
	w := repository(t, flow("run: make test"))
	passes(t, workflowsGate, w)
	for _, c := range []struct{ step, want string }{
		{"run: echo ${{ github.event.pull_request.title }}", "expression"},
		{"run: cat $GITHUB_ENV | tr a b", "shellcheck"},
		{"uses: actions/checkout@v7", "expected OWNER/NAME@COMMIT"},
		{"uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "expected OWNER/NAME@COMMIT"},
		{"rum: make", "syntax-check"},
	} {
		write(t, w.root, flow(c.step))
		bites(t, workflowsGate, w, c.want)
	}
	write(t, w.root, flow("run: make test"))
	write(t, w.root, map[string]string{".ci/run": "#!/bin/bash\nrm -rf $1/x\n"})
	bites(t, workflowsGate, w, ".ci/run:2")
	refuses(t, workflowsGate, repository(t, nil), "no workflows")
}

func TestHistoryGate(t *testing.T) {
	// Put together here, so that the scan of our own history does not find it.
	planted := "token = " + "gh" + "p_" + "abcdefghijABCDEFGHIJ0123456789012345\n"
	w := repository(t, map[string]string{"a.txt": "nothing\n"})
	passes(t, historyGate, w)
	write(t, w.root, map[string]string{"config": planted})
	commit(t, w.root)
	write(t, w.root, map[string]string{"config": "removed\n"})
	commit(t, w.root) // it is in the history only
	bites(t, historyGate, w, "github-pat")
	_, err := historyGate(t.Context(), w)
	var wrong *foundError
	if !errors.As(err, &wrong) || strings.Contains(wrong.lines[0], strings.TrimSpace(planted[8:])) {
		t.Errorf("the secret itself must not be said: %v", err)
	}
	_, fingerprint, _ := strings.Cut(wrong.lines[0], ".gitleaksignore as ")
	write(t, w.root, map[string]string{".gitleaksignore": strings.TrimSuffix(fingerprint, ")") + "\n"})
	passes(t, historyGate, w)
	refuses(t, historyGate, &world{root: t.TempDir(), tool: w.tool}, "git")
}

func TestImagesGate(t *testing.T) {
	w := repository(t, nil)
	layer := filepath.Join(t.TempDir(), "layer")
	put := func(content string) {
		t.Helper()
		if err := os.RemoveAll(w.layout); err != nil {
			t.Fatal(err)
		}
		if err := writeTarGz(layer, map[string]string{"app/settings.env": content}); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(layer)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(raw)
		write(t, w.layout, map[string]string{"blobs/sha256/" + hex.EncodeToString(sum[:]): string(raw)})
	}
	put("nothing\n")
	passes(t, imagesGate, w)
	put("token = " + "gh" + "p_" + "abcdefghijABCDEFGHIJ0123456789012345\n")
	bites(t, imagesGate, w, "app/settings.env:1: github-pat")
	refuses(t, imagesGate, &world{root: w.root, layout: t.TempDir(), tool: w.tool}, "blobs")
}

func TestRaceGate(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("gcc is not installed: the race detector needs it")
	}
	test := func(body string) map[string]string {
		return map[string]string{"go.mod": goMod, "a_test.go": "package m\nimport (\"sync\"; \"testing\")\nfunc TestA(t *testing.T) {\n\tvar mu sync.Mutex\n\tn := 0\n\tvar g sync.WaitGroup\n\tfor range 2 { g.Add(1); go func() { defer g.Done(); " + body + " }() }\n\tg.Wait()\n\t_ = n\n\t_ = &mu\n}\n"}
	}
	w := repository(t, test("mu.Lock(); n++; mu.Unlock()"))
	w.packages = "./..."
	passes(t, raceGate, w)
	write(t, w.root, test("n++"))
	bites(t, raceGate, w, "DATA RACE")
}

func TestCoverageGate(t *testing.T) {
	files := map[string]string{"go.mod": goMod,
		"a.go":      "package m\n\nfunc A(b bool) int {\n\tif b {\n\t\treturn 1\n\t}\n\treturn 2\n}\n",
		"a_test.go": "package m\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) {\n\tif A(true) != 1 || A(false) != 2 {\n\t\tt.Fatal()\n\t}\n}\n",
		floorFile:   "example.com/m 90.0\n"}
	w := repository(t, files)
	passes(t, coverageGate, w)
	write(t, w.root, map[string]string{"a_test.go": "package m\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) {\n\tA(true)\n}\n"})
	bites(t, coverageGate, w, "expected at least 90.0 %, got 66.7 %")
	write(t, w.root, map[string]string{floorFile: "example.com/m 60.0\n"})
	bites(t, coverageGate, w, "it only rises")
	w.write = true
	passes(t, coverageGate, w)
	if raw, _ := os.ReadFile(filepath.Join(w.root, floorFile)); !strings.Contains(string(raw), "example.com/m 90.0\n") {
		t.Errorf("want the floor to stay at 90.0, got %s", raw)
	}
	w.write = false
	write(t, w.root, map[string]string{"a_test.go": files["a_test.go"] + "\nfunc TestB(t *testing.T) { t.Fatal() }\n"})
	bites(t, coverageGate, w, "TestB")
	write(t, w.root, map[string]string{floorFile: "# none\n"})
	refuses(t, coverageGate, &world{root: t.TempDir()}, floorFile)
}

func TestLicencesGate(t *testing.T) {
	const mit = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the \"Software\"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:\n\nThe above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.\n\nTHE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.\n"
	w := repository(t, map[string]string{
		"go.mod":     goMod + "\nrequire example.com/x v1.0.0\n\nreplace example.com/x => ./x\n",
		"main.go":    "package main\n\nimport _ \"example.com/x\"\n\nfunc main() {}\n",
		"x/go.mod":   "module example.com/x\n\ngo 1.26\n",
		"x/x.go":     "package x\n",
		"x/LICENSE":  mit,
		licencesFile: `{"accepted": ["MIT", "BSD-3-Clause"], "programs": [{"name": "m", "package": ".", "platforms": ["linux/amd64"], "table": "m.md"}], "known": {}, "native": []}`,
	})
	bites(t, licencesGate, w, "m.md: not what is linked in")
	w.write = true
	passes(t, licencesGate, w)
	w.write = false
	passes(t, licencesGate, w)
	write(t, w.root, map[string]string{"x/LICENSE": "You may use this on Tuesdays.\n"})
	bites(t, licencesGate, w, "example.com/x has the licence unknown")
	if err := os.Remove(filepath.Join(w.root, "x/LICENSE")); err != nil {
		t.Fatal(err)
	}
	bites(t, licencesGate, w, "example.com/x has the licence unknown")
	// A library that the module carries in an embedded file.
	write(t, w.root, map[string]string{
		"x/LICENSE": mit, "x/lib/LICENSE.codec": "You may use this on Tuesdays.\n", "x/lib/codec.wasm": "\x00asm",
		"x/x.go": "package x\n\nimport _ \"embed\"\n\n//go:embed lib/codec.wasm\nvar Codec []byte\n",
	})
	bites(t, licencesGate, w, "codec, in example.com/x has the licence unknown")
	write(t, w.root, map[string]string{"x/lib/LICENSE.codec": mit})
	bites(t, licencesGate, w, "m.md: not what is linked in")
	refuses(t, licencesGate, repository(t, nil), licencesFile)
}

const noStatements = `{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/vex", "author": "test", "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": [%s]}`

func statement(status, until string) string {
	return fmt.Sprintf(`{"vulnerability": {"name": "GO-2026-0001"}, "products": [{"@id": "pkg:golang/example.com/x"}], "status": %q, "justification": "vulnerable_code_not_in_execute_path", "status_notes": "the parser is not used; until %s"}`, status, until)
}

// planted is the one of the databases that tests make.
var planted = loopback.Advisory{ID: "GO-2026-0001", Alias: "CVE-2026-99999", Ecosystem: "Go", Package: "example.com/x", Fixed: "1.2.0", Symbols: []string{"Bad"}}

// documentOf is an SPDX document with one package.
func documentOf(name, version, purl string) string {
	return `{"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "t", "documentNamespace": "https://example.com/t", "creationInfo": {"created": "1970-01-01T00:00:00Z", "creators": ["Tool: t"]},
 "packages": [{"SPDXID": "SPDXRef-x", "name": "` + name + `", "versionInfo": "` + version + `", "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
 "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "` + purl + `"}]}], "relationships": []}`
}

func TestVulnsGate(t *testing.T) {
	document := func(version string) string {
		return documentOf("example.com/x", version, "pkg:golang/example.com/x@"+version)
	}
	w := repository(t, map[string]string{vexFile: fmt.Sprintf(noStatements, ""), "dist/a.spdx.json": document("v1.2.0")})
	w.database = t.TempDir()
	refuses(t, vulnsGate, w, "database")
	if err := loopback.WriteAdvisories(w.database, planted); err != nil {
		t.Fatal(err)
	}
	passes(t, vulnsGate, w)
	write(t, w.root, map[string]string{"dist/b.spdx.json": document("v1.1.0")})
	bites(t, vulnsGate, w, "GO-2026-0001 in pkg:golang/example.com/x@1.1.0 (b.spdx.json)")
	write(t, w.root, map[string]string{vexFile: fmt.Sprintf(noStatements, statement("not_affected", "2026-11-25"))})
	passes(t, vulnsGate, w)
	write(t, w.root, map[string]string{vexFile: fmt.Sprintf(noStatements, statement("not_affected", "2026-11-24"))})
	bites(t, vulnsGate, w, "which is over")
	write(t, w.root, map[string]string{"dist/c.spdx.json": documentOf("libx", "1.0-1", "pkg:deb/debian/libx@1.0-1?distro=bookworm")})
	refuses(t, vulnsGate, w, "Debian") // there is no database for it
	tool := w.tool
	w.tool = func(context.Context, string) (string, error) { return "", errors.New("no scanner") }
	refuses(t, vulnsGate, w, "no scanner")
	w.tool = tool
	w.dist = t.TempDir()
	refuses(t, vulnsGate, w, "no SPDX document")
}

func TestVEX(t *testing.T) {
	for _, c := range []struct{ statement, want string }{
		{statement("not_affected", "2027-02-30"), "status_notes"},
		{statement("not_affected", "soon"), "until YYYY-MM-DD"},
		{statement("under_investigation", "2027-01-01"), "expected the status"},
		{strings.Replace(statement("not_affected", "2027-01-01"), "vulnerable_code_not_in_execute_path", "trust me", 1), "justification"},
		{statement("affected", "2027-01-01"), "action_statement"},
		{`{"vulnerability": {"name": ""}}`, "name"},
		{`{"colour": 1}`, "colour"},
	} {
		file := filepath.Join(t.TempDir(), vexFile)
		if err := os.WriteFile(file, []byte(fmt.Sprintf(noStatements, c.statement)), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readVEX(file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want an error with %q, got %v", c.statement, c.want, err)
		}
	}
	if _, err := readVEX("../../" + vexFile); err != nil {
		t.Errorf("our own: %v", err)
	}
}

// moduleProxy serves example.com/x v1.1.0, which has a function that the
// database of the tests knows as vulnerable and one that it does not.
func moduleProxy(t *testing.T) {
	t.Helper()
	const mod = "module example.com/x\n\ngo 1.26\n"
	var z bytes.Buffer
	archive := zip.NewWriter(&z)
	for name, content := range map[string]string{"go.mod": mod, "x.go": "package x\n\nfunc Bad() {}\n\nfunc Good() {}\n"} {
		f, err := archive.Create("example.com/x@v1.1.0/" + name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.Write([]byte(content))
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "example.com/x/@v"), map[string]string{
		"list": "v1.1.0\n", "v1.1.0.info": `{"Version": "v1.1.0"}`, "v1.1.0.mod": mod, "v1.1.0.zip": z.String()})
	for k, v := range map[string]string{"GOPROXY": "file://" + dir, "GONOSUMDB": "example.com", "GOFLAGS": "-mod=mod -modcacherw", "GOMODCACHE": t.TempDir()} {
		t.Setenv(k, v)
	}
}

func TestVulncheckGate(t *testing.T) {
	program := func(body string) map[string]string {
		return map[string]string{
			vexFile:                fmt.Sprintf(noStatements, ""),
			"go.mod":               goMod + "\nrequire example.com/x v1.1.0\n",
			"cmd/facerec/main.go":  "package main\n\nfunc main() {}\n",
			"cmd/releaser/main.go": "package main\n\nimport \"example.com/x\"\n\nfunc main() { " + body + " }\n",
		}
	}
	moduleProxy(t)
	w := repository(t, program("x.Good()"))
	build := func(from string) {
		t.Helper()
		cmd := exec.Command("go", "build", "-o", "bin/facerec", from)
		cmd.Dir = w.root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	build("./cmd/facerec")
	w.database = t.TempDir()
	refuses(t, vulncheckGate, w, "database")
	if err := loopback.WriteAdvisories(w.database, planted); err != nil {
		t.Fatal(err)
	}
	passes(t, vulncheckGate, w)
	build("./cmd/releaser") // as built it is not known what is called: its packages count
	bites(t, vulncheckGate, w, "(facerec)")
	build("./cmd/facerec")
	write(t, w.root, program("x.Bad()"))
	bites(t, vulncheckGate, w, "GO-2026-0001 in pkg:golang/example.com/x@1.1.0 (releaser)")
	build("./cmd/releaser")
	bites(t, vulncheckGate, w, "GO-2026-0001 in pkg:golang/example.com/x@1.1.0 (releaser and facerec)")
	write(t, w.root, map[string]string{vexFile: fmt.Sprintf(noStatements, statement("not_affected", "2026-11-25"))})
	passes(t, vulncheckGate, w)
	write(t, w.root, map[string]string{vexFile: fmt.Sprintf(noStatements, statement("not_affected", "2026-11-24"))})
	bites(t, vulncheckGate, w, "which is over")
	build("./cmd/facerec")
	write(t, w.root, map[string]string{vexFile: fmt.Sprintf(noStatements, "")})
	tool := w.tool
	w.tool = func(context.Context, string) (string, error) { return "", errors.New("no scanner") }
	refuses(t, vulncheckGate, w, "no scanner")
	w.tool = tool
	if err := os.Remove(filepath.Join(w.root, "bin/facerec")); err != nil {
		t.Fatal(err)
	}
	refuses(t, vulncheckGate, w, "facerec is not built")
}

func TestCompareComponents(t *testing.T) {
	same, only := compareComponents(
		map[string]bool{"pkg:golang/github.com/Kagami/go-face@v1": true, "pkg:deb/debian/dlib@1": true},
		map[string]bool{"pkg:golang/github.com/kagami/go-face@v1": true, "pkg:golang/example.com/new@v2": true})
	got, err := json.Marshal(only)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"only":"ours","prefix":"pkg:deb/debian/dlib@1","reason":""},{"only":"syft","prefix":"pkg:golang/example.com/new@v2","reason":""}]`
	if same != 1 || string(got) != want {
		t.Errorf("got %d, %s, want 1, %s", same, got, want)
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		codes []int
		want  int
	}{
		{nil, 0}, {[]int{0, 5, 0}, 5}, {[]int{5, 1}, 1}, {[]int{3, 1, 5}, 3}, {[]int{1, 0, 3}, 3},
	} {
		got := 0
		for _, code := range c.codes {
			got = worse(got, code)
		}
		if got != c.want {
			t.Errorf("%v: want %d, got %d", c.codes, c.want, got)
		}
	}
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"--list"}, 0}, {nil, 2}, {[]string{"no-such"}, 2}, {[]string{"--no-such"}, 2},
		{[]string{"--root", t.TempDir(), "licences"}, 5}, {[]string{"--timeout", "1ns", "format"}, 5},
	} {
		var out, complaint bytes.Buffer
		if got := run(t.Context(), c.args, &out, &complaint); got != c.want {
			t.Errorf("%q: want %d, got %d: %s%s", c.args, c.want, got, &out, &complaint)
		}
	}
}

// TestGateTimesOut has a tool that never answers, and leaves a child that keeps its
// output open: the gate is not checked, at once, and nothing goes on running.
func TestGateTimesOut(t *testing.T) {
	w := repository(t, map[string]string{"go.mod": goMod, "a.go": "package m\n"})
	tools, child := t.TempDir(), filepath.Join(t.TempDir(), "child")
	if err := os.WriteFile(filepath.Join(tools, "gofmt"), []byte("#!/bin/sh\nsleep 600 &\necho $! > "+child+".part\nmv "+child+".part "+child+"\nwait\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	var out, complaint bytes.Buffer
	began := time.Now()
	if got := run(t.Context(), []string{"--root", w.root, "--timeout", "3s", "format", "licences"}, &out, &complaint); got != exitUnchecked {
		t.Errorf("expected %d, got %d", exitUnchecked, got)
	}
	if want := "not checked  format: it took more than 3s\n"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("expected %q, got %q, %q", want, &out, &complaint)
	}
	if !strings.Contains(out.String(), " licences: ") {
		t.Errorf("the gate after it was not asked: %q", &out)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	raw, err := os.ReadFile(child)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	// An orphan that has ended may wait for whoever adopts it.
	for range 100 {
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %d still runs", pid)
}

func TestSubjectsGate(t *testing.T) {
	w := repository(t, nil)
	say := func(subject string) {
		t.Helper()
		cmd := exec.Command("git", "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "--allow-empty", "--amend", "-m", subject)
		cmd.Dir, cmd.Env = w.root, append(os.Environ(), "GIT_COMMITTER_DATE=2026-12-01T00:00:00Z")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git: %v\n%s", err, out)
		}
	}
	say("tarball, oci/layer: " + strings.Repeat("x", 52))
	passes(t, subjectsGate, w)
	say("tarball, oci/layer: " + strings.Repeat("x", 53))
	bites(t, subjectsGate, w, "73 characters, expected at most 72")
	say("Fix things")
	bites(t, subjectsGate, w, "got \"Fix things\"")
	refuses(t, subjectsGate, &world{root: t.TempDir()}, "git")
}
