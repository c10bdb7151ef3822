//go:build dlib

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestDlibSameWithAnyJobs compares every number of a batch, descriptors too.
func TestDlibSameWithAnyJobs(t *testing.T) {
	unpacked(t)
	var first string
	for _, jobs := range []string{"1", "2", "3"} {
		code, stdout, stderr := facerec(t, "recognize", "images", "persons/John_Simm", "persons/John_Salley", "--json", "--descriptors", "--cache", "off", "--jobs", jobs, "-q")
		if code != 0 {
			t.Fatalf("--jobs %s: exit code %d: %s", jobs, code, stderr)
		}
		if first == "" {
			first = stdout
		}
		if stdout != first {
			t.Errorf("--jobs %s: the answer is not that of --jobs 1", jobs)
		}
	}
}

// TestDlibSameOnEveryCPU runs this program in an emulator, as a processor that
// has just what is needed and as one that has everything it can emulate, and
// compares every number with those of this machine; and as one that has too
// little, which must be told in a sentence.
func TestDlibSameOnEveryCPU(t *testing.T) {
	if testing.Short() {
		t.Skip("emulates a processor")
	}
	if runtime.GOARCH != "amd64" {
		t.Skipf("the CPU models are x86's, this is %s; go run ./tools/inputs test --cpu MODEL runs all tests as another", runtime.GOARCH)
	}
	emulator, err := exec.LookPath("qemu-x86_64-static")
	if err != nil {
		t.Skipf("no emulator: %v (Debian package qemu-user-static)", err)
	}
	unpacked(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// By this name the test is the program; see TestMain.
	program := filepath.Join(t.TempDir(), "facerec-bare")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	args := []string{"detect", "persons/John_Simm/000305_00470162.jpg", "--json", "--descriptors", "--jobs", "1", "--no-cache"}
	call := func(name string, before ...string) (int, string, string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), name, append(before, args...)...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
	}
	code, want, stderr := call(program)
	if code != 0 || strings.Count(want, `"descriptor"`) != 1 {
		t.Fatalf("exit code %d: %s\n%s", code, stderr, want)
	}
	for _, cpu := range []string{"Nehalem", "max"} { // SSE4.2; AVX2. This machine may have AVX-512 besides.
		if code, got, stderr := call(emulator, "-cpu", cpu, "-0", program, program); code != 0 || got != want {
			t.Errorf("as %s: exit code %d, %s; the same numbers: %t", cpu, code, stderr, got == want)
		}
	}
	if code, _, stderr := call(emulator, "-cpu", "core2duo", "-0", program, program); code != 1 || !strings.Contains(stderr, "processor") {
		t.Errorf("as core2duo: exit code %d, %q, expected 1 and what the processor lacks", code, stderr)
	}
}
