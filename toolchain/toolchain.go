// Package toolchain holds what turns Debian's compilers into the compilers of
// this project: the baseline of each platform, the wrapper script, the
// sources of a small BLAS with one answer, of the HOG detector's inner loops,
// and of one function of dlib. internal/inputs puts them together; README.md
// says why each flag is there.
package toolchain

import (
	"embed"
	"fmt"
	"strings"
)

// Files are the wrapper cc.sh, blas/*.[ch], dlib/*.cc, dlib/*.h, hog/*.cc and hog/*.h.
//
//go:embed cc.sh blas/*.c blas/*.h dlib/*.cc dlib/*.h hog/*.cc hog/*.h
var Files embed.FS

// Target is how one platform is compiled for.
type Target struct {
	Platform string   // OCI platform, "linux/arm/v7"
	Debian   string   // Debian's name of the architecture, "armhf"
	Triplet  string   // GNU triplet, which begins the compilers' names: "arm-linux-gnueabihf"
	Flags    []string // the baseline
	Go       []string // environment of the go command: GOARCH and its baseline
	Qemu     string   // user-mode emulator's name, for hosts of another architecture
	CPU      string   // the baseline as a CPU model of that emulator
	Hosts    []string // Debian's names of the machines whose compilers make the same bytes
}

// strict is common to all: no operation may be fused or reordered, so that
// every architecture rounds alike; and no object names the compiler's package, which
// is another one where the same compiler is not a cross compiler.
var strict = []string{"-ffp-contract=off", "-fno-fast-math", "-fno-ident"}

var targets = []Target{
	{
		Platform: "linux/amd64", Debian: "amd64", Triplet: "x86_64-linux-gnu",
		Flags: append([]string{"-march=x86-64-v2", "-mtune=generic"}, strict...),
		Go:    []string{"GOOS=linux", "GOARCH=amd64", "GOAMD64=v2"},
		Qemu:  "qemu-x86_64-static",
		CPU:   "Nehalem",
		Hosts: []string{Reference},
	},
	{
		Platform: "linux/arm64", Debian: "arm64", Triplet: "aarch64-linux-gnu",
		Flags: append([]string{"-march=armv8-a", "-mno-outline-atomics", "-Wno-psabi"}, strict...),
		Go:    []string{"GOOS=linux", "GOARCH=arm64", "GOARM64=v8.0"},
		Qemu:  "qemu-aarch64-static",
		CPU:   "cortex-a53",
		Hosts: []string{Reference, "arm64"},
	},
	{
		Platform: "linux/arm/v7", Debian: "armhf", Triplet: "arm-linux-gnueabihf",
		Flags: append([]string{"-march=armv7-a", "-mfpu=neon", "-mfloat-abi=hard", "-Wno-psabi"}, strict...),
		Go:    []string{"GOOS=linux", "GOARCH=arm", "GOARM=7"},
		Qemu:  "qemu-arm-static",
		CPU:   "cortex-a8",
		Hosts: []string{Reference, "arm64"},
	},
}

// Reference is Debian's name of the architecture whose compilers inputs.lock.json
// and the SBOM name first. Others are pinned because they make the same bytes.
const Reference = "amd64"

// Compiler is what compiles for a target on one kind of machine.
type Compiler struct {
	Packages []string // of Debian, whose files decide a static binary's bytes
	Install  []string // of Debian, which bring them
	C, CXX   []string // flags, for libraries where the compilers do not look
	Files    []string // of those libraries, to see whether they are there
}

// On gives the compiler for a target on a machine of Debian's architecture host. Where
// that is the target's own, the compiler is not a cross compiler. What is linked in comes
// from the same packages all the same, those that cross compilers use: they are of
// Architecture: all, so that every machine can have their files. Only a target of the
// architecture Reference is linked with its own libraries.
func (t Target) On(host string) Compiler {
	triplet := strings.ReplaceAll(t.Triplet, "_", "-") // as packages are called
	suffix, install := "-"+triplet, []string{"gcc-" + triplet, "g++-" + triplet}
	if host == t.Debian {
		suffix, install = "", []string{"gcc", "g++", "binutils"}
	}
	libraries := []string{"libc6-dev", "libgcc-12-dev", "libstdc++-12-dev"}
	if host != t.Debian || host != Reference {
		for i := range libraries {
			libraries[i] += "-" + t.Debian + "-cross"
		}
	}
	c := Compiler{Packages: append([]string{"binutils-" + triplet, "g++-12" + suffix, "gcc-12" + suffix}, libraries...), Install: install}
	if host == t.Debian && host != Reference {
		c.Install = append(c.Install, libraries...)
		gcc, libc := "/usr/lib/gcc-cross/"+t.Triplet+"/12", "/usr/"+t.Triplet
		common := []string{"-isystem", gcc + "/include", "-isystem", libc + "/include", "-B" + gcc, "-B" + libc + "/lib"}
		c.Files = []string{libc + "/lib/libc.a", gcc + "/libgcc.a", gcc + "/libstdc++.a"}
		plus := libc + "/include/c++/12"
		c.C = append([]string{"-nostdinc"}, common...)
		c.CXX = append([]string{"-nostdinc", "-nostdinc++", "-isystem", plus, "-isystem", plus + "/" + t.Triplet, "-isystem", plus + "/backward"}, common...)
	}
	return c
}

// For gives the target of an OCI platform.
func For(platform string) (Target, error) {
	var known []string
	for _, t := range targets {
		if t.Platform == platform {
			return t, nil
		}
		known = append(known, t.Platform)
	}
	return Target{}, fmt.Errorf("platform %q unknown, expected one of %s", platform, strings.Join(known, ", "))
}

// Targets lists every target, in a fixed order.
func Targets() []Target { return append([]Target(nil), targets...) }
