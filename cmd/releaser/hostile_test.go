package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/oci/ocitest"
	"facerec/internal/text/texttest"
)

// TestNamesDoNotAct feeds hostile file names through the verbs and formats that
// print names. No line of what they print holds a control character, an invisible
// one, or a workflow command of a CI runner.
func TestNamesDoNotAct(t *testing.T) {
	t.Setenv("GITHUB_ACTIONS", "")
	t.Chdir(t.TempDir())
	image := func(layout, body string) {
		files := []ocitest.File{ocitest.Dir("app", 0o755)}
		for _, n := range texttest.Files {
			files = append(files, ocitest.Reg("app/"+n, body))
		}
		ocitest.SaveLayout(t, layout, "1.0.0", ocitest.Index(map[string]v1.Image{"linux/amd64": ocitest.Image(t, ocitest.AMD64, files)}))
	}
	image("one", "1")
	image("two", "2")
	config := `{"project_name": "tool", "build_cmd": "true", "artifacts": [{"src": "x", "dest": "/app/x"}], "version": "1.0.0"}`
	if err := os.WriteFile("config.json", []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		want int
	}{
		{"ls oci-layout:one:1.0.0 --platform linux/amd64", 0},
		{"ls --json oci-layout:one:1.0.0 --platform linux/amd64", 0},
		{"cp oci-layout:one:1.0.0:/app copied --platform linux/amd64", 0},
		{"cp --json oci-layout:one:1.0.0:/app again --platform linux/amd64", 0},
		{"ls copied", 0},
		{"diff oci-layout:one:1.0.0 oci-layout:two:1.0.0 --platform linux/amd64", exitDiffers},
		{"diff --json oci-layout:one:1.0.0 oci-layout:two:1.0.0 --platform linux/amd64", exitDiffers},
		{"check oci-layout:one:1.0.0", exitDiffers},
		{"check --json oci-layout:one:1.0.0", exitDiffers},
		{"pack --image oci-layout:one --out dist", 0},
		{"ls dist/tool_1.0.0_linux_amd64.tar.gz", 0},
		{"keygen k", 0},
		{"sign dist --key k.key", 0},
		{"verify dist --key k.pub --unsafe-no-transparency-log --image oci-layout:one", 0},
		{"pack --image oci-layout:two --out dist2", 0},
		{"swap", 0},
		{"verify dist --key k.pub --unsafe-no-transparency-log --image oci-layout:one", exitDiffers},
		{"verify dist --key k.pub --unsafe-no-transparency-log --image oci-layout:one --format json", exitDiffers},
		{"verify dist --key k.pub --unsafe-no-transparency-log --image oci-layout:one --format sarif", exitDiffers},
		{"verify dist --key k.pub --unsafe-no-transparency-log --image oci-layout:one --format html", exitDiffers},
		{"cp oci-layout:one:1.0.0:/app/##[error]x - --platform linux/amd64", 0},
		{"ls oci-layout:one:##[error]x", exitUsage},
		{"ls ::error::x", exitUsage},
	} {
		if c.args == "swap" { // another tarball in the place of the signed one
			if err := os.Rename("dist2/tool_1.0.0_linux_amd64.tar.gz", "dist/tool_1.0.0_linux_amd64.tar.gz"); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var out, errs bytes.Buffer
		if got := run(context.Background(), strings.Fields(c.args), nil, &out, &errs); got != c.want && !(c.want == exitUsage && got == exitFailed) {
			t.Errorf("%s: expected exit code %d, got %d: %s", c.args, c.want, got, errs.String())
		}
		for _, stream := range []string{out.String(), errs.String()} {
			for line := range strings.Lines(stream) {
				if why := texttest.Acts(strings.TrimSuffix(line, "\n")); why != "" {
					t.Errorf("%s prints %q: %s", c.args, line, why)
				}
			}
		}
	}
	// A job of GitHub Actions reads commands, its own ones only.
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_STEP_SUMMARY", filepath.Join(t.TempDir(), "summary.md"))
	var out, errs bytes.Buffer
	run(context.Background(), strings.Fields("verify dist --key k.pub --unsafe-no-transparency-log --image oci-layout:one"), nil, &out, &errs)
	commands := 0
	for line := range strings.Lines(out.String() + errs.String()) {
		for _, own := range []string{"::error title=", "::warning title="} {
			if rest, ok := strings.CutPrefix(line, own); ok {
				commands++
				line = rest
			}
		}
		if why := texttest.Acts(strings.TrimSuffix(line, "\n")); why != "" {
			t.Errorf("a job prints %q: %s", line, why)
		}
	}
	if commands == 0 {
		t.Error("no annotation")
	}
}
