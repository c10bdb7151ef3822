package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"facerec/internal/atomicfile"
	"facerec/internal/loopback/hostile"
)

// terminal runs a shell line in a terminal of its own, 40 lines of 100 columns,
// and gives what was on it and how the line ended. typed is what is typed, when
// ready closes.
func terminal(t *testing.T, dir, line string, ready <-chan struct{}, typed string) (string, int) {
	t.Helper()
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("script is not installed (Debian package bsdutils)")
	}
	cmd := exec.CommandContext(t.Context(), script, "-qefc", "stty rows 40 cols 100; "+line, "/dev/null")
	cmd.Dir = dir
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "CI=") && !strings.HasPrefix(kv, "TERM=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "TERM=xterm")
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var screen bytes.Buffer
	cmd.Stdout, cmd.Stderr = &screen, &screen
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		if ready != nil {
			<-ready
			_, _ = io.WriteString(keys, typed)
		}
	}()
	err = cmd.Wait()
	_ = keys.Close()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return screen.String(), cmd.ProcessState.ExitCode()
}

// smallProject makes a layout and a signed release in a new folder.
func smallProject(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("releaser"); err != nil {
		t.Fatal(err) // TestMain puts it there
	}
	dir := t.TempDir()
	config := `{"project_name": "tool", "version": "1.0.0", "build_cmd": "echo tool >tool", "artifacts": [{"src": "tool", "dest": "/app/tool"}],
		"image": {"repository": "127.0.0.1:1/tool"}, "platforms": ["linux/amd64", "linux/arm64"]}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"build --out oci", "pack --image oci-layout:oci --out dist", "keygen k", "sign dist --key k.key"} {
		cmd := exec.CommandContext(t.Context(), "releaser", append([]string{"-q"}, strings.Fields(line)...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
	}
	return dir
}

const bars = " [=====" // of a bar that has come somewhere

// TestProgressOnATerminal sees bars where somebody looks, none where nobody does,
// and never one in the answer.
func TestProgressOnATerminal(t *testing.T) {
	dir := smallProject(t)
	verify := "releaser verify dist --key k.pub --unsafe-no-transparency-log --image oci-layout:oci"
	for _, c := range []struct {
		name, line string
		bars       bool
		want       string
	}{
		{"pack", "releaser pack --image oci-layout:oci --out again", true, `(?m)^pack .*/linux/arm64 +\[=`},
		{"verify", verify, true, `(?m)^verify .*/linux/arm64 +\[=(?s:.*)^ok .*linux/arm64 +rebuilt .*\r\n(?s:.*)^verified: 2 cells`},
		{"pull", "releaser pull oci-layout:oci taken", true, `(?m)^pull blobs +\[=`},
		{"quiet", verify + " -q", false, `verified: 2 cells`},
		{"a log", verify + " 2>log; cat log", false, `(?m)^verify: .*/linux/arm64: identical\r$`},
		{"CI", "CI=true " + verify, false, `(?m)^verify: .*/linux/arm64: identical\r$`},
		{"a dumb terminal", "TERM=dumb " + verify, false, `verify: .*identical`},
		{"of no size", "stty rows 0 cols 0; " + verify, false, `verify: .*identical`},
		{"JSON", verify + " --json >answer 2>/dev/null; cat answer", false, `^{\r\n  "schema"`},
		{"JSON on the screen", verify + " --json", true, `}\r\n$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			screen, code := terminal(t, dir, c.line, nil, "")
			if code != 0 || strings.Contains(screen, bars) != c.bars || !regexp.MustCompile(c.want).MatchString(screen) {
				t.Errorf("exit code %d, want 0 and bars %v and %s:\n%q", code, c.bars, c.want, screen)
			}
			if strings.Count(screen, "verified: 2 cells") > 1 {
				t.Errorf("the answer comes twice:\n%s", screen)
			}
			isClean(t, screen)
		})
	}
}

// isClean wants the cursor to be seen and at the beginning of a line, and no
// colour or mode left on.
func isClean(t *testing.T, screen string) {
	t.Helper()
	if !strings.HasSuffix(screen, "\r\n") {
		t.Errorf("the last line is not ended: %q", screen)
	}
	if strings.Count(screen, "\x1b[?25l") != strings.Count(screen, "\x1b[?25h") || strings.Contains(screen, "\x1b[?1049h") {
		t.Errorf("the cursor is gone, or another screen was left on: %q", screen)
	}
	for i, at := range regexp.MustCompile("\x1b\\[[0-9;]*m").FindAllStringIndex(screen, -1) {
		t.Errorf("colour %d: %q", i, screen[at[0]:at[1]])
	}
}

// TestInterruptLeavesACleanTerminal types ctrl-C while a registry is silent.
func TestInterruptLeavesACleanTerminal(t *testing.T) {
	dir := smallProject(t)
	front := hostile.New(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	server := httptest.NewServer(front)
	defer server.Close()
	at := strings.TrimPrefix(server.URL, "http://") + "/tool"
	push := exec.CommandContext(t.Context(), "releaser", "-q", "push", "oci", at)
	push.Dir = dir
	if out, err := push.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	reached := make(chan struct{})
	var once sync.Once
	front.Spoil("", 0, func(w http.ResponseWriter, r *http.Request, a hostile.Answer) {
		if !strings.Contains(r.URL.Path, "/blobs/") {
			a.Send(w)
			return
		}
		once.Do(func() { close(reached) })
		hostile.Stall(1)(w, r, a)
	})
	screen, code := terminal(t, dir, "releaser pull --jobs 1 "+at+":1.0.0 taken", reached, "\x03")
	if code != exitInterrupt || !strings.HasSuffix(screen, "releaser: interrupted; nothing half-written was left behind\r\n") {
		t.Errorf("exit code %d: %q", code, screen)
	}
	isClean(t, screen)
	left, err := filepath.Glob(filepath.Join(dir, atomicfile.Prefix+"*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %s, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "taken")); err == nil {
		t.Error("the layout is there")
	}
}
