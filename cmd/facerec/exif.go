package main

import (
	"bytes"
	"fmt"

	"github.com/bep/imagemeta"
)

// orientation reads EXIF tag 0x0112, which says how a camera was held; 1 is
// upright, and what a file without the tag means.
func orientation(format string, data []byte) (int, error) {
	var f imagemeta.ImageFormat
	switch format {
	case "jpeg":
		f = imagemeta.JPEG
	case "png":
		f = imagemeta.PNG
	case "webp":
		f = imagemeta.WebP
	case "tiff":
		f = imagemeta.TIFF
	default:
		return 1, nil // these have no place for it
	}
	found := 1
	_, err := imagemeta.Decode(imagemeta.Options{
		R: bytes.NewReader(data), ImageFormat: f, Sources: imagemeta.EXIF,
		ShouldHandleTag: func(t imagemeta.TagInfo) bool {
			return t.Tag == "Orientation" && t.Namespace == "IFD0"
		},
		HandleTag: func(t imagemeta.TagInfo) error {
			var n int
			if _, err := fmt.Sscan(fmt.Sprint(t.Value), &n); err == nil {
				found = n
			}
			return imagemeta.ErrStopWalking
		},
	})
	return found, err
}
