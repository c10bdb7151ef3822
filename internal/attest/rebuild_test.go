package attest_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"facerec/internal/attest"
	"facerec/internal/oci"
	"facerec/internal/rebuild"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// outcome is that of a cell whose tarball came out as it is or not.
func outcome(image oci.Ref, file, index rebuild.Verdict) rebuild.Outcome {
	d := release.DigestBytes([]byte("file"))
	return rebuild.Outcome{
		Project: "tool", Version: "1.0.0", Checksums: d, Indexes: []rebuild.Index{{Lineage: "default", Image: "tool:1.0.0", Digest: image.Digest, Verdict: index}},
		Cells: []rebuild.Cell{{Name: "default/linux/amd64", Asset: "tool.tar.gz", Image: "tool:1.0.0", Verdict: file,
			Compared: []rebuild.Comparison{{Level: rebuild.LevelFile, Name: "tool.tar.gz", Verdict: file, Expected: d, Got: d}}}},
	}
}

func TestRebuild(t *testing.T) {
	m, by := newRelease(t), signer(t)
	for _, c := range []struct {
		name        string
		file, index rebuild.Verdict
		want        map[string][]string // by file, the result and the subjects
	}{
		{"same", rebuild.Same, rebuild.Same, map[string][]string{"ann.rebuild.sigstore.json": {"PASSED", "tool.tar.gz", "tool:1.0.0"}}},
		{"index skipped", rebuild.Same, rebuild.Skipped, map[string][]string{"ann.rebuild.sigstore.json": {"PASSED", "tool.tar.gz"}}},
		{"differs", rebuild.Differs, rebuild.Differs, map[string][]string{"ann.rebuild.sigstore.json": {"FAILED", "tool.tar.gz", "tool:1.0.0"}}},
		{"both", rebuild.Same, rebuild.Differs, map[string][]string{"ann.rebuild.sigstore.json": {"FAILED", "tool:1.0.0"}, "ann-passed.rebuild.sigstore.json": {"PASSED", "tool.tar.gz"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := attest.RebuildInput{Outcome: outcome(m.image, c.file, c.index), Time: time.Unix(0, 0), Dir: t.TempDir(), Name: "ann",
				By: func(context.Context) (attest.By, error) { return by, nil }}
			got, err := attest.Rebuild(t.Context(), in)
			if err != nil || len(got) != len(c.want) {
				t.Fatalf("got %+v, %v", got, err)
			}
			for _, s := range got {
				want := c.want[filepath.Base(s.Path)]
				if !slices.Equal(append([]string{s.Result}, s.Subjects...), want) || s.Signed.PredicateType != release.PredicateSummary {
					t.Errorf("got %+v, expected %v", s, want)
				}
				raw, err := os.ReadFile(s.Path)
				if err != nil {
					t.Fatal(err)
				}
				_, err = verify.Blob(raw, verify.Digest(release.DigestBytes([]byte("file"))), by.Policy)
				if says := slices.Contains(want, "tool.tar.gz"); says != (err == nil) {
					t.Errorf("%s: of the tarball: %v", s.Path, err)
				}
			}
			// What is there stays as it is.
			before, err := os.ReadFile(got[0].Path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := attest.Rebuild(t.Context(), in); !errors.Is(err, fs.ErrExist) {
				t.Errorf("again: got %v", err)
			}
			if after, err := os.ReadFile(got[0].Path); err != nil || string(after) != string(before) {
				t.Errorf("%s was replaced: %v", got[0].Path, err)
			}
		})
	}
}

// TestRebuildIsAttached finds the statement among the referrers of the index.
func TestRebuildIsAttached(t *testing.T) {
	m, by := newRelease(t), signer(t)
	access := oci.Access{}.Naming(m.image)
	in := attest.RebuildInput{Outcome: outcome(m.image, rebuild.Same, rebuild.Same), Dir: t.TempDir(), Images: []oci.Ref{m.image}, Access: access,
		By: func(context.Context) (attest.By, error) { return by, nil }}
	got, err := attest.Rebuild(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if want := "key-" + by.Policy.Key.Fingerprint().Hex()[:16] + ".rebuild.sigstore.json"; filepath.Base(got[0].Path) != want {
		t.Errorf("got %s, expected %s", got[0].Path, want)
	}
	found, problems, err := oci.Referrers(t.Context(), m.image, m.image.Digest, access)
	if err != nil || len(problems) > 0 || len(found) != 1 || found[0].Digest.String() != got[0].Attached[0] {
		t.Fatalf("got %+v, %v, %v", found, problems, err)
	}
	bundle, err := found[0].Read(t.Context(), found[0].Layers[0], verify.MaxBundle)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(got[0].Path)
	if err != nil || string(file) != string(bundle) {
		t.Errorf("the referrer and the file differ: %v", err)
	}
}

// TestAttachRebuild attaches what was signed before, once, and decides only if asked to.
func TestAttachRebuild(t *testing.T) {
	m, by := newRelease(t), signer(t)
	access := oci.Access{}.Naming(m.image)
	made, err := attest.Rebuild(t.Context(), attest.RebuildInput{Outcome: outcome(m.image, rebuild.Same, rebuild.Same), Dir: t.TempDir(),
		By: func(context.Context) (attest.By, error) { return by, nil }})
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := os.ReadFile(made[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	var digest string
	for i, c := range []struct {
		dryRun bool
		want   string
	}{{true, attest.DoAttach}, {false, attest.DoAttach}, {false, attest.DoKeep}, {true, attest.DoKeep}} {
		got, err := attest.AttachRebuild(t.Context(), "ann", bundle, m.image, access, c.dryRun)
		if err != nil || got.Action != c.want || (got.Digest == "") != (i == 0) || got.Image != m.image.String() {
			t.Errorf("%d: got %+v, %v", i, got, err)
		}
		if digest == "" {
			digest = got.Digest
		}
		found, problems, err := oci.Referrers(t.Context(), m.image, m.image.Digest, access)
		if err != nil || len(problems) > 0 || len(found) != min(i, 1) || i > 0 && (found[0].Digest.String() != digest || got.Digest != digest) {
			t.Errorf("%d: found %+v, %v, %v", i, found, problems, err)
		}
	}
	gone := m.image
	gone.Digest = release.DigestBytes([]byte("gone"))
	if got, err := attest.AttachRebuild(t.Context(), "ann", bundle, gone, access, false); err == nil {
		t.Errorf("to an index that is not there: got %+v", got)
	}
}

func TestRebuildIsRefused(t *testing.T) {
	m, by := newRelease(t), signer(t)
	stranger := signer(t)
	good := attest.RebuildInput{Outcome: outcome(m.image, rebuild.Same, rebuild.Differs), Name: "ann", By: func(context.Context) (attest.By, error) { return by, nil }}
	for _, c := range []struct {
		name  string
		spoil func(in *attest.RebuildInput)
	}{
		{"nothing rebuilt", func(in *attest.RebuildInput) { in.Outcome = outcome(m.image, rebuild.Skipped, rebuild.Skipped) }},
		{"name", func(in *attest.RebuildInput) { in.Name = "../ann" }},
		{"other signer", func(in *attest.RebuildInput) {
			in.By = func(context.Context) (attest.By, error) {
				return attest.By{Signer: sign.Signer{Key: stranger.Signer.Key}, Policy: by.Policy}, nil
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := good
			in.Dir = t.TempDir()
			c.spoil(&in)
			if got, err := attest.Rebuild(t.Context(), in); err == nil {
				t.Errorf("got %+v", got)
			}
			if left, err := os.ReadDir(in.Dir); err != nil || len(left) > 0 {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}
