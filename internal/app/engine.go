package app

import (
	"context"
	"fmt"
	"image"

	"facerec/internal/app/picture"
)

// Detector says which of the two detectors of dlib looks for faces.
type Detector int

const (
	// HOG is dlib's frontal face detector: quick, needs no model file, and
	// finds faces that are at least about 80 pixels high and look ahead.
	HOG Detector = iota
	// CNN is the max-margin object detector (mmod_human_face_detector.dat):
	// slow, but it finds turned and covered faces too.
	CNN
)

// String returns the name that flags and reports use: "hog" or "cnn".
func (d Detector) String() string {
	switch d {
	case HOG:
		return "hog"
	case CNN:
		return "cnn"
	}
	return fmt.Sprintf("Detector(%d)", int(d))
}

// ParseDetector is the inverse of Detector.String.
func ParseDetector(s string) (Detector, error) {
	switch s {
	case "hog":
		return HOG, nil
	case "cnn":
		return CNN, nil
	}
	return 0, fmt.Errorf("detector %q is not known: expected hog or cnn", s)
}

// Detection is one face as an Engine found it.
type Detection struct {
	// Box encloses the face, in pixels of the picture; it may reach over the
	// picture's edge.
	Box image.Rectangle
	// Landmarks are the five points of dlib's shape_predictor_5_face_landmarks,
	// in its order: the outer and inner corner of one eye, those of the other,
	// and the base of the nose.
	Landmarks []image.Point
	// Score is how sure the detector is, above 0; each detector has its own scale.
	// It is 0 if the engine does not tell.
	Score float64
	// Descriptor is the 128-dimensional embedding of
	// dlib_face_recognition_resnet_model_v1; see Distance.
	Descriptor [128]float32
}

// EngineOptions is what an Engine needs to be opened.
type EngineOptions struct {
	// ModelsDir is the directory that holds the .dat files.
	ModelsDir string
	Detector  Detector
}

// EngineInfo tells what an Engine is made of, for reports.
type EngineInfo struct {
	Dlib, GoFace, BLAS string
	Lineage            string
}

// Picture is one picture, upright.
type Picture = picture.Picture

// Engine finds faces and describes them. It is safe for use by several
// goroutines at once, though it need not be faster for that.
type Engine interface {
	// Faces finds every face and describes it, in a stable order (top to
	// bottom, left to right). An empty result is not a face, not an error.
	Faces(ctx context.Context, p Picture) ([]Detection, error)
	// Info tells what the engine is made of.
	Info() EngineInfo
	// Close frees what the engine holds; it must not be used afterwards.
	Close() error
}
