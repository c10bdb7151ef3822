package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"facerec/internal/release"
	"facerec/internal/text"
)

// differencesFile explains what our SPDX documents have and syft's lack, and the
// other way round.
const differencesFile = "sbom-differences.json"

// difference explains every component whose package URL starts with Prefix.
type difference struct {
	Only   string `json:"only"`   // "ours" or "syft"
	Prefix string `json:"prefix"` // of the package URL
	Reason string `json:"reason"`
}

// sbomGate lets syft, which shares no code with us, write its own SPDX document
// of every platform image, and compares components.
func sbomGate(ctx context.Context, w *world) (string, error) {
	if _, err := os.Stat(filepath.Join(w.layout, "index.json")); err != nil {
		return "", unchecked("%w", err)
	}
	explained, err := readDifferences(filepath.Join(w.root, differencesFile))
	if err != nil {
		return "", err
	}
	raw, err := os.ReadFile(filepath.Join(w.dist, release.RecordFile))
	if err != nil {
		return "", unchecked("%w", err)
	}
	record, err := release.ParseRecord(raw)
	if err != nil {
		return "", err
	}
	if len(record.Cells) == 0 {
		return "", unchecked("%s has no cells", release.RecordFile)
	}
	syft, err := w.scanner(ctx, "syft")
	if err != nil {
		return "", err
	}
	var wrong []string
	used := make([]bool, len(explained))
	both := 0
	for _, cell := range record.Cells {
		document := strings.TrimSuffix(cell.Asset, ".tar.gz") + ".spdx.json"
		ours, err := componentsOf(filepath.Join(w.dist, document))
		if err != nil {
			return "", unchecked("%w", err)
		}
		theirs, err := w.syft(ctx, syft, cell.ManifestDigest.String())
		if err != nil {
			return "", err
		}
		if len(theirs) == 0 {
			return "", unchecked("syft found nothing in %s", cell.ManifestDigest)
		}
		same, only := compareComponents(ours, theirs)
		both += same
		for _, d := range only {
			i := slices.IndexFunc(explained, func(e difference) bool { return e.Only == d.Only && strings.HasPrefix(d.Prefix, e.Prefix) })
			if i < 0 {
				wrong = append(wrong, fmt.Sprintf("%s: only %s has %s", document, d.Only, text.Show(d.Prefix)))
				continue
			}
			used[i] = true
		}
	}
	for i, e := range explained {
		if !used[i] {
			wrong = append(wrong, fmt.Sprintf("%s: explains %s of %s, which does not differ", differencesFile, text.Quote(e.Prefix), e.Only))
		}
	}
	return fmt.Sprintf("%s, %s in both", text.Count(len(record.Cells), "image"), text.Count(both, "component")), found("SBOMs differ", wrong)
}

func readDifferences(file string) ([]difference, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, unchecked("%w", err)
	}
	var out []difference
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("%s: %w", differencesFile, err)
	}
	for i, d := range out {
		if d.Only != "ours" && d.Only != "syft" || d.Prefix == "" || d.Reason == "" {
			return nil, fmt.Errorf("%s: entry %d: expected only (ours or syft), prefix and reason", differencesFile, i+1)
		}
	}
	return out, nil
}

// componentsOf reads the package URLs of an SPDX document, qualifiers left out.
// A package without one goes by its name.
func componentsOf(file string) (map[string]bool, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Packages []struct {
			Name, VersionInfo string
			ExternalRefs      []struct{ ReferenceType, ReferenceLocator string }
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	out := map[string]bool{}
	for _, p := range doc.Packages {
		name := "name:" + p.Name
		for _, r := range p.ExternalRefs {
			if r.ReferenceType == "purl" {
				name, _, _ = strings.Cut(r.ReferenceLocator, "?")
			}
		}
		out[name] = true
	}
	return out, nil
}

// compareComponents counts what both have and lists what one of them lacks.
// Package URLs of Go are lower case in one and not in the other.
func compareComponents(ours, theirs map[string]bool) (same int, only []difference) {
	folded := func(m map[string]bool) map[string]bool {
		out := map[string]bool{}
		for k := range m {
			if strings.HasPrefix(k, "pkg:golang/") {
				k = strings.ToLower(k)
			}
			out[k] = true
		}
		return out
	}
	ours, theirs = folded(ours), folded(theirs)
	for _, k := range slices.Sorted(maps.Keys(ours)) {
		if theirs[k] {
			same++
		} else {
			only = append(only, difference{Only: "ours", Prefix: k})
		}
	}
	for _, k := range slices.Sorted(maps.Keys(theirs)) {
		if !ours[k] {
			only = append(only, difference{Only: "syft", Prefix: k})
		}
	}
	return same, only
}

// syft runs it on one image by digest: in a layout that names only this one.
func (w *world) syft(ctx context.Context, syft, digest string) (map[string]bool, error) {
	raw, err := os.ReadFile(w.blob(digest))
	if err != nil {
		return nil, unchecked("the layout lacks an image of %s: %w", release.RecordFile, err)
	}
	dir, err := os.MkdirTemp("", "gates-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	top, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []map[string]any{{
		"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": len(raw)}}})
	if err != nil {
		return nil, err
	}
	for name, content := range map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "index.json": string(top)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	if err := os.Symlink(filepath.Join(w.layout, "blobs"), filepath.Join(dir, "blobs")); err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "syft.spdx.json")
	r, err := call{env: []string{"SYFT_CHECK_FOR_APP_UPDATE=false"}, args: []string{syft, "scan", "--quiet", "oci-dir:" + dir, "-o", "spdx-json=" + out}}.run(ctx)
	if err != nil {
		return nil, err
	}
	if r.code != 0 {
		return nil, unchecked("syft: exit code %d: %s", r.code, r.last())
	}
	return componentsOf(out)
}
