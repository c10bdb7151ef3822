// Schedule simulates 'releaser verify --list' on machines that are not at hand, from
// what its parts cost on one that is, and prints the tables of docs/scale.md:
//
//	go run ./tools/schedule
//
// machine.go has the schedule of internal/batch as a simulation of events: releases
// that walk along their chains, that wait for each other and are then compressed
// together. fleet.go has what is verified, and what a week of it needs. Nothing here
// reads a clock or depends on the machine: the tables are always the same.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// measured is what `go run ./tools/bench list -costs` printed; docs/scale.md says on
// which machine.
var measured = Costs{
	Start: 0.030, Release: 0.0069,
	Search: 0.0205 - inflate, Code: 0.0022 - hash, // of the two sums that it measures; contents are programs
	Inflate: inflate, Hash: hash,
}

// Rates of SHA-256, and of inflate with it, in seconds for each MB.
const (
	hash    = 1 / 2044.0
	inflate = 1/680.0 + hash
)

// benchmark is the list that make bench-list measures: releases of one cell, 4 MB in
// all of them.
func benchmark(n int) []Release {
	var out []Release
	for range n {
		out = append(out, Release{Own: 0.16, Shared: 4.0, Group: 0, Packed: 0.9, Cells: 1, Requests: 4})
	}
	return out
}

var cores = []int{1, 2, 4, 8, 16, 32, 64}

// fleets are assumptions: what a week has to verify.
var fleets = []Fleet{
	{Name: "a distribution", Releases: 30_000, Cells: 2, Own: 1.5, Sigma: 1.3, Shared: 4, Group: 10},
	{Name: "a forge", Releases: 2_000_000, Cells: 3, Own: 2.5, Sigma: 1.5, Shared: 1, Group: 3},
}

// machines are what one can rent.
var machines = []Machine{
	{Cores: 2, Mbit: 500, Latency: 0.05},
	{Cores: 16, Mbit: 1000, Latency: 0.05},
	{Cores: 64, Mbit: 10_000, Latency: 0.05},
}

// jobsPerCore is --jobs for each core where registries are far away: while one release
// waits for an answer, others have the core.
const jobsPerCore = 8

// limit is how many requests an hour a registry or forge takes of one token.
const limit = 5000

// tables are the tables of docs/scale.md by name.
var tables = []struct {
	name  string
	print func(io.Writer)
}{
	{"cores", printCores}, {"window", printWindow}, {"jobs", printJobs}, {"week", printWeek}, {"limits", printLimits}, {"shards", printShards},
}

func printCores(w io.Writer) {
	fmt.Fprintln(w, "| cores | CPU s | wall s | times as fast | cores in use |\n|---:|---:|---:|---:|---:|")
	one := 0.0
	for _, n := range cores {
		o := Machine{Cores: n}.run(benchmark(1000), measured, Rules{Together: 64})
		if n == 1 {
			one = o.Wall
		}
		fmt.Fprintf(w, "| %d | %.1f | %.1f | %.1f | %.0f%% |\n", n, o.CPU, o.Wall, one/o.Wall, 100*o.CPU/o.Wall/float64(n))
	}
}

func printWindow(w io.Writer) {
	fmt.Fprintln(w, "| releases under way | CPU s | wall s | MB searched |\n|---:|---:|---:|---:|")
	for _, n := range []int{1, 4, 8, 16, 32, 64, 128} {
		o := Machine{Cores: 2}.run(benchmark(1000), measured, Rules{Window: n, Together: 64})
		fmt.Fprintf(w, "| %d | %.1f | %.1f | %.0f |\n", n, o.CPU, o.Wall, o.Searched)
	}
}

func printJobs(w io.Writer) {
	fmt.Fprintln(w, "| --jobs | releases an hour | cores in use | connection in use | waits for |\n|---:|---:|---:|---:|---|")
	for _, n := range []int{1, 2, 4, 8, 16, 32} {
		k := fleets[0].week(machines[0], measured, n)
		fmt.Fprintf(w, "| %d | %.0f | %.0f%% | %.0f%% | %s |\n", n, k.PerHour, 100*k.ShareCPU, 100*k.ShareLink, k.First)
	}
}

func printWeek(w io.Writer) {
	fmt.Fprintln(w, "| | machine | core hours | layers TB | tarballs TB | machines | cores in use | connection in use | waits for |\n|---|---|---:|---:|---:|---:|---:|---:|---|")
	for _, f := range fleets {
		for _, m := range machines {
			k := f.week(m, measured, jobsPerCore*m.Cores)
			fmt.Fprintf(w, "| %s | %d cores, %g Gbit/s | %.0f | %.2f | %.2f | %d | %.0f%% | %.0f%% | %s |\n", f.Name, m.Cores, m.Mbit/1000, k.Cores, k.Layers, k.Tarballs, k.Machines, 100*k.ShareCPU, 100*k.ShareLink, k.First)
		}
	}
}

func printLimits(w io.Writer) {
	fmt.Fprintf(w, "| | to registries | to release pages | a second, all week | tokens at %d an hour | state files GB |\n|---|---:|---:|---:|---:|---:|\n", limit)
	for _, f := range fleets {
		k := f.week(machines[1], measured, jobsPerCore*machines[1].Cores)
		perHour := max(k.Requests, k.Pages) * 1e6 / hours
		fmt.Fprintf(w, "| %s | %.1f million | %.1f million | %.1f | %.0f | %.2f |\n", f.Name, k.Requests, k.Pages, (k.Requests+k.Pages)*1e6/hours/3600, max(1, perHour/limit), k.State)
	}
}

func printShards(w io.Writer) {
	fmt.Fprintln(w, "| shards | releases in each | layers fetched, neighbours together | layers fetched, dealt out in turn |\n|---:|---:|---:|---:|")
	f := fleets[0]
	list := f.sample()
	whole := fetched(list, 1, false)
	for _, n := range []int{1, 4, 16, 64, 256} {
		fmt.Fprintf(w, "| %d | %d | %.0f%% | %.0f%% |\n", n, len(list)/n, 100*fetched(list, n, false)/whole, 100*fetched(list, n, true)/whole)
	}
}

// fetched is how many MB of layers n shards of a list read together: neighbours in one
// shard, as releaser matrix cuts a list, or dealt out one by one.
func fetched(list []Release, n int, dealt bool) (mb float64) {
	read := map[[2]int]bool{}
	for i, r := range list {
		shard := i * n / len(list)
		if dealt {
			shard = i % n
		}
		mb += r.Own
		if key := [2]int{shard, r.Group}; !read[key] {
			read[key] = true
			mb += r.Shared
		}
	}
	return mb
}

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "usage: schedule")
		os.Exit(2)
	}
	for _, t := range tables {
		var b strings.Builder
		t.print(&b)
		fmt.Printf("%s\n\n%s\n", t.name, b.String())
	}
}
