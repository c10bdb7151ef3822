package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"facerec/internal/loopback"
)

// call runs the program in this process.
func call(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(context.Background(), args, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("releaser %s exits with %d: %s", strings.Join(args, " "), code, errs.String())
	}
	return out.String()
}

// TestImageRunsInAnEngine builds an image without an engine and runs it in a
// real one, hardened: no root, no capabilities, a read-only root, no network.
func TestImageRunsInAnEngine(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a container engine")
	}
	ctx := context.Background()
	engine, err := loopback.NewEngine(ctx, t.TempDir())
	if errors.Is(err, loopback.ErrNoEngine) {
		t.Skipf("the image is not run: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()

	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module hello\n",
		"main.go": `package main

import (
	"fmt"
	"os"
)

func main() {
	data, err := os.ReadFile("data/greeting")
	fmt.Printf("%s from %d:%d, %v\n", data, os.Getuid(), os.Getgid(), err)
	fmt.Println("may write:", os.WriteFile("/app/x", nil, 0o644) == nil)
}
`,
		"data/greeting": "hello",
		"config.json": `{"project_name": "hello", "version": "1.0.0",
  "build_cmd": "CGO_ENABLED=0 go build -trimpath -o hello .",
  "artifacts": [{"src": "hello", "dest": "/app/hello"}],
  "extern_data": [{"src": "data", "dest": "/app/data"}],
  "image": {"entrypoint": ["/app/hello"]},
  "platforms": ["linux/` + runtime.GOARCH + `"]}`,
	} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	call(t, "-q", "--config", filepath.Join(dir, "config.json"), "build", "--out", filepath.Join(dir, "oci"))
	image := strings.TrimSpace(call(t, "-q", "push", filepath.Join(dir, "oci"), host+"/hello"))

	out, err := engine.Command(ctx, append(loopback.Hardened(), image)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("%v: %s", err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	if want := "hello from 10001:10001, <nil>\nmay write: false\n"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
}
