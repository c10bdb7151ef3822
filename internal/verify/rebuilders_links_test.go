package verify_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// worker is the key of a worker of rebuilderd.
func worker(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

// edKey is the same key for signing as Sigstore does.
func edKey(t *testing.T, seed byte) *sign.Key {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(worker(seed))
	if err != nil {
		t.Fatal(err)
	}
	k, err := sign.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// farmed lists a server of rebuilderd by its workers.
func farmed(name string, seeds ...byte) side {
	var keys []string
	for _, s := range seeds {
		keys = append(keys, base64.StdEncoding.EncodeToString(worker(s).Public().(ed25519.PublicKey)))
	}
	entry, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return side{name: name, entry: `"rebuilderd": ` + string(entry)}
}

// link is a worker's link for one of the release's tarballs.
func (a *arena) link(t *testing.T, seed byte, asset string, edit ...func(signed map[string]any)) string {
	t.Helper()
	return string(verify.LinkOf(t, worker(seed), asset, string(a.dist[asset].Data), func(signed map[string]any) {
		for _, e := range edit {
			e(signed)
		}
	})) + "\n"
}

// TestRebuildersLinks has what rebuilderd's workers sign lie next to the release, and
// ann's statement.
func TestRebuildersLinks(t *testing.T) {
	const file = "farm.rebuild.link"
	farm := farmed("farm", 1, 2)
	for _, c := range []struct {
		name string
		make func(a *arena) string // the file of links
		edit func(a *arena, r *verify.Rebuilders)
		exit int
		want string
	}{
		{"enough", func(a *arena) string { return a.link(t, 1, assetA) + a.link(t, 2, assetB) }, nil, 0, "2 of 2 required: ann and farm"},
		{"one worker", func(a *arena) string { return a.link(t, 1, assetA) + a.link(t, 1, assetB) }, nil, 0, "2 of 2 required: ann and farm"},
		{"one tarball of two", func(a *arena) string { return a.link(t, 1, assetA) }, nil, 5, "1 of 2 required: ann; missing: farm"},
		{"both workers are one rebuilder", func(a *arena) string {
			delete(a.dist, "ann.rebuild.sigstore.json")
			return a.link(t, 1, assetA) + a.link(t, 2, assetA) + a.link(t, 1, assetB) + a.link(t, 2, assetB)
		}, nil, 5, "1 of 2 required: farm; missing: ann"},
		{"forged", func(a *arena) string {
			return a.link(t, 1, assetA) + strings.Replace(a.link(t, 1, assetB), `"command":[]`, `"command":["x"]`, 1)
		}, nil, 4, "refused as the rebuild of farm: identity: signer"},
		{"a stranger's", func(a *arena) string { return a.link(t, 9, assetA) + a.link(t, 9, assetB) }, nil, 4, "refused as the rebuild of farm: identity: signer"},
		{"wrong product digest", func(a *arena) string {
			other := string(verify.LinkOf(t, worker(1), assetA, "other bytes", nil))
			return other + "\n" + a.link(t, 1, assetB)
		}, nil, 4, "refused as the rebuild of farm: rebuild link: " + assetA},
		{"product is not the material", func(a *arena) string {
			return a.link(t, 1, assetA, func(signed map[string]any) {
				signed["materials"] = map[string]any{assetA: map[string]any{"sha256": strings.Repeat("0", 64)}}
			}) + a.link(t, 1, assetB)
		}, nil, 4, "link 1: materials: sha256"},
		{"other artifact", func(a *arena) string {
			return string(verify.LinkOf(t, worker(1), "facerec_1.2.2_linux_amd64.tar.gz", string(a.dist[assetA].Data), nil))
		}, nil, 4, "expected one of the tarballs"},
		{"a bundle's key is no worker", func(a *arena) string { return a.link(t, 1, assetA) }, func(a *arena, r *verify.Rebuilders) {
			*r = *a.list(t, a.ann, keyed(t, "farm", edKey(t, 1)))
		}, 4, "refused as the rebuild of farm: identity: signer"},
		{"a time is asked for", func(a *arena) string { return a.link(t, 1, assetA) + a.link(t, 2, assetB) }, func(_ *arena, r *verify.Rebuilders) {
			r.Within, r.Now = 30*24*time.Hour, testTime.Add(time.Hour)
		}, 4, "none, as links have none"},
		{"the release's signer", func(a *arena) string {
			a.policy = keyPolicy(t, edKey(t, 1))
			bundle, err := sign.Checksums(t.Context(), a.dist[release.ChecksumsFile].Data, sign.Signer{Key: edKey(t, 1)}, func([]byte, []byte) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			a.put(release.BundleFile, bundle)
			return a.link(t, 1, assetA) + a.link(t, 1, assetB)
		}, nil, 4, "signed the release itself"},
		{"not a link", func(*arena) string { return "hello" }, nil, 4, "refused as the rebuild of farm: "},
		{"too many", func(a *arena) string { return strings.Repeat(a.link(t, 1, assetA), 1001) }, nil, 4, "expected at most 1000 links"},
		{"too many with others", func(a *arena) string { return strings.Repeat(a.link(t, 1, assetA), verify.MaxSignatureLayers) }, nil, 5, "only the first"},
		{"a statement in its place", func(a *arena) string { return string(a.bundle(t, a.ann)) }, nil, 5, "1 of 2 required: ann"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newArena(t, false)
			a.attests(t, a.ann)
			a.put(file, []byte(c.make(a)))
			r := a.list(t, a.ann, farm)
			if c.edit != nil {
				c.edit(a, r)
			}
			got := a.verify(t, func(in *verify.Input) { in.Rebuilders = r })
			if out := got.Text(); got.ExitCode != c.exit || !strings.Contains(out, c.want) {
				t.Fatalf("exit code %d, expected %d and %q in\n%s", got.ExitCode, c.exit, c.want, out)
			}
			validate(t, got)
		})
	}
}

// TestLinksOfOtherCells holds that links of tarballs that nobody asked for say nothing.
func TestLinksOfOtherCells(t *testing.T) {
	a := newArena(t, false)
	a.put("farm.rebuild.link", []byte(a.link(t, 1, assetA)+a.link(t, 1, assetB)))
	r, err := verify.ParseRebuilders("r.json", []byte(listOf(farmed("farm", 1))), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.NeedsRoot() {
		t.Error("links need no trusted root")
	}
	got := a.verify(t, func(in *verify.Input) {
		in.Rebuilders, in.Cells = &r, []string{a.record.Cells[0].String()}
	})
	if out := got.Text(); got.ExitCode != 0 || !strings.Contains(out, "1 statement considered") {
		t.Errorf("exit code %d of\n%s", got.ExitCode, out)
	}
	before := a.verify(t)
	delete(a.dist, "farm.rebuild.link")
	if after := a.verify(t); before.Text() != after.Text() {
		t.Errorf("without a list of rebuilders links change the report:\n%s%s", before.Text(), fmt.Sprint(after.Text()))
	}
}
