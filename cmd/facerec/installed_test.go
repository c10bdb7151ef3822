//go:build !dlib

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstalledDlib builds the program as somebody without this project's
// toolchain does, against the dlib that is installed, and runs it.
func TestInstalledDlib(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles go-face, which takes most of a minute")
	}
	check := exec.Command("sh", "-c", `${CXX:-c++} $CGO_CPPFLAGS $CGO_CXXFLAGS -E -x c++ - >/dev/null`)
	check.Stdin = strings.NewReader("#include <dlib/revision.h>\n#include <jpeglib.h>\n")
	if out, err := check.CombinedOutput(); err != nil {
		t.Skipf("no dlib is installed (apt-get install %s): %s", "libdlib-dev libblas-dev libatlas-base-dev liblapack-dev libjpeg62-turbo-dev", firstLine(out))
	}
	program := filepath.Join(t.TempDir(), "facerec")
	build := exec.Command("go", "build", "-tags", "dlib,nodynamic", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command(program, args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir())
		return cmd.Output()
	}
	out, err := run("version", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ Lineage, Build, Dlib string }
	if err := json.Unmarshal(out, &v); err != nil || v.Lineage != "" || v.Dlib == "" || !strings.Contains(v.Build, "not the released, bit-for-bit build") {
		t.Errorf("%v: %s", err, out)
	}
	for name, how := range map[string]string{"models/dlib_face_recognition_resnet_model_v1.dat": "make models", "images/unknown.jpg": "make samples"} {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Skipf("%s is not here: get it with %s", name, how)
		}
	}
	out, err = run("doctor")
	if err != nil || !strings.Contains(string(out), "note  engine     dlib "+v.Dlib) {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = run("recognize", "--json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"John_Schneider", "John_Salley", "John_Simm", "John_Savage"} {
		if !strings.Contains(string(out), `"person": "`+name+`"`) {
			t.Errorf("%s was not recognised:\n%s", name, out)
		}
	}
	if strings.Contains(string(out), `"score"`) {
		t.Error("there are scores, and none are expected")
	}
	if out, err := run("recognize", "--min-score", "1"); err == nil {
		t.Errorf("--min-score was taken\n%s", out)
	}
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line
}
