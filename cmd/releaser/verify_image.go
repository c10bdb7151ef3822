package main

import (
	"context"

	"github.com/spf13/cobra"

	"facerec/internal/oci"
	"facerec/internal/pack"
	"facerec/internal/text"
	"facerec/internal/verify"
)

type imageFlags struct {
	trust        trustFlags
	attestations []string
	everyone     bool
}

func (a *app) verifyImageVerb() *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "verify-image REF",
		Short: "Verify the signatures and attestations of an image",
		Long: `Verify the signatures of an image, as cosign makes them: referrers of its digest,
in the referrers API or under the fallback tag, and the .sig and .att tags of
older versions. REF is REGISTRY/REPOSITORY[:TAG][@DIGEST] or
oci-layout:DIR[:TAG][@DIGEST]; a tag is resolved once.

One valid signature by the expected signer is enough; others are listed with the
reason. An index must be signed itself, which covers the manifests it names; with
--all-platforms each manifest needs a signature of its own. An attestation does
not count as a signature: --attestation-type requires one in addition, about the
index or about each of its platforms. TYPE is spdx, spdxjson, cyclonedx,
slsaprovenance, slsaprovenance02, slsaprovenance1, vuln, openvex, link, or the URI
of a predicate type.

The policy is that of verify-blob. The expected signer is the identity in
config.json, for the version that the tag names, unless --certificate-identity and
--certificate-oidc-issuer, or --key, name another.`,
		Example: `  releaser verify-image ghcr.io/acme/tool:1.0.0
  releaser verify-image ghcr.io/acme/tool:1.0.0 --key release.pub --unsafe-no-transparency-log
  releaser verify-image oci-layout:layout:1.0.0 --all-platforms --attestation-type slsaprovenance1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.verifyImage(cmd.Context(), args[0], f)
		},
	}
	f.trust.add(cmd)
	fl := cmd.Flags()
	fl.StringArrayVar(&f.attestations, "attestation-type", nil, "also require an attestation of this `TYPE`; can be repeated")
	fl.BoolVar(&f.everyone, "all-platforms", false, "require a signature of each platform's manifest")
	return cmd
}

func (a *app) verifyImage(ctx context.Context, arg string, f imageFlags) error {
	ref, err := oci.ParseRef(arg)
	if err != nil {
		return usageError(err)
	}
	in := verify.ImageInput{EveryPlatform: f.everyone}
	for _, name := range f.attestations {
		t, err := verify.ParseAttestationType(name)
		if err != nil {
			return usageError(err)
		}
		in.Attestations = append(in.Attestations, t)
	}
	var fallback []verify.CertificateIdentity
	if !f.trust.given() {
		if fallback, err = a.imageIdentity(ref.Tag); err != nil {
			return err
		}
	}
	if in.Policy, err = a.policy(&f.trust, fallback...); err != nil {
		return a.untrusted(err)
	}
	a.note("verify-image: expecting %s", expected(in.Policy))
	if in.Ref, in.Subjects, err = a.subjects(ctx, ref); err != nil {
		return err
	}
	report := verify.Image(ctx, in)
	if a.json {
		raw, err := report.JSON()
		if err != nil {
			return err
		}
		a.out.Write(text.SafeJSON(raw)) //nolint:errcheck // as every other print
	} else {
		a.sayAll(report.Text())
	}
	if report.ExitCode != 0 {
		return &codedError{code: report.ExitCode}
	}
	return nil
}

// subjects reads what is attached to an image and next to each manifest in it. It
// gives the reference pinned to its digest.
func (a *app) subjects(ctx context.Context, ref oci.Ref) (string, []verify.ImageSubject, error) {
	ix, err := oci.ReadIndex(ctx, ref, a.access(ref))
	if err != nil {
		return "", nil, err
	}
	all := []verify.ImageSubject{{Digest: ix.Digest}}
	if !ix.Single {
		for _, m := range ix.Manifests {
			if !m.IsAttestation() {
				all = append(all, verify.ImageSubject{Digest: m.Digest, Platform: m.Platform})
			}
		}
	}
	for i := range all {
		a.note("verify-image: %s", all[i].Digest)
		if err := pack.ReadReferrers(ctx, ix.Ref, &all[i], a.access(ref)); err != nil {
			return "", nil, err
		}
	}
	return ix.Ref.String(), all, nil
}
