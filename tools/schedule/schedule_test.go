package main

import (
	"flag"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables into docs/scale.md")

// doc has each table between two comments.
const doc = "../../docs/scale.md"

// TestTheDocumentHasTheTables holds docs/scale.md and this program together.
func TestTheDocumentHasTheTables(t *testing.T) {
	raw, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, table := range tables {
		var b strings.Builder
		table.print(&b)
		before, rest, ok := strings.Cut(text, "<!-- schedule: "+table.name+" -->\n")
		old, after, ok2 := strings.Cut(rest, "<!-- end -->\n")
		if !ok || !ok2 {
			t.Fatalf("%s has no place for the table %s", doc, table.name)
		}
		if old == b.String() {
			continue
		}
		if !*update {
			t.Errorf("%s: the table %s is not what 'make schedule' prints: run go test ./tools/schedule -update", doc, table.name)
		}
		text = before + "<!-- schedule: " + table.name + " -->\n" + b.String() + "<!-- end -->\n" + after
	}
	if *update {
		if err := os.WriteFile(doc, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// simple costs make sums that can be done by hand.
var simple = Costs{Release: 1, Search: 10, Code: 2}

func alike(n int) []Release {
	return slices.Repeat([]Release{{Own: 1, Shared: 3, Cells: 1, Packed: 1, Requests: 2}}, n)
}

// TestByHand has cases whose times can be worked out.
func TestByHand(t *testing.T) {
	for name, c := range map[string]struct {
		machine Machine
		rules   Rules
		list    []Release
		costs   Costs
		want    Outcome
	}{
		"nothing": {Machine{Cores: 1}, Rules{Together: 9}, nil, Costs{Start: 5}, Outcome{Wall: 5, CPU: 5}},
		// 1 to walk, (1+3)·10 to search, 4·2 to code.
		"one release": {Machine{Cores: 1}, Rules{Together: 9}, alike(1), simple, Outcome{Wall: 49, CPU: 49, Fetched: 4, Requests: 2, Searched: 4}},
		// Two walk, and then (1+1+3)·10 + 2·4·2 for both.
		"two together": {Machine{Cores: 1}, Rules{Together: 9}, alike(2), simple, Outcome{Wall: 68, CPU: 68, Fetched: 5, Requests: 4, Searched: 5}},
		// One under way: the second searches once more what they share, and fetches it once.
		"one by one": {Machine{Cores: 1}, Rules{Window: 1, Together: 9}, alike(2), simple, Outcome{Wall: 98, CPU: 98, Fetched: 5, Requests: 4, Searched: 8}},
		// 5 MB in 10 pieces of 10 s on two cores, then two chains of 8 s; walking took 1.
		"two cores": {Machine{Cores: 2}, Rules{Together: 9}, alike(2), simple, Outcome{Wall: 34, CPU: 68, Fetched: 5, Requests: 4, Searched: 5}},
		// The connection has 8 Mbit/s, so 1 MB a second: 4 MB, then 49 as above.
		"a connection": {Machine{Cores: 1, Mbit: 8}, Rules{Together: 9}, alike(1), simple, Outcome{Wall: 53, CPU: 49, Fetched: 4, Requests: 2, Searched: 4}},
		"answers":      {Machine{Cores: 1, Mbit: 8000, Latency: 3}, Rules{Together: 9}, alike(1), simple, Outcome{Wall: 55, CPU: 49, Fetched: 4, Requests: 2, Searched: 4}},
		// One tarball in a call: two calls.
		"too many for a call": {Machine{Cores: 1}, Rules{Together: 1}, alike(2), simple, Outcome{Wall: 98, CPU: 98, Fetched: 5, Requests: 4, Searched: 8}},
	} {
		got := c.machine.run(c.list, c.costs, c.rules)
		close := func(a, b float64) bool { return math.Abs(a-b) < 1e-6 }
		if !close(got.Wall, c.want.Wall) || !close(got.CPU, c.want.CPU) || !close(got.Fetched, c.want.Fetched) || got.Requests != c.want.Requests || !close(got.Searched, c.want.Searched) {
			t.Errorf("%s: got %+v, expected %+v", name, got, c.want)
		}
	}
}

// TestRunsAreSane has machines of many kinds: every release is done, no core is used
// more than all the time, and more cores are never slower by much.
func TestRunsAreSane(t *testing.T) {
	list := fleets[0].sample()[:500]
	for _, m := range []Machine{{}, {Mbit: 100, Latency: 0.1}, {Mbit: 10_000, Latency: 0.001}} {
		last := math.Inf(1)
		for _, n := range cores {
			m.Cores = n
			got := m.run(list, measured, Rules{Together: 64})
			if again := m.run(list, measured, Rules{Together: 64}); again != got {
				t.Errorf("%+v: got %+v, and then %+v", m, got, again)
			}
			requests := 0
			for _, r := range list {
				requests += r.Requests
			}
			if got.Requests != requests || got.CPU > got.Wall*float64(n)*1.0001 || got.Wall > last*1.1 {
				t.Errorf("%+v: got %+v after %g s with fewer cores", m, got, last)
			}
			last = got.Wall
		}
	}
}

// TestShardsByHand counts what shards read.
func TestShardsByHand(t *testing.T) {
	var list []Release
	for i := range 8 {
		list = append(list, Release{Own: 1, Shared: 10, Group: i / 4})
	}
	for _, c := range []struct {
		n     int
		dealt bool
		want  float64
	}{{1, false, 28}, {2, false, 28}, {4, false, 48}, {2, true, 48}, {8, false, 88}} {
		if got := fetched(list, c.n, c.dealt); got != c.want {
			t.Errorf("%d shards, dealt %v: got %g, expected %g", c.n, c.dealt, got, c.want)
		}
	}
}
