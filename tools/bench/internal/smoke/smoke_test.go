package smoke

import (
	"strings"
	"testing"
)

// TestInputs: every input does its work, and the baseline has each of them and no
// other.
func TestInputs(t *testing.T) {
	was, err := Committed()
	if err != nil {
		t.Fatal(err)
	}
	if len(was.Inputs) != len(inputs) || was.Go == "" {
		t.Errorf("the baseline has %d inputs of %q, expected %d", len(was.Inputs), was.Go, len(inputs))
	}
	for _, in := range inputs {
		now, err := work(in.name)
		if err != nil || now.Allocations == 0 {
			t.Errorf("%s: %+v, %v", in.name, now, err)
		}
		if w := was.Inputs[in.name]; w.Allocations == 0 || w.Bytes == 0 || w.Instructions == 0 {
			t.Errorf("%s: the baseline has %+v", in.name, w)
		}
		if nothing, err := work(in.name + "!"); err != nil || nothing != (Counts{}) {
			t.Errorf("%s without its work: %+v, %v", in.name, nothing, err)
		}
	}
	if _, err := work("no such"); err == nil {
		t.Error("an unknown input is done")
	}
}

func TestCompare(t *testing.T) {
	was := Counts{Allocations: 10_000, Bytes: 10 << 20, Instructions: 1_000_000}
	for _, c := range []struct {
		name string
		now  Counts
		want string
	}{
		{"the same", was, ""},
		{"less", Counts{1, 1, 1}, ""},
		{"within the margin", Counts{10_500, 11 << 20, 1_050_000}, ""},
		{"allocations", Counts{10_551, 10 << 20, 1_000_000}, "allocations: expected at most 10550, got 10551"},
		{"bytes", Counts{10_000, 12 << 20, 1_000_000}, "bytes: "},
		{"instructions", Counts{10_000, 10 << 20, 1_050_001}, "instructions: expected at most 1050000, got 1050001"},
		{"two", Counts{20_000, 20 << 20, 1_000_000}, "; bytes: "},
	} {
		if got := compare(was, c.now); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
