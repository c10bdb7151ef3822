package batch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
	"facerec/internal/text"
)

// stateSchema is the first field of each line of a state file.
const stateSchema = "releaser.verify-list-state/v1"

// MaxState bounds a state file, in bytes.
const MaxState = 1 << 30

// State keeps the lines of finished releases in a file. A nil State keeps none.
type State struct {
	mu      sync.Mutex
	journal *atomicfile.Journal
	known   map[release.Digest]entry // by the digest of the name
	lines   int                      // in the file
}

// entry is the newest line of a release.
type entry struct {
	inputs release.Digest
	at     int64
}

// stateLine is a line of the file.
type stateLine struct {
	Schema string         `json:"schema"`
	Inputs release.Digest `json:"inputs"` // of all that decided the result
	Result Line           `json:"result"`
}

// OpenState opens a state file, which is made if it does not exist. Lines that are
// damaged are dropped, and warn is told; their releases are done again.
func OpenState(ctx context.Context, path string, warn func(string)) (*State, error) {
	s := &State{known: map[release.Digest]entry{}}
	foreign := 0
	journal, damaged, err := atomicfile.OpenJournal(ctx, path, MaxState, func(at int64, raw []byte) {
		s.lines++
		var l stateLine
		if err := json.Unmarshal(raw, &l); err != nil || l.Schema != stateSchema {
			foreign++
			return
		}
		s.known[nameKey(l.Result.Release)] = entry{l.Inputs, at}
	})
	if err != nil {
		return nil, err
	}
	// A file of something else is never written to: its lines have no sums.
	if damaged > 1 && s.lines == 0 {
		_ = journal.Close()
		return nil, fmt.Errorf("state %s: expected the state of an earlier run, got another file", path)
	}
	if foreign += damaged; foreign > 0 {
		warn(fmt.Sprintf("state %s: %s damaged: what they say is verified again", path, text.CountForms(foreign, "line is", "lines are")))
	}
	s.journal = journal
	return s, nil
}

func nameKey(name string) release.Digest { return release.DigestBytes([]byte(name)) }

// Find returns the line of a release that was finished with the same inputs: the
// digest of all that decides what comes of it.
func (s *State) Find(name string, inputs release.Digest) (Line, bool) {
	if s == nil {
		return Line{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.known[nameKey(name)]
	if !ok || e.inputs != inputs {
		return Line{}, false
	}
	raw, err := s.journal.Line(e.at)
	var l stateLine
	if err != nil || json.Unmarshal(raw, &l) != nil || l.Inputs != inputs || l.Result.Release != name {
		return Line{}, false // it is done again
	}
	return l.Result, true
}

// put keeps the line of a finished release.
func (s *State) put(inputs release.Digest, l Line) error {
	if s == nil {
		return nil
	}
	raw, err := json.Marshal(stateLine{stateSchema, inputs, l})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, err := s.journal.Append(raw)
	if err != nil {
		return err
	}
	s.lines++
	s.known[nameKey(l.Release)] = entry{inputs, at}
	return nil
}

// Close closes the file. Where most of its lines are of the past, it is written
// anew without them.
func (s *State) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines > 2*len(s.known)+100 {
		var places []int64
		for _, e := range s.known {
			places = append(places, e.at)
		}
		slices.Sort(places)
		if _, err := s.journal.Keep(places); err != nil {
			_ = s.journal.Close()
			return err
		}
	}
	return s.journal.Close()
}
