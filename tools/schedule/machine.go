package main

import (
	"container/heap"
	"math"
)

// Costs are CPU seconds, as `make bench-list` and `go run ./tools/bench list -costs`
// measure them.
type Costs struct {
	Start   float64 // of a run
	Release float64 // for each release: its signature, its manifests, its report
	Inflate float64 // for each MB of layers that were not read yet, inflated and hashed
	Hash    float64 // for each MB of tarballs that are read and hashed
	Search  float64 // for each MB of tar streams that is searched for matches
	Code    float64 // for each MB of tar streams that is coded and hashed
}

// Release is one release of a list, in MB and requests.
type Release struct {
	Own      float64 // tar streams that no other release has
	Shared   float64 // tar streams that all of its group have
	Group    int     // releases that share
	Packed   float64 // bytes of tarballs for each byte of tar stream
	Cells    int
	Requests int // to the registry

	Page         float64 // MB that are downloaded of a release page
	PageRequests int
}

// tar is all that its tarballs unpack to.
func (r Release) tar() float64 { return r.Own + r.Shared }

// Machine is where a list is verified.
type Machine struct {
	Cores   int
	Mbit    float64 // of its connection, per second; 0: nothing is waited for
	Latency float64 // seconds from a request to its answer
}

// Rules are those of internal/batch.
type Rules struct {
	Jobs     int // --jobs: releases that walk at the same time; 0: one for each core
	Window   int // releases under way; 0: as many as internal/batch has
	Together int // tarballs that are compressed in one call
}

// piece is how many MB of a tarball are coded in one go, between which a core may
// do something else.
const piece = 0.5

// Outcome is what a run came to.
type Outcome struct {
	Wall, CPU float64 // seconds
	Fetched   float64 // MB
	Requests  int
	Searched  float64 // MB
}

// run simulates a list on a machine. The same input gives the same outcome: where
// several things happen at the same time, the one that began first comes first.
func (m Machine) run(list []Release, c Costs, rules Rules) Outcome {
	if rules.Jobs == 0 {
		rules.Jobs = m.Cores
	}
	if rules.Window == 0 {
		rules.Window = max(64, 2*rules.Jobs)
	}
	s := &simulation{machine: m, costs: c, rules: rules, list: list, read: map[int]bool{}}
	s.slots = rules.Jobs
	s.work(c.Start, func() {
		for range min(rules.Window, len(list)) {
			s.walking++
			s.wait()
		}
	})
	for s.events.Len() > 0 {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.then()
	}
	s.out.Wall = s.now
	return s.out
}

type event struct {
	at   float64
	n    int // order among those of the same time
	then func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

type task struct {
	seconds float64
	then    func()
}

type simulation struct {
	machine Machine
	costs   Costs
	rules   Rules
	list    []Release
	next    int
	read    map[int]bool // groups whose shared layers are here

	now    float64
	count  int
	events events
	out    Outcome

	running int    // cores in use
	ready   []task // for a core

	slots    int      // releases that may walk at the same time: --jobs
	walkers  []func() // that wait for one
	line     float64  // when the connection is free again
	walking  int
	together []waiting

	downloads int // under way
	pages     []func()

	packing bool
	last    bool // the last ones are waited for
	calls   int  // that have compressed
}

type waiting struct {
	r    Release
	then func()
}

func (s *simulation) at(t float64, then func()) {
	s.count++
	heap.Push(&s.events, event{t, s.count, then})
}

// work takes a core for some seconds.
func (s *simulation) work(seconds float64, then func()) {
	s.ready = append(s.ready, task{seconds, then})
	s.dispatch()
}

func (s *simulation) dispatch() {
	for s.running < s.machine.Cores && len(s.ready) > 0 {
		t := s.ready[0]
		s.ready = s.ready[1:]
		s.running++
		s.out.CPU += t.seconds
		s.at(s.now+t.seconds, func() {
			s.running--
			t.then()
			s.dispatch()
		})
	}
}

// wait has a walker go on when one of --jobs is free.
func (s *simulation) wait() { s.acquire(s.walk) }

func (s *simulation) acquire(then func()) {
	if s.slots == 0 {
		s.walkers = append(s.walkers, then)
		return
	}
	s.slots--
	then()
}

func (s *simulation) release() {
	s.slots++
	if len(s.walkers) > 0 {
		then := s.walkers[0]
		s.walkers = s.walkers[1:]
		s.slots--
		then()
	}
}

// walk takes the next release up to its last link.
func (s *simulation) walk() {
	if s.next == len(s.list) {
		s.walking--
		s.release()
		s.begin()
		return
	}
	r := s.list[s.next]
	s.next++
	fresh := r.Own
	if !s.read[r.Group] {
		s.read[r.Group] = true
		fresh += r.Shared
	}
	s.out.Fetched += fresh*r.Packed + r.Page
	s.out.Requests += r.Requests + r.PageRequests
	s.download(r, func() {
		s.visit(r, fresh)
	})
}

// download has another release have the core while a page answers.
func (s *simulation) download(r Release, then func()) {
	if r.PageRequests == 0 {
		then()
		return
	}
	s.release()
	fetch := func() {
		s.network(r.Page, r.PageRequests, func() {
			s.downloads--
			if len(s.pages) > 0 {
				next := s.pages[0]
				s.pages = s.pages[1:]
				s.downloads++
				next()
			}
			s.acquire(then)
		})
	}
	if s.downloads == max(minDownloads, s.rules.Jobs) {
		s.pages = append(s.pages, fetch)
		return
	}
	s.downloads++
	fetch()
}

// minDownloads is that of internal/batch.
const minDownloads = 8

// visit reads the images of a release and hashes its tarballs.
func (s *simulation) visit(r Release, fresh float64) {
	s.network(fresh*r.Packed, r.Requests, func() {
		s.work(s.costs.Release+s.costs.Inflate*fresh+s.costs.Hash*r.tar()*r.Packed, func() {
			s.walking--
			s.release()
			s.together = append(s.together, waiting{r, func() {
				s.acquire(s.walk)
			}})
			s.begin()
		})
	})
}

// network waits for answers: the connection is one line for all.
func (s *simulation) network(mb float64, requests int, then func()) {
	if s.machine.Mbit == 0 {
		then()
		return
	}
	s.line = math.Max(s.line, s.now) + mb*8/s.machine.Mbit
	s.at(math.Max(s.line, s.now+float64(requests)*s.machine.Latency), then)
}

// begin is the rule of internal/batch: what waits is compressed when all releases
// wait, or, after a grace, most of them do and a core would have nothing to do.
func (s *simulation) begin() {
	switch {
	case s.packing || len(s.together) == 0:
	case s.walking == 0:
		s.start()
	case s.mostWait() && !s.last:
		s.last = true
		call := s.calls
		s.at(s.now+grace, func() {
			if s.calls != call {
				return // of a call that was begun without
			}
			s.last = false
			if !s.packing && len(s.together) > 0 && s.mostWait() {
				s.start()
			}
		})
	}
}

// grace is that of internal/batch, in seconds.
const grace = 0.02

func (s *simulation) mostWait() bool {
	return s.walking < min(s.rules.Jobs, (s.walking+len(s.together)+3)/4)
}

// start compresses what waits.
func (s *simulation) start() {
	s.last = false
	s.calls++
	n, tarballs := 0, 0
	for n < len(s.together) && (n == 0 || tarballs+s.together[n].r.Cells <= s.rules.Together) {
		tarballs += s.together[n].r.Cells
		n++
	}
	batch := s.together[:n:n]
	s.together = s.together[n:]
	s.packing = true
	s.pack(batch, func() {
		s.packing = false
		s.walking += len(batch)
		for _, w := range batch {
			w.then()
		}
		s.begin()
	})
}

// pack searches what is distinct in a batch, in pieces on all cores, and codes each
// tarball piece by piece.
func (s *simulation) pack(batch []waiting, then func()) {
	groups := map[int]bool{}
	search := 0.0
	left := 0
	done := func() {
		if left--; left == 0 {
			then()
		}
	}
	for _, w := range batch {
		search += w.r.Own
		if !groups[w.r.Group] {
			groups[w.r.Group] = true
			search += w.r.Shared
		}
	}
	s.out.Searched += search
	pieces := func(mb float64) int { return max(1, int(math.Ceil(mb/piece))) }
	left = pieces(search)
	for _, w := range batch {
		left += w.r.Cells
	}
	n := pieces(search)
	for range n {
		s.work(s.costs.Search*search/float64(n), done)
	}
	for _, w := range batch {
		mb := w.r.tar() / float64(w.r.Cells)
		k := pieces(mb)
		var code func(i int)
		code = func(i int) {
			if i == k {
				done()
				return
			}
			s.work(s.costs.Code*mb/float64(k), func() { code(i + 1) })
		}
		for range w.r.Cells {
			code(0)
		}
	}
}
