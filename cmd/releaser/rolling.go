package main

import (
	"context"
	"fmt"
	"slices"

	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/text"
)

// rollingTags moves the rolling tags of a published release to its indexes, in
// the repository that release.json names or, if image is given, in that one. With
// dryRun it only decides. The release is verified; named are the references that the
// caller wrote.
func (a *app) rollingTags(ctx context.Context, c *chosen, record release.Record, image string, dryRun bool, named ...oci.Ref) ([]oci.RollingTag, error) {
	indexes, err := recordedIndexes(record, image)
	if err != nil {
		return nil, err
	}
	if ref, err := oci.ParseRef(image); err == nil {
		named = append(named, ref)
	}
	access := a.access(named...)
	access.Trusted = true
	var all []oci.RollingTag
	for _, l := range c.config.Lineages {
		index, ok := indexes[l.Name]
		if !ok {
			continue
		}
		tags, err := oci.RollingTags(ctx, c.config, record.Version, l, index, access)
		if err != nil {
			return nil, err
		}
		for _, t := range tags {
			if slices.ContainsFunc(all, func(other oci.RollingTag) bool { return other.Ref == t.Ref }) {
				return nil, text.WithHint(usage("rolling_tags: two lineages have the tag %s", t.Ref), "use {suffix} or {lineage} in the pattern")
			}
			all = append(all, t)
		}
	}
	if len(all) == 0 {
		a.note("publish: version %s moves no rolling tags", record.Version)
	}
	for _, t := range all {
		if dryRun {
			continue
		}
		if err := t.Apply(ctx, access); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// recordedIndexes finds the index of each lineage.
func recordedIndexes(record release.Record, image string) (map[string]oci.Ref, error) {
	out := map[string]oci.Ref{}
	for _, cell := range record.Cells {
		name := cell.Image
		if image != "" {
			name = image
		}
		ref, err := oci.ParseRef(name)
		if err != nil {
			return nil, usageError(err)
		}
		if ref.Kind != oci.Registry {
			return nil, text.WithHint(usage("%s is not in a registry", ref), "name the repository with --image")
		}
		ref = ref.At(cell.IndexDigest)
		if other, ok := out[cell.Lineage]; ok && other != ref {
			return nil, &codedError{exitDiffers, fmt.Errorf("lineage %s has two indexes: %s and %s", cell.Lineage, other, ref)}
		}
		out[cell.Lineage] = ref
	}
	return out, nil
}

func rollingLine(t oci.RollingTag, dryRun bool) string {
	switch {
	case t.Action == oci.TagKeep:
		return fmt.Sprintf("%s  stays at version %s, %s", t.Ref, t.Version, t.Digest)
	case dryRun:
		return fmt.Sprintf("would %s %s to version %s, %s", t.Action, t.Ref, t.Version, t.Digest)
	case t.Action == oci.TagMove:
		return fmt.Sprintf("%s  moved from version %s to %s, %s", t.Ref, t.FromVersion, t.Version, t.Digest)
	}
	return fmt.Sprintf("%s  created at version %s, %s", t.Ref, t.Version, t.Digest)
}
