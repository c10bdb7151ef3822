package main

import (
	"testing"
)

func TestParseBytes(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1000": 1000, "2GB": 2e9, "2 gb": 2e9, "1.5GiB": 3 << 29, "500MB": 5e8, "4G": 4 << 30, "64M": 64 << 20, "10kB": 10000, "7B": 7,
	} {
		if got, err := parseBytes(in); err != nil || got != want {
			t.Errorf("%q: got %d, %v, expected %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-1", "GB", "2TB", "1e30", "NaN", "Inf", "1,5GB"} {
		if got, err := parseBytes(in); err == nil {
			t.Errorf("%q: got %d, expected an error", in, got)
		}
	}
}

func TestDefaultMemory(t *testing.T) {
	if n := defaultMemory(); n < 1<<20 {
		t.Errorf("half of the machine is %d bytes", n)
	}
}
