package sign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"
	"google.golang.org/protobuf/encoding/protojson"

	"facerec/internal/checksum"
	"facerec/internal/text"
)

// Signer is who signs, with what, and who checks it at once.
type Signer struct {
	// Key is a managed key; nil means keyless, for which Token is required.
	Key *Key

	// Token is an OpenID Connect identity token (a JWT) whose audience is the
	// certificate authority's, usually "sigstore". It is a secret: it never
	// appears in an error.
	Token string

	// Services must name a certificate authority, a log and a timestamp authority
	// for keyless signing. For a managed key all are optional, but Rekor version 2
	// wants a timestamp authority next to it, for it keeps no time.
	Services Services
}

// retries is how often a service that answers 5xx is asked again: a timestamp
// authority with growing pauses of 1, 2, 4 and 8 seconds, a certificate authority
// and a log of version 1 without pauses. A log of version 2 is asked once. All that
// is as sigstore-go does it.
const retries = 3

// A Verifier checks a finished bundle over the data that was signed. A bundle
// that it refuses is not returned to anybody.
type Verifier func(bundle, data []byte) error

// Checksums signs the bytes of checksums.txt and gives the bundle. The data is
// read as [checksum.ParseCoreutils] does first: what nobody can check is not
// signed.
func Checksums(ctx context.Context, data []byte, s Signer, verify Verifier) (bundle []byte, err error) {
	if _, err := checksum.ParseCoreutils(data); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return s.sign(ctx, &sgsign.PlainData{Data: data}, data, verify)
}

// Statement signs an in-toto statement (JSON) as a DSSE envelope of payload
// type application/vnd.in-toto+json and returns the bundle. verify is called with
// the statement as the data.
func Statement(ctx context.Context, statement []byte, s Signer, verify Verifier) (bundle []byte, err error) {
	if !json.Valid(statement) {
		return nil, errors.New("sign: the statement is not JSON")
	}
	return s.sign(ctx, &sgsign.DSSEData{Data: statement, PayloadType: "application/vnd.in-toto+json"}, statement, verify)
}

func (s Signer) sign(ctx context.Context, content sgsign.Content, data []byte, verify Verifier) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	var pair sgsign.Keypair
	opts := sgsign.BundleOptions{Context: ctx}
	if s.Key != nil {
		pair = keypair{s.Key}
	} else {
		once, err := GenerateKey()
		if err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
		pair = keypair{once}
		opts.CertificateProvider = sgsign.NewFulcio(&sgsign.FulcioOptions{BaseURL: s.Services.Fulcio, Retries: retries})
		opts.CertificateProviderOptions = &sgsign.CertificateProviderOptions{IDToken: s.Token}
	}
	for _, url := range s.Services.Timestamper {
		opts.TimestampAuthorities = append(opts.TimestampAuthorities,
			sgsign.NewTimestampAuthority(&sgsign.TimestampAuthorityOptions{URL: url, Retries: retries}))
	}
	for _, l := range s.Services.Rekor {
		opts.TransparencyLogs = append(opts.TransparencyLogs,
			sgsign.NewRekor(&sgsign.RekorOptions{BaseURL: l.URL, Retries: retries, Version: l.Version}))
	}
	made, err := sgsign.Bundle(content, pair, opts)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("sign: %w", oneLine(s.redact(err)))
	}
	bundle, err := encode(made)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := verify(bundle, data); err != nil {
		return nil, fmt.Errorf("sign: the new bundle does not verify and was discarded: %w", err)
	}
	return bundle, nil
}

func (s Signer) check() error {
	if err := s.Services.check(); err != nil {
		return err
	}
	rekorV2 := false
	for _, l := range s.Services.Rekor {
		rekorV2 = rekorV2 || l.Version == 2
	}
	switch {
	case s.Key != nil && s.Token != "":
		return errors.New("both a key and an identity token were given; expected one")
	case s.Key == nil && s.Token == "":
		return errors.New("neither a key nor an identity token was given; expected one")
	case s.Key == nil && s.Services.Fulcio == "":
		return errors.New("keyless signing needs a certificate authority, and none is configured")
	case s.Key == nil && len(s.Services.Rekor) == 0:
		return errors.New("keyless signing needs a transparency log, and none is configured")
	case rekorV2 && len(s.Services.Timestamper) == 0:
		return errors.New("a Rekor version 2 log needs a timestamp authority, and none is configured")
	}
	return nil
}

// redact keeps a token that a server sent back out of the error.
func (s Signer) redact(err error) error {
	if s.Token == "" || !strings.Contains(err.Error(), s.Token) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), s.Token, "(token)"))
}

// encode writes the one spelling of a bundle: protojson puts in white space at
// random to keep people from relying on its bytes, so all of it is taken out.
func encode(b *protobundle.Bundle) ([]byte, error) {
	loose, err := protojson.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	var tight bytes.Buffer
	if err := json.Compact(&tight, loose); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return tight.Bytes(), nil
}

// maxErrorText keeps a server's error page out of a person's terminal, in bytes.
const maxErrorText = 600

// oneLine is err with its text on one line.
func oneLine(err error) error { return text.Error(err, maxErrorText) }
