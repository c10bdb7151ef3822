package verify_test

import (
	"slices"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/sign"
)

// TestProvenance holds the statement about a release to its release.json.
func TestProvenance(t *testing.T) {
	other := release.HexDigest{Digest: release.DigestBytes([]byte("other"))}
	for _, c := range []struct {
		name string
		edit func(r *release.Record) // what the statement is about instead
		key  *sign.Key
		exit int
		want string
	}{
		{name: "good", edit: func(*release.Record) {}, exit: 0, want: "2 tarballs come from"},
		{name: "another's key", edit: func(*release.Record) {}, key: newKey(t), exit: 4, want: "publicKey.hint"},
		{name: "another release", edit: func(r *release.Record) { r.Cells[0].FileSHA256, r.Cells[1].FileSHA256 = other, other }, exit: 4, want: "sha256 of the artifact"},
		{name: "another tar", edit: func(r *release.Record) { r.Cells[1].TarSHA256 = other }, exit: 3, want: "subject tar of " + assetB},
		{name: "another file", edit: func(r *release.Record) { r.Cells[1].FileSHA256 = other }, exit: 3, want: "subject " + assetB},
		{name: "another image", edit: func(r *release.Record) { r.Cells[1].ManifestDigest = other.Digest }, exit: 3, want: "material manifest of " + cellB},
		{name: "another index", edit: func(r *release.Record) { r.Cells[0].IndexDigest, r.Cells[1].IndexDigest = other.Digest, other.Digest }, exit: 3, want: "material index of " + cellA},
		{name: "another configuration", edit: func(r *release.Record) {
			r.Cells[1].ConfigDigest, r.Cells[0].ConfigDigest = &other.Digest, &other.Digest
		}, exit: 3, want: "material configuration of " + cellA},
		{name: "another layer", edit: func(r *release.Record) {
			for i, c := range r.Cells {
				r.Cells[i].Layers = []release.Digest{c.Layers[0], other.Digest}
			}
		}, exit: 3, want: "material layer 2 of " + cellA},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSmall(t)
			record := s.record
			record.Cells = slices.Clone(record.Cells)
			c.edit(&record)
			k := s.key
			if c.key != nil {
				k = c.key
			}
			signer := sign.Signer{Key: k}
			statement, err := sign.ProvenanceStatement(record, []sign.Input{{Name: "config.json", Digest: other.Digest}}, "urn:x")
			if err != nil {
				t.Fatal(err)
			}
			bundle, err := sign.Statement(t.Context(), statement, signer, func(_, _ []byte) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			s.put(release.ProvenanceFile, bundle)
			if r := s.verify(t); r.ExitCode != c.exit || !strings.Contains(r.Text(), c.want) {
				t.Errorf("got %d, want %d with %q:\n%s", r.ExitCode, c.exit, c.want, r.Text())
			}
		})
	}
}

// TestNoOtherStatementIsProvenance puts other good signatures in its place.
func TestNoOtherStatementIsProvenance(t *testing.T) {
	s := newSmall(t)
	file := s.record.Cells[0].FileSHA256.Digest
	bundle, err := statementAbout(t, s.key, file, "https://spdx.dev/Document").Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.put(release.ProvenanceFile, bundle)
	if r := s.verify(t); r.ExitCode != 3 || !strings.Contains(r.Text(), "predicate type") {
		t.Errorf("an SBOM: got %d:\n%s", r.ExitCode, r.Text())
	}
	if _, err := sign.ProvenanceStatement(release.Record{}, nil, "urn:x"); err == nil {
		t.Error("a release without cells has provenance")
	}
}
