package oci

import (
	"context"
	"fmt"

	"facerec/internal/release"
	"facerec/internal/text"
)

// PushParts pushes images that are parts of an index made later: each tag of the
// layout, which must have the image of one platform, to a tag of its own in the
// repository, see [release.PartTag]. A part that is in the repository already is
// left alone. The error is a [*MismatchError] if another image has its tag.
func PushParts(ctx context.Context, from, to Ref, o TransferOptions) ([]Pushed, error) {
	if to.Kind != Registry || to.Tag != "" || !to.Digest.IsZero() {
		return nil, fmt.Errorf("%s: expected REGISTRY/REPOSITORY: a part's tag follows from its cell", to)
	}
	tags := []string{from.Tag}
	if from.Tag == "" {
		var err error
		if tags, err = LayoutTags(from); err != nil {
			return nil, err
		}
	}
	if len(tags) == 0 {
		return nil, fmt.Errorf("%s: the layout has no tags", from)
	}
	var out []Pushed
	for _, tag := range tags {
		one, err := pushPart(ctx, from.WithTag(tag), to, o)
		if err != nil {
			return out, err
		}
		out = append(out, one)
	}
	return out, nil
}

func pushPart(ctx context.Context, from, to Ref, o TransferOptions) (Pushed, error) {
	ix, err := ReadIndex(ctx, from, o.Access)
	if err != nil {
		return Pushed{}, err
	}
	platforms := ix.Platforms()
	if len(platforms) != 1 {
		return Pushed{}, fmt.Errorf("%s: expected the image of one platform, got %s", from, text.List(platforms, 10))
	}
	platform, err := release.ParsePlatform(platforms[0])
	if err != nil {
		return Pushed{}, fmt.Errorf("%s: %w", from, err)
	}
	to = to.WithTag(release.PartTag(tagOf(from.Tag), platform))
	if !tagShape().MatchString(to.Tag) {
		return Pushed{}, fmt.Errorf("%s: %s is not a tag: expected at most 128 letters, digits, '.', '_' or '-'", from, text.Quote(to.Tag))
	}
	there, err := openRemote(to, o.Access)
	if err != nil {
		return Pushed{}, err
	}
	got, err := there.Resolve(ctx)
	switch {
	case err == nil && got.Digest != ix.Digest:
		return Pushed{}, text.WithHint(&MismatchError{"part", to.String(), ix.Digest.String(), got.Digest.String()},
			"the cell was built twice and the images differ: find out why, then delete the tag %s if the new one is right", to.Tag)
	case err != nil && !IsNotFound(err):
		return Pushed{}, err
	}
	pushed, err := Push(ctx, from, to, o) // sends what is missing only
	if err != nil {
		return Pushed{}, err
	}
	return pushed[0], nil
}
