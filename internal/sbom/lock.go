package sbom

import (
	"encoding/json"
	"fmt"

	"facerec/internal/release"
)

// The lock files that are understood, by their "schema".
const (
	InputsSchema = "facerec/inputs/v1"
	ModelsSchema = "facerec/models/v1"
)

// Locks are what a build is made from, as lock files pin it. The zero value
// pins nothing.
type Locks struct {
	Go        string // "go1.26.8"
	Modules   []LockedModule
	Compilers []LockedCompilers
	Pins      []LockedPin
	Models    []LockedModel
}

// LockedModule is a Go module with its checksum as go.sum has it.
type LockedModule struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum"`
}

// LockedCompilers are the packages that compile for a platform, on machines of one kind.
type LockedCompilers struct {
	Platform string `json:"platform"`
	Host     string `json:"host"` // "" for those that the others have to make the same bytes as
	Packages []struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"packages"`
}

// LockedPin is a file of a distribution.
type LockedPin struct {
	Use     string            `json:"use"`  // a lineage, or what it is for
	Kind    string            `json:"kind"` // "deb", "source"
	Suite   string            `json:"suite"`
	Name    string            `json:"name"`
	Arch    string            `json:"arch"` // as Debian spells it
	Version string            `json:"version"`
	File    string            `json:"file"`
	SHA256  release.HexDigest `json:"sha256"`
}

// LockedModel is a file of trained weights.
type LockedModel struct {
	Name    string            `json:"name"`
	SHA256  release.HexDigest `json:"sha256"`
	Licence string            `json:"licence"` // SPDX identifier
	Author  string            `json:"author"`
}

// Read adds what a lock file pins. name is only for errors. Keys that are not
// known are skipped: whoever fetches by the lock checks it in full.
func (l *Locks) Read(name string, data []byte) error {
	var in struct {
		Schema    string            `json:"schema"`
		Go        string            `json:"go"`
		Modules   []LockedModule    `json:"modules"`
		Compilers []LockedCompilers `json:"compilers"`
		Pins      []LockedPin       `json:"pins"`
		Models    []LockedModel     `json:"models"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("lock file %s: %w", name, err)
	}
	switch in.Schema {
	case InputsSchema:
		for i, p := range in.Pins {
			if p.Name == "" || p.Version == "" || p.SHA256.IsZero() {
				return fmt.Errorf("lock file %s: pin %d (%q): expected name, version and sha256", name, i, p.Name)
			}
		}
		l.Go = in.Go
		l.Modules = append(l.Modules, in.Modules...)
		l.Compilers = append(l.Compilers, in.Compilers...)
		l.Pins = append(l.Pins, in.Pins...)
	case ModelsSchema:
		for i, m := range in.Models {
			if m.Name == "" || m.SHA256.IsZero() {
				return fmt.Errorf("lock file %s: model %d (%q): expected name and sha256", name, i, m.Name)
			}
		}
		l.Models = append(l.Models, in.Models...)
	default:
		return fmt.Errorf("lock file %s: schema %q is not known: expected %s or %s", name, in.Schema, InputsSchema, ModelsSchema)
	}
	return nil
}

// debianArch is how Debian spells a platform.
func debianArch(p release.Platform) string {
	if p.Arch == "arm" {
		return "armhf"
	}
	return p.Arch
}

// forCell picks the pins that a cell is made from. A pin whose use is a lineage
// belongs to that lineage and to the architecture it names; any other belongs
// to all.
func (l Locks) forCell(cell release.Cell, lineages []release.Lineage) []LockedPin {
	var out []LockedPin
	for _, p := range l.Pins {
		ofLineage := false
		for _, lin := range lineages {
			ofLineage = ofLineage || lin.Name == p.Use
		}
		if ofLineage && (p.Use != cell.Lineage.Name || p.Arch != "" && p.Arch != "all" && p.Arch != debianArch(cell.Platform)) {
			continue
		}
		out = append(out, p)
	}
	return out
}
