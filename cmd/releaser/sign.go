package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// signFlags say with what to sign.
type signFlags struct {
	key, token, services string
	images               []string
	provenance, attest   bool
	trust                trustFlags
}

type signAnswer struct {
	Schema string              `json:"schema"`
	Bundle string              `json:"bundle,omitempty"`
	Signed *verify.Signature   `json:"signature,omitempty"`
	Trust  *verify.TrustOrigin `json:"trust_root,omitempty"`
	Images []signedImage       `json:"images,omitempty"`

	Provenance string `json:"provenance,omitempty"`
}

func (a *app) signVerb() *cobra.Command {
	var f signFlags
	cmd := &cobra.Command{
		Use:   "sign [DIST] [--image REF]…",
		Short: "Sign checksums.txt, images, or both",
		Long: `Sign DIST/checksums.txt and write the Sigstore bundle (version 0.3) next to it.
With --image REF, sign the index and every manifest in it, as cosign 3 does, and
attach the bundles as referrers in the registry.

With --provenance, also sign an in-toto statement (SLSA provenance, version 1) in
DIST/provenance.sigstore.json. Its subjects are each tarball and its tar stream;
its materials are the index, platform manifest, configuration and layers of each
image, and config.json and inputs.lock.json. verify checks it against
release.json.

With --attest, also attach attestations to the images: SLSA provenance to each
index and manifest, and to each manifest that release.json in DIST names, its
SPDX SBOM.

Keyless signing is the default. The OIDC identity token comes from
--identity-token, from SIGSTORE_ID_TOKEN, or from GitHub Actions; certificate, log
entry and timestamp come from the services in --signing-config, or from those that
'releaser trust update' fetched. With --key, the private key signs; log entry and
timestamp are added where --signing-config names the services. A signature by a
key without a transparency log is accepted by verify only with
--unsafe-no-transparency-log.

Every file that checksums.txt names is hashed first. Each bundle is verified
against --trusted-root and the expected identity, and nothing is written until
all of them pass.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.sign(cmd.Context(), strings.Join(args, ""), f)
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.images, "image", nil, "sign the image `REF`, REGISTRY/REPOSITORY[:TAG][@DIGEST]; may be given several times")
	fl.BoolVar(&f.provenance, "provenance", false, "sign also where the tarballs come from, into DIST/provenance.sigstore.json")
	fl.BoolVar(&f.attest, "attest", false, "also attach provenance and SBOMs to the images")
	fl.StringVar(&f.key, "key", "", "private key `FILE` (PEM; if encrypted, the password is in RELEASER_KEY_PASSWORD)")
	fl.StringVar(&f.token, "identity-token", "", "`FILE` with an OIDC identity token (default: SIGSTORE_ID_TOKEN, then GitHub Actions)")
	fl.StringVar(&f.services, "signing-config", "", "`FILE` that names the Sigstore services (signing_config.json; default, without --key: what 'releaser trust update' kept)")
	fl.StringVar(&f.trust.root, "trusted-root", "", "trusted root `FILE` that the finished bundle is verified against (default: the one that 'releaser trust update' kept, else the public-good root in this program)")
	fl.StringArrayVar(&f.trust.san, "certificate-identity", nil, "`SAN` that the certificate must have (default: identity.san of config.json)")
	fl.StringVar(&f.trust.issuer, "certificate-oidc-issuer", "", "issuer `URL` that the certificate must have (default: identity.issuer of config.json)")
	return cmd
}

// sign makes every signature before it leaves the first one anywhere.
func (a *app) sign(ctx context.Context, dist string, f signFlags) error {
	if dist == "" && len(f.images) == 0 {
		return usage("nothing to sign: name the directory of a release, or an image with --image REF")
	}
	if f.attest && len(f.images) == 0 {
		return usage("--attest is of images: name them with --image REF")
	}
	if dist == "" && f.provenance {
		return usage("--provenance is of the tarballs of a release: name its directory")
	}
	var sums []byte
	var err error
	if dist != "" {
		if sums, err = readSums(dist); err != nil {
			return err
		}
	}
	images, err := a.imagesToSign(ctx, f.images)
	if err != nil {
		return err
	}
	if f.attest {
		if err := a.predicates(dist, sums, images); err != nil {
			return err
		}
	}
	signer, policy, err := a.signer(ctx, dist, f)
	if err != nil {
		return err
	}
	answer := signAnswer{Schema: "releaser.sign/v1", Trust: policy.RootOrigin()}
	var bundle []byte
	if dist != "" {
		answer.Signed = new(verify.Signature)
		check := func(bundle, data []byte) (err error) {
			*answer.Signed, err = verify.Blob(bundle, verify.Data(bytes.NewReader(data)), policy)
			return err
		}
		if bundle, err = sign.Checksums(ctx, sums, signer, check); err != nil {
			return err
		}
	}
	var provenance []byte
	if f.provenance {
		if provenance, err = a.signProvenance(ctx, dist, signer, policy); err != nil {
			return err
		}
	}
	for i := range images {
		if err := a.signImage(ctx, &images[i], signer, policy); err != nil {
			return err
		}
	}
	for i := range images {
		if err := a.attachSignature(ctx, &images[i]); err != nil {
			return err
		}
	}
	answer.Images = images
	if provenance != nil {
		answer.Provenance = filepath.Join(dist, release.ProvenanceFile)
		if err := atomicfile.WriteBytes(answer.Provenance, 0o644, provenance); err != nil {
			return err
		}
	}
	if dist != "" {
		answer.Bundle = filepath.Join(dist, release.BundleFile)
		if err := atomicfile.WriteBytes(answer.Bundle, 0o644, bundle); err != nil {
			return err
		}
	}
	if err := a.saySigned(answer); err != nil {
		return err
	}
	if policy.UnsafeNoTransparencyLog {
		a.warn("signed with a key and without a transparency log: verify needs --key %s --unsafe-no-transparency-log", shellWord(publicHalf(f.key)))
	}
	return nil
}

// publicHalf names the file with the public key, as keygen calls it.
func publicHalf(private string) string { return strings.TrimSuffix(private, ".key") + ".pub" }

func (a *app) saySigned(answer signAnswer) error {
	if a.json {
		return a.answer(answer)
	}
	var gaps []string
	for _, i := range answer.Images {
		a.say("%s  %s  signed by %s", i.Ref, i.Platform, i.Signed.Who())
		gaps = i.Signed.Unchecked
	}
	if answer.Signed != nil {
		if answer.Provenance != "" {
			a.say("%s  signed by %s", answer.Provenance, answer.Signed.Who())
		}
		a.say("%s  signed by %s", answer.Bundle, answer.Signed.Who())
		gaps = answer.Signed.Unchecked
	}
	for _, gap := range gaps {
		a.warn("%s", gap)
	}
	return nil
}

// readSums reads checksums.txt and holds every file to it: what is wrong on
// this disk must not be signed.
func readSums(dist string) ([]byte, error) {
	path := filepath.Join(dist, checksum.File)
	raw, err := atomicfile.ReadFile(path, maxNamedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("%s not found: run 'releaser pack' first, or name the directory that has it", path)
	}
	if err != nil {
		return nil, err
	}
	sums, err := checksum.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, s := range sums.All() {
		got, err := release.DigestFile(filepath.Join(dist, s.Name))
		if err != nil {
			return nil, fmt.Errorf("%s names a file that cannot be read: %w", path, err)
		}
		if got != s.Digest {
			return nil, &codedError{exitDiffers, fmt.Errorf("%s: expected %s, got %s: it was changed since 'releaser pack'; pack again", filepath.Join(dist, s.Name), s.Digest.Hex(), got.Hex())}
		}
	}
	return raw, nil
}

// signer prepares what signs, and the policy that its signatures must satisfy.
func (a *app) signer(ctx context.Context, dist string, f signFlags) (sign.Signer, verify.Policy, error) {
	var s sign.Signer
	var none verify.Policy
	var err error
	raw, place, err := a.signingConfig(f)
	if err != nil {
		return s, none, a.untrusted(err)
	}
	if raw != nil {
		if s.Services, err = sign.ParseServices(raw, time.Now()); err != nil {
			return s, none, fmt.Errorf("%s: %w", place, err)
		}
	}
	var fallback []verify.CertificateIdentity
	if f.key != "" {
		if s.Key, err = a.readPrivateKey(f.key); err != nil {
			return s, none, err
		}
		f.trust.noLog = f.services == ""
	} else {
		if raw == nil {
			return s, none, usage("keyless signing needs --signing-config FILE, which names the Sigstore services, or those that 'releaser trust update' keeps; or sign with --key FILE")
		}
		if s.Token, err = a.identityToken(ctx, f.token); err != nil {
			return s, none, err
		}
		if err := sign.CheckToken(s.Token, time.Now()); err != nil {
			return s, none, err
		}
		if !f.trust.given() {
			c, err := a.load()
			if err != nil {
				return s, none, err
			}
			// What is signed here is the signer's own: its version is taken as it is.
			if fallback, err = a.configuredIdentity(c, dist, &verify.Expectation{}); err != nil {
				return s, none, err
			}
		}
	}
	// The public half is known here; a file is wanted only from verifiers.
	policy, err := a.policyFor(&f.trust, s.Key, fallback)
	return s, policy, a.untrusted(err)
}

// signingConfig is the file that names the services to sign with, and what to call
// it: the one that a flag names, else for keyless signing the one that was fetched
// and kept next to the trusted root. A managed key signs alone unless it is told.
func (a *app) signingConfig(f signFlags) (raw []byte, place string, err error) {
	if f.services != "" {
		raw, err = readNamed("signing configuration", f.services)
		return raw, f.services, err
	}
	if f.key != "" {
		return nil, "", nil
	}
	kept, place, ok, err := readKept()
	if err != nil || !ok || kept.SigningConfig == nil {
		return nil, "", err
	}
	a.note("sign: by the services that %s names", kept.Mirror)
	return kept.SigningConfig, place, nil
}

// policyFor is policy with the public half of a private key, if there is one.
func (a *app) policyFor(f *trustFlags, key *sign.Key, fallback []verify.CertificateIdentity) (verify.Policy, error) {
	if key == nil {
		return a.policy(f, fallback...)
	}
	public, err := verify.ParsePublicKey(key.PublicPEM())
	if err != nil {
		return verify.Policy{}, err
	}
	p := verify.Policy{Key: public, UnsafeNoTransparencyLog: f.noLog}
	if f.root != "" || !f.noLog {
		p.Root, err = a.trustedRoot(f.root, time.Now())
	}
	return p, err
}

// readPrivateKey reads a key, and warns of one that other users can read.
func (a *app) readPrivateKey(path string) (*sign.Key, error) {
	raw, err := readNamed("private key", path)
	if err != nil {
		return nil, err
	}
	if fi, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && fi.Mode().Perm()&0o077 != 0 {
		a.warn("private key %s: other users can read it (mode %04o): run 'chmod 600 %s'", path, fi.Mode().Perm(), path)
	}
	key, err := sign.ParseKey(raw, []byte(os.Getenv("RELEASER_KEY_PASSWORD")))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func (a *app) identityToken(ctx context.Context, file string) (string, error) {
	if file != "" {
		raw, err := readNamed("identity token", file)
		if err != nil {
			return "", err
		}
		return sign.ParseToken(raw)
	}
	if t := os.Getenv("SIGSTORE_ID_TOKEN"); t != "" {
		return sign.ParseToken([]byte(t))
	}
	url, secret := os.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL"), os.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if url == "" || secret == "" {
		return "", usage("no identity token: give --identity-token FILE or SIGSTORE_ID_TOKEN, run in a GitHub Actions job with the permission id-token: write, or sign with --key FILE")
	}
	return sign.AmbientToken(ctx, http.DefaultClient, url, secret, sign.Audience)
}
