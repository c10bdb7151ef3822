// Package rebuild compares a release with what its sources make here.
//
// An [Outcome] is what a rebuild came to: for each cell, at each [Level], what the
// signed release names and what was built, and where it was built. It is a value
// that can be signed: it has no time, and its lists are in one order.
package rebuild

import (
	"slices"
	"strings"

	"facerec/internal/release"
)

// Verdict is how a comparison ended.
type Verdict string

// The verdicts. What was skipped is never the same.
const (
	Same    Verdict = "same"
	Differs Verdict = "differs"
	Failed  Verdict = "failed" // of a cell: its build failed
	Skipped Verdict = "skipped"
)

// Level is what is compared. Each level is made of the one before it.
type Level string

// The levels, in the order in which they are compared.
const (
	LevelProgram  Level = "program"  // a file in the directory that the tarball is made of
	LevelLayer    Level = "layer"    // a layer, as it lies in the registry
	LevelConfig   Level = "config"   // the image's configuration
	LevelManifest Level = "manifest" // the platform's manifest
	LevelTar      Level = "tar"      // the tar stream inside the tarball
	LevelFile     Level = "file"     // the tarball
	LevelPackage  Level = "package"  // a system package
)

// Outcome is what a rebuild of a release came to.
type Outcome struct {
	Project   string          `json:"project"`
	Version   release.Version `json:"version"`
	Checksums release.Digest  `json:"checksums"` // of checksums.txt, which the release's signer signed

	Cells       []Cell      `json:"cells"`   // that were asked for, in the order of release.json
	Indexes     []Index     `json:"indexes"` // of the lineages of which every cell was asked for
	Environment Environment `json:"environment"`
}

// Index is the image index of a lineage. It is skipped if a cell of the lineage
// could not be built here.
type Index struct {
	Lineage string         `json:"lineage"`
	Image   string         `json:"image"` // REPOSITORY:TAG, as release.json has it
	Digest  release.Digest `json:"digest"`
	Verdict Verdict        `json:"verdict"`
	Why     string         `json:"why,omitempty"` // it was skipped
	Got     release.Digest `json:"got,omitzero"`
}

// Cell is one cell, rebuilt.
type Cell struct {
	Name     string           `json:"name"` // "dlib19/linux/arm/v7"
	Lineage  string           `json:"lineage"`
	Platform release.Platform `json:"platform"`
	Asset    string           `json:"asset"` // file name of the tarball
	Image    string           `json:"image"` // REPOSITORY:TAG, as release.json has it

	// Verdict is Same if each comparison is. It is Skipped if this machine cannot build
	// the cell, and Failed if its build failed, for the reason in Why. The index of its lineage is not part of it.
	Verdict Verdict `json:"verdict"`
	Why     string  `json:"why,omitempty"`

	Compared []Comparison `json:"compared,omitempty"` // by level; programs by name, layers from the lowest
}

// Comparison is one level of a cell, or a part of it. A zero digest stands for
// what one side does not have.
type Comparison struct {
	Level    Level          `json:"level"`
	Name     string         `json:"name"` // file name; "layer 1", "layer 2", … for layers
	Verdict  Verdict        `json:"verdict"`
	Why      string         `json:"why,omitempty"`     // it was skipped
	Expected release.Digest `json:"expected,omitzero"` // sha256 that the signed release names
	Got      release.Digest `json:"got,omitzero"`      // sha256 of what was built
}

// Environment is where and with what the release was rebuilt.
type Environment struct {
	Releaser  string     `json:"releaser"`         // version of this program
	System    string     `json:"system"`           // "linux/amd64"
	Go        string     `json:"go,omitempty"`     // "go1.26.8", as 'go env GOVERSION' says in the sources
	Compilers []Compiler `json:"compilers"`        // that the programs name, sorted
	Commit    string     `json:"commit,omitempty"` // git commit of the sources
	Inputs    []Input    `json:"inputs"`           // configuration and lock files, as the provenance names them
}

// Compiler is a compiler that built some of the release.
type Compiler struct {
	Name    string         `json:"name"`
	Version string         `json:"version"`
	SHA256  release.Digest `json:"sha256,omitzero"` // of its program, if known
}

// Input is a file that says what a release is built from.
type Input struct {
	Name   string         `json:"name"`
	SHA256 release.Digest `json:"sha256"`
}

// Subject is something of the release that the rebuild speaks about, under the
// digest that the signed release names.
type Subject struct {
	Name    string
	Digest  release.Digest
	Verdict Verdict // Same or Differs
}

// Subjects lists what was compared: of each cell that was built the tarball, its
// tar stream, under the name without .gz, and the image's manifest; then the
// indexes. Nothing that was skipped is a subject.
func (o Outcome) Subjects() []Subject {
	var out []Subject
	for _, c := range o.Cells {
		for _, x := range []struct {
			level Level
			name  string
		}{
			{LevelFile, c.Asset}, {LevelTar, strings.TrimSuffix(c.Asset, ".gz")}, {LevelManifest, c.Image + " " + c.Platform.String()},
		} {
			i := slices.IndexFunc(c.Compared, func(m Comparison) bool { return m.Level == x.level })
			if i >= 0 && c.Compared[i].Verdict != Skipped {
				out = append(out, Subject{x.name, c.Compared[i].Expected, c.Compared[i].Verdict})
			}
		}
	}
	for _, ix := range o.Indexes {
		if ix.Verdict != Skipped {
			out = append(out, Subject{ix.Image, ix.Digest, ix.Verdict})
		}
	}
	return out
}

// Verdict is the worst of all: Differs if anything does, else Failed if a build did,
// else Skipped if anything was, else Same. An outcome without cells is skipped.
func (o Outcome) Verdict() Verdict {
	var all []Verdict
	for _, c := range o.Cells {
		all = append(all, c.Verdict)
	}
	for _, ix := range o.Indexes {
		all = append(all, ix.Verdict)
	}
	if len(o.Cells) == 0 {
		return Skipped
	}
	return worst(all...)
}

// worst is the verdict of several.
func worst(all ...Verdict) Verdict {
	for _, v := range []Verdict{Differs, Failed, Skipped} {
		if slices.Contains(all, v) {
			return v
		}
	}
	return Same
}
