package main

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// engineBytes is what an engine takes before it sees a picture: its models
	// and networks.
	engineBytes = 70 << 20
	// leastMemory is what pictures are given however little there is.
	leastMemory = 128 << 20
	// unknownMemory is what is used of a machine that does not say what it has.
	unknownMemory = 2 << 30
)

// memory returns how many bytes may be used in all; 0 means any number.
func (o *options) memoryLimit() (int64, error) {
	if o.memory == "auto" {
		return defaultMemory(), nil
	}
	n, err := parseBytes(o.memory)
	if err != nil {
		return 0, usagef("--memory %q: expected a size such as 2GB or 500MB, auto, or 0 (no limit)", o.memory)
	}
	return n, nil
}

// pictureMemory returns what is left of a limit for pictures, and has Go's
// collector keep to the limit too.
func (o *options) pictureMemory(limit int64) int64 {
	if limit <= 0 {
		return 0
	}
	debug.SetMemoryLimit(limit)
	return max(leastMemory, limit-int64(o.workers())*engineBytes)
}

// parseBytes reads a number of bytes with an optional unit, decimal (MB) or
// binary (MiB, or M).
func parseBytes(s string) (int64, error) {
	units := []struct {
		suffix string
		factor float64
	}{{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"B", 1}, {"", 1}}
	for _, u := range units {
		digits, ok := strings.CutSuffix(strings.ToUpper(strings.TrimSpace(s)), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil || !(n >= 0) || n*u.factor > math.MaxInt64/2 {
			return 0, strconv.ErrSyntax
		}
		return int64(n * u.factor), nil
	}
	return 0, strconv.ErrSyntax
}

// defaultMemory is half of what the machine has available, or of what the
// control group allows if that is less.
func defaultMemory() int64 {
	least := int64(math.MaxInt64)
	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
				if kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64); err == nil {
					least = min(least, kb<<10)
				}
			}
		}
	}
	for _, name := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if data, err := os.ReadFile(name); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && n > 0 { // "max" is none
				least = min(least, n)
			}
		}
	}
	if least == math.MaxInt64 {
		least = 2 * unknownMemory
	}
	if strconv.IntSize == 32 { // of what a process can address
		least = min(least, 3<<30)
	}
	return least / 2
}
