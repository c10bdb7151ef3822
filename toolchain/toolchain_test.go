package toolchain

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestSgemmBits compiles the BLAS for each platform whose compiler is installed
// and compares it with a plain loop, bit for bit; once for each width of vector
// on amd64, under an emulator for the others.
func TestSgemmBits(t *testing.T) {
	for _, target := range Targets() {
		t.Run(target.Platform, func(t *testing.T) {
			gcc := target.Triplet + "-gcc"
			if _, err := exec.LookPath(gcc); err != nil {
				t.Skipf("%s is not installed", gcc)
			}
			native := "linux/"+runtime.GOARCH == target.Platform
			if !native {
				if _, err := exec.LookPath(target.Qemu); err != nil {
					t.Skipf("%s is not installed", target.Qemu)
				}
				if testing.Short() {
					t.Skip("an emulator is slow: not with -short")
				}
			}
			widths := []string{""}
			if target.Debian == "amd64" {
				widths = []string{"", "-DGEMM_WIDEST=16", "-DGEMM_WIDEST=32"}
			}
			for _, width := range widths {
				bin := compileC(t, gcc, "check", append([]string{width}, target.Flags...))
				var out []byte
				var err error
				if native {
					out, err = runOwn(bin)
				} else {
					out, err = exec.Command(target.Qemu, "-cpu", target.CPU, bin).CombinedOutput()
				}
				if err != nil || !strings.HasPrefix(string(out), "ok ") {
					t.Errorf("%s %s: %v: %s", target.Platform, width, err, out)
				}
			}
		})
	}
}

// BenchmarkLimit measures what a processor can multiply and add at most, and what the
// convolutions of a descriptor come to: see docs/performance.md.
func BenchmarkLimit(b *testing.B) {
	for _, target := range Targets() {
		gcc := target.Triplet + "-gcc"
		if _, err := exec.LookPath(gcc); err != nil || "linux/"+runtime.GOARCH != target.Platform {
			continue
		}
		bin := compileC(b, gcc, "limit", append([]string{"-ffp-contract=off"}, target.Flags...))
		for b.Loop() {
			out, err := runOwn(bin)
			var peak, convolutions, ms, operations float64
			if _, serr := fmt.Sscan(string(out), &peak, &convolutions, &ms, &operations); err != nil || serr != nil {
				b.Fatalf("%v, %v: %s", err, serr, out)
			}
			b.ReportMetric(peak, "peak-Gop/s")
			b.ReportMetric(convolutions, "Gop/s")
			b.ReportMetric(ms, "ms/descriptor")
			b.ReportMetric(operations, "Mop/descriptor")
		}
	}
}

// compileC compiles a program of testdata with the BLAS.
func compileC(t testing.TB, gcc, name string, flags []string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{name + ".c": "testdata/" + name + ".c"}
	sources, err := filepath.Glob("blas/*.[ch]")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources {
		files[filepath.Base(s)] = s
	}
	for name, from := range files {
		b, err := os.ReadFile(filepath.FromSlash(from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-std=gnu11", "-O2", "-static", "-o", name, name + ".c", "product.c", "convolve.c"}
	for _, f := range flags {
		if f != "" {
			args = append(args, f)
		}
	}
	cmd := exec.Command(gcc, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return filepath.Join(dir, name)
}

// TestWrapper runs cc.sh with a compiler that prints its arguments.
func TestWrapper(t *testing.T) {
	script, err := fs.ReadFile(Files, "cc.sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("@CC@", `printf '%s\n'`, "@FLAGS@", "-march=x86-64-v2").Replace(string(script))
	cc := filepath.Join(dir, "bin", "cc")
	if err := os.WriteFile(cc, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(cc, "-O3", "-march=native", "-mtune=native", "-Ofast", "-ffast-math", "a file.c", "").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	here := dir + "/bin/.."
	want := []string{"-O3", "a file.c", "", "-march=x86-64-v2", "-ffile-prefix-map=" + here + "=/toolchain", "-I" + here + "/include", "-L" + here + "/lib", "-Wl,--build-id=none"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("arguments:\n%q\nexpected:\n%q", got, want)
	}
}

// TestOn: what is linked in comes from the same packages on every machine that makes a
// target, and only a compiler that is no cross compiler has to be told where they are.
func TestOn(t *testing.T) {
	for _, target := range Targets() {
		libraries := ""
		for _, host := range target.Hosts {
			c := target.On(host)
			var linked []string
			for _, p := range c.Packages {
				if strings.HasPrefix(p, "lib") {
					linked = append(linked, p)
				}
			}
			got := strings.Join(linked, " ")
			if libraries == "" {
				libraries = got
			}
			if got != libraries || len(linked) != 3 {
				t.Errorf("%s on %s links %s, expected %s", target.Platform, host, got, libraries)
			}
			told := host == target.Debian && host != Reference
			if (len(c.C) > 0) != told || (len(c.CXX) > 0) != told || (len(c.Files) > 0) != told {
				t.Errorf("%s on %s: got the flags %q and %q, expected some: %v", target.Platform, host, c.C, c.CXX, told)
			}
		}
	}
	target, err := For("linux/arm64")
	if err != nil {
		t.Fatal(err)
	}
	flags := strings.Join(target.On("arm64").CXX, " ")
	for _, want := range []string{"-nostdinc ", "-nostdinc++ ", "-isystem /usr/aarch64-linux-gnu/include/c++/12 ", "-B/usr/lib/gcc-cross/aarch64-linux-gnu/12 ", "-B/usr/aarch64-linux-gnu/lib"} {
		if !strings.Contains(flags, want) {
			t.Errorf("expected %q in %q", want, flags)
		}
	}
}

func TestFor(t *testing.T) {
	for _, target := range Targets() {
		if got, err := For(target.Platform); err != nil || got.Triplet != target.Triplet {
			t.Errorf("For(%q) = %v, %v", target.Platform, got, err)
		}
	}
	_, err := For("linux/riscv64")
	if err == nil || !strings.Contains(err.Error(), "linux/arm/v7") {
		t.Errorf("For(linux/riscv64) = %v, expected an error that lists the platforms", err)
	}
}
