package oci

import (
	"bytes"
	"context"
	"io"
	"testing"

	"facerec/internal/oci/ocitest"
)

type file = ocitest.File

var (
	dir, reg             = ocitest.Dir, ocitest.Reg
	layerTar             = ocitest.LayerTar
	makeImage, makeIndex = ocitest.Image, ocitest.Index
	pushIndex            = ocitest.PushIndex
	startRegistry        = ocitest.Registry
	amd64                = ocitest.AMD64
)

// loopback is what the tests name: servers on this machine.
var loopback = []string{"127.0.0.1"}

func mustRef(t testing.TB, s string) Ref {
	t.Helper()
	r, err := ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readLayers reads all layers as they are stored.
func readLayers(ctx context.Context, img *Image) ([]byte, error) {
	var all bytes.Buffer
	for _, l := range img.Layers {
		done := all.Len()
		err := img.ReadLayer(ctx, l, func(r io.Reader) error {
			all.Truncate(done)
			_, err := all.ReadFrom(r)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all.Bytes(), nil
}
