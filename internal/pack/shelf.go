package pack

import (
	"errors"
	"sync"

	"facerec/internal/oci"
	"facerec/internal/oci/layer"
	"facerec/internal/tarball"
)

// maxHeld is how many entries of layers a shelf keeps in memory, about 200 bytes
// each, before another begins.
const maxHeld = 300_000

// Shelves keep what was read of layers for the releases that come after: each layer
// is read once. When a shelf is full, a new one is begun for what comes then, and
// the old one goes with the last that uses it; so a layer that is needed again
// much later is read again.
type Shelves struct {
	Limit  int64 // bytes of contents on disk after which a shelf is full
	Limits layer.Limits

	// Extra, if not nil, adds the files of config.json's extract.files to a spool.
	Extra func(*tarball.Spool) ([]tarball.Entry, error)

	mu  sync.Mutex
	now *Shelf
}

// Shelf is what several releases at a time share.
type Shelf struct {
	spool    *tarball.Spool
	unpacker *layer.Unpacker
	extra    []tarball.Entry

	all   *Shelves
	users int
	old   bool // nobody is given it any more
}

// Take returns the shelf for a release. [Shelf.Done] gives it back.
func (s *Shelves) Take() (*Shelf, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil && (s.now.spool.Size() > s.Limit || s.now.unpacker.Held() > maxHeld) {
		if err := s.retire(); err != nil {
			return nil, err
		}
	}
	if s.now == nil {
		spool, err := tarball.NewSpool("")
		if err != nil {
			return nil, err
		}
		shelf := &Shelf{spool: spool, unpacker: layer.NewUnpacker(spool, s.Limits), all: s}
		if s.Extra != nil {
			if shelf.extra, err = s.Extra(spool); err != nil {
				return nil, errors.Join(err, spool.Close())
			}
		}
		s.now = shelf
	}
	s.now.users++
	return s.now, nil
}

// retire gives the shelf to nobody any more.
func (s *Shelves) retire() error {
	old := s.now
	s.now = nil
	if old == nil {
		return nil
	}
	old.old = true
	if old.users == 0 {
		return old.spool.Close()
	}
	return nil
}

// Close frees what is kept, once nobody uses it any more.
func (s *Shelves) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retire()
}

// Done says that a release is finished: what came from the shelf cannot be read any
// more.
func (s *Shelf) Done() error {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if s.users--; s.users == 0 && s.old {
		return s.spool.Close()
	}
	return nil
}

// Images returns the images of one release. Its layers are not read ahead: several
// releases are under way.
func (s *Shelf) Images(access oci.Access, override *oci.Ref) *Images {
	return &Images{Access: access, Override: override, Extra: s.extra, Unpacker: s.unpacker.Another(), Workers: 1, Keep: true}
}
