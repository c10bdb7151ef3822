package toolchain

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// hogAnswer is the hash of all numbers that testdata/hogcheck.cc computes: the same
// for every width of vector, architecture and lineage.
const hogAnswer = "ok 1c3b581a417e80c2"

// TestHogSameAsDlib compares hog/ with the functions of dlib that it stands in
// for, number by number, once for each width of vector. It compiles with the
// assembled toolchain, which has dlib's headers.
func TestHogSameAsDlib(t *testing.T) {
	cxx := strings.Trim(os.Getenv("CXX"), `'"`)
	root := filepath.Dir(filepath.Dir(cxx))
	if _, err := os.Stat(filepath.Join(root, "include", "facerec", "detector.h")); err != nil {
		t.Skip("no toolchain: run `go run ./tools/inputs test ./toolchain/`")
	}
	var target Target
	for _, p := range Targets() {
		if strings.Contains(strings.Join(p.Go, " ")+" ", "GOARCH="+runtime.GOARCH+" ") {
			target = p
		}
	}
	widths := []string{"4"}
	switch runtime.GOARCH {
	case "amd64":
		widths = []string{"16", "8", "4"}
	case "arm":
		t.Skip("32-bit ARM has dlib's own functions")
	}
	source, err := filepath.Abs(filepath.Join("testdata", "hogcheck.cc"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(source); err != nil { // and so go test knows that the result depends on it
		t.Fatal(err)
	}
	hog, err := filepath.Abs("hog")
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "hogcheck")
	args := []string{"-std=gnu++17", "-O2", "-DNDEBUG", "-Wno-psabi", "-I" + hog, "-static", "-o", bin, source, "-ldlib", "-lcblas"}
	if out, err := exec.Command(cxx, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, lanes := range widths {
		out, err := exec.Command(bin, lanes).CombinedOutput()
		if errors.Is(err, syscall.ENOEXEC) { // this test itself runs in an emulator
			out, err = exec.Command(target.Qemu, "-cpu", target.CPU, bin, lanes).CombinedOutput()
		}
		if got := strings.TrimSpace(string(out)); err != nil || got != hogAnswer {
			t.Errorf("up to %s lanes: %v, %s, expected %s", lanes, err, got, hogAnswer)
		}
	}
}
