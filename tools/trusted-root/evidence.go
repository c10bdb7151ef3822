package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"facerec/internal/atomicfile"
	"facerec/internal/trust"
)

// evidence is the TUF metadata that is known, none of it believed for that.
type evidence struct {
	roots   map[int64][]byte // root.json by its version
	targets []byte
}

// maxMetadata bounds one file of TUF metadata, in bytes; they have 6 kB.
const maxMetadata = 1 << 20

// addRoot refuses a second root of a version that is known.
func (e *evidence) addRoot(data []byte) error {
	h, err := trust.RootHead(data)
	if err != nil {
		return err
	}
	if known, ok := e.roots[h.Version]; ok && !bytes.Equal(known, data) {
		return fmt.Errorf("root.json %d: two files of that version differ", h.Version)
	}
	if e.roots == nil {
		e.roots = map[int64][]byte{}
	}
	e.roots[h.Version] = data
	return nil
}

// add takes a file by its name, if it is one of those that are wanted.
func (e *evidence) add(name string, data []byte) error {
	switch {
	case strings.HasSuffix(name, ".root.json"):
		return e.addRoot(data)
	case name == targetsFile || strings.HasSuffix(name, "."+targetsFile):
		e.targets = data
	}
	return nil
}

// and is both; the other's targets.json is taken where it has one.
func (e evidence) and(other evidence) (evidence, error) {
	sum := evidence{roots: maps.Clone(e.roots), targets: e.targets}
	for _, data := range other.roots {
		if err := sum.addRoot(data); err != nil {
			return evidence{}, err
		}
	}
	if other.targets != nil {
		sum.targets = other.targets
	}
	return sum, nil
}

func (e evidence) prove(anchor, data []byte) (trust.Proof, error) {
	t := trust.Evidence{Targets: e.targets}
	for _, version := range slices.Sorted(maps.Keys(e.roots)) {
		t.Roots = append(t.Roots, e.roots[version])
	}
	return trust.Prove(anchor, t, target, data)
}

// after is what is needed to go on from a version of the root.
func (e evidence) after(version int64) evidence {
	roots := maps.Clone(e.roots)
	maps.DeleteFunc(roots, func(v int64, _ []byte) bool { return v <= version })
	return evidence{roots, e.targets}
}

// readEvidence finds metadata in a directory, at any depth: N.root.json and
// targets.json.
func readEvidence(dir string) (evidence, error) {
	var e evidence
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() != targetsFile && !strings.HasSuffix(d.Name(), ".root.json") {
			return err
		}
		data, err := atomicfile.ReadFile(path, maxMetadata)
		if err == nil {
			err = e.add(d.Name(), data)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
	return e, err
}

// ask goes to the repository as any client of TUF does, which also shows that the
// target is its newest, and keeps what it served.
func (r request) ask(ctx context.Context, data []byte) (evidence, error) {
	state, err := os.MkdirTemp("", "trusted-root-")
	if err != nil {
		return evidence{}, err
	}
	defer os.RemoveAll(state)
	var e evidence
	var wrong error
	kept, err := trust.Update(ctx, trust.Request{
		Mirror: r.repository, Anchor: r.anchor, State: state, Now: r.now, Transport: http.DefaultTransport, UserAgent: "trusted-root",
		Seen: func(url string, data []byte) { wrong = errors.Join(wrong, e.add(path.Base(url), data)) },
	})
	if err == nil {
		err = wrong
	}
	if err == nil && !bytes.Equal(kept.Root, data) {
		err = fmt.Errorf("%s: the package's is not the one that %s has now", target, r.repository)
	}
	return e, err
}

// say writes what is shown, and what is not.
func say(w io.Writer, p trust.Proof, begins string) {
	chain := fmt.Sprintf("each root from %d on signed by the one before and by itself, beginning with root %d, which %s", p.Anchor+1, p.Anchor, begins)
	if p.Root.Version == p.Anchor {
		chain = "it is the root that " + begins
	}
	fmt.Fprintf(w, "proven      TUF root %d, until %s: %s\n", p.Root.Version, p.Root.Expires.Format(time.RFC3339), chain)
	fmt.Fprintf(w, "proven      %s: TUF targets %d, until %s, signed by as many keys as that root asks for, list its hash\n", target, p.Targets.Version, p.Targets.Expires.Format(time.RFC3339))
	fmt.Fprintf(w, "not proven  that nothing newer was published: only the repository's timestamp shows that, for days; 'releaser trust update' asks for it\n")
	fmt.Fprintf(w, "not proven  version, integrity and date of the npm package: npm's word; nothing that is proven rests on it\n")
}
