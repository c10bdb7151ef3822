package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/attest"
	"facerec/internal/oci"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// signFlags say what to sign, and with what.
type signFlags struct {
	images             []string
	provenance, attest bool
	by                 signerFlags
}

type signAnswer struct {
	Schema string              `json:"schema"`
	Bundle string              `json:"bundle,omitempty"`
	Signed *verify.Signature   `json:"signature,omitempty"`
	Trust  *verify.TrustOrigin `json:"trust_root,omitempty"`
	Images []attest.Image      `json:"images,omitempty"`

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
		Example: `  releaser sign dist
  releaser sign dist --key release.key
  releaser sign dist --image ghcr.io/acme/tool:1.0.0 --attest --provenance`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.sign(cmd.Context(), strings.Join(args, ""), f)
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.images, "image", nil, "sign the image `REF` (REGISTRY/REPOSITORY[:TAG][@DIGEST]); can be repeated")
	fl.BoolVar(&f.provenance, "provenance", false, "also sign a provenance of the tarballs: DIST/provenance.sigstore.json")
	fl.BoolVar(&f.attest, "attest", false, "also attach provenance and SBOMs to the images")
	f.by.add(cmd)
	return cmd
}

func (a *app) sign(ctx context.Context, dist string, f signFlags) error {
	if dist == "" && len(f.images) == 0 {
		return text.WithHint(usage("nothing to sign"), "name the directory of a release, or an image with --image REF")
	}
	if f.attest && len(f.images) == 0 {
		return text.WithHint(usage("--attest: no image to attest"), "name them with --image REF")
	}
	if dist == "" && f.provenance {
		return text.WithHint(usage("--provenance: no release to sign the provenance of"), "name its directory")
	}
	images, err := imagesToSign(f.images)
	if err != nil {
		return err
	}
	signed, err := attest.Sign(ctx, attest.Input{
		Dist: dist, Images: images, Provenance: f.provenance, Attest: f.attest,
		Materials: a.inputs, Access: a.access(images...), Notice: func(line string) { a.note("sign: %s", line) },
		By: func(ctx context.Context) (attest.By, error) { return a.signer(ctx, f.by, a.identityOfDist(dist)) },
	})
	if err != nil {
		return err
	}
	answer := signAnswer{"releaser.sign/v1", signed.Bundle, signed.Signed, signed.Policy.RootOrigin(), signed.Images, signed.Provenance}
	if err := a.saySigned(answer); err != nil {
		return err
	}
	a.warnOfNoLog(signed.Policy, f.by.key)
	return nil
}

// identityOfDist is whom config.json expects to have signed the release in dist.
// What is signed here is the signer's own: its version is taken as it is.
func (a *app) identityOfDist(dist string) func() ([]verify.CertificateIdentity, error) {
	return func() ([]verify.CertificateIdentity, error) {
		c, err := a.load()
		if err != nil {
			return nil, err
		}
		return a.configuredIdentity(c, dist, atomicfile.FS(dist), &verify.Expectation{})
	}
}

// imagesToSign reads references to images in registries.
func imagesToSign(names []string) ([]oci.Ref, error) {
	var out []oci.Ref
	for _, name := range names {
		ref, err := oci.ParseRef(name)
		if err != nil {
			return nil, usageError(err)
		}
		if ref.Kind != oci.Registry {
			return nil, text.WithHint(usage("--image %s: expected an image in a registry", name), "push the image first")
		}
		out = append(out, ref)
	}
	return out, nil
}

// warnOfNoLog says what verifiers need for signatures that no log has.
func (a *app) warnOfNoLog(p verify.Policy, key string) {
	if p.UnsafeNoTransparencyLog {
		a.warn("signed with a key and without a transparency log: verify needs --key %s --unsafe-no-transparency-log", shellWord(publicHalf(key)))
	}
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
