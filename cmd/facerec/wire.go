package main

import (
	"fmt"

	"facerec/internal/dlib"
	"facerec/internal/heif"
)

// theWorld is the real one, with dlib if the program was built with it.
func theWorld() *world {
	w := newWorld()
	w.built = func() error {
		if dlib.Version() == "" {
			return fmt.Errorf("%w; released programs have it", dlib.ErrBuiltWithout)
		}
		return nil
	}
	w.open = dlib.Open
	w.decoder.JPEG = dlib.DecodeJPEG
	w.decoder.HEIF = heif.Decode
	w.dlib = dlib.Version
	w.engineOf = "go-face " + dlib.GoFace + ", " + dlib.BLAS
	return w
}
