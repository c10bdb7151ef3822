package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"facerec/internal/loopback"
	"facerec/internal/oci"
	"facerec/internal/release"
)

// call runs the program in this process.
func call(t testing.TB, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(context.Background(), args, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("releaser %s exits with %d: %s", strings.Join(args, " "), code, errs.String())
	}
	return out.String()
}

// startEngine starts a real engine, or skips the test where there is none.
func startEngine(t *testing.T) *loopback.Engine {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a container engine (-short)")
	}
	engine, err := loopback.NewEngine(t.Context(), t.TempDir())
	if errors.Is(err, loopback.ErrNoEngine) {
		t.Skipf("the image is not run: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	return engine
}

// startRegistry starts a registry in this process and gives its HOST:PORT.
func startRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// emulate lets the kernel run a platform's programs, or skips the test.
func emulate(t *testing.T, p release.Platform) {
	t.Helper()
	undo, err := loopback.Emulate(p.Arch)
	if errors.Is(err, loopback.ErrNoEmulation) {
		t.Skipf("the image for %s is not run: %v", p, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(undo)
}

// runHardened runs an image: no root, no capabilities, a read-only root file
// system, no network. It gives what it printed.
func runHardened(t *testing.T, engine *loopback.Engine, p release.Platform, image string, args ...string) string {
	t.Helper()
	all := slices.Concat(loopback.Hardened(), []string{"--platform", p.String(), image}, args)
	out, err := engine.Command(t.Context(), all...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("docker %s: %v: %s%s", strings.Join(all, " "), err, exit.Stderr, out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestImageRunsInAnEngine builds an index of three platforms without an engine
// and runs each of its images in a real one, hardened, the foreign ones through
// the kernel's emulation.
func TestImageRunsInAnEngine(t *testing.T) {
	engine := startEngine(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module hello\n",
		"main.go": `package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	data, err := os.ReadFile("data/greeting")
	fmt.Printf("%s from %d:%d on %s, %v\n", data, os.Getuid(), os.Getgid(), runtime.GOARCH, err)
	fmt.Println("may write:", os.WriteFile("/app/x", nil, 0o644) == nil)
}
`,
		"data/greeting": "hello",
		"config.json": `{"project_name": "hello", "version": "1.0.0",
  "build_cmd": "GOOS=$RELEASER_OS GOARCH=$RELEASER_ARCH GOARM=7 CGO_ENABLED=0 go build -trimpath -o out/$RELEASER_PLATFORM/hello .",
  "artifacts": [{"src": "out/{platform}/hello", "dest": "/app/hello"}],
  "extern_data": [{"src": "data", "dest": "/app/data"}],
  "image": {"entrypoint": ["/app/hello"]},
  "platforms": ["linux/amd64", "linux/arm64", "linux/arm/v7"]}`,
	} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	layout := filepath.Join(dir, "oci")
	call(t, "-q", "--config", filepath.Join(dir, "config.json"), "build", "--out", layout)
	images := pushed(t, layout, startRegistry(t)+"/hello")
	if len(images) != 3 {
		t.Fatalf("%d images were pushed, want 3", len(images))
	}
	for _, im := range images {
		t.Run(im.platform.String(), func(t *testing.T) {
			emulate(t, im.platform)
			got := runHardened(t, engine, im.platform, im.ref)
			if want := "hello from 10001:10001 on " + im.platform.Arch + ", <nil>\nmay write: false\n"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// platformImage is one platform's image in a registry, by its own digest: an
// engine of this age keeps one platform an index.
type platformImage struct {
	tag      string
	platform release.Platform
	ref      string
}

// pushed sends a layout to a repository and lists the images that it has there.
func pushed(t *testing.T, layout, repository string) []platformImage {
	t.Helper()
	call(t, "-q", "push", layout, repository)
	ref, err := oci.ParseLayout(layout)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := oci.LayoutTags(ref)
	if err != nil {
		t.Fatal(err)
	}
	var out []platformImage
	for _, tag := range tags {
		at, err := oci.ParseRef(repository + ":" + tag)
		if err != nil {
			t.Fatal(err)
		}
		index, err := oci.ReadIndex(t.Context(), at, oci.Access{Named: []string{"127.0.0.1"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range index.Manifests {
			p, err := release.ParsePlatform(m.Platform)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, platformImage{tag, p, repository + "@" + m.Digest.String()})
		}
	}
	return out
}

// layouts are where the demo and `releaser build` leave facerec's images;
// FACEREC_LAYOUT names another.
var layouts = []string{"../../build/demo/oci", "../../build/oci"}

// facerecLayout is where facerec's images are, or skips the test.
func facerecLayout(t *testing.T) string {
	t.Helper()
	layout := os.Getenv("FACEREC_LAYOUT")
	for _, dir := range layouts {
		if _, err := os.Stat(filepath.Join(dir, "index.json")); layout == "" && err == nil {
			layout = dir
		}
	}
	if layout == "" {
		t.Skipf("there is no image of facerec in %s: run `make demo` or `make test-image`", strings.Join(layouts, " or "))
	}
	return layout
}

// TestReleasedImagesRecognise runs facerec's images as `releaser build` made
// them, every platform's that is there, in a real engine, hardened. Each must
// name the people in the sample picture.
func TestReleasedImagesRecognise(t *testing.T) {
	layout := facerecLayout(t)
	engine := startEngine(t)
	for _, im := range pushed(t, layout, startRegistry(t)+"/facerec") {
		t.Run(im.tag+"/"+im.platform.String(), func(t *testing.T) {
			emulate(t, im.platform)
			if im.platform.Arch != runtime.GOARCH && os.Getenv("FACEREC_LAYOUT") == "" {
				// Emulated, the whole picture takes over a minute: two photos do.
				text := runHardened(t, engine, im.platform, im.ref, "compare", "persons/John_Simm/000297_00470170.jpg", "persons/John_Simm/000305_00470162.jpg")
				if !strings.Contains(text, "same person") {
					t.Errorf("two photos of one person: got %s", text)
				}
				return
			}
			// The image's own samples; nothing can be written, so nothing is drawn or kept.
			text := runHardened(t, engine, im.platform, im.ref, "recognize", "images/unknown.jpg", "--json", "--out", "", "--cache", "off")
			names, unknown := recognised(t, text)
			if want := []string{"John_Salley", "John_Savage", "John_Schneider", "John_Simm"}; !slices.Equal(names, want) || unknown != 1 {
				t.Errorf("got %q and %d unknown, want %q and 1 unknown", names, unknown, want)
			}
		})
	}
}

// recognised reads facerec's answer: the names, sorted, and how many nobody knew.
func recognised(t *testing.T, text string) (names []string, unknown int) {
	t.Helper()
	var answer struct {
		Pictures []struct {
			Faces []struct {
				Verdict string  `json:"verdict"`
				Person  *string `json:"person"`
			} `json:"faces"`
		} `json:"pictures"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("facerec's answer is not JSON: %v\n%s", err, text)
	}
	for _, picture := range answer.Pictures {
		for _, face := range picture.Faces {
			switch {
			case face.Verdict == "known" && face.Person != nil:
				names = append(names, *face.Person)
			case face.Verdict == "unknown":
				unknown++
			default:
				t.Errorf("a face with verdict %q", face.Verdict)
			}
		}
	}
	slices.Sort(names)
	return names, unknown
}
