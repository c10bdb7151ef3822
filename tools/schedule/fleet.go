package main

import (
	"math"
	"math/rand/v2"
)

// Fleet is a set of releases that are verified again every week.
type Fleet struct {
	Name     string
	Releases int // all of them

	// Of a release: cells, MB of a cell's contents that no other has (the median of
	// a log-normal distribution, and the sigma of its logarithm), MB that all of a
	// group share, and how many releases a group has.
	Cells  int
	Own    float64
	Sigma  float64
	Shared float64
	Group  int
}

// Measured constants of a release that do not depend on its size.
const (
	packed       = 0.45 // bytes of a tarball for each byte of its tar stream
	pageRequests = 6    // checksums.txt, its bundle, release.json, SBOMs; tarballs come on top
	layers       = 2    // of an image that no other has; shared ones come on top, once
)

// sampled is how many releases of a fleet are simulated; the rest is like them.
const sampled = 2000

// sample draws releases of a fleet, groups one after the other, as releaser matrix
// lists them.
func (f Fleet) sample() []Release {
	rng := rand.New(rand.NewPCG(1, uint64(f.Releases)))
	var out []Release
	for i := range sampled {
		own := float64(f.Cells) * f.Own * math.Exp(f.Sigma*rng.NormFloat64())
		out = append(out, Release{
			Own: own, Shared: float64(f.Cells) * f.Shared, Group: i / f.Group, Packed: packed, Cells: f.Cells,
			Requests: 1 + 2*f.Cells + layers*f.Cells,
		})
	}
	return out
}

// Week is what a fleet needs in a week.
type Week struct {
	Cores     float64 // core hours
	Layers    float64 // TB from registries, with nothing kept from the week before
	Tarballs  float64 // TB from release pages
	Requests  float64 // millions, to registries
	Pages     float64 // millions, to release pages
	State     float64 // GB of state files
	PerHour   float64 // releases that one machine verifies in an hour
	Machines  int     // of the given make, for all of it within a week
	First     string  // what they wait for most
	ShareCPU  float64 // of a machine's cores that is in use
	ShareLink float64 // of its connection
}

const hours = 168.0

// busy is the share from which on something is what a run waits for; if nothing is
// in use so much, it waits for answers.
const busy = 0.6

// week simulates a sample on one machine and takes all releases to be like it. What
// is downloaded of release pages goes through the same connection.
func (f Fleet) week(m Machine, c Costs, jobs int) Week {
	list := f.sample()
	tarballs, pages := 0.0, 0
	for i := range list {
		mb := list[i].tar() * list[i].Packed
		tarballs += mb
		pages += 1 + pageRequests + f.Cells
		list[i].Page = mb
		list[i].PageRequests = 1 + pageRequests + f.Cells
	}
	o := m.run(list, c, Rules{Jobs: jobs, Together: 64})
	scale := float64(f.Releases) / float64(len(list))
	w := Week{
		Cores: o.CPU * scale / 3600, Layers: (o.Fetched - tarballs) * scale / 1e6, Tarballs: tarballs * scale / 1e6,
		Requests: float64(o.Requests-pages) * scale / 1e6, Pages: float64(pages) * scale / 1e6, State: stateBytes * float64(f.Releases) / 1e9,
		PerHour:   float64(len(list)) / o.Wall * 3600,
		Machines:  int(math.Ceil(o.Wall * scale / 3600 / hours)),
		ShareCPU:  o.CPU / o.Wall / float64(m.Cores),
		ShareLink: o.Fetched * 8 / m.Mbit / o.Wall,
	}
	switch {
	case max(w.ShareCPU, w.ShareLink) < busy:
		w.First = "answers"
	case w.ShareCPU > w.ShareLink:
		w.First = "cores"
	default:
		w.First = "connection"
	}
	return w
}

// stateBytes is what a line of a state file takes.
const stateBytes = 700
