package main

import (
	"fmt"

	"facerec/internal/dlib"
	"facerec/internal/heif"
)

// hostEnvironment is the real one, with dlib if the program was built with it.
func hostEnvironment() *environment {
	env := newEnvironment()
	env.built = func() error {
		if dlib.Version() == "" {
			return fmt.Errorf("%w; released programs have it", dlib.ErrBuiltWithout)
		}
		return nil
	}
	env.open = dlib.Open
	env.decoder.JPEG = dlib.DecodeJPEG
	env.decoder.HEIF = heif.Decode
	env.dlib = dlib.Version
	env.scores = dlib.HasScores
	env.lineage = dlib.Lineage
	env.engineOf = "go-face " + dlib.GoFace + ", " + dlib.BLAS()
	return env
}
