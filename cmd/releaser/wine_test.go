//go:build linux && amd64

package main

import (
	"bytes"
	"context"
	"debug/pe"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A windows runs releaser.exe.
type windows struct {
	t   *testing.T
	exe string
	env []string
}

// startWine builds releaser.exe and makes a wine prefix for it, or skips the test.
func startWine(t *testing.T) *windows {
	t.Helper()
	if testing.Short() {
		t.Skip("builds releaser.exe (-short)")
	}
	wine, err := exec.LookPath("wine")
	if err != nil {
		t.Skip("needs wine: make packages PACKAGES=wine")
	}
	dir := t.TempDir()
	w := &windows{t: t, exe: filepath.Join(dir, "releaser.exe")}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", w.exe, ".")
	build.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0", "GOCACHE="+goCache)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	prefix := filepath.Join(dir, "prefix")
	w.env = append(os.Environ(), "WINEPREFIX="+prefix, "WINEDEBUG=-all", "WINEDLLOVERRIDES=mscoree=d;mshtml=d", "DISPLAY=")
	command := func(name string, args ...string) {
		c := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
		c.Env = w.env
		if err := c.Run(); err != nil {
			t.Fatalf("%s %v: %v", name, args, err)
		}
	}
	t.Cleanup(func() { command("wineserver", "-w") }) // it ends when nobody needs it
	command(wine, "wineboot", "-i")
	// Go programs take random numbers from a library that wine 8 lacks.
	library := filepath.Join(prefix, "drive_c", "windows", "system32", "bcryptprimitives.dll")
	if _, err := os.Stat(library); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(library, forwarder("bcryptprimitives.dll", "ProcessPrng", "ADVAPI32.SystemFunction036"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// exits runs releaser.exe and wants an exit code. It gives both outputs.
func (w *windows) exits(want int, args ...string) (out, errs string) {
	w.t.Helper()
	// Files, as Windows' services in the background would keep a pipe open.
	var outputs [2]*os.File
	for i := range outputs {
		f, err := os.CreateTemp(w.t.TempDir(), "output")
		if err != nil {
			w.t.Fatal(err)
		}
		defer f.Close()
		outputs[i] = f
	}
	c := exec.CommandContext(w.t.Context(), "wine", append([]string{w.exe}, args...)...)
	c.Env, c.Stdout, c.Stderr = w.env, outputs[0], outputs[1]
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	var texts [2]string
	for i, f := range outputs {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			w.t.Fatal(err)
		}
		texts[i] = string(b)
	}
	if got := c.ProcessState.ExitCode(); got != want {
		w.t.Fatalf("releaser.exe %s exits with %d, expected %d:\n%s%s", strings.Join(args, " "), got, want, texts[0], texts[1])
	}
	return texts[0], texts[1]
}

// allFiles reads a directory.
func allFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		all[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sameFiles wants two directories to hold the same bytes under the same names.
func sameFiles(t *testing.T, a, b string) {
	t.Helper()
	x, y := allFiles(t, a), allFiles(t, b)
	for name, content := range x {
		if other, ok := y[name]; !ok || other != content {
			t.Errorf("%s: %s and %s differ", name, a, b)
		}
	}
	if len(x) == 0 || len(x) != len(y) {
		t.Errorf("%s has %d files, %s has %d", a, len(x), b, len(y))
	}
}

const wineConfig = `{
  "project_name": "tool",
  "version": "1.0.0",
  "build_cmd": "true",
  "artifacts": [{"src": "tool", "dest": "/app/tool", "mode": "0755"}],
  "extern_data": [{"src": "data", "dest": "/app/data"}],
  "lineages": [{"name": "two"}, {"name": "one", "suffix": "-one"}],
  "platforms": ["linux/amd64", "linux/arm64"]
}
`

// TestWine runs the program for Windows next to the one for Linux: the same
// bytes, digests and exit codes.
func TestWine(t *testing.T) {
	w := startWine(t)
	t.Chdir(t.TempDir())
	long := "data/" + strings.Repeat(strings.Repeat("d", 90)+"/", 3) + "long.txt"
	for name, content := range map[string]string{
		"config.json": strings.ReplaceAll(wineConfig, "\n", "\r\n"), "tool": "a program", "data/a.txt": "a\n", long: "long",
		"CHANGELOG.md": "# Changelog\r\n\r\n## 1.0.0\r\n\r\n- The first.\r\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const image = "oci-layout:oci:1.0.0"
	call(t, "-q", "build", "--out", "oci")
	call(t, "-q", "pack", "--image", "oci-layout:oci", "--out", "dist")

	out, _ := w.exits(0, "version")
	if !strings.Contains(out, "windows/amd64") {
		t.Errorf("got %s", out)
	}
	_, errs := w.exits(1, "-q", "build", "--out", "oci2")
	if !strings.Contains(errs, "images are built on Unix only: windows has neither") || !strings.Contains(errs, "hint: ") {
		t.Errorf("got %s", errs)
	}

	w.exits(0, "-q", "pack", "--image", "oci-layout:oci", "--out", "dist-windows")
	sameFiles(t, "dist", "dist-windows")
	tarball := "tool_1.0.0_linux_amd64.tar.gz"
	for _, verb := range [][]string{{"ls", "dist/" + tarball}, {"ls", "--platform", "linux/arm64", image}, {"matrix"}, {"--json", "diff", "dist/" + tarball, "dist-windows/" + tarball}} {
		out, _ := w.exits(0, verb...)
		if want := call(t, verb...); out != want {
			t.Errorf("releaser.exe %v: got\n%sexpected\n%s", verb, out, want)
		}
	}
	w.exits(3, "diff", "dist/"+tarball, "dist-windows/tool_1.0.0_linux_amd64-one.tar.gz", "--json")

	// Either program takes what the other signed.
	unlogged := []string{"--unsafe-no-transparency-log"}
	w.exits(0, "-q", "keygen", "win")
	call(t, "-q", "keygen", "lin")
	w.exits(0, "-q", "sign", "dist-windows", "--key", "win.key")
	call(t, "-q", "sign", "dist", "--key", "lin.key")
	verify := func(dist, key string) []string {
		return append([]string{"-q", "verify", dist, "--key", key, "--image", "oci-layout:oci"}, unlogged...)
	}
	call(t, verify("dist-windows", "win.pub")...)
	w.exits(0, verify("dist", "lin.pub")...)
	w.exits(0, verify(`dist-windows`, "win.pub")...)
	w.exits(4, verify("dist", "win.pub")...)

	// A registry, there and back.
	host := startRegistry(t)
	w.exits(0, "-q", "push", "oci", host+"/tool")
	w.exits(0, "-q", "pull", host+"/tool:1.0.0", "pulled-windows")
	call(t, "-q", "pull", host+"/tool:1.0.0", "pulled")
	sameFiles(t, "pulled", "pulled-windows")

	// A page, there and back, by paths with backslashes.
	w.exits(0, append([]string{"-q", "publish", "dist-windows", "--page", "dir:www", "--image", "oci-layout:oci", "--key", "win.pub"}, unlogged...)...)
	fetch := func(dir string) []string {
		return append([]string{"-q", "fetch", "dir:www", dir, "--platform", "linux/amd64", "--lineage", "two", "--key", "win.pub"}, unlogged...)
	}
	w.exits(0, append(fetch(`got\windows`), "--unpack", `there\windows`, "--rebuild", "--image", "oci-layout:oci")...)
	call(t, append(fetch("got/linux"), "--unpack", "there/linux")...)
	sameFiles(t, "got/linux", "got/windows")
	sameFiles(t, "there/linux", "there/windows")
	if b, err := os.ReadFile("there/windows/tool-1.0.0/" + long); err != nil || string(b) != "long" {
		t.Errorf("got %q, %v", b, err)
	}

	w.exits(0, "-q", "cp", "--platform", "linux/amd64", image+":/app", "app-windows")
	call(t, "-q", "cp", "--platform", "linux/amd64", image+":/app", "app")
	sameFiles(t, "app", "app-windows")
	w.exits(0, "-q", "cp", "--platform", "linux/amd64", image+":/app/tool", `app-windows\again`)

	// What differs is found.
	spoilt := []byte(allFiles(t, "dist")[tarball])
	spoilt[len(spoilt)/2] ^= 1
	if err := os.WriteFile("dist/"+tarball, spoilt, 0o644); err != nil {
		t.Fatal(err)
	}
	w.exits(3, verify("dist", "lin.pub")...)

	// Names that Windows cannot have together, or at all, and links.
	for name, want := range map[string]string{
		"README Readme": "entry data/Readme: differs from data/README by upper and lower case alone",
		"aux.txt":       "entry data/aux.txt: AUX is a device on Windows",
		"link->a":       "symbolic links cannot be made",
	} {
		if err := os.RemoveAll("data"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir("data", 0o755); err != nil {
			t.Fatal(err)
		}
		for name := range strings.FieldsSeq(name) {
			link, to, isLink := strings.Cut(name, "->")
			err := os.WriteFile("data/"+link, nil, 0o644)
			if isLink {
				err = errors.Join(os.Remove("data/"+link), os.Symlink(to, "data/"+link))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		call(t, "-q", "build", "--out", "hostile")
		_, errs := w.exits(1, "-q", "cp", "--platform", "linux/amd64", "oci-layout:hostile:1.0.0:/app", "refused")
		if !strings.Contains(errs, want) {
			t.Errorf("got %s, expected %s", errs, want)
		}
		if _, err := os.Lstat("refused"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something was written: %v", name, err)
		}
	}
	// What the last one wrote before it failed stays in this wine: version 8 has no
	// way of removing files (FileDispositionInformationEx) that os.RemoveAll takes.
}

// forwarder makes a Windows library whose one function is another library's:
// headers and an export table, without code.
func forwarder(library, name, target string) []byte {
	const (
		inMemory = 0x1000
		inFile   = 0x200 // length of the headers, and of the section
		table    = 40    // bytes of the export directory
	)
	strings := inMemory + uint32(table+4+4+2)
	nameAt := strings + uint32(len(library)+1)
	targetAt := nameAt + uint32(len(name)+1)
	size := targetAt + uint32(len(target)+1) - inMemory
	var out bytes.Buffer
	put := func(v any) { _ = binary.Write(&out, binary.LittleEndian, v) }
	pad := func(n int) { out.Write(make([]byte, n-out.Len())) }

	out.WriteString("MZ")
	pad(0x3c)
	put(uint32(0x40)) // where the headers are
	out.WriteString("PE\x00\x00")
	put(pe.FileHeader{
		Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: 1, SizeOfOptionalHeader: uint16(binary.Size(pe.OptionalHeader64{})),
		Characteristics: pe.IMAGE_FILE_EXECUTABLE_IMAGE | pe.IMAGE_FILE_LARGE_ADDRESS_AWARE | pe.IMAGE_FILE_DLL,
	})
	optional := pe.OptionalHeader64{
		Magic: 0x20b, ImageBase: 0x180000000, SectionAlignment: inMemory, FileAlignment: inFile, SizeOfInitializedData: inFile,
		MajorOperatingSystemVersion: 6, MajorSubsystemVersion: 6, SizeOfImage: 2 * inMemory, SizeOfHeaders: inFile,
		Subsystem: pe.IMAGE_SUBSYSTEM_WINDOWS_GUI, DllCharacteristics: pe.IMAGE_DLLCHARACTERISTICS_NX_COMPAT, NumberOfRvaAndSizes: 16,
	}
	optional.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT] = pe.DataDirectory{VirtualAddress: inMemory, Size: size}
	put(optional)
	section := pe.SectionHeader32{
		VirtualSize: size, VirtualAddress: inMemory, SizeOfRawData: inFile, PointerToRawData: inFile,
		Characteristics: pe.IMAGE_SCN_CNT_INITIALIZED_DATA | pe.IMAGE_SCN_MEM_READ,
	}
	copy(section.Name[:], ".rdata")
	put(section)
	pad(inFile)
	put([]uint32{0, 0, 0, strings, 1, 1, 1, inMemory + table, inMemory + table + 4, inMemory + table + 8})
	put([]uint32{targetAt, nameAt})
	put(uint16(0))
	out.WriteString(library + "\x00" + name + "\x00" + target + "\x00")
	pad(2 * inFile)
	return out.Bytes()
}
