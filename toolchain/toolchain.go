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
	Packages []string // Debian packages that install the compilers on a host of another architecture
}

// strict is common to all: no operation may be fused or reordered, so that
// every architecture rounds alike.
var strict = []string{"-ffp-contract=off", "-fno-fast-math"}

var targets = []Target{
	{
		Platform: "linux/amd64", Debian: "amd64", Triplet: "x86_64-linux-gnu",
		Flags:    append([]string{"-march=x86-64-v2", "-mtune=generic"}, strict...),
		Go:       []string{"GOOS=linux", "GOARCH=amd64", "GOAMD64=v2"},
		Qemu:     "qemu-x86_64-static",
		CPU:      "Nehalem",
		Packages: []string{"gcc-x86-64-linux-gnu", "g++-x86-64-linux-gnu"},
	},
	{
		Platform: "linux/arm64", Debian: "arm64", Triplet: "aarch64-linux-gnu",
		Flags:    append([]string{"-march=armv8-a", "-mno-outline-atomics", "-Wno-psabi"}, strict...),
		Go:       []string{"GOOS=linux", "GOARCH=arm64", "GOARM64=v8.0"},
		Qemu:     "qemu-aarch64-static",
		CPU:      "cortex-a53",
		Packages: []string{"gcc-aarch64-linux-gnu", "g++-aarch64-linux-gnu"},
	},
	{
		Platform: "linux/arm/v7", Debian: "armhf", Triplet: "arm-linux-gnueabihf",
		Flags:    append([]string{"-march=armv7-a", "-mfpu=neon", "-mfloat-abi=hard", "-Wno-psabi"}, strict...),
		Go:       []string{"GOOS=linux", "GOARCH=arm", "GOARM=7"},
		Qemu:     "qemu-arm-static",
		CPU:      "cortex-a8",
		Packages: []string{"gcc-arm-linux-gnueabihf", "g++-arm-linux-gnueabihf"},
	},
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
