package trust_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/trust"
)

// TestProve has what the renewal's own test has not: the edges of one proof.
func TestProve(t *testing.T) {
	r, ask := repository(t)
	root2, err := r.PublishRoot()
	must(t, err)
	r.Targets.Signed.Expires = now.Add(30 * day)
	must(t, r.Next())
	targets := r.Files()["2.targets.json"]
	const name = "trusted_root.json"

	p, err := trust.Prove(ask.Anchor, trust.Evidence{Roots: [][]byte{ask.Anchor, root2}, Targets: targets}, name, []byte(first))
	if err != nil || p.Anchor != 1 || p.Root.Version != 2 || p.Targets.Version != 2 || !p.Targets.Expires.Equal(now.Add(30*day)) {
		t.Errorf("got %+v, %v", p, err)
	}
	if p, err := trust.Prove(root2, trust.Evidence{Roots: [][]byte{ask.Anchor, root2}, Targets: targets}, name, []byte(first)); err != nil || p.Anchor != 2 || p.Root.Version != 2 {
		t.Errorf("from a newer anchor: got %+v, %v", p, err)
	}
	var unsigned *trust.UnsignedError
	if _, err := trust.Prove(ask.Anchor, trust.Evidence{Targets: targets}, name, []byte(first+" ")); !errors.As(err, &unsigned) || unsigned.Targets != 2 {
		t.Errorf("got %v, want that it is not what was signed", err)
	}
	unhashed := r.Targets.Signed.Targets[name]
	unhashed.Hashes = nil
	r.Targets.Signed.Version++
	must(t, r.Publish())
	for want, c := range map[string]struct {
		anchor []byte
		e      trust.Evidence
		name   string
		data   string
	}{
		"targets.json: not found":        {ask.Anchor, trust.Evidence{}, name, first},
		"does not list other.json":       {ask.Anchor, trust.Evidence{Targets: targets}, "other.json", first},
		"targets.json: hashes must not":  {ask.Anchor, trust.Evidence{Targets: r.Files()["3.targets.json"]}, name, first},
		"the root.json to begin with":    {[]byte("{}"), trust.Evidence{Targets: targets}, name, first},
		"expected at most 4194304 bytes": {ask.Anchor, trust.Evidence{Targets: make([]byte, 5<<20)}, name, first},
		"root.json: expected at most":    {ask.Anchor, trust.Evidence{Roots: [][]byte{make([]byte, 5<<20)}}, name, first},
		"targets.json: ":                 {ask.Anchor, trust.Evidence{Targets: []byte("<html>\n")}, name, first},
		"expected root.json 2":           {ask.Anchor, trust.Evidence{Roots: [][]byte{[]byte(strings.Replace(string(root2), `"version":2`, `"version":3`, 1))}}, name, first},
	} {
		if _, err := trust.Prove(c.anchor, c.e, c.name, []byte(c.data)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %q on one line", err, want)
		}
	}
}

// FuzzProve feeds metadata that nobody signed beside what the public-good instance
// did: no panic, and no proof for another target.
func FuzzProve(f *testing.F) {
	dir := filepath.Join("..", "verify", "roots")
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	data := read("public-good.json")
	f.Add(read("public-good.tuf/15.root.json"), read("public-good.tuf/targets.json"))
	f.Add([]byte(`{"signed":null,"signatures":[{}]}`), []byte(`{"signed":{"targets":{"trusted_root.json":null}}}`))
	f.Add([]byte(strings.Repeat(`{"signed":`, 9000)), []byte("[]"))
	f.Fuzz(func(t *testing.T, root, targets []byte) {
		e := trust.Evidence{Roots: [][]byte{root}, Targets: targets}
		if p, err := trust.Prove(nil, e, "trusted_root.json", data); err == nil && (p.Root.Version < p.Anchor || p.Targets.Version < 1) {
			t.Errorf("got %+v", p)
		}
		if _, err := trust.Prove(nil, e, "trusted_root.json", append([]byte(" "), data...)); err == nil {
			t.Error("another target was proven")
		}
	})
}
