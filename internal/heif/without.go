//go:build !nodynamic

package heif

import (
	"image"

	"facerec/internal/app/picture"
)

// Decode is nil: there is no decoder in this program.
var Decode func(format picture.Format, data []byte) (image.Image, error)
