package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/oci"
)

// transferAnswer is what push --json and pull --json print.
type transferAnswer struct {
	Schema string       `json:"schema"`
	Images []oci.Pushed `json:"images"`
}

func (a *app) pushVerb() *cobra.Command {
	var only bool
	cmd := &cobra.Command{
		Use:   "push LAYOUT REF",
		Short: "Push images from an OCI layout to a registry, digests unchanged",
		Long: `Push images from an OCI layout to a registry. LAYOUT is a folder or
oci-layout:DIR[:TAG]; without a tag every tag of the layout is pushed under its
own name. REF is REGISTRY/REPOSITORY[:TAG]. Every blob is hashed before the
first one goes out, manifests are sent as the bytes they are, and the digest
that the registry has afterwards is asked for and compared.

What the layout has beside an image, signatures, attestations, SBOMs, is put
beside it in the registry too, unless --images-only is given.`,
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
			p := a.progress("push")
			pushed, err := oci.Push(cmd.Context(), from, to, a.transfer(p, only, 0))
			p.close()
			if err != nil {
				return err
			}
			return a.transferred("releaser.push/v1", pushed)
		},
	}
	imagesOnly(cmd, &only)
	return cmd
}

// transfer tells p what is moved.
func (a *app) transfer(p *progress, only bool, jobs int) oci.TransferOptions {
	return oci.TransferOptions{
		Access: a.access(), ImagesOnly: only, Jobs: jobs,
		Progress: func(done, total int64) { p.move("blobs", done, total) },
		Moved: func(image oci.Pushed) {
			p.finish(image.Ref, fmt.Sprintf("%d beside it", image.Beside))
		},
	}
}

func imagesOnly(cmd *cobra.Command, only *bool) {
	cmd.Flags().BoolVar(only, "images-only", false, "leave signatures, attestations and all else that stands beside images")
}

func (a *app) pullVerb() *cobra.Command {
	var only bool
	var jobs int
	cmd := &cobra.Command{
		Use:   "pull REF… LAYOUT",
		Short: "Pull images or indexes into a new OCI layout, digests unchanged",
		Long: `Pull what each REF names, with everything below it, into the OCI layout LAYOUT (a
folder or oci-layout:DIR[:TAG]). Every manifest and blob is hashed on the way.
A layout that is already there is replaced when all has arrived: name the images
of all lineages to have a whole release in one.

What stands beside the image and beside each manifest in it comes along, in the
referrers of its digest, under the tag that stands in for them, and under the .sig
and .att tags: verify-image and verify --image-signatures read it there, offline.
A place that cannot be looked at is a failure. --images-only leaves it all.`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			last := len(args) - 1
			to, err := oci.ParseLayout(args[last])
			if err != nil {
				return usageError(err)
			}
			if to.Tag != "" && last > 1 {
				return usage("%s: several images cannot have one tag: leave it out, and each keeps its own", args[last])
			}
			var all []oci.PullJob
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
				all = append(all, oci.PullJob{From: from, Tag: tag})
			}
			var pulled []oci.Pushed
			if err := atomicfile.CheckReplaceable(to.Name, oci.IsLayoutFile); err != nil {
				return err
			}
			p := a.progress("pull")
			err = atomicfile.ReplaceDir(to.Name, func(tmp string) (err error) {
				pulled, err = oci.Pull(cmd.Context(), all, tmp, a.transfer(p, only, jobs))
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
	cmd.Flags().IntVar(&jobs, "jobs", 0, "how many blobs to fetch at a time (default: 4)")
	return cmd
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
