package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"facerec/internal/release"
	"facerec/internal/text"
)

// predicateProvenance is SLSA's, version 1.
const predicateProvenance = "https://slsa.dev/provenance/v1"

// provenance holds the statement to release.json, if there is one: signed by the
// same, about each tarball and its tar stream, made of each image.
func (w *walk) provenance() {
	raw, err := w.read(release.ProvenanceFile, MaxBundle)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return // a release need not have one
	case err != nil:
		w.fail("", LinkProvenance, release.ProvenanceFile, err)
		return
	case w.record == nil || len(w.record.Cells) == 0:
		w.skip("", LinkProvenance, release.ProvenanceFile, "release.json cannot be used, and nothing else to compare with exists")
		return
	}
	s, err := blob(raw, Digest(w.record.Cells[0].FileSHA256.Digest), w.in.Policy, exactHint)
	if err == nil {
		err = provenanceOf(s, w.record.Cells)
	}
	if err != nil {
		w.fail("", LinkProvenance, release.ProvenanceFile, err)
		return
	}
	if w.report.Released.Record != nil {
		w.report.Released.Provenance = s.Statement
	}
	w.pass("", LinkProvenance, release.ProvenanceFile, "%s from the images in release.json; %s", text.CountForms(len(w.record.Cells), "tarball comes", "tarballs come"), s.Text())
}

// provenanceOf compares a verified statement with the cells.
func provenanceOf(s Signature, cells []release.RecordCell) error {
	if s.Form != "dsse" || s.PredicateType != predicateProvenance {
		return differs("predicate type", predicateProvenance, or(s.PredicateType, "a signature without a statement"))
	}
	var st struct {
		Subject []struct {
			Digest struct {
				SHA256 string `json:"sha256"`
			} `json:"digest"`
		} `json:"subject"`
	}
	if err := json.Unmarshal(s.Statement, &st); err != nil {
		return &Error{Class: Differs, Check: "statement", Err: err}
	}
	all, err := Materials(s.Statement)
	if err != nil {
		return &Error{Class: Differs, Check: "statement", Err: err}
	}
	var subjects, materials []string
	for _, x := range st.Subject {
		subjects = append(subjects, x.Digest.SHA256)
	}
	for _, m := range all {
		materials = append(materials, m.SHA256)
	}
	type want struct {
		field, hex string
		among      []string
	}
	for _, c := range cells {
		all := []want{
			{"subject " + c.Asset, c.FileSHA256.Hex(), subjects},
			{"subject tar of " + c.Asset, c.TarSHA256.Hex(), subjects},
			{"material index of " + c.String(), c.IndexDigest.Hex(), materials},
			{"material manifest of " + c.String(), c.ManifestDigest.Hex(), materials},
		}
		if c.ConfigDigest != nil {
			all = append(all, want{"material configuration of " + c.String(), c.ConfigDigest.Hex(), materials})
		}
		for _, p := range c.Packages {
			all = append(all, want{"subject " + p.Asset, p.FileSHA256.Hex(), subjects})
		}
		for i, l := range c.Layers {
			all = append(all, want{fmt.Sprintf("material layer %d of %s", i+1, c), l.Hex(), materials})
		}
		for _, x := range all {
			if !slices.Contains(x.among, x.hex) {
				return differs(x.field, x.hex, "none with that sha256")
			}
		}
	}
	return nil
}
