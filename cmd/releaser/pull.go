package main

import (
	"slices"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/oci"
	"facerec/internal/text"
)

func (a *app) pullVerb() *cobra.Command {
	var only bool
	var jobs int
	cmd := &cobra.Command{
		Use:   "pull REF… LAYOUT",
		Short: "Pull images or indexes into a new OCI layout, digests unchanged",
		Long: `Pull what each REF names, with everything below it, into the OCI layout LAYOUT: a
directory or oci-layout:DIR[:TAG]. Every manifest and blob is hashed. An existing
layout is replaced once everything has arrived. To have a whole release in one
layout, name the images of all lineages.

Foreign layers (of Windows base images mostly) that the registry does not have stay
at the URLs in their manifest, with a warning; nothing is downloaded from there. For
one platform alone, name its manifest: REF@DIGEST.

Referrers of each index and manifest are pulled too: those of the referrers API,
of the fallback tag, and of the .sig and .att tags. verify-image and
verify --image-signatures read them from the layout, offline. If referrers cannot
be listed, the pull fails. --images-only skips them.`,
		Example: `  releaser pull ghcr.io/acme/tool:1.0.0 layout
  releaser pull --images-only ghcr.io/acme/tool:1.0.0 ghcr.io/acme/tool:1.0.0-cuda layout`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			last := len(args) - 1
			to, err := oci.ParseLayout(args[last])
			if err != nil {
				return usageError(err)
			}
			if to.Tag != "" && last > 1 {
				return text.WithHint(usage("%s: several images cannot have one tag", args[last]), "leave it out, and each keeps its own")
			}
			var all []oci.PullJob
			var named []oci.Ref
			for _, arg := range args[:last] {
				from, err := oci.ParseRef(arg)
				if err != nil {
					return usageError(err)
				}
				tag := to.Tag
				if tag == "" {
					tag = from.Tag
				}
				if tag != "" && slices.ContainsFunc(all, func(j oci.PullJob) bool { return j.Tag == tag }) {
					return usage("%s: another image has the tag %s already: pull them into layouts of their own", arg, tag)
				}
				named = append(named, from)
				all = append(all, oci.PullJob{From: from, Tag: tag})
			}
			var pulled []oci.Pushed
			if err := atomicfile.CheckReplaceable(to.Name, oci.IsLayoutFile); err != nil {
				return err
			}
			p := a.progress("pull")
			err = atomicfile.ReplaceDir(to.Name, func(tmp string) (err error) {
				pulled, err = oci.Pull(cmd.Context(), all, tmp, a.transfer(p, only, jobs, named...))
				return err
			})
			p.close()
			if err != nil {
				return err
			}
			return a.transferred("releaser.pull/v1", pulled)
		},
	}
	imagesOnly(cmd, &only)
	cmd.Flags().IntVar(&jobs, "jobs", 0, "fetch up to `N` blobs at the same time (default: 4)")
	return cmd
}
