package trust

import (
	"fmt"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"facerec/internal/text"
)

// Evidence is TUF metadata, as its repository publishes it, that shows without the
// repository who signed a target.
type Evidence struct {
	Roots   [][]byte // root.json in the order of their versions; those up to the anchor's are skipped
	Targets []byte   // targets.json
}

// Proof is what evidence shows. It does not show that nothing newer was published:
// only a repository's timestamp does, and [Update] asks for it.
type Proof struct {
	Anchor  int64    // version of the root that was trusted to begin with
	Root    Metadata // the last root: each one was signed by the one before and by itself
	Targets Metadata // signed by the targets role of that root; it lists the target with this hash and length
}

// Prove holds a target to evidence, beginning with an anchor: nil for the one of the
// public-good instance. It does not look at the clock: expiry is in the proof, for
// the caller to judge. No file may exceed the limit on a target.
func Prove(anchor []byte, e Evidence, target string, data []byte) (p Proof, err error) {
	defer func() {
		if r := recover(); r != nil { // metadata that a library cannot cope with
			p, err = Proof{}, fmt.Errorf("TUF metadata: cannot be read: %s", text.Line(fmt.Sprint(r), maxErrorText))
		}
	}()
	trusted, first, err := proveRoots(anchor, e.Roots)
	if err != nil {
		return Proof{}, err
	}
	root := trusted.Root
	if len(e.Targets) == 0 {
		return Proof{}, fmt.Errorf("targets.json: not found, so nobody is shown to have signed %s", target)
	}
	if len(e.Targets) > maxTarget || len(data) > maxTarget {
		return Proof{}, fmt.Errorf("targets.json and %s: expected at most %d bytes, got %d and %d", target, maxTarget, len(e.Targets), len(data))
	}
	targets, err := metadata.Targets().FromBytes(e.Targets)
	if err == nil {
		err = root.VerifyDelegate(metadata.TARGETS, targets)
	}
	if err != nil {
		return Proof{}, fmt.Errorf("targets.json: %s", text.Line(err.Error(), maxErrorText))
	}
	file, listed := targets.Signed.Targets[target]
	if !listed {
		return Proof{}, fmt.Errorf("targets.json %d: does not list %s", targets.Signed.Version, target)
	}
	if err := file.VerifyLengthHashes(data); err != nil {
		return Proof{}, &UnsignedError{target, targets.Signed.Version, err}
	}
	return Proof{
		Anchor:  first,
		Root:    Metadata{metadata.ROOT, root.Signed.Version, root.Signed.Expires.UTC()},
		Targets: Metadata{metadata.TARGETS, targets.Signed.Version, targets.Signed.Expires.UTC()},
	}, nil
}

// UnsignedError says that a target is not the one that was signed.
type UnsignedError struct {
	Target  string
	Targets int64 // version of targets.json
	Err     error
}

func (e *UnsignedError) Error() string {
	return fmt.Sprintf("%s: is not what targets.json %d lists: %s", e.Target, e.Targets, text.Line(e.Err.Error(), maxErrorText))
}

func (e *UnsignedError) Unwrap() error { return e.Err }

// proveRoots goes up from the anchor, and says which version that was.
func proveRoots(anchor []byte, roots [][]byte) (*trustedmetadata.TrustedMetadata, int64, error) {
	if anchor == nil {
		anchor = tuf.DefaultRoot()
	}
	trusted, err := trustedmetadata.New(anchor)
	if err != nil {
		return nil, 0, fmt.Errorf("the root.json to begin with: %s", text.Line(err.Error(), maxErrorText))
	}
	first := trusted.Root.Signed.Version
	for _, data := range roots {
		h, err := RootHead(data)
		if err != nil {
			return nil, 0, err
		}
		if h.Version <= first {
			continue
		}
		if want := trusted.Root.Signed.Version + 1; h.Version != want {
			return nil, 0, fmt.Errorf("root.json %d: expected root.json %d, which signs what follows it", h.Version, want)
		}
		if _, err := trusted.UpdateRoot(data); err != nil {
			return nil, 0, fmt.Errorf("root.json %d: %s", h.Version, text.Line(err.Error(), maxErrorText))
		}
	}
	return trusted, first, nil
}

// RootHead reads a root.json's version and expiry. Whether anybody signed it is for
// [Prove] to say.
func RootHead(data []byte) (Metadata, error) {
	if len(data) > maxTarget {
		return Metadata{}, fmt.Errorf("root.json: expected at most %d bytes, got %d", maxTarget, len(data))
	}
	m, err := metadata.Root().FromBytes(data)
	if err != nil {
		return Metadata{}, fmt.Errorf("root.json: %s", text.Line(err.Error(), maxErrorText))
	}
	if m.Signed.Version < 1 || m.Signed.Expires.IsZero() {
		return Metadata{}, fmt.Errorf("root.json: expected a version and an expiry, got %d and %s", m.Signed.Version, m.Signed.Expires.Format(time.RFC3339))
	}
	return Metadata{metadata.ROOT, m.Signed.Version, m.Signed.Expires.UTC()}, nil
}

// seeing shows each file that a fetcher brings to the one who asked for it.
type seeing struct {
	fetcher interface {
		DownloadFile(url string, maxLength int64, timeout time.Duration) ([]byte, error)
	}
	seen func(url string, data []byte)
}

func (s seeing) DownloadFile(url string, maxLength int64, timeout time.Duration) ([]byte, error) {
	data, err := s.fetcher.DownloadFile(url, maxLength, timeout)
	if err == nil {
		s.seen(url, data)
	}
	return data, err
}
