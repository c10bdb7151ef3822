package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
)

// manifestType says what a manifest is. Its bytes are what a digest vouches for,
// so what they say counts: the field mediaType, or where it is left out, as OCI
// manifests may, their shape. told is a registry's Content-Type, "" if there is
// none: it may only say the same.
func manifestType(raw []byte, told, where string) (string, error) {
	var m struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     string          `json:"mediaType"`
		Manifests     json.RawMessage `json:"manifests"`
		Config        json.RawMessage `json:"config"`
		Layers        json.RawMessage `json:"layers"`
	}
	if err := decode(raw, &m); err != nil {
		return "", fmt.Errorf("manifest %s is not JSON: %w", where, err)
	}
	if t, _, err := mime.ParseMediaType(told); err == nil {
		told = t
	}
	switch told { // what file servers send for any file
	case "application/octet-stream", "binary/octet-stream", "application/json", "text/json", "text/plain":
		told = ""
	}
	isIndex := has(m.Manifests)
	if isIndex && (has(m.Config) || has(m.Layers)) {
		return "", fmt.Errorf("manifest %s is an index and an image at once: refused, as tools would read it either way", where)
	}
	if m.SchemaVersion == 1 {
		return "", fmt.Errorf("manifest %s has schema version 1, which does not name its configuration: push the image again with a newer tool", where)
	}
	says := m.MediaType
	if says == "" {
		says = mediaManifest
		if isIndex {
			says = mediaIndex
		}
		// Docker's types have the same shapes.
		if t := mediaTypeOf(told); isIndex && t.IsIndex() || !isIndex && t.IsImage() {
			says = told
		}
	}
	if told != "" && told != says {
		return "", &MismatchError{"media type of manifest", where, says, told}
	}
	return says, nil
}

func has(field json.RawMessage) bool {
	return len(field) > 0 && !bytes.Equal(field, []byte("null"))
}

// readManifest reads what a descriptor names, and holds it to all that the
// descriptor says: digest, size and media type. A size below 1 or a media type
// of "" is not known.
func readManifest(ctx context.Context, src Source, d Descriptor) (mediaType string, raw []byte, err error) {
	mediaType, raw, err = src.Manifest(ctx, d.Digest)
	if err != nil {
		return "", nil, err
	}
	where := src.place().At(d.Digest).String()
	if d.Size > 0 && d.Size != int64(len(raw)) {
		return "", nil, &MismatchError{"manifest", where, fmt.Sprintf("%d bytes", d.Size), fmt.Sprint(len(raw))}
	}
	if d.MediaType != "" && d.MediaType != mediaType {
		return "", nil, &MismatchError{"media type of manifest", where, d.MediaType, mediaType}
	}
	return mediaType, raw, nil
}

// readImageManifest is readManifest where an index will not do.
func readImageManifest(ctx context.Context, src Source, d Descriptor) ([]byte, error) {
	mediaType, raw, err := readManifest(ctx, src, d)
	if err == nil && !mediaTypeOf(mediaType).IsImage() {
		err = &MismatchError{"media type of manifest", src.place().At(d.Digest).String(), mediaManifest, mediaType}
	}
	return raw, err
}
