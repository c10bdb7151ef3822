package loopback

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
)

// debianRules are how Debian's qemu-user-static describes the same programs; it
// has them as files where it is installed.
var debianRules = map[string]string{
	"amd64": "/usr/lib/binfmt.d/qemu-x86_64.conf",
	"arm64": "/usr/lib/binfmt.d/qemu-aarch64.conf",
	"arm":   "/usr/lib/binfmt.d/qemu-arm.conf",
}

func TestRule(t *testing.T) {
	g, _ := guestOf("arm64")
	want := `:n:M::\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00` +
		`:\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F`
	if got := g.rule("n"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestRuleIsDebians compares the magic number with Debian's own rule.
func TestRuleIsDebians(t *testing.T) {
	compared := 0
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		b, err := os.ReadFile(debianRules[arch])
		if err != nil {
			continue // the machine's own architecture has none
		}
		compared++
		g, _ := guestOf(arch)
		got, want := strings.Split(g.rule("n"), ":"), strings.Split(strings.TrimSpace(string(b)), ":")
		if len(want) < 5 || got[4] != want[4] {
			t.Errorf("%s: magic is %s, Debian's rule is %s", arch, got[4], b)
		}
	}
	if compared == 0 {
		t.Skip("Debian's rules are not here (package qemu-user-static)")
	}
}

func TestEmulateRefuses(t *testing.T) {
	undo, err := Emulate(runtime.GOARCH)
	if err != nil {
		t.Fatalf("the machine's own architecture needs no emulator: %v", err)
	}
	undo()
	if _, err := Emulate("z80"); !errors.Is(err, ErrNoEmulation) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want %v and one line", err, ErrNoEmulation)
	}
}
