package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/attest"
	"facerec/internal/oci"
	"facerec/internal/rebuild"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// attestFlags say who signs what a rebuild came to, and where that goes.
type attestFlags struct {
	on     bool
	as     string
	dir    string
	images []string
	by     signerFlags
}

func (f *attestFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.BoolVar(&f.on, "attest", false, "sign the outcome")
	fl.StringVar(&f.as, "attest-as", "", "with --attest: write NAME.rebuild.sigstore.json, with the rebuilder's `NAME` (default: made of who signs)")
	fl.StringVar(&f.dir, "attest-dir", "", "with --attest: write the signed outcome to `DIR` (default: the release's directory; for a page, the current one)")
	fl.StringArrayVar(&f.images, "image", nil, "with --attest: also attach it to the index `REF` (REGISTRY/REPOSITORY[:TAG][@DIGEST]); can be repeated")
	fl.StringVar(&f.by.key, "attest-key", "", "with --attest: sign with the private key in `FILE` (PEM; if encrypted, the password is in RELEASER_KEY_PASSWORD)")
	fl.StringArrayVar(&f.by.trust.san, "attest-identity", nil, "with --attest: exact subject alternative name `SAN` that the rebuilder's certificate must have")
	fl.StringVar(&f.by.trust.issuer, "attest-oidc-issuer", "", "with --attest: exact OIDC issuer `URL` that it must have")
	f.by.addServices(cmd)
}

// alone reports whether a flag was given that means nothing without --attest.
func (f *attestFlags) alone() bool {
	return !f.on && (f.as != "" || f.dir != "" || len(f.images) > 0 || f.by.key != "" || f.by.trust.given() || f.by.token != "" || f.by.services != "")
}

// checkAttest refuses, before anything is built, what could not be signed then.
func (a *app) checkAttest(f *rebuildFlags, arg string) error {
	w := &f.attest
	switch {
	case w.alone():
		return usage("--image, --identity-token, --signing-config and --attest-… go with --attest")
	case !w.on:
		return nil
	case w.by.key == "" && (len(w.by.trust.san) != 1 || w.by.trust.issuer == ""):
		return usage("--attest needs --attest-key FILE, or for keyless signing --attest-identity SAN and --attest-oidc-issuer URL, which say who signs")
	case w.by.key != "" && w.by.trust.given():
		return usage("--attest-key excludes --attest-identity and --attest-oidc-issuer: a managed key has no certificate")
	}
	w.by.trust.root = f.verify.trust.root
	if w.dir == "" && isPage(arg) {
		w.dir = "."
	}
	if w.dir != "" {
		if fi, err := os.Stat(w.dir); err != nil || !fi.IsDir() {
			return usage("--attest-dir %s: expected a directory", text.Show(w.dir))
		}
	}
	if w.as == "" {
		return nil
	}
	dir := w.dir
	if dir == "" {
		targets, err := targetsOf([]string{arg})
		if err != nil {
			return err
		}
		dir = targets[0].dist
	}
	_, err := attest.RebuildPath(dir, w.as)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return usageError(err)
	}
	return err
}

// attestRebuild signs the outcome, if that was asked for and there is one.
func (a *app) attestRebuild(ctx context.Context, dist string, outcome *rebuild.Outcome, report verify.Report, f rebuildFlags) ([]attest.SignedRebuild, error) {
	if !f.attest.on {
		return nil, nil
	}
	if outcome == nil || len(outcome.Subjects()) == 0 {
		a.note("rebuild: nothing was rebuilt: there is nothing to attest")
		return nil, nil
	}
	if slices.ContainsFunc(report.Results, func(r verify.Result) bool { return r.Link == verify.LinkSource && r.Status != verify.Pass }) {
		a.note("rebuild: not attested: the sources could not be compared with those that the release names")
		return nil, nil
	}
	images, err := a.indexesOf(ctx, *report.Released.Record, f.attest.images)
	if err != nil {
		return nil, err
	}
	in := attest.RebuildInput{
		Outcome: *outcome, Time: time.Now(), Dir: f.attest.dir, Name: f.attest.as, Images: images, Access: a.access(images...),
		By: func(ctx context.Context) (attest.By, error) { return a.signer(ctx, f.attest.by, nil) },
	}
	if in.Dir == "" {
		in.Dir = dist
	}
	for _, name := range []string{release.BundleFile, release.ProvenanceFile} {
		raw, err := atomicfile.ReadFile(filepath.Join(dist, name), verify.MaxBundle)
		if err == nil {
			in.Bundles = append(in.Bundles, sign.Input{Name: name, Digest: release.DigestBytes(raw)})
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return attest.Rebuild(ctx, in)
}

// indexesOf resolves references to indexes of the release.
func (a *app) indexesOf(ctx context.Context, r release.Record, names []string) ([]oci.Ref, error) {
	refs, err := imagesToSign(names)
	if err != nil {
		return nil, err
	}
	for i, ref := range refs {
		ix, err := oci.ReadIndex(ctx, ref, a.access(ref))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(r.Cells, func(c release.RecordCell) bool { return c.IndexDigest == ix.Digest }) {
			return nil, text.WithHint(usage("--image %s is %s, which is not an index of the release", names[i], ix.Digest), "name it by its digest: REPOSITORY@DIGEST")
		}
		refs[i] = ix.Ref
	}
	return refs, nil
}

// sayAttested names what was signed.
func (a *app) sayAttested(all []attest.SignedRebuild, f rebuildFlags) {
	for _, s := range all {
		a.say("%s  %s  signed by %s", text.Show(s.Path), s.Result, s.Signed.Who())
		for _, d := range s.Attached {
			a.say("%s  attached", d)
		}
		if len(s.Signed.Unchecked) > 0 {
			a.warn("%s: signed with a key and without a transparency log: who lists %s as a rebuilder needs unsafe_no_transparency_log", text.Show(s.Path), text.Show(publicHalf(f.attest.by.key)))
		}
	}
}
