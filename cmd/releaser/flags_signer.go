package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/attest"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// signerFlags say with what to sign, and by what the signatures are verified.
type signerFlags struct {
	key, token, services string
	trust                trustFlags
}

func (f *signerFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.key, "key", "", "sign with the private key in `FILE` (PEM; if encrypted, the password is in RELEASER_KEY_PASSWORD)")
	f.addServices(cmd)
	fl.StringVar(&f.trust.root, "trusted-root", "", "verify the finished bundle against the trusted root in `FILE` (default: the one that 'releaser trust update' kept, else the public-good root in this program)")
	fl.StringArrayVar(&f.trust.san, "certificate-identity", nil, "exact subject alternative name `SAN` that the certificate must have (default: identity.san of config.json)")
	fl.StringVar(&f.trust.issuer, "certificate-oidc-issuer", "", "exact OIDC issuer `URL` that the certificate must have (default: identity.issuer of config.json)")
}

// addServices adds where tokens, certificates and log entries come from.
func (f *signerFlags) addServices(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.token, "identity-token", "", "read the OIDC identity token from `FILE` (default: SIGSTORE_ID_TOKEN, then GitHub Actions)")
	fl.StringVar(&f.services, "signing-config", "", "sign by the Sigstore services that `FILE` (signing_config.json) names (default, without a key: those that 'releaser trust update' kept)")
}

// signer prepares what signs, and the policy that its signatures must satisfy.
// identity is whom to expect where no flag names a signer.
func (a *app) signer(ctx context.Context, f signerFlags, identity func() ([]verify.CertificateIdentity, error)) (attest.By, error) {
	by, err := a.signedBy(ctx, f, identity)
	return by, a.untrusted(err)
}

func (a *app) signedBy(ctx context.Context, f signerFlags, identity func() ([]verify.CertificateIdentity, error)) (by attest.By, err error) {
	s := &by.Signer
	raw, place, err := a.signingConfig(f)
	if err != nil {
		return by, err
	}
	if raw != nil {
		if s.Services, err = sign.ParseServices(raw, time.Now()); err != nil {
			return by, fmt.Errorf("%s: %w", place, err)
		}
	}
	var fallback []verify.CertificateIdentity
	if f.key != "" {
		if s.Key, err = a.readPrivateKey(f.key); err != nil {
			return by, err
		}
		f.trust.noLog = f.services == ""
	} else {
		if raw == nil {
			return by, text.WithHint(usage("keyless signing: no Sigstore services are known"), "run 'releaser trust update', name them with --signing-config FILE, or sign with --key FILE")
		}
		if s.Token, err = a.identityToken(ctx, f.token); err != nil {
			return by, err
		}
		if err := sign.CheckToken(s.Token, time.Now()); err != nil {
			return by, err
		}
		if !f.trust.given() {
			if fallback, err = identity(); err != nil {
				return by, err
			}
		}
	}
	// The public half is known here; a file is wanted only from verifiers.
	by.Policy, err = a.policyFor(&f.trust, s.Key, fallback)
	return by, err
}

// signingConfig is the file that names the services to sign with, and what to call
// it: the one that a flag names, else for keyless signing the one that was fetched
// and kept next to the trusted root. A managed key signs alone unless it is told.
func (a *app) signingConfig(f signerFlags) (raw []byte, place string, err error) {
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
		p.Root, err = a.trustedRootOnce(f.root)
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
		return "", text.WithHint(usage("no identity token"), "give --identity-token FILE or SIGSTORE_ID_TOKEN, run in a GitHub Actions job with the permission id-token: write, or sign with --key FILE")
	}
	return sign.AmbientToken(ctx, http.DefaultClient, url, secret, sign.Audience)
}

// inputsLock is the file that pins what a build takes from elsewhere.
const inputsLock = "inputs.lock.json"

// inputs are config.json and the lock next to it, as far as they are there, and
// the commit that they are from.
func (a *app) inputs() ([]sign.Input, error) {
	inputs, err := a.inputFiles()
	if err != nil {
		return nil, err
	}
	if commit := cleanCommit(a.configFile); commit != "" {
		inputs = append(inputs, sign.Input{Name: "sources", Commit: commit})
	}
	return inputs, nil
}

func (a *app) inputFiles() ([]sign.Input, error) {
	var inputs []sign.Input
	for _, path := range []string{a.configFile, filepath.Join(filepath.Dir(a.configFile), inputsLock)} {
		raw, err := atomicfile.ReadFile(path, maxNamedFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, sign.Input{Name: filepath.Base(path), Digest: release.DigestBytes(raw)})
	}
	return inputs, nil
}
