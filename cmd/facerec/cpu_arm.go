package main

import (
	"golang.org/x/sys/cpu"
)

// baseline is what the compiler was told this processor has at least.
const baseline = "armv7-a with NEON"

// cpuLacks lists what of the baseline this processor has not.
func cpuLacks() []string {
	return missing([]feature{{"neon", cpu.ARM.HasNEON}, {"vfpv3", cpu.ARM.HasVFPv3}})
}
