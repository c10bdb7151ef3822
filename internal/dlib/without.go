//go:build !dlib

package dlib

import (
	"image"

	"facerec/internal/app"
)

// Open gives ErrBuiltWithout.
func Open(app.EngineOptions) (app.Engine, error) { return nil, ErrBuiltWithout }

// Version is empty: there is no dlib in this program.
func Version() string { return "" }

// DecodeJPEG is nil: there is no libjpeg in this program.
var DecodeJPEG func(data []byte, scale int) (image.Image, []string, error)
