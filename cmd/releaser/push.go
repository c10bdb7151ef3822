package main

import (
	"github.com/spf13/cobra"

	"facerec/internal/oci"
	"facerec/internal/text"
)

// transferAnswer is what push --json and pull --json print.
type transferAnswer struct {
	Schema string       `json:"schema"`
	Images []oci.Pushed `json:"images"`
}

func (a *app) pushVerb() *cobra.Command {
	var only, part bool
	cmd := &cobra.Command{
		Use:   "push LAYOUT REF",
		Short: "Push images from an OCI layout to a registry, digests unchanged",
		Long: `Push images from an OCI layout to a registry. LAYOUT is a directory or
oci-layout:DIR[:TAG]; without a tag, every tag of the layout is pushed under its
own name. REF is REGISTRY/REPOSITORY[:TAG].

Every blob is hashed before the first one is sent, manifests are sent as they
are, and the digest that the registry reports afterwards is compared.

Referrers of an image in the layout (signatures, attestations, SBOMs) are pushed
with it, unless --images-only is given.

With --part, LAYOUT has one cell, built with 'build --cells CELL', and REF is
REGISTRY/REPOSITORY: the cell is pushed under a tag of its own,
VERSION-part.OS-ARCH[-VARIANT] (with the lineage's suffix behind VERSION), for
'join --from'. Repeating it changes nothing; another image of the cell is
refused (exit 3).`,
		Example: `  releaser push build/oci ghcr.io/acme/tool
  releaser push --insecure-registry registry.lan:5000 build/oci registry.lan:5000/tool`,
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
			push := oci.Push
			if part {
				push = oci.PushParts
				if _, err := repositoryRef("push --part", args[1]); err != nil {
					return err
				}
			}
			p := a.progress("push")
			pushed, err := push(cmd.Context(), from, to, a.transfer(p, only, 0, to))
			p.close()
			if err != nil {
				return err
			}
			return a.transferred("releaser.push/v1", pushed)
		},
	}
	imagesOnly(cmd, &only)
	cmd.Flags().BoolVar(&part, "part", false, "push one cell under a tag of its own, for join --from")
	return cmd
}

// transfer tells p what is moved.
func (a *app) transfer(p *progress, only bool, jobs int, named ...oci.Ref) oci.TransferOptions {
	return oci.TransferOptions{
		Access: a.access(named...), ImagesOnly: only, Jobs: jobs,
		Progress: func(done, total int64) { p.move("blobs", done, total) },
		Moved: func(image oci.Pushed) {
			p.finish(image.Ref, text.Count(image.Referrers, "referrer"))
		},
		Left: func(l oci.LeftLayer) {
			where := "names no place for it"
			if l.URL != "" {
				where = "leaves it at " + text.Show(l.URL)
			}
			a.warn("foreign layer %s was not moved: its manifest %s", l.Digest, where)
		},
	}
}

func imagesOnly(cmd *cobra.Command, only *bool) {
	cmd.Flags().BoolVar(only, "images-only", false, "skip referrers: signatures, attestations and SBOMs")
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
