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

// Lineage is empty, as there is no dlib in this program.
func Lineage() string { return "" }

// BLAS is empty, for the same reason.
func BLAS() string { return "" }

// HasScores is false: there is no detector in this program.
func HasScores() bool { return false }

// DecodeJPEG is nil: there is no libjpeg in this program.
var DecodeJPEG func(data []byte, scale int) (image.Image, []string, error)
