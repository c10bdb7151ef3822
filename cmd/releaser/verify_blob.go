package main

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/text"
	"facerec/internal/verify"
)

type blobAnswer struct {
	Schema    string              `json:"schema"`
	Verified  bool                `json:"verified"`
	TrustRoot *verify.TrustOrigin `json:"trust_root,omitempty"`
	Signature *verify.Signature   `json:"signature,omitempty"`
	Error     string              `json:"error,omitempty"`
	Refused   []string            `json:"refused,omitempty"`
	Class     string              `json:"class,omitempty"`
}

func (a *app) verifyBlobVerb() *cobra.Command {
	return a.blobVerb("verify-blob", "Verify one Sigstore bundle over one file", false)
}

// verifyBundleVerb spells verify-blob as the public protocol of Sigstore's
// client conformance suite does.
func (a *app) verifyBundleVerb() *cobra.Command {
	return a.blobVerb("verify-bundle", "Verify one bundle, spelled as Sigstore's conformance protocol requires", true)
}

func (a *app) blobVerb(name, short string, protocol bool) *cobra.Command {
	var f trustFlags
	var parts signatureFlags
	differs := ""
	if protocol {
		differs = `

Where the protocol differs from what releaser holds releases to, this verb holds to
the protocol: a managed key's signature needs a log entry and no signed time, and a
certificate chain with a root in it is refused.`
	}
	cmd := &cobra.Command{
		Use:   name + " --bundle BUNDLE|--signature FILE FILE|DIGEST",
		Short: short,
		Example: `  releaser verify-blob --bundle tool.sigstore.json --key release.pub tool
  releaser verify-blob --bundle tool.sigstore.json --certificate-identity ann@example.org --certificate-oidc-issuer https://accounts.google.com tool`,
		Hidden: protocol, Annotations: offlineVerb,
		Long: short + `.
The artifact is a file, or its digest: sha256:HEX, sha384:HEX or sha512:HEX.

The policy is fixed and never chosen from the bundle: an entry in a transparency
log, a signed time, and for certificates their own log entry, all by the trusted
root; then the exact identity or key.

BUNDLE may also have several bundles, a line each or in a list of attestations as
GitHub and npm give them, or be a bundle of cosign before version 3: one that holds
is enough, and the others are listed. --signature, --certificate and --log-entry
take the separate files that cosign 2 writes.` + differs,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := parts.check(); err != nil {
				return err
			}
			if parts.bundle == "" && parts.signature == "" {
				return text.WithHint(usage("no bundle"), "pass --bundle FILE, or --signature FILE")
			}
			policy, err := a.policy(&f)
			if err != nil {
				return a.blobVerdict(policy, nil, err)
			}
			policy.Protocol = protocol
			artifact, done, err := openArtifact(args[0])
			if err != nil {
				return err
			}
			defer done()
			raw, err := parts.read(artifact)
			if err != nil {
				return err
			}
			signed, err := verify.Blob(raw, artifact, policy)
			if err != nil {
				return a.blobVerdict(policy, nil, parts.advise(err))
			}
			return a.blobVerdict(policy, &signed, nil)
		},
	}
	f.add(cmd)
	parts.add(cmd)
	return cmd
}

// openArtifact takes what looks like a digest for one, unless a file is called so.
func openArtifact(arg string) (verify.Artifact, func(), error) {
	algorithm, _, isDigest := strings.Cut(arg, ":")
	_, statErr := os.Stat(arg)
	if statErr != nil && isDigest && slices.Contains([]string{"sha256", "sha384", "sha512"}, algorithm) {
		d, err := verify.ParseDigest(arg)
		if err != nil {
			err = usageError(err)
		}
		return d, func() {}, err
	}
	f, err := atomicfile.Open(arg)
	if err != nil {
		return verify.Artifact{}, nil, err
	}
	return verify.Data(f), func() { _ = f.Close() }, nil
}

func (a *app) blobVerdict(p verify.Policy, signed *verify.Signature, err error) error {
	var failed *verify.Error
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	answer := blobAnswer{Schema: "releaser.verify-blob/v1", Verified: err == nil, TrustRoot: p.RootOrigin(), Signature: signed}
	if failed != nil {
		answer.Error, answer.Class = err.Error(), failed.Class.String()
		answer.Refused = failed.Refused
		if a.json {
			if err := a.answer(answer); err != nil {
				return err
			}
			return &codedError{code: failed.Class.ExitCode()}
		}
		return &codedError{failed.Class.ExitCode(), err}
	}
	if a.json {
		return a.answer(answer)
	}
	a.say("verified: signed by %s", signed.Who())
	for _, gap := range signed.Unchecked {
		a.warn("%s", gap)
	}
	for _, refused := range signed.Refused {
		a.note("verify: another bundle or trusted root does not hold: %s", refused)
	}
	return nil
}
