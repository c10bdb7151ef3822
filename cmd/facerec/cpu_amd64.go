package main

import (
	"golang.org/x/sys/cpu"
)

// baseline is what the compiler was told this processor has at least.
const baseline = "x86-64-v2"

// cpuLacks lists what of the baseline this processor has not
// (x86-64 psABI, "microarchitecture levels").
func cpuLacks() []string {
	return missing([]feature{
		{"cx16", cpu.X86.HasCX16}, {"popcnt", cpu.X86.HasPOPCNT}, {"sse3", cpu.X86.HasSSE3},
		{"sse4.1", cpu.X86.HasSSE41}, {"sse4.2", cpu.X86.HasSSE42}, {"ssse3", cpu.X86.HasSSSE3},
	})
}
