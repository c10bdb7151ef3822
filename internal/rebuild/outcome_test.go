package rebuild

import (
	"encoding/json"
	"reflect"
	"testing"

	"facerec/internal/release"
)

func digest(s string) release.Digest { return release.DigestBytes([]byte(s)) }

func compared(level Level, expected, got string) Comparison {
	c := Comparison{Level: level, Name: string(level), Verdict: Same, Expected: digest(expected), Got: digest(got)}
	if expected != got {
		c.Verdict = Differs
	}
	return c
}

func example() Outcome {
	arm := release.Platform{OS: "linux", Arch: "arm64"}
	amd := release.Platform{OS: "linux", Arch: "amd64"}
	return Outcome{
		Project: "tool", Version: "1.0.0", Checksums: digest("sums"),
		Indexes: []Index{{Lineage: "a", Image: "tool:1.0.0", Digest: digest("index"), Verdict: Skipped, Why: "a/linux/arm64 was not built"}},
		Cells: []Cell{
			{Name: "a/linux/amd64", Lineage: "a", Platform: amd, Asset: "tool.tar.gz", Image: "tool:1.0.0", Verdict: Differs, Compared: []Comparison{
				compared(LevelProgram, "p", "q"), compared(LevelLayer, "l", "m"), compared(LevelManifest, "n", "o"), compared(LevelTar, "t", "t"), compared(LevelFile, "f", "g"),
			}},
			{Name: "a/linux/arm64", Lineage: "a", Platform: arm, Asset: "tool2.tar.gz", Image: "tool:1.0.0", Verdict: Skipped, Why: "no compiler"},
		},
		Environment: Environment{Releaser: "1", System: "linux/amd64", Compilers: []Compiler{{Name: "gcc", Version: "12"}}, Inputs: []Input{{"config.json", digest("c")}}},
	}
}

func TestSubjects(t *testing.T) {
	o := example()
	want := []Subject{
		{"tool.tar.gz", digest("f"), Differs},
		{"tool.tar", digest("t"), Same},
		{"tool:1.0.0 linux/amd64", digest("n"), Differs},
	}
	if got := o.Subjects(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, expected %v", got, want)
	}
	o.Indexes[0].Verdict = Same
	if got := o.Subjects(); len(got) != 4 || got[3] != (Subject{"tool:1.0.0", digest("index"), Same}) {
		t.Errorf("got %v", got)
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		cells []Verdict
		index Verdict
		want  Verdict
	}{
		{nil, Same, Skipped},
		{[]Verdict{Same}, Same, Same},
		{[]Verdict{Same, Skipped}, Same, Skipped},
		{[]Verdict{Same}, Skipped, Skipped},
		{[]Verdict{Skipped, Differs}, Skipped, Differs},
		{[]Verdict{Same}, Differs, Differs},
	} {
		o := Outcome{Indexes: []Index{{Verdict: c.index}}}
		for _, v := range c.cells {
			o.Cells = append(o.Cells, Cell{Verdict: v})
		}
		if got := o.Verdict(); got != c.want {
			t.Errorf("%v, index %s: got %s, expected %s", c.cells, c.index, got, c.want)
		}
	}
}

// TestJSON holds the document to be read back as it was: it is signed.
func TestJSON(t *testing.T) {
	raw, err := json.Marshal(example())
	if err != nil {
		t.Fatal(err)
	}
	var back Outcome
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, example()) {
		t.Errorf("got %+v of %s", back, raw)
	}
}
