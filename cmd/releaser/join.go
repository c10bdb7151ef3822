package main

import (
	"errors"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/oci"
	"facerec/internal/oci/build"
)

func (a *app) joinVerb() *cobra.Command {
	var f cellFlags
	var out, from, push string
	cmd := &cobra.Command{
		Use:   "join [PART…] [--from REPOSITORY] [--push REPOSITORY]",
		Short: "Join cells that were built on several machines into one index per lineage",
		Long: `Join the images of cells that were built on several machines, each with
'releaser build --cells CELL', into the OCI layout that one machine would have
made: one index per lineage, with the same digests, whatever the order of the
parts. Versions, tags and the order of the cells come from config.json.

PART is a directory, oci-layout:DIR[:TAG], or REGISTRY/REPOSITORY:TAG. --from takes
the part of each cell from a registry, where 'releaser push --part' put it, and
--push pushes the result, so that no machine hands a file to another:

  releaser build --cells CELL --out cell && releaser push --part cell HOST/NAME
  releaser join --from HOST/NAME --push HOST/NAME

Every manifest and blob is hashed on the way. A cell that no part has is named
(exit 5). A part of another version, platform or configuration, and a second,
different image of a cell, are refused (exit 3).`,
		Example: `  releaser join part-amd64 part-arm64 --out build/oci
  releaser join --from ghcr.io/acme/tool --push ghcr.io/acme/tool`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.choose(f)
			if err != nil {
				return err
			}
			if len(args) == 0 && from == "" {
				return usage("no parts: expected PART… or --from REGISTRY/REPOSITORY")
			}
			repository, err := repositoryRef("--from", from)
			if err != nil {
				return err
			}
			target, err := repositoryRef("--push", push)
			if err != nil {
				return err
			}
			var parts []oci.Ref
			for _, arg := range args {
				ref, err := partRef(arg)
				if err != nil {
					return err
				}
				parts = append(parts, ref)
			}
			if err := atomicfile.CheckReplaceable(out, oci.IsLayoutFile); err != nil {
				return err
			}
			plan := &build.Plan{Config: c.config, Version: c.version, Cells: c.cells, Root: c.root}
			if from != "" {
				found, err := plan.Parts(cmd.Context(), repository, a.access(repository))
				if err != nil {
					return err
				}
				parts = append(parts, found...)
			}
			var built []build.Built
			p := a.progress("join")
			err = atomicfile.ReplaceDir(out, func(tmp string) (err error) {
				built, err = plan.Join(cmd.Context(), tmp, parts, a.transfer(p, true, 0, append(parts, repository)...))
				return err
			})
			p.close()
			var missing *build.MissingCellsError
			var conflict *build.ConflictError
			switch {
			case errors.As(err, &missing):
				return &codedError{exitIncomplete, err}
			case errors.As(err, &conflict):
				return &codedError{exitDiffers, err}
			case err != nil:
				return err
			}
			var pushed []oci.Pushed
			if push != "" {
				p := a.progress("push")
				pushed, err = oci.Push(cmd.Context(), oci.Ref{Kind: oci.Layout, Name: out}, target, a.transfer(p, false, 0, target))
				p.close()
				if err != nil {
					return err
				}
			}
			return a.sayBuilt("releaser.join/v1", out, built, pushed...)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&out, "out", "build/oci", "write the OCI layout to `DIR`; an existing layout there is replaced")
	cmd.Flags().StringVar(&from, "from", "", "take the parts that 'push --part' put into `REPOSITORY` (REGISTRY/NAME)")
	cmd.Flags().StringVar(&push, "push", "", "push the indexes to `REPOSITORY` (REGISTRY/NAME) under their own tags")
	return cmd
}

// repositoryRef reads the value of a flag that names a repository; "" is none.
func repositoryRef(flag, value string) (oci.Ref, error) {
	if value == "" {
		return oci.Ref{}, nil
	}
	ref, err := oci.ParseRef(value)
	if err != nil {
		return oci.Ref{}, usageError(err)
	}
	if ref.Kind != oci.Registry || ref.Tag != "" || !ref.Digest.IsZero() {
		return oci.Ref{}, usage("%s %s: expected REGISTRY/REPOSITORY without tag and digest", flag, value)
	}
	return ref, nil
}

// partRef reads a PART: a directory that exists, or a reference.
func partRef(arg string) (oci.Ref, error) {
	ref, err := oci.ParseRef(arg)
	if err != nil || ref.Kind == oci.Registry && exists(arg) {
		ref, err = oci.ParseLayout(arg)
	}
	switch {
	case err != nil:
		return oci.Ref{}, usageError(err)
	case ref.Kind == oci.DockerArchive:
		return oci.Ref{}, usage("%s: expected an OCI layout or an image in a registry, got a docker-archive", arg)
	case ref.Kind == oci.Registry && ref.Tag == "" && ref.Digest.IsZero():
		return oci.Ref{}, usage("%s: expected a tag or a digest: REGISTRY/REPOSITORY:TAG", arg)
	}
	return ref, nil
}
