package sign

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"facerec/internal/release"
)

// PredicateProvenance is SLSA's predicate type for how something was made,
// version 1 (https://slsa.dev/spec/v1.0/provenance).
const PredicateProvenance = "https://slsa.dev/provenance/v1"

// The build types name what the parameters of a provenance mean.
const (
	// A directory of each platform's image was packed as release.json says.
	packType = "urn:facerec:releaser:pack:1"
	// build_cmd of config.json was run, and its artifacts put into an image.
	buildType = "urn:facerec:releaser:build:1"
)

// Input is what a release was made from, by its name: a file and its hash, or the
// git commit of all sources.
type Input struct {
	Name   string
	Digest release.Digest
	Commit string // instead of a digest
}

func (in Input) material() material {
	if in.Commit != "" {
		return material{Name: in.Name, Digest: hexSum{Commit: in.Commit}}
	}
	return materialOf("", in.Name, in.Digest)
}

// ProvenanceStatement says where the tarballs of a release come from. The subjects are
// each tarball's file and its tar stream, the latter under the name without .gz:
// whoever compresses otherwise still has the same tar. The materials are of each
// image the index, the platform manifest, its configuration and its layers, and
// then the inputs, in the order given. builder is a URI that names who made it.
func ProvenanceStatement(r release.Record, inputs []Input, builder string) ([]byte, error) {
	if len(r.Cells) == 0 {
		return nil, errors.New("sign: a release without cells has no provenance")
	}
	if builder == "" {
		return nil, errors.New("sign: no builder was named")
	}
	st := statement{Type: statementType, PredicateType: PredicateProvenance}
	var materials []material
	seen := map[material]bool{}
	add := func(m material) {
		if !seen[m] {
			seen[m] = true
			materials = append(materials, m)
		}
	}
	for _, c := range r.Cells {
		st.Subject = append(st.Subject,
			subject{c.Asset, map[string]string{"sha256": c.FileSHA256.Hex()}},
			subject{strings.TrimSuffix(c.Asset, ".gz"), map[string]string{"sha256": c.TarSHA256.Hex()}})
		for _, p := range c.Packages {
			st.Subject = append(st.Subject, subject{p.Asset, map[string]string{"sha256": p.FileSHA256.Hex()}})
		}
		add(materialOf(c.Image+"@"+c.IndexDigest.String(), c.Lineage, c.IndexDigest))
		add(materialOf(c.Image+"@"+c.ManifestDigest.String(), c.String(), c.ManifestDigest))
		if c.ConfigDigest != nil {
			add(materialOf("", "image configuration of "+c.String(), *c.ConfigDigest))
		}
		for _, l := range c.Layers {
			add(materialOf("", "layer", l)) // several cells may share one
		}
	}
	for _, in := range inputs {
		add(in.material())
	}
	st.Predicate = predicate{
		BuildDefinition: definition{BuildType: packType, External: external{r.Project, string(r.Version), r.Epoch}, Materials: materials},
		RunDetails:      details{Builder: builderID{builder}},
	}
	text, err := json.Marshal(st)
	if err != nil {
		return nil, fmt.Errorf("sign: provenance: %w", err)
	}
	return text, nil
}

// ImageProvenance is the predicate, of type PredicateProvenance, that says what an
// image was built from: the inputs, in the order given.
func ImageProvenance(inputs []Input, builder string) (json.RawMessage, error) {
	materials := []material{}
	for _, in := range inputs {
		materials = append(materials, in.material())
	}
	return json.Marshal(predicate{
		BuildDefinition: definition{BuildType: buildType, External: struct{}{}, Materials: materials},
		RunDetails:      details{Builder: builderID{builder}},
	})
}

// The parts of a provenance, in the order in which they are written.
type (
	predicate struct {
		BuildDefinition definition `json:"buildDefinition"`
		RunDetails      details    `json:"runDetails"`
	}
	definition struct {
		BuildType string     `json:"buildType"`
		External  any        `json:"externalParameters"`
		Materials []material `json:"resolvedDependencies"`
	}
	external struct {
		Project string `json:"project"`
		Version string `json:"version"`
		Epoch   int64  `json:"epoch"`
	}
	material struct {
		URI    string `json:"uri,omitempty"`
		Name   string `json:"name,omitempty"`
		Digest hexSum `json:"digest"`
	}
	hexSum struct {
		Hex    string `json:"sha256,omitempty"`
		Commit string `json:"gitCommit,omitempty"`
	}
	details struct {
		Builder builderID `json:"builder"`
	}
	builderID struct {
		ID string `json:"id"`
	}
)

func materialOf(uri, name string, d release.Digest) material {
	return material{uri, name, hexSum{Hex: d.Hex()}}
}
