package oci

import (
	"context"
	"fmt"
	"strings"

	"facerec/internal/release"
	"facerec/internal/text"
)

// versionLabel is the label by which an image says its version
// (OCI image specification, "Pre-Defined Annotation Keys").
const versionLabel = "org.opencontainers.image.version"

// RollingTag is a tag that follows the newest release, and what a release means
// for it.
type RollingTag struct {
	Ref     string          `json:"ref"`
	Action  string          `json:"action"` // one of the Tag constants
	Digest  release.Digest  `json:"digest"` // that the tag names at the end
	Version release.Version `json:"version"`

	// What the tag named before, if anything.
	FromDigest  *release.Digest `json:"from_digest,omitempty"`
	FromVersion release.Version `json:"from_version,omitempty"`

	at Ref
}

// What happens to a rolling tag.
const (
	TagCreate = "create"
	TagMove   = "move" // to a newer version
	TagKeep   = "keep" // it names this release, or a newer one, already
)

// RollingTags looks up where the rolling tags of a lineage are, and decides which
// of them move to the index. They only move forward. The error is a
// [*MismatchError] if a tag names another index of the same version, or an image
// whose version is unknown: then nobody can say which way is forward.
func RollingTags(ctx context.Context, c *release.Config, v release.Version, l release.Lineage, index Ref, access Access) ([]RollingTag, error) {
	if index.Kind != Registry || index.Digest.IsZero() {
		return nil, fmt.Errorf("%s: expected REGISTRY/REPOSITORY@DIGEST", index)
	}
	var out []RollingTag
	for _, tag := range c.RollingTags(v, l) {
		at := index.WithTag(tag)
		r := RollingTag{Ref: at.String(), Action: TagCreate, Digest: index.Digest, Version: v, at: at}
		ix, err := ReadIndex(ctx, at, access)
		if IsNotFound(err) {
			out = append(out, r)
			continue
		}
		if err != nil {
			return nil, err
		}
		r.FromDigest, r.FromVersion = &ix.Digest, v
		if ix.Digest != index.Digest {
			if r.FromVersion, err = versionOf(ctx, ix, c, l); err != nil {
				return nil, err
			}
		}
		switch order := v.Compare(r.FromVersion); {
		case order > 0:
			r.Action = TagMove
		case order == 0 && ix.Digest != index.Digest:
			return nil, text.WithHint(&MismatchError{"index of version " + string(v), r.Ref, index.Digest.String(), ix.Digest.String()},
				"a version is never released twice: find out which of the two is published")
		default:
			r.Action, r.Digest, r.Version = TagKeep, ix.Digest, r.FromVersion
		}
		out = append(out, r)
	}
	return out, nil
}

// versionOf returns the version of an index, as the label of its first image says.
func versionOf(ctx context.Context, ix *Index, c *release.Config, l release.Lineage) (release.Version, error) {
	label := ""
	for _, m := range ix.Manifests {
		if m.IsAttestation() {
			continue
		}
		img, err := ix.ReadImage(ctx, m)
		if err != nil {
			return "", err
		}
		label = img.Config.Config.Labels[versionLabel]
		break
	}
	v, err := c.ParseVersion(strings.TrimSuffix(label, l.Suffix))
	if err != nil || !v.Semantic() || !strings.HasSuffix(label, l.Suffix) {
		return "", text.WithHint(&MismatchError{"label " + versionLabel, ix.Ref.WithTag(ix.Tag).String(), "VERSION" + l.Suffix, text.Show(label)},
			"cannot determine which is newer: delete the tag if it may move")
	}
	return v, nil
}

// Apply creates or moves the tag, by digest, and checks what the registry has then.
func (r RollingTag) Apply(ctx context.Context, access Access) error {
	if r.Action == TagKeep {
		return nil
	}
	dst, err := openWriter(r.at, access)
	if err != nil {
		return err
	}
	mediaType, raw, err := dst.Manifest(ctx, r.Digest)
	if err != nil {
		return err
	}
	if err := dst.putManifest(ctx, r.at.Tag, mediaType, raw); err != nil {
		return dst.explain("tag "+r.Ref, err)
	}
	got, err := dst.Resolve(ctx)
	if err == nil && got.Digest != r.Digest {
		err = &MismatchError{"tag after it was moved", r.Ref, r.Digest.String(), got.Digest.String()}
	}
	return err
}
