package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/release"
)

// TestOneAnswerFromEveryPlatform runs the facerec of every cell that was built
// on one photo, foreign ones under qemu: boxes, landmarks and descriptors must
// be the same to the last bit on all platforms of a lineage.
func TestOneAnswerFromEveryPlatform(t *testing.T) {
	if testing.Short() {
		t.Skip("runs emulated programs, some seconds each")
	}
	photos, err := filepath.Glob("../../persons/*/*.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if len(photos) == 0 {
		t.Skip("no sample faces: run `make samples`")
	}
	compared := 0
	for _, lineage := range []string{"dlib19", "dlib20"} {
		answers := map[string]string{} // by platform
		for _, name := range []string{"linux/amd64", "linux/arm64", "linux/arm/v7"} {
			program := filepath.Join("../../build", lineage, name, "facerec")
			if found, err := filepath.Glob(program); err != nil || len(found) == 0 {
				continue
			}
			p, err := release.ParsePlatform(name)
			if err != nil {
				t.Fatal(err)
			}
			args, err := runner(p)
			if err != nil {
				t.Logf("%s/%s is not run: %v", lineage, name, err)
				continue
			}
			args = append(args, program, "detect", "--quiet", "--no-cache", "--json", "--descriptors", "--models", "../../models", photos[0])
			var said bytes.Buffer
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Stderr = &said
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("%s: %v: %s(if it is older than the sources, run `make demo` again)", program, err, said.String())
				continue
			}
			if !strings.Contains(string(out), `"descriptor"`) {
				t.Errorf("%s/%s gave no descriptor: %s", lineage, name, out)
			}
			answers[name] = string(out)
		}
		first := ""
		for _, name := range []string{"linux/amd64", "linux/arm64", "linux/arm/v7"} {
			answer, ran := answers[name]
			switch {
			case !ran:
			case first == "":
				first = name
			default:
				compared++
				if answer != answers[first] {
					t.Errorf("%s: %s and %s give different answers:\n%s\n%s", lineage, first, name, answers[first], answer)
				}
			}
		}
	}
	if compared == 0 {
		t.Skip("no lineage is built for two platforms: run `make demo CELLS=all`")
	}
}
