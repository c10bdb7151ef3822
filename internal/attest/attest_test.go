package attest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"facerec/internal/attest"
	"facerec/internal/loopback"
	"facerec/internal/oci"
	"facerec/internal/oci/build"
	"facerec/internal/oci/layer"
	"facerec/internal/pack"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/tarball"
	"facerec/internal/verify"
)

// made is a release of one lineage and two platforms, packed, and its image in a
// registry.
type made struct {
	dist  string
	image oci.Ref
}

func newRelease(t *testing.T) made {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tool"), []byte("tool"))
	config, err := release.Parse("config.json", []byte(`{"project_name": "tool", "version": "1.0.0", "build_cmd": "true",
		"artifacts": [{"src": "tool", "dest": "/app/tool"}], "platforms": ["linux/amd64", "linux/arm64"]}`))
	if err != nil {
		t.Fatal(err)
	}
	spool, err := tarball.NewSpool("")
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	plan := &build.Plan{Config: config, Version: "1.0.0", Cells: config.Cells(), Root: dir, Spool: spool}
	var snapshots []build.Snapshot
	for _, cell := range plan.Cells {
		s, err := plan.Snapshot(cell)
		if err != nil {
			t.Fatal(err)
		}
		snapshots = append(snapshots, s)
	}
	if _, err := plan.Layout(t.Context(), filepath.Join(dir, "oci"), snapshots); err != nil {
		t.Fatal(err)
	}
	server, err := loopback.NewInProcess(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	from, err := oci.ParseLayout(filepath.Join(dir, "oci"))
	if err != nil {
		t.Fatal(err)
	}
	to, err := oci.ParseRef(server.Addr + "/tool")
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := oci.Push(t.Context(), from, to, oci.TransferOptions{Access: oci.Access{Named: []string{"127.0.0.1"}}})
	if err != nil {
		t.Fatal(err)
	}
	m := made{filepath.Join(dir, "dist"), to.At(pushed[0].Digest)}
	_, err = pack.Release(t.Context(), pack.Input{Config: config, Version: "1.0.0", Cells: plan.Cells, Root: dir, Images: to, Access: oci.Access{}.Naming(to),
		Limits: layer.Limits{Entries: 100, Bytes: 1 << 20, Ratio: 1000}}, m.dist)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// signer is a key that signs without a log.
func signer(t *testing.T) attest.By {
	t.Helper()
	key, err := sign.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := verify.ParsePublicKey(key.PublicPEM())
	if err != nil {
		t.Fatal(err)
	}
	return attest.By{Signer: sign.Signer{Key: key}, Policy: verify.Policy{Key: public, UnsafeNoTransparencyLog: true}}
}

// request asks for everything.
func (m made) request(by attest.By) attest.Input {
	return attest.Input{
		Dist: m.dist, Images: []oci.Ref{m.image}, Provenance: true, Attest: true, Access: oci.Access{}.Naming(m.image),
		Materials: func() ([]sign.Input, error) { return nil, nil },
		By:        func(context.Context) (attest.By, error) { return by, nil },
	}
}

// bundles are the files of the release that are signatures.
func (m made) bundles(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{release.BundleFile, release.ProvenanceFile} {
		raw, err := os.ReadFile(filepath.Join(m.dist, name))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(raw)
	}
	return out
}

// TestKeep signs everything once, and again as a run that continues.
func TestKeep(t *testing.T) {
	m, by := newRelease(t), signer(t)
	first, err := attest.Sign(t.Context(), m.request(by))
	// The index and two manifests: a signature and a provenance each, an SBOM for
	// each manifest; then provenance and checksums.
	if err != nil || first.Made != 3*2+2+2 || first.Kept != 0 {
		t.Fatalf("made %d, kept %d, %v", first.Made, first.Kept, err)
	}
	before := m.bundles(t)
	again := m.request(by)
	again.Keep = &by.Policy
	again.By = func(context.Context) (attest.By, error) {
		return by, errors.New("asked for a signer with nothing to sign")
	}
	got, err := attest.Sign(t.Context(), again)
	if err != nil || got.Made != 0 || got.Kept != first.Made {
		t.Fatalf("made %d, kept %d, %v", got.Made, got.Kept, err)
	}
	for name, text := range m.bundles(t) {
		if text != before[name] {
			t.Errorf("%s was signed again", name)
		}
	}
	found, _, err := oci.Referrers(t.Context(), m.image, m.image.Digest, oci.Access{Named: []string{"127.0.0.1"}})
	if err != nil || len(found) != 2 {
		t.Errorf("the index has %d referrers, %v", len(found), err)
	}
}

// TestKeepOnlyWhatVerifies leaves something in the place of a signature that is
// none, or not the one.
func TestKeepOnlyWhatVerifies(t *testing.T) {
	m, by, stranger := newRelease(t), signer(t), signer(t)
	if _, err := attest.Sign(t.Context(), m.request(by)); err != nil {
		t.Fatal(err)
	}
	good := m.bundles(t)
	for name, c := range map[string]struct {
		spoil func()
		keep  attest.By
		made  int
	}{
		"gone":      {func() { _ = os.Remove(filepath.Join(m.dist, release.BundleFile)) }, by, 1},
		"cut":       {func() { write(t, filepath.Join(m.dist, release.BundleFile), []byte(good[release.BundleFile][:100])) }, by, 1},
		"another's": {func() { write(t, filepath.Join(m.dist, release.BundleFile), []byte(good[release.ProvenanceFile])) }, by, 1},
		"exchanged": {func() { write(t, filepath.Join(m.dist, release.ProvenanceFile), []byte(good[release.BundleFile])) }, by, 1},
		"huge": {func() {
			write(t, filepath.Join(m.dist, release.ProvenanceFile), bytes.Repeat([]byte(" "), verify.MaxBundle+1))
		}, by, 1},
		"other signer":  {func() {}, stranger, 10},
		"other sources": {nil, by, 4}, // the provenance of three images and of the tarballs
	} {
		t.Run(name, func(t *testing.T) {
			for name, text := range good {
				write(t, filepath.Join(m.dist, name), []byte(text))
			}
			in := m.request(c.keep)
			in.Keep = &c.keep.Policy
			if c.spoil == nil {
				in.Materials = func() ([]sign.Input, error) {
					return []sign.Input{{Name: "config.json", Digest: release.DigestBytes([]byte("other"))}}, nil
				}
			} else {
				c.spoil()
			}
			got, err := attest.Sign(t.Context(), in)
			if err != nil || got.Made != c.made || got.Kept != 10-c.made {
				t.Fatalf("made %d, kept %d, %v", got.Made, got.Kept, err)
			}
			if got, err = attest.Sign(t.Context(), in); err != nil || got.Made != 0 {
				t.Errorf("again: made %d, %v", got.Made, err)
			}
		})
	}
}

// TestPublishedComesFirst has a page with a bundle, and another one at hand.
func TestPublishedComesFirst(t *testing.T) {
	m, by := newRelease(t), signer(t)
	if _, err := attest.Sign(t.Context(), m.request(by)); err != nil {
		t.Fatal(err)
	}
	page := m.bundles(t)
	again := m.request(by)
	again.Images, again.Attest = nil, false
	if _, err := attest.Sign(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if m.bundles(t)[release.BundleFile] == page[release.BundleFile] {
		t.Fatal("two signatures are the same: the test shows nothing")
	}
	again.Keep = &by.Policy
	again.Published = func(_ context.Context, name string) ([]byte, error) { return []byte(page[name]), nil }
	got, err := attest.Sign(t.Context(), again)
	if err != nil || got.Kept != 2 || m.bundles(t)[release.BundleFile] != page[release.BundleFile] {
		t.Errorf("kept %d, %v", got.Kept, err)
	}
	// One that was cut is not taken.
	again.Published = func(_ context.Context, name string) ([]byte, error) { return []byte(page[name][:100]), nil }
	if got, err = attest.Sign(t.Context(), again); err != nil || got.Kept != 2 || m.bundles(t)[release.BundleFile] != page[release.BundleFile] {
		t.Errorf("kept %d, %v", got.Kept, err)
	}
	again.Published = func(context.Context, string) ([]byte, error) { return nil, errors.New("no answer") }
	if _, err = attest.Sign(t.Context(), again); err == nil {
		t.Error("a page that does not answer is passed over")
	}
}

// TestNothingIsPlacedByHalf fails at the last signature.
func TestNothingIsPlacedByHalf(t *testing.T) {
	m, by := newRelease(t), signer(t)
	bad := by
	bad.Policy = signer(t).Policy
	if _, err := attest.Sign(t.Context(), m.request(bad)); err == nil {
		t.Fatal("signed by nobody whom the policy expects")
	}
	found, problems, err := oci.Referrers(t.Context(), m.image, m.image.Digest, oci.Access{Named: []string{"127.0.0.1"}})
	if err != nil || len(found)+len(problems) != 0 {
		t.Errorf("%d referrers, %v, %v", len(found), problems, err)
	}
	write(t, filepath.Join(m.dist, release.RecordFile), []byte("{}"))
	var changed *attest.ChangedError
	if _, err := attest.Sign(t.Context(), m.request(by)); !errors.As(err, &changed) {
		t.Errorf("got %v", err)
	}
	var none *attest.NoSumsError
	in := m.request(by)
	in.Dist = t.TempDir()
	if _, err := attest.Sign(t.Context(), in); !errors.As(err, &none) {
		t.Errorf("got %v", err)
	}
}
