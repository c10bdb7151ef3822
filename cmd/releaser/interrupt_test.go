//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSecondInterrupt has a build_cmd that no signal ends: the first Ctrl-C waits
// for it, the second one ends releaser at once.
func TestSecondInterrupt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "releaser") // by this name the test is the program; see TestMain
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := `{"project_name": "tool", "version": "1.0.0", "platforms": ["linux/amd64"], "artifacts": [{"src": "x", "dest": "/app/x"}],
		"build_cmd": "trap '' INT TERM HUP; echo $$ >began.part; mv began.part began; exec tail -f /dev/null"}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "build", "--out", "oci")
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	cmd.WaitDelay = time.Second // the build has standard error too
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	build := 0
	defer func() {
		if build > 0 {
			_ = syscall.Kill(build, syscall.SIGKILL)
		}
	}()
	for end := time.Now().Add(longest); build == 0; {
		if raw, err := os.ReadFile(filepath.Join(dir, "began")); err == nil {
			if build, err = strconv.Atoi(strings.TrimSpace(string(raw))); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-ended:
			t.Fatalf("%v: %s", err, errs.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			_ = cmd.Process.Kill()
			t.Fatal("the build does not begin")
		}
	}
	sent := 0
	for end := time.Now().Add(longest); ; {
		if cmd.Process.Signal(os.Interrupt) == nil {
			sent++
		}
		select {
		case <-ended:
		case <-time.After(50 * time.Millisecond):
			if time.Now().After(end) {
				_ = cmd.Process.Kill()
				t.Fatal("still running")
			}
			continue
		}
		break
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGINT || sent < 2 {
		t.Errorf("it ended with %v after %d interrupts, expected SIGINT after the second: %s", cmd.ProcessState, sent, errs.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "oci")); err == nil {
		t.Error("a layout was left behind")
	}
}
