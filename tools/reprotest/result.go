package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"facerec/internal/release"
)

// result is what one build came to.
type result struct {
	record release.Record
	layers map[string][]string // layer digests by manifest digest
}

func readRecord(dist string) (release.Record, error) {
	raw, err := os.ReadFile(filepath.Join(dist, release.RecordFile))
	if err != nil {
		return release.Record{}, err
	}
	return release.ParseRecord(raw)
}

func readResult(c *circumstances) (result, error) {
	r := result{layers: map[string][]string{}}
	var err error
	if r.record, err = readRecord(c.dist); err != nil {
		return r, err
	}
	for _, cell := range r.record.Cells {
		raw, err := os.ReadFile(filepath.Join(c.oci, "blobs", "sha256", cell.ManifestDigest.Hex()))
		if err != nil {
			return r, err
		}
		var m struct {
			Layers []struct {
				Digest string `json:"digest"`
			} `json:"layers"`
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return r, err
		}
		for _, l := range m.Layers {
			r.layers[cell.String()] = append(r.layers[cell.String()], l.Digest)
		}
	}
	return r, nil
}

// rows pairs what two builds made of a cell.
func rows(a, z result, cell string) []row {
	x, _ := a.record.Cell(cell)
	y, _ := z.record.Cell(cell)
	out := []row{}
	for _, e := range x.Entries {
		if e.SHA256 == nil || e.Mode&0o111 == 0 {
			continue
		}
		other := ""
		for _, f := range y.Entries {
			if f.Name == e.Name && f.SHA256 != nil {
				other = f.SHA256.Hex()
			}
		}
		out = append(out, row{cell, e.Name, e.SHA256.Hex(), other})
	}
	for i, l := range a.layers[cell] {
		other := ""
		if i < len(z.layers[cell]) {
			other = z.layers[cell][i]
		}
		out = append(out, row{cell, fmt.Sprintf("layer %d", i), trim(l), trim(other)})
	}
	return append(out,
		row{cell, "manifest", x.ManifestDigest.Hex(), y.ManifestDigest.Hex()},
		row{cell, "index", x.IndexDigest.Hex(), y.IndexDigest.Hex()},
		row{cell, "tar", x.TarSHA256.Hex(), y.TarSHA256.Hex()},
		row{cell, "tarball", x.FileSHA256.Hex(), y.FileSHA256.Hex()})
}

// asReleased pairs what a build made of a cell with what a release has. The index is
// left out: it depends on which cells were built.
func asReleased(a, released release.Record, cell string) []row {
	x, _ := a.Cell(cell)
	y, ok := released.Cell(cell)
	if !ok {
		return []row{{cell, "as released", x.FileSHA256.Hex(), ""}}
	}
	return []row{
		{cell, "manifest, as released", x.ManifestDigest.Hex(), y.ManifestDigest.Hex()},
		{cell, "tar, as released", x.TarSHA256.Hex(), y.TarSHA256.Hex()},
		{cell, "tarball, as released", x.FileSHA256.Hex(), y.FileSHA256.Hex()},
	}
}

func trim(digest string) string {
	if d, err := release.ParseDigest(digest); err == nil {
		return d.Hex()
	}
	return digest
}
