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
	widths := []string{"4"}
	switch runtime.GOARCH {
	case "amd64":
		widths = []string{"16", "8", "4"}
	case "arm":
		t.Skip("32-bit ARM has dlib's own functions")
	}
	run := compileWithDlib(t, "hogcheck.cc")
	for _, lanes := range widths {
		out, err := run(lanes)
		if got := strings.TrimSpace(string(out)); err != nil || got != hogAnswer {
			t.Errorf("up to %s lanes: %v, %s, expected %s", lanes, err, got, hogAnswer)
		}
	}
}

// TestFacesAsInDlib compares the detector's weights that are linked in with what
// dlib's own function unpacks.
func TestFacesAsInDlib(t *testing.T) {
	out, err := compileWithDlib(t, "faces.cc")()
	if got := strings.TrimSpace(string(out)); err != nil || got != "ok" {
		t.Errorf("%v, %s", err, got)
	}
}

// TestScoresAsInDlib compares the scores that are noted with those that dlib gives.
func TestScoresAsInDlib(t *testing.T) {
	out, err := compileWithDlib(t, "scores.cc")()
	if got := strings.TrimSpace(string(out)); err != nil || got != "ok" {
		t.Errorf("%v, %s", err, got)
	}
}

// compileWithDlib compiles a file of testdata with the toolchain that the
// environment has, if that is one of ours, and returns how to run it.
func compileWithDlib(t *testing.T, name string) func(args ...string) ([]byte, error) {
	t.Helper()
	cxx := strings.Trim(os.Getenv("CXX"), `'"`)
	headers := filepath.Join(filepath.Dir(filepath.Dir(cxx)), "include", "facerec")
	if _, err := os.Stat(filepath.Join(headers, "detector.h")); err != nil {
		t.Skip("no toolchain: run `go run ./tools/inputs test ./toolchain/`")
	}
	source, err := filepath.Abs(filepath.Join("testdata", name))
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
	bin := filepath.Join(t.TempDir(), "check")
	args := []string{"-std=gnu++17", "-O2", "-DNDEBUG", "-Wno-psabi", "-I" + hog, "-static", "-o", bin, source, "-ldlib", "-lcblas"}
	if out, err := exec.Command(cxx, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return func(args ...string) ([]byte, error) { return runOwn(bin, args...) }
}

// runOwn runs a program for the architecture of this test, which may itself be
// running in an emulator.
func runOwn(bin string, args ...string) ([]byte, error) {
	out, err := exec.Command(bin, args...).Output()
	if !errors.Is(err, syscall.ENOEXEC) {
		return out, err
	}
	for _, p := range Targets() {
		if strings.Contains(strings.Join(p.Go, " ")+" ", "GOARCH="+runtime.GOARCH+" ") {
			return exec.Command(p.Qemu, append([]string{"-cpu", p.CPU, bin}, args...)...).Output()
		}
	}
	return out, err
}
