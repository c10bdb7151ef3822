// Package benchset is what releases are measured on: sets of images of a known
// make in a registry on loopback, the shell scripts that people use today, and
// runs of both in turn.
//
// A [Stage] has the registry, distribution's, behind a proxy that counts the bytes
// that come back; [Stage.Set] makes images with bin/releaser and pushes them;
// [Stage.InTurn] runs commands A B A B and gives medians. The scripts make the
// same bytes as releaser does, or the comparison is of nothing.
//
// It is equipment and no part of a release: nothing in the programs imports it.
package benchset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"facerec/internal/loopback"
)

// Stage is where things are measured.
type Stage struct {
	Dir             string // where to work; "": a directory that Open makes and Close removes
	Runs            int    // of each command
	Weights         int    // MB of float weights a lineage
	Numbers         bool   // they are numbers alone, without models: more of them are more of the same
	Programs        bool   // what each of many releases has of its own are programs
	Lineages        int    // of three platforms each
	Small           int    // files in the set of small files
	Releaser, Crane string // programs
	Link            Link   // to the registry

	ctx      context.Context
	own      bool // Dir goes away with Close
	registry *loopback.Registry
	meters   []*meter // the registry's first
	aside    []string // directories that Close removes
}

// Open starts the registry and finds the programs. bin/releaser must be there.
func (s *Stage) Open(ctx context.Context) (err error) {
	s.ctx = ctx
	if s.Dir == "" {
		if s.Dir, err = os.MkdirTemp("", "releaser-bench-"); err != nil {
			return err
		}
		s.own = true
	}
	if s.Releaser, err = filepath.Abs("bin/releaser"); err != nil {
		return err
	}
	if _, err := os.Stat(s.Releaser); err != nil {
		return errors.New("bin/releaser not found: run make releaser")
	}
	if s.Crane, err = loopback.Tool(ctx, "crane"); err != nil {
		return err
	}
	storage := filepath.Join(s.Dir, "storage")
	if err := os.MkdirAll(storage, 0o755); err != nil {
		return err
	}
	if s.registry, err = loopback.NewRegistry(ctx, storage); err != nil {
		return err
	}
	if err := os.Setenv("RELEASER_REGISTRY", s.registry.Addr); err != nil { // verify goes to no other one on this machine
		return err
	}
	return s.front(s.registry.Addr, s.Link)
}

// Front puts a proxy that counts before a server at HOST:PORT and returns the
// proxy's address.
func (s *Stage) Front(addr string) (string, error) {
	err := s.front(addr, Link{})
	return s.meters[len(s.meters)-1].Addr, err
}

func (s *Stage) front(addr string, l Link) error {
	m, err := newMeter(addr, l)
	if err == nil {
		s.meters = append(s.meters, m)
	}
	return err
}

// Close stops the registry and tidies up.
func (s *Stage) Close() {
	for _, m := range s.meters {
		m.Close()
	}
	if s.registry != nil {
		s.registry.Close()
	}
	for _, dir := range s.aside {
		_ = os.RemoveAll(dir)
	}
	if s.own {
		_ = os.RemoveAll(s.Dir)
	}
}

// Addr is the registry, by way of the proxy.
func (s *Stage) Addr() string { return s.meters[0].Addr }

// Machine prints on what all of this ran.
func Machine() {
	cpu := "unknown CPU"
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				cpu = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	fmt.Printf("%s, %d cores (%s), %s\n", runtime.Version(), runtime.NumCPU(), cpu, time.Now().UTC().Format("2006-01-02"))
	for _, tool := range []string{"tar", "gzip"} {
		if out, err := exec.Command(tool, "--version").Output(); err == nil {
			line, _, _ := strings.Cut(string(out), "\n")
			fmt.Println(line)
		}
	}
}
