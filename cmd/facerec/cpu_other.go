//go:build !amd64 && !arm

package main

import (
	"runtime"
)

// baseline is what every processor of this architecture has.
const baseline = runtime.GOARCH

func cpuLacks() []string { return nil }
