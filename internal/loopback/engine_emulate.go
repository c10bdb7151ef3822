package loopback

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// ErrNoEmulation says why programs of another architecture cannot be run here
// as if they were the machine's own. It is a reason to skip.
var ErrNoEmulation = errors.New("no emulation")

// binfmtMisc is where Linux is told which interpreter runs which files
// (Documentation/admin-guide/binfmt-misc.rst of the kernel).
const binfmtMisc = "/proc/sys/fs/binfmt_misc"

// guest is an architecture that an emulator of Debian's qemu-user-static runs.
type guest struct {
	emulator string
	class    elf.Class
	machine  elf.Machine
}

// guests are the ones that this project releases for, little endian all.
func guestOf(arch string) (guest, bool) {
	switch arch {
	case "amd64":
		return guest{"/usr/bin/qemu-x86_64-static", elf.ELFCLASS64, elf.EM_X86_64}, true
	case "arm64":
		return guest{"/usr/bin/qemu-aarch64-static", elf.ELFCLASS64, elf.EM_AARCH64}, true
	case "arm":
		return guest{"/usr/bin/qemu-arm-static", elf.ELFCLASS32, elf.EM_ARM}, true
	}
	return guest{}, false
}

// Emulate lets the kernel run static programs of another architecture (a GOARCH)
// with qemu, inside containers too, until undo is called. It does nothing for the
// machine's own architecture. It needs root; the error is ErrNoEmulation where
// that, the emulator or the kernel's part is missing.
//
// The kernel opens the emulator when it is registered (flag F), so that a
// container with nothing but the program in it can be run.
func Emulate(arch string) (undo func(), err error) {
	if arch == runtime.GOARCH {
		return func() {}, nil
	}
	g, ok := guestOf(arch)
	switch {
	case runtime.GOOS != "linux":
		return nil, fmt.Errorf("%w: only Linux runs other architectures' programs, this is %s", ErrNoEmulation, runtime.GOOS)
	case !ok:
		return nil, fmt.Errorf("%w: no emulator is known for %s", ErrNoEmulation, arch)
	case os.Getuid() != 0:
		return nil, fmt.Errorf("%w: telling the kernel about an emulator needs root", ErrNoEmulation)
	}
	if _, err := os.Stat(g.emulator); err != nil {
		return nil, fmt.Errorf("%w: %s is missing (Debian package qemu-user-static)", ErrNoEmulation, g.emulator)
	}
	if _, err := os.Stat(filepath.Join(binfmtMisc, "register")); err != nil {
		// Left mounted: others may have begun to use it, and by itself it changes nothing.
		if out, err := exec.Command("mount", "-t", "binfmt_misc", "binfmt_misc", binfmtMisc).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: binfmt_misc cannot be mounted: %w: %s", ErrNoEmulation, err, strings.TrimSpace(string(out)))
		}
	}
	name := fmt.Sprintf("facerec-%s-%d", arch, os.Getpid())
	rule := g.rule(name)
	if err := os.WriteFile(filepath.Join(binfmtMisc, "register"), []byte(rule), 0o200); err != nil {
		return nil, fmt.Errorf("%w: the kernel does not take %s: %w", ErrNoEmulation, g.emulator, err)
	}
	return func() { _ = os.WriteFile(filepath.Join(binfmtMisc, name), []byte("-1"), 0o200) }, nil
}

// rule describes the guest's programs by their ELF header: magic number, class,
// byte order and version (e_ident; the ABI byte and padding may be anything),
// then e_type ET_EXEC or ET_DYN, and e_machine.
func (g guest) rule(name string) string {
	magic := make([]byte, 20)
	mask := make([]byte, 20)
	copy(magic, elf.ELFMAG)
	magic[elf.EI_CLASS] = byte(g.class)
	magic[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	magic[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	for i := range elf.EI_OSABI {
		mask[i] = 0xff
	}
	binary.LittleEndian.PutUint16(magic[16:], uint16(elf.ET_EXEC))
	binary.LittleEndian.PutUint16(mask[16:], 0xfffe) // 2 and 3
	binary.LittleEndian.PutUint16(magic[18:], uint16(g.machine))
	binary.LittleEndian.PutUint16(mask[18:], 0xffff)
	return ":" + name + ":M::" + escaped(magic) + ":" + escaped(mask) + ":" + g.emulator + ":F"
}

// escaped writes bytes as the kernel reads them back.
func escaped(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		_, _ = fmt.Fprintf(&s, `\x%02x`, c)
	}
	return s.String()
}
