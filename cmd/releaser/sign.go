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
	"time"

	"github.com/spf13/cobra"

	"facerec/internal/checksum"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// signFlags say with what to sign.
type signFlags struct {
	key, token, services string
	trust                trustFlags
}

type signAnswer struct {
	Schema string           `json:"schema"`
	Bundle string           `json:"bundle"`
	Signed verify.Signature `json:"signature"`
}

func (a *app) signVerb() *cobra.Command {
	var f signFlags
	cmd := &cobra.Command{
		Use:   "sign DIST",
		Short: "Sign checksums.txt: write checksums.txt.sigstore.json beside it",
		Long: `Sign DIST/checksums.txt and write the Sigstore bundle (version 0.3) beside it.

Keyless, the default: an OIDC identity token from --identity-token, from
SIGSTORE_ID_TOKEN, or from GitHub Actions; a short-lived certificate, log and
timestamp from the services in --signing-config. With --key the private key
signs; log and timestamp are added where --signing-config names them.

Every file that checksums.txt names is hashed first. The finished bundle is
verified against --trusted-root and the expected identity (--certificate-…, or
that of config.json) before it is written: a signature that nobody could verify
is never left behind.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.sign(cmd.Context(), args[0], f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.key, "key", "", "private key `FILE` (PEM; if encrypted, the password is in RELEASER_KEY_PASSWORD)")
	fl.StringVar(&f.token, "identity-token", "", "`FILE` with an OIDC identity token (default: SIGSTORE_ID_TOKEN, then GitHub Actions)")
	fl.StringVar(&f.services, "signing-config", "", "`FILE` that names the Sigstore services (signing_config.json)")
	fl.StringVar(&f.trust.root, "trusted-root", "", "trusted root `FILE` that the finished bundle is verified against (default: the public-good root in this program)")
	fl.StringArrayVar(&f.trust.san, "certificate-identity", nil, "`SAN` that the certificate must have (default: identity.san of config.json)")
	fl.StringVar(&f.trust.issuer, "certificate-oidc-issuer", "", "issuer `URL` that the certificate must have (default: identity.issuer of config.json)")
	return cmd
}

func (a *app) sign(ctx context.Context, dist string, f signFlags) error {
	sums, err := readSums(dist)
	if err != nil {
		return err
	}
	signer, signed, err := a.signer(ctx, dist, f)
	if err != nil {
		return err
	}
	bundle, err := sign.Checksums(ctx, sums, signer)
	if err != nil {
		return err
	}
	path := filepath.Join(dist, sign.BundleFile)
	if err := writeBytes(path, bundle); err != nil {
		return err
	}
	if a.json {
		return a.answer(signAnswer{"releaser.sign/v1", path, *signed})
	}
	a.say("%s  signed by %s", path, signed.Who())
	for _, gap := range signed.Unchecked {
		a.warn("%s", gap)
	}
	return nil
}

// readSums reads checksums.txt and holds every file to it: what is wrong on
// this disk must not be signed.
func readSums(dist string) ([]byte, error) {
	path := filepath.Join(dist, checksum.File)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("%s is not there: run 'releaser pack' first, or name the folder that has it", path)
	}
	if err != nil {
		return nil, err
	}
	sums, err := checksum.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, s := range sums.All() {
		got, err := hashFile(filepath.Join(dist, s.Name))
		if err != nil {
			return nil, fmt.Errorf("%s names a file that cannot be read: %w", path, err)
		}
		if got != s.Digest {
			return nil, &codedError{exitDiffers, fmt.Errorf("%s: expected %s, got %s: it was changed since 'releaser pack'; pack again", filepath.Join(dist, s.Name), s.Digest.Hex(), got.Hex())}
		}
	}
	return raw, nil
}

// signer prepares what signs and, in the returned Signature, what the bundle
// then proved.
func (a *app) signer(ctx context.Context, dist string, f signFlags) (sign.Signer, *verify.Signature, error) {
	var s sign.Signer
	var err error
	if f.services != "" {
		raw, err := readNamed("signing configuration", f.services)
		if err != nil {
			return s, nil, err
		}
		if s.Services, err = sign.ParseServices(raw, time.Now()); err != nil {
			return s, nil, fmt.Errorf("%s: %w", f.services, err)
		}
	}
	var fallback []verify.Identity
	if f.key != "" {
		if s.Key, err = readPrivateKey(f.key); err != nil {
			return s, nil, err
		}
		f.trust.noLog = f.services == ""
	} else {
		if f.services == "" {
			return s, nil, usage("keyless signing needs --signing-config FILE, which names the Sigstore services; or sign with --key FILE")
		}
		if s.Token, err = a.identityToken(ctx, f.token); err != nil {
			return s, nil, err
		}
		if fallback, err = a.configuredIdentity(dist); err != nil {
			return s, nil, err
		}
	}
	// The public half is known here; a file is wanted only from verifiers.
	policy, err := a.policyFor(&f.trust, s.Key, fallback)
	if err != nil {
		return s, nil, err
	}
	signed := new(verify.Signature)
	s.Verify = func(bundle, data []byte) error {
		got, err := verify.Blob(bundle, verify.Data(bytes.NewReader(data)), policy)
		*signed = got
		return err
	}
	return s, signed, nil
}

// policyFor is policy with the public half of a private key, if there is one.
func (a *app) policyFor(f *trustFlags, key *sign.Key, fallback []verify.Identity) (verify.Policy, error) {
	if key == nil {
		return a.policy(f, fallback...)
	}
	public, err := verify.ParsePublicKey(key.PublicPEM())
	if err != nil {
		return verify.Policy{}, err
	}
	p := verify.Policy{Key: public, UnsafeNoTransparencyLog: f.noLog}
	if f.root != "" || !f.noLog {
		p.Root, err = a.trustedRoot(f.root)
	}
	return p, err
}

func readPrivateKey(path string) (*sign.Key, error) {
	raw, err := readNamed("private key", path)
	if err != nil {
		return nil, err
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
