package inputs

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"facerec/toolchain"
)

func TestEditConfig(t *testing.T) {
	const config = "#define LAPACK_FORCE_UNDERSCORE\n#define DLIB_JPEG_SUPPORT\n/* #undef DLIB_WEBP_SUPPORT */\n#define DLIB_PNG_SUPPORT\n#define DLIB_USE_BLAS\n#define DLIB_USE_LAPACK\n#define DLIB_USE_FFMPEG\n"
	got, err := editConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	want := "#define LAPACK_FORCE_UNDERSCORE\n/* #undef DLIB_JPEG_SUPPORT */\n/* #undef DLIB_WEBP_SUPPORT */\n/* #undef DLIB_PNG_SUPPORT */\n#define DLIB_USE_BLAS\n/* #undef DLIB_USE_LAPACK */\n/* #undef DLIB_USE_FFMPEG */\n"
	if got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
	for _, name := range append([]string{"DLIB_USE_BLAS"}, switchedOff...) {
		if _, err := editConfig(strings.ReplaceAll(config, "#define "+name+"\n", "")); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// TestEditHeaders wants what a new dlib might have moved to be an error.
func TestEditHeaders(t *testing.T) {
	const call = "std::istringstream sin(get_serialized_frontal_faces());\n"
	if text, err := editFaces(call); err != nil || !strings.Contains(text, "sin(FRONTAL_FACES)") {
		t.Errorf("%v: %s", err, text)
	}
	for _, text := range []string{"", call + call} {
		if _, err := editFaces(text); err == nil || !strings.Contains(err.Error(), "expected once") {
			t.Errorf("%q: %v", text, err)
		}
	}
	header := filepath.Join(t.TempDir(), "frontal_face_detector.h")
	for _, text := range []string{"", `  sout << "AAA";`} {
		if err := os.WriteFile(header, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := unpackFaces(t.Context(), header, "", ""); err == nil || !strings.Contains(err.Error(), "does not hold its weights as base64") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := editScanner("extract_fhog_features(img,hog,cell_size,"); err == nil || !strings.Contains(err.Error(), "float_spatially") {
		t.Errorf("a scanner without filters: %v", err)
	}
}

// TestEditScores wants the call where a detector answers, and an error where
// there is no such place.
func TestEditScores(t *testing.T) {
	for _, c := range []scoreCall{hogAnswer, cnnAnswer} {
		header := c.statement + c.after + " x " + c.statement + c.statement
		got, err := c.edit(header)
		want := "#include \"../../facerec/scores.h\"\n" + c.statement + c.after + " x " + c.before + c.statement + c.statement
		if err != nil || got != want {
			t.Errorf("%v: got %s, expected %s", err, got, want)
		}
		for _, text := range []string{"", c.statement, c.after, c.statement + c.after, c.after + c.after + c.statement} {
			if _, err := c.edit(text); err == nil || !strings.Contains(err.Error(), "expected") {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

func TestManifest(t *testing.T) {
	dir := t.TempDir()
	if err := checkManifest(dir); !os.IsNotExist(err) {
		t.Errorf("nothing there: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "lib", "a")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	if err := writeManifest(dir); err != nil {
		t.Fatal(err)
	}
	if err := checkManifest(dir); err != nil {
		t.Error(err)
	}
	write("two")
	if err := checkManifest(dir); err == nil {
		t.Error("a changed file is not noticed")
	}
	write("one")
	if err := os.WriteFile(filepath.Join(dir, "extra"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := checkManifest(dir); err == nil {
		t.Error("a file too many is not noticed")
	}
}

func TestParsePackages(t *testing.T) {
	text, err := os.ReadFile("../../packages.txt")
	if err != nil {
		t.Fatal(err)
	}
	build, err := ParsePackages(string(text), "amd64", []string{"build"})
	if err != nil || !slices.Contains(build, "g++") || slices.Contains(build, "qemu-user-static") {
		t.Errorf("build: %v, %v", build, err)
	}
	got, err := ParsePackages("# x\n[a]\none # why\n\ntwo [amd64 i386]\nno [arm64]\nnot [!i386 !amd64]\n[b]\none\nthree [!arm64]\n", "amd64", []string{"a", "b"})
	if want := []string{"one", "two", "three"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v, expected %v", got, err, want)
	}
	for name, bad := range map[string]string{
		"no section": "one\n[a]\n", "two a line": "[a]\none two\n", "unknown": "[b]\n", "open": "[a]\none [arm64\n", "no architecture": "[a]\none []\n",
		"both kinds": "[a]\none [!arm64 i386]\n", "not what": "[a]\none [!]\n", "twice": "[a]\none [arm64] [i386]\n", "closed": "[a]\none arm64]\n",
	} {
		if _, err := ParsePackages(bad, "arm64", []string{"a"}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestEnv wants nothing of the caller's environment that could change a build.
func TestEnv(t *testing.T) {
	for _, k := range []string{"CGO_CFLAGS", "CGO_LDFLAGS", "CC", "GOFLAGS", "GOAMD64", "CPATH", "LIBRARY_PATH", "GOEXPERIMENT"} {
		t.Setenv(k, "-from-outside")
	}
	target, err := toolchain.For("linux/arm/v7")
	if err != nil {
		t.Fatal(err)
	}
	env := (&Toolchain{Dir: "/t", Target: target}).Env()
	for _, kv := range env {
		if strings.Contains(kv, "-from-outside") {
			t.Errorf("%s gets through", kv)
		}
	}
	for _, want := range []string{"CC=/t/bin/cc", "CXX=/t/bin/c++", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=1", "GOFLAGS="} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s", want)
		}
	}
}

// elfFile makes the smallest ELF that CheckBinary looks into.
func elfFile(t *testing.T, machine elf.Machine, interp bool, tail string) string {
	t.Helper()
	var b bytes.Buffer
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	p := elf.Prog64{Type: uint32(elf.PT_LOAD)}
	if interp {
		p.Type = uint32(elf.PT_INTERP)
	}
	for _, v := range []any{h, p} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	b.WriteString(tail)
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, b.Bytes(), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheckBinary(t *testing.T) {
	amd64, err := toolchain.For("linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, want string }{
		{"good", elfFile(t, elf.EM_X86_64, false, "text"), ""},
		{"interpreter", elfFile(t, elf.EM_X86_64, true, ""), "not static"},
		{"machine", elfFile(t, elf.EM_AARCH64, false, ""), "expected X86_64"},
		{"path", elfFile(t, elf.EM_X86_64, false, "see /home/builder/src/x.h"), "/home/builder/"},
		{"script", script, "not an ELF"},
	}
	for _, tt := range tests {
		err := CheckBinary(tt.path, amd64, []string{"/home/builder/"})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, expected %q", tt.name, err, tt.want)
		}
	}
}

// TestBuiltBinaries looks at the programs that were built: FACEREC_BINARIES
// lists PLATFORM=PATH, separated by blanks; without it, those of bin and build.
func TestBuiltBinaries(t *testing.T) {
	list := os.Getenv("FACEREC_BINARIES")
	if list == "" {
		list = builtHere(t)
	}
	if list == "" {
		t.Skip("no facerec is built: run `make facerec` or `make demo`")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for entry := range strings.FieldsSeq(list) {
		platform, path, _ := strings.Cut(entry, "=")
		target, err := toolchain.For(platform)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := CheckBinary(path, target, []string{root + "/", os.Getenv("HOME") + "/"}); err != nil {
			t.Error(err)
		}
	}
}

// builtHere finds what make facerec and releaser build left, each for the machine
// that its header names: a wrong one in a cell's directory is for releaser to find.
func builtHere(t *testing.T) string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"bin/facerec", "build/*/linux/*/facerec", "build/*/linux/*/*/facerec"} {
		found, err := filepath.Glob("../../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			f, err := elf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			platform := map[elf.Machine]string{elf.EM_X86_64: "linux/amd64", elf.EM_AARCH64: "linux/arm64", elf.EM_ARM: "linux/arm/v7"}[f.Machine]
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			list = append(list, platform+"="+path)
		}
	}
	return strings.Join(list, " ")
}

// TestLocked wants one holder of a lock at a time, and another lock to be free.
func TestLocked(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	var wg sync.WaitGroup
	inside, most := 0, 0
	var mu sync.Mutex
	for range 8 {
		wg.Go(func() {
			err := s.locked("a", func() error {
				mu.Lock()
				inside++
				most = max(most, inside)
				mu.Unlock()
				if err := s.locked("b", func() error { return nil }); err != nil {
					return err
				}
				mu.Lock()
				inside--
				mu.Unlock()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most != 1 {
		t.Errorf("%d held the lock at once", most)
	}
}

func TestQuoted(t *testing.T) {
	for in, want := range map[string]string{
		"/t/cc": "/t/cc", "/a b/cc": "'/a b/cc'", "/somebody else's/cc": `"/somebody else's/cc"`, `/a "b"/cc`: `'/a "b"/cc'`,
	} {
		if got := quoted(in); got != want {
			t.Errorf("quoted(%s) = %s, want %s", in, got, want)
		}
	}
}
