package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/verify"
)

type blobAnswer struct {
	Schema    string              `json:"schema"`
	Verified  bool                `json:"verified"`
	TrustRoot *verify.TrustOrigin `json:"trust_root,omitempty"`
	Signature *verify.Signature   `json:"signature,omitempty"`
	Error     string              `json:"error,omitempty"`
	Class     string              `json:"class,omitempty"`
}

func (a *app) verifyBlobVerb() *cobra.Command {
	return a.blobVerb("verify-blob", "Verify one Sigstore bundle over one file", false)
}

// verifyBundleVerb spells verify-blob as the public protocol of Sigstore's
// client conformance suite does.
func (a *app) verifyBundleVerb() *cobra.Command {
	return a.blobVerb("verify-bundle", "Verify one bundle, spelled as Sigstore's conformance protocol wants it", true)
}

func (a *app) blobVerb(name, short string, protocol bool) *cobra.Command {
	var f trustFlags
	var bundle string
	differs := ""
	if protocol {
		differs = `

Where the protocol differs from what releaser holds releases to, this verb holds to
the protocol: a managed key's signature needs a log entry and no signed time, and a
certificate chain with a root in it is refused.`
	}
	cmd := &cobra.Command{
		Use:    name + " --bundle BUNDLE FILE|DIGEST",
		Short:  short,
		Hidden: protocol,
		Long: short + `. The artifact is a file, or its digest: sha256:HEX,
sha384:HEX or sha512:HEX.

The policy is fixed and never chosen from the bundle: an entry in a transparency
log, a signed time, and for certificates their own log entry, all by the trusted
root; then the exact identity or key.` + differs,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if bundle == "" {
				return usage("no bundle: give --bundle FILE")
			}
			policy, err := a.policy(&f)
			if err != nil {
				return a.blobVerdict(policy, nil, err)
			}
			policy.Protocol = protocol
			raw, err := readBundle(bundle)
			if err != nil {
				return err
			}
			artifact, done, err := openArtifact(args[0])
			if err != nil {
				return err
			}
			defer done()
			signed, err := verify.Blob(raw, artifact, policy)
			if err != nil {
				return a.blobVerdict(policy, nil, err)
			}
			return a.blobVerdict(policy, &signed, nil)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&bundle, "bundle", "", "the Sigstore bundle `FILE`")
	return cmd
}

// readBundle reads a bundle, and of what is too large for one no more than tells.
func readBundle(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("bundle %s not found", path)
	}
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, verify.MaxBundle+1))
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return raw, nil
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
	f, err := os.Open(arg)
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
	return nil
}
