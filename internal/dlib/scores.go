//go:build dlib

package dlib

// #include "scores.h"
import "C"

import (
	"image"
	"runtime"
	"unsafe"

	face "github.com/Kagami/go-face"
)

// HasScores reports whether detections have scores: with the toolchain's dlib,
// whose detectors note them, and not with one that is installed.
func HasScores() bool { return C.has_scores != 0 }

// scored calls find, and returns the score of each of the faces it gave.
func scored(find func([]byte) ([]face.Face, error), data []byte) ([]face.Face, []float64, error) {
	runtime.LockOSThread() // each thread has scores of its own
	defer runtime.UnlockOSThread()
	C.facerec_scores_clear()
	defer C.facerec_scores_clear()
	faces, err := find(data)
	if err != nil {
		return nil, nil, err
	}
	var n C.size_t
	list := unsafe.Slice(C.facerec_scores(&n), int(n))
	at := map[image.Rectangle]float64{}
	for _, s := range list {
		at[image.Rect(int(s.left), int(s.top), int(s.right), int(s.bottom))] = float64(s.score)
	}
	scores := make([]float64, len(faces))
	for i, f := range faces {
		scores[i] = at[f.Rectangle]
	}
	return faces, scores, nil
}
