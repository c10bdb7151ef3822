//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// inside is the first argument of this program in the namespaces that emulated makes.
const inside = "-inside"

// noEntry is the exit code of a machine that has no such namespaces.
const noEntry = 75

// emulator runs arm64's programs.
const emulator = "qemu-aarch64-static"

// arm64 is how the kernel knows them: the first 20 bytes of an ELF file, and which bits
// of them count.
const arm64 = `\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:` +
	`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`

// emulated is a command in the arm64 Debian. Whatever it started ends with it.
func (t *test) emulated(args ...string) *exec.Cmd {
	line := []string{inside, t.root}
	for _, d := range t.foreign {
		line = append(line, d[0], d[1])
	}
	cmd := exec.CommandContext(t.ctx, "/proc/self/exe", append(append(line, "--"), args...)...)
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1 << 16}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
	}
	return cmd
}

// misc is where the kernel keeps its emulators.
const misc = "/proc/sys/fs/binfmt_misc"

// register makes the kernel run arm64's programs in these namespaces, or leaves it to an
// emulator that the machine has for all.
func register() error {
	if err := syscall.Mount("binfmt_misc", misc, "binfmt_misc", 0, ""); err != nil {
		if there, rerr := os.ReadFile(filepath.Join(misc, "qemu-aarch64")); rerr == nil && forRoots(string(there)) {
			return nil
		}
		return fmt.Errorf("this machine registers no emulator for %s, and a user namespace cannot, as it can since Linux 6.7: %w", host, err)
	}
	path, err := exec.LookPath(emulator)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(misc, "register"), []byte(":"+emulator+":M::"+arm64+":"+path+":F"), 0); err != nil {
		return fmt.Errorf("registering %s: %w", emulator, err)
	}
	return nil
}

// forRoots reads an entry of misc: whether it is on, and opened already (F), so that it
// works where its path leads nowhere.
func forRoots(entry string) bool {
	on, opened := false, false
	for line := range strings.Lines(entry) {
		flags, ok := strings.CutPrefix(line, "flags: ")
		on, opened = on || line == "enabled\n", opened || ok && strings.Contains(flags, "F")
	}
	return on && opened
}

// enter registers the emulator, mounts what stands before "--", pairs of a directory here
// and one in the root, and becomes the command behind it. It returns only if that fails.
func enter(root string, args []string) error {
	if err := register(); err != nil {
		return err
	}
	for len(args) > 2 && args[0] != "--" {
		to := filepath.Join(root, args[1])
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(args[0], to, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", args[0], err)
		}
		args = args[2:]
	}
	if len(args) < 2 {
		return errors.New("no command")
	}
	for _, d := range []string{"proc", "root", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o777); err != nil {
			return err
		}
	}
	if err := syscall.Mount("proc", filepath.Join(root, "proc"), "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	if err := errors.Join(syscall.Chroot(root), os.Chdir("/src")); err != nil {
		return err
	}
	return syscall.Exec(args[1], args[1:], []string{
		"PATH=/go/bin:/usr/bin:/bin", "HOME=/root", "LC_ALL=C.UTF-8",
		"GOCACHE=/cache/go-build", "GOMODCACHE=/modules", "GOPROXY=off", "GOTOOLCHAIN=local",
	})
}
