package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/sign"
)

type keygenAnswer struct {
	Schema  string `json:"schema"`
	Private string `json:"private_key"`
	Public  string `json:"public_key"`
}

func (a *app) keygenVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen NAME",
		Short: "Make a managed key: NAME.key (private, not encrypted) and NAME.pub",
		Long: `Make an ECDSA P-256 key pair for signing where there is no Sigstore: NAME.key
holds the private key (PKCS #8, PEM, mode 0600, not encrypted: keep it where
only the signer reads), NAME.pub the public one. Existing files are never
replaced.`,
		Example: `  releaser keygen release`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			private, public := args[0]+".key", args[0]+".pub"
			key, err := sign.GenerateKey()
			if err != nil {
				return err
			}
			pem, err := key.PrivatePEM()
			if err != nil {
				return err
			}
			if err := atomicfile.WriteNewBytes(private, 0o600, pem); err != nil {
				return err
			}
			if err := atomicfile.WriteNewBytes(public, 0o644, key.PublicPEM()); err != nil {
				return errors.Join(err, os.Remove(private))
			}
			if a.json {
				return a.answer(keygenAnswer{"releaser.keygen/v1", private, public})
			}
			a.say("%s  private, keep it", private)
			a.say("%s  public, publish it", public)
			return nil
		},
	}
}
