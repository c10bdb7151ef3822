package oci

import (
	"context"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"facerec/internal/release"
)

// mediaEmpty is the configuration of a manifest that has none: two bytes, "{}"
// (OCI image specification 1.1, "Guidance for an empty descriptor").
const mediaEmpty = "application/vnd.oci.empty.v1+json"

// Attach attaches data to the manifest or index that a reference names by digest:
// as the one layer of a manifest whose subject is that digest and whose artifact
// type is the data's media type. In a registry without the referrers API the
// index under the fallback tag is added to; two who do so in the same moment can
// lose one of the two, which is why the result is looked for afterwards. It gives
// the digest of the new manifest.
func Attach(ctx context.Context, to Ref, data []byte, mediaType string, annotations map[string]string, access Access) (release.Digest, error) {
	if to.Kind != Registry || to.Digest.IsZero() {
		return release.Digest{}, fmt.Errorf("%s: expected REGISTRY/REPOSITORY@DIGEST to attach something to", to)
	}
	dst, err := openWriter(to, access)
	if err != nil {
		return release.Digest{}, err
	}
	subjectType, subject, err := dst.Manifest(ctx, to.Digest)
	if err != nil {
		return release.Digest{}, err
	}
	layer, empty := bytesUpload(data), bytesUpload([]byte("{}"))
	m := attached{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: mediaType, Annotations: annotations,
		Subject: v1.Descriptor{MediaType: types.MediaType(subjectType), Size: int64(len(subject)), Digest: hashOf(to.Digest)},
		Config:  v1.Descriptor{MediaType: mediaEmpty, Size: 2, Digest: hashOf(empty.Digest)},
		Layers:  []v1.Descriptor{{MediaType: types.MediaType(mediaType), Size: int64(len(data)), Digest: hashOf(layer.Digest)}},
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return release.Digest{}, err
	}
	if err := dst.putBlobs(ctx, []upload{empty, layer}, 1, nil); err != nil {
		return release.Digest{}, dst.explain("pushing a referrer of "+to.String(), err)
	}
	digest := release.DigestBytes(raw)
	if err := dst.putManifest(ctx, digest.String(), string(m.MediaType), raw); err != nil {
		return release.Digest{}, dst.explain("pushing a referrer of "+to.String(), err)
	}
	found, problems, err := Referrers(ctx, to, to.Digest, access)
	if err != nil {
		return release.Digest{}, err
	}
	for _, a := range found {
		if a.Digest == digest {
			return digest, nil
		}
	}
	if len(problems) > 0 {
		return release.Digest{}, problems[0]
	}
	return release.Digest{}, fmt.Errorf("%s: the registry took manifest %s and does not list it as attached to the image: try again", to, digest)
}

// attached is a manifest with a subject, its fields in the order in which they
// are written.
type attached struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     types.MediaType   `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        v1.Descriptor     `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Subject       v1.Descriptor     `json:"subject"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}
