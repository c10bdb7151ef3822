package main

import (
	"github.com/spf13/cobra"

	"facerec/internal/oci"
)

// transferAnswer is what push --json and pull --json print.
type transferAnswer struct {
	Schema string       `json:"schema"`
	Images []oci.Pushed `json:"images"`
}

func (a *app) pushVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "push LAYOUT REF",
		Short: "Push images from an OCI layout to a registry, digests unchanged",
		Long: `Push images from an OCI layout to a registry. LAYOUT is a folder or
oci-layout:DIR[:TAG]; without a tag every tag of the layout is pushed under its
own name. REF is REGISTRY/REPOSITORY[:TAG]. Every blob is hashed before the
first one goes out, manifests are sent as the bytes they are, and the digest
that the registry has afterwards is asked for and compared.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := oci.ParseLayout(args[0])
			if err != nil {
				return usageError(err)
			}
			to, err := oci.ParseRef(args[1])
			if err != nil {
				return usageError(err)
			}
			pushed, err := oci.Push(cmd.Context(), from, to, a.access(), nil)
			if err != nil {
				return err
			}
			return a.transferred("releaser.push/v1", pushed)
		},
	}
}

func (a *app) pullVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "pull REF LAYOUT",
		Short: "Pull an image or index into a new OCI layout, digests unchanged",
		Long: `Pull what REF names, with everything below it, into the OCI layout LAYOUT (a
folder or oci-layout:DIR[:TAG]). Every manifest and blob is hashed on the way.
A layout that is already there is replaced when all has arrived.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := oci.ParseRef(args[0])
			if err != nil {
				return usageError(err)
			}
			to, err := oci.ParseLayout(args[1])
			if err != nil {
				return usageError(err)
			}
			tag := to.Tag
			if tag == "" {
				tag = from.Tag
			}
			var pulled oci.Pushed
			err = replaceDir(to.Name, oci.IsLayoutFile, func(tmp string) (err error) {
				pulled, err = oci.Pull(cmd.Context(), from, tmp, tag, a.access())
				return err
			})
			if err != nil {
				return err
			}
			return a.transferred("releaser.pull/v1", []oci.Pushed{pulled})
		},
	}
}

func (a *app) transferred(schema string, images []oci.Pushed) error {
	if a.json {
		return a.answer(transferAnswer{schema, images})
	}
	for _, p := range images {
		a.say("%s", p.Ref)
	}
	return nil
}
