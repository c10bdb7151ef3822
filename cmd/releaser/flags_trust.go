package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// trustFlags say who may have signed, and by what that is judged.
type trustFlags struct {
	root, key             string
	san, sanPattern       []string
	issuer, issuerPattern string
	looseRegexp, noLog    bool
	gitHubPrivate         bool

	chosen *verify.TrustedRoot // instead of root, by a verb that has one
}

func (f *trustFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.root, "trusted-root", "", "check certificates, logs and timestamps against the trusted root in `FILE` (trusted_root.json) (default: the one that 'releaser trust update' kept, else the public-good root in this program)")
	fl.StringVar(&f.key, "key", "", "verify with the signer's public key in `FILE` (PEM), for signatures made with a managed key")
	fl.StringArrayVar(&f.san, "certificate-identity", nil, "exact subject alternative name `SAN` that the certificate must have; can be repeated")
	fl.StringArrayVar(&f.sanPattern, "certificate-identity-regexp", nil, "regular expression `RE` for the whole subject alternative name, with a literal host and owner")
	fl.StringVar(&f.issuer, "certificate-oidc-issuer", "", "exact OIDC issuer `URL` that the certificate must have")
	fl.StringVar(&f.issuerPattern, "certificate-oidc-issuer-regexp", "", "regular expression `RE` for the whole issuer, with a literal host")
	fl.BoolVar(&f.looseRegexp, "unsafe-loose-regexp", false, "allow regular expressions that leave host or owner open")
	fl.BoolVar(&f.noLog, "unsafe-no-transparency-log", false, "with --key: accept a signature without a log entry and a timestamp")
	fl.BoolVar(&f.gitHubPrivate, "github-private", false, "accept what GitHub signs for private repositories: a certificate and a timestamp of GitHub's own instance, and no transparency log; needs --trusted-root")
}

// given reports whether any flag names a signer.
func (f *trustFlags) given() bool {
	return f.key != "" || len(f.san)+len(f.sanPattern) > 0 || f.issuer != "" || f.issuerPattern != ""
}

// policy reads the files and builds the policy. fallback is the identity to
// expect when no flag names a signer.
func (a *app) policy(f *trustFlags, fallback ...verify.CertificateIdentity) (verify.Policy, error) {
	p := verify.Policy{UnsafeNoTransparencyLog: f.noLog, GitHubPrivate: f.gitHubPrivate}
	if f.gitHubPrivate && (f.key != "" || f.root == "" && f.chosen == nil) {
		return p, usage("--github-private needs --trusted-root FILE with the root of GitHub's instance ('gh attestation trusted-root' prints it), and no --key")
	}
	if f.noLog && f.key == "" {
		return p, usage("--unsafe-no-transparency-log needs --key: a certificate is good for minutes, and only a log entry shows that it signed within them")
	}
	var err error
	if f.chosen != nil {
		p.Root = f.chosen
	} else if f.root != "" || !f.noLog {
		if p.Root, err = a.trustedRootOnce(f.root); err != nil {
			return p, err
		}
	}
	if f.key != "" {
		if len(f.san)+len(f.sanPattern) > 0 || f.issuer != "" || f.issuerPattern != "" {
			return p, usage("--key and --certificate-… exclude each other: a managed key has no certificate")
		}
		raw, err := readNamed("public key", f.key)
		if err != nil {
			return p, err
		}
		if p.Key, err = verify.ParsePublicKey(raw); err != nil {
			err = fmt.Errorf("%s: %w", f.key, err)
		}
		return p, err
	}
	if !f.given() {
		p.Identities = fallback
	}
	for _, san := range f.san {
		p.Identities = append(p.Identities, f.identity(verify.CertificateIdentity{SAN: san}))
	}
	for _, re := range f.sanPattern {
		p.Identities = append(p.Identities, f.identity(verify.CertificateIdentity{SANRegexp: re}))
	}
	if len(p.Identities) == 0 {
		return p, text.WithHint(usage("no expected signer"), "pass --key FILE, or --certificate-identity and --certificate-oidc-issuer")
	}
	for _, id := range p.Identities {
		if err := id.Check(); err != nil {
			return p, usageError(err)
		}
	}
	return p, nil
}

func (f *trustFlags) identity(id verify.CertificateIdentity) verify.CertificateIdentity {
	id.Issuer, id.IssuerRegexp, id.UnsafeLooseRegexp = f.issuer, f.issuerPattern, f.looseRegexp
	return id
}

// maxNamedFile bounds, in bytes, a key, a trusted root, a token or a signing
// configuration.
const maxNamedFile = 64 << 20

// readNamed reads a small file that a flag names.
func readNamed(what, path string) ([]byte, error) {
	raw, err := atomicfile.ReadFile(path, maxNamedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("%s %s not found", what, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return raw, nil
}

// expected shows on one line whom a policy expects.
func expected(p verify.Policy) string {
	if p.Key != nil {
		return "key " + p.Key.Fingerprint().String()
	}
	var ids []string
	for _, id := range p.Identities {
		ids = append(ids, id.String())
	}
	return strings.Join(ids, " or ")
}
