//go:build nodynamic

package heif

import (
	"bytes"
	"fmt"
	"image"

	"github.com/gen2brain/avif"
	"github.com/gen2brain/heic"

	"facerec/internal/app/picture"
)

// Decode reads the primary picture of a HEIC file or the first one of an AVIF
// file, turned and cropped as the file says. The first call of a process takes
// about a second longer: the decoder is compiled then. It is safe for
// concurrent use. The caller has compared the size in the header with its limits.
func Decode(format picture.Format, data []byte) (img image.Image, err error) {
	switch format {
	case picture.HEIC:
		img, err = heic.Decode(bytes.NewReader(data))
	case picture.AVIF:
		img, err = avif.Decode(bytes.NewReader(data))
	default:
		return nil, fmt.Errorf("%s: expected heic or avif", format)
	}
	if err != nil {
		return nil, fmt.Errorf("the decoder refuses it: %w", err)
	}
	return img, nil
}
