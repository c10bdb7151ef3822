package verify_test

import (
	"errors"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/verify"
)

// loose gives the tarballs of a small release without the release.
func (s *small) standalone(t *testing.T, edit func(s *small, in *verify.Input, l []verify.Standalone)) verify.Report {
	t.Helper()
	in := verify.Input{Dist: s.dist, Policy: s.policy, Images: verify.CompareWith(s.images)}
	var all []verify.Standalone
	for _, c := range s.record.Cells {
		all = append(all, verify.Standalone{Cell: release.RecordCell{Asset: c.Asset, Platform: c.Platform, Image: c.Image, Path: c.Path, Recipe: c.Recipe}})
	}
	edit(s, &in, all)
	r, err := verify.Tarballs(t.Context(), in, all)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTarballsAlone never gets better than incomplete, and says what is wrong.
func TestTarballsAlone(t *testing.T) {
	signed := func(t *testing.T, s *small) verify.SignatureLayer {
		return statementAbout(t, s.key, testIndex, verify.PredicateSign)
	}
	for _, c := range []struct {
		name string
		edit func(s *small, in *verify.Input, l []verify.Standalone)
		code int
		link string // of the first cell
		want string
	}{
		{"nothing beside the image", func(*small, *verify.Input, []verify.Standalone) {}, 5, verify.LinkTarball, "no checksums.txt"},
		{"signed", func(s *small, _ *verify.Input, _ []verify.Standalone) {
			s.images.beside = []verify.SignatureLayer{signed(t, s)}
		}, 5, verify.LinkTarball, "no checksums.txt"},
		{"nobody named", func(_ *small, in *verify.Input, _ []verify.Standalone) { in.Policy = verify.Policy{} }, 5, verify.LinkTarball, "no checksums.txt"},
		{"signed by another", func(s *small, in *verify.Input, _ []verify.Standalone) {
			s.images.beside = []verify.SignatureLayer{signed(t, s)}
			in.Policy = keyPolicy(t, newKey(t))
		}, 4, verify.LinkSignature, ""},
		{"of another image", func(s *small, _ *verify.Input, _ []verify.Standalone) {
			s.images.trees[s.record.Cells[0].ManifestDigest] = treeOf(t, map[string]string{"b": "x87", "sub/a": "shared"})
		}, 3, verify.LinkEntries, "not those of the image"},
		{"compressed otherwise", func(s *small, _ *verify.Input, _ []verify.Standalone) { recompress(t, s, 0) }, 3, verify.LinkRebuilt, "its compression differs"},
		{"no such image", func(s *small, _ *verify.Input, _ []verify.Standalone) { s.images.err = errors.New("unknown") }, 1, verify.LinkIndex, "unknown"},
		{"layers damaged", func(s *small, _ *verify.Input, _ []verify.Standalone) {
			s.images.layers = &verify.Error{Class: verify.Differs, Check: "layer", Expected: "a", Got: "b"}
		}, 3, verify.LinkLayers, ""},
		{"no file", func(s *small, _ *verify.Input, _ []verify.Standalone) { delete(s.dist, assetA) }, 1, verify.LinkTarball, "not found in the directory"},
		{"no tarball", func(s *small, _ *verify.Input, _ []verify.Standalone) { s.put(assetA, []byte("text")) }, 3, verify.LinkEntries, ""},
		{"no platform", func(_ *small, _ *verify.Input, l []verify.Standalone) { l[0].Err = errors.New("which") }, 1, verify.LinkIndex, "which"},
		{"no images", func(_ *small, in *verify.Input, _ []verify.Standalone) { in.Images = verify.WithoutImages("offline") }, 5, verify.LinkTarball, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newSmall(t).standalone(t, c.edit)
			if r.ExitCode != c.code || r.Verified {
				t.Errorf("got %d, want %d:\n%s", r.ExitCode, c.code, r.Text())
			}
			for _, s := range r.Broken() {
				if s.Cell == assetA && (s.Link != c.link || !strings.Contains(s.Detail, c.want)) {
					t.Errorf("got %s (%s), want %s with %q:\n%s", s.Link, s.Detail, c.link, c.want, r.Text())
				}
			}
			for _, link := range []string{verify.LinkBundle, verify.LinkChecksums, verify.LinkRecord} {
				if !strings.Contains(r.Text(), "skip  release               "+link) {
					t.Errorf("%s was not said to be skipped:\n%s", link, r.Text())
				}
			}
			validate(t, r)
		})
	}
	nobody := newSmall(t).standalone(t, func(_ *small, in *verify.Input, _ []verify.Standalone) { in.Policy = verify.Policy{} })
	validate(t, verify.Join([]string{"a", "b"}, []verify.Report{nobody, nobody}))
	if r, err := verify.Tarballs(t.Context(), verify.Input{Dist: newSmall(t).dist}, nil); err != nil || r.ExitCode != 1 {
		t.Errorf("no tarball at all: %d, %v", r.ExitCode, err)
	}
}
