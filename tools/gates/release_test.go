package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"facerec/internal/loopback"
	"facerec/internal/release"
)

// built is bin/releaser, made once for all tests of this package.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gates-test-")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "releaser")
	out, err := exec.Command("go", "build", "-o", program, "facerec/cmd/releaser").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if program, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(program))
	}
	os.Exit(code)
}

const helloConfig = `{
  "project_name": "hello",
  "version": "1.2.3",
  "build_cmd": "CGO_ENABLED=0 GOOS=$RELEASER_OS GOARCH=$RELEASER_ARCH go build -trimpath -buildvcs=false -ldflags='-s -w -buildid=' -o out/$RELEASER_PLATFORM/hello .",
  "artifacts": [{"src": "out/{platform}/hello", "dest": "/app/hello"}],
  "extern_data": [{"src": "LICENSE", "dest": "/app/LICENSE"}],
  "image": {"entrypoint": ["/app/hello"], "workdir": "/app", "user": "10001:10001", "repository": "acme/hello"},
  "platforms": ["linux/amd64"],
  "extract": {"path": "/app", "prefix": "hello-{version}"},
  "asset": "hello_{version}_{os}_{arch}.tar.gz"
}
`

// hello makes a project whose program runs main, and builds its image.
func hello(t *testing.T, config, main string) *world {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	w := repository(t, map[string]string{
		"go.mod": goMod, "LICENSE": "as you like\n", "config.json": config,
		"main.go": "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"time\"\n)\n\nvar _, _, _ = fmt.Sprint, os.Exit, time.Sleep\n\nfunc main() { " + main + " }\n",
	})
	w.releaser, w.config, w.startTime = program, filepath.Join(w.root, "config.json"), time.Minute
	w.releases(t, "build", "--out", w.layout)
	return w
}

func (w *world) releases(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command(w.releaser, append([]string{"--quiet", "--config", w.config}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("releaser %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestSmokeGate(t *testing.T) {
	const good = `fmt.Println("hello 1.2.3")`
	passes(t, smokeGate, hello(t, helloConfig, good))
	bites(t, smokeGate, hello(t, helloConfig, `fmt.Println("hello 1.2.2")`), `expected version 1.2.3, got "hello 1.2.2"`)
	bites(t, smokeGate, hello(t, helloConfig, `fmt.Println("no models"); os.Exit(5)`), "exit code 5: no models")

	slow := hello(t, helloConfig, `time.Sleep(time.Hour)`)
	slow.startTime = 50 * time.Millisecond
	bites(t, smokeGate, slow, "did not say its version within 50ms")

	foreign := hello(t, strings.Replace(helloConfig, "linux/amd64", "linux/mips64le", 1), good)
	refuses(t, smokeGate, foreign, "no emulator for linux/mips64le")
	foreign.notRun = "linux/mips64le"
	refuses(t, smokeGate, foreign, "no image was run")

	none := hello(t, helloConfig, good)
	none.layout = t.TempDir()
	refuses(t, smokeGate, none, "index.json")
}

func TestStructureGate(t *testing.T) {
	const good = `fmt.Println("hello 1.2.3")`
	passes(t, structureGate, hello(t, helloConfig, good))
	bites(t, structureGate, hello(t, strings.Replace(helloConfig, "10001:10001", "0:0", 1), good), "user")

	w := hello(t, helloConfig, good)
	// The promise changes after the image was built.
	write(t, w.root, map[string]string{"config.json": strings.Replace(helloConfig, `"workdir": "/app"`, `"workdir": "/srv"`, 1)})
	bites(t, structureGate, w, "workdir")

	// A job of a CI matrix has one of the cells.
	some := hello(t, helloConfig, good)
	write(t, some.root, map[string]string{"config.json": strings.Replace(helloConfig, `"linux/amd64"`, `"linux/amd64", "linux/arm64"`, 1)})
	bites(t, structureGate, some, "linux/arm64: is not in the image")
	some.only = "linux/amd64"
	passes(t, structureGate, some)
	some.only = "linux/arm64"
	bites(t, structureGate, some, "linux/arm64: is not in the image")

	w.releaser = filepath.Join(w.root, "releaser")
	refuses(t, structureGate, w, "make releaser")
}

// TestVulnsGateOfBothPrograms asks about the documents that releaser writes of itself
// and of facerec (without dlib, which needs a toolchain), with a vulnerability planted in a
// module of each. What has run out is accepted no more.
func TestVulnsGateOfBothPrograms(t *testing.T) {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for program, module := range map[string]string{"releaser": "github.com/spf13/cobra", "facerec": "golang.org/x/image"} {
		t.Run(program, func(t *testing.T) {
			config := strings.ReplaceAll(helloConfig, "hello", program)
			config = strings.Replace(config, "build -trimpath", "build -C "+top+" -trimpath", 1)
			config = strings.Replace(config, "-o out/$RELEASER_PLATFORM/"+program+" .", "-o $PWD/out/$RELEASER_PLATFORM/"+program+" ./cmd/"+program, 1)
			w := hello(t, config, "")
			if err := os.RemoveAll(w.dist); err != nil {
				t.Fatal(err)
			}
			w.releases(t, "pack", "--image", "oci-layout:"+w.layout, "--out", w.dist)
			w.database = t.TempDir()
			harmless, known := planted, loopback.Advisory{ID: planted.ID, Alias: planted.Alias, Ecosystem: "Go", Package: module}
			accept := func(statements string) {
				t.Helper()
				write(t, w.root, map[string]string{vexFile: fmt.Sprintf(noStatements, strings.ReplaceAll(statements, planted.Package, module))})
			}
			accept("")
			if err := loopback.WriteAdvisories(w.database, harmless); err != nil {
				t.Fatal(err)
			}
			passes(t, vulnsGate, w)
			if err := loopback.WriteAdvisories(w.database, known); err != nil {
				t.Fatal(err)
			}
			bites(t, vulnsGate, w, planted.ID+" in pkg:golang/"+module+"@")
			accept(statement("not_affected", "2026-11-25"))
			passes(t, vulnsGate, w)
			accept(statement("not_affected", "2026-11-24"))
			bites(t, vulnsGate, w, "which is over")
		})
	}
}

func TestSBOMGate(t *testing.T) {
	w := hello(t, helloConfig, `fmt.Println("hello 1.2.3")`)
	if err := os.RemoveAll(w.dist); err != nil {
		t.Fatal(err)
	}
	w.releases(t, "pack", "--image", "oci-layout:"+w.layout, "--out", w.dist)
	if _, err := w.tool(t.Context(), "syft"); err != nil { // skips
		t.Fatal(err)
	}
	explain := func(d ...difference) {
		t.Helper()
		raw, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		write(t, w.root, map[string]string{differencesFile: string(raw)})
	}
	explain()
	// What differs without an explanation is found, each by name.
	_, err := sbomGate(t.Context(), w)
	var wrong *foundError
	if !errors.As(err, &wrong) || len(wrong.lines) == 0 {
		t.Fatalf("expected differences between two programs' documents, got %v", err)
	}
	var all []difference
	for _, l := range wrong.lines {
		for _, only := range []string{"ours", "syft"} {
			if _, prefix, ok := strings.Cut(l, "only "+only+" has "); ok {
				if strings.HasPrefix(prefix, "pkg:oci/") {
					prefix = "pkg:oci/" // syft names the image by the directory that it read
				}
				all = append(all, difference{Only: only, Prefix: prefix, Reason: "tested"})
			}
		}
	}
	explain(all...)
	passes(t, sbomGate, w)

	// A component that our document forgets.
	document := filepath.Join(w.dist, release.SBOMFile("hello_1.2.3_linux_amd64.tar.gz"))
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w.dist, map[string]string{filepath.Base(document): strings.ReplaceAll(string(raw), "pkg:golang/stdlib@", "pkg:golang/nothing@")})
	bites(t, sbomGate, w, "only syft has pkg:golang/stdlib@")
	write(t, w.dist, map[string]string{filepath.Base(document): string(raw)})

	explain(append(all, difference{Only: "ours", Prefix: "pkg:deb/none", Reason: "tested"})...)
	bites(t, sbomGate, w, `explains "pkg:deb/none" of ours, which does not differ`)
	if err := os.Remove(document); err != nil {
		t.Fatal(err)
	}
	explain(all...)
	refuses(t, sbomGate, w, filepath.Base(document))
}
