//go:build dlib

package dlib

// #include <dlib/revision.h>
// enum { dlib_major = DLIB_MAJOR_VERSION, dlib_minor = DLIB_MINOR_VERSION, dlib_patch = DLIB_PATCH_VERSION };
import "C"

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"slices"
	"sync"

	face "github.com/Kagami/go-face"

	"facerec/internal/app"
)

// lineage is set by the linker.
var lineage string

// Lineage is the variant of the release that this program was built as, with the
// toolchain's dlib and BLAS: then it answers bit for bit as the released one. It is
// empty for a program that was built against an installed dlib.
func Lineage() string {
	if !HasScores() { // not the toolchain's dlib
		return ""
	}
	return lineage
}

// BLAS names the matrix library that is linked.
func BLAS() string {
	if Lineage() == "" {
		return "the system's BLAS"
	}
	return "facerec sgemm, fixed summation order"
}

// Version is dlib's, "19.24.0".
func Version() string {
	return fmt.Sprintf("%d.%d.%d", int(C.dlib_major), int(C.dlib_minor), int(C.dlib_patch))
}

// engine is an app.Engine. mu is held while dlib runs and guards rec.
type engine struct {
	mu       sync.Mutex
	rec      *face.Recognizer
	detector app.Detector
}

// Open loads the models: the landmarks, the descriptor network and, since
// go-face wants all three whatever the detector, the CNN detector. It takes
// about half a second and 100 MB. The caller closes the engine.
func Open(o app.EngineOptions) (app.Engine, error) {
	if o.Detector != app.HOG && o.Detector != app.CNN {
		return nil, fmt.Errorf("%v is not a detector: expected hog or cnn", o.Detector)
	}
	rec, err := face.NewRecognizer(o.ModelsDir)
	if err != nil {
		return nil, fmt.Errorf("load models from %s: %w (check them with `facerec models verify`)", o.ModelsDir, err)
	}
	return &engine{rec: rec, detector: o.Detector}, nil
}

// Info tells what the engine is made of.
func (e *engine) Info() app.EngineInfo {
	return app.EngineInfo{Dlib: Version(), GoFace: GoFace, BLAS: BLAS(), Lineage: Lineage()}
}

// Close frees the models. Faces then gives an error.
func (e *engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rec != nil {
		e.rec.Close()
		e.rec = nil
	}
	return nil
}

// Faces finds every face and describes it. ctx is looked at before dlib starts;
// dlib itself cannot be interrupted.
func (e *engine) Faces(ctx context.Context, p app.Picture) ([]app.Detection, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if e.rec == nil {
		return nil, fmt.Errorf("the engine is closed")
	}
	faces, scores, err := e.recognize(p)
	if err != nil {
		return nil, err
	}
	out := make([]app.Detection, 0, len(faces))
	for i, f := range faces {
		r := f.Rectangle
		out = append(out, app.Detection{
			Box:        image.Rect(r.Min.X, r.Min.Y, r.Max.X+1, r.Max.Y+1),
			Landmarks:  f.Shapes,
			Descriptor: f.Descriptor,
			Score:      scores[i],
		})
	}
	slices.SortStableFunc(out, func(a, b app.Detection) int {
		return cmp.Or(cmp.Compare(a.Box.Min.Y, b.Box.Min.Y), cmp.Compare(a.Box.Min.X, b.Box.Min.X),
			cmp.Compare(a.Box.Max.Y, b.Box.Max.Y), cmp.Compare(a.Box.Max.X, b.Box.Max.X))
	})
	return out, nil
}

// recognize passes the original bytes on when libjpeg takes them without a
// word, else the pixels. Both are in the picture's own coordinates.
func (e *engine) recognize(p app.Picture) ([]face.Face, []float64, error) {
	find := e.rec.Recognize
	if e.detector == app.CNN {
		find = e.rec.RecognizeCNN
	}
	if p.JPEG != nil {
		faces, scores, err := scored(find, p.JPEG)
		if _, unreadable := err.(face.ImageLoadError); !unreadable || p.Image == nil {
			return shifted(faces, p.Image), scores, err
		}
	}
	if p.Image == nil {
		return nil, nil, fmt.Errorf("no picture was given")
	}
	data, err := encodeRGB(p.Image)
	if err != nil {
		return nil, nil, err
	}
	faces, scores, err := scored(find, data)
	return shifted(faces, p.Image), scores, err
}

// shifted moves what was found in a picture that begins at (0,0) to where m begins.
func shifted(faces []face.Face, m image.Image) []face.Face {
	if m == nil || m.Bounds().Min == (image.Point{}) {
		return faces
	}
	by := m.Bounds().Min
	for i := range faces {
		faces[i].Rectangle = faces[i].Rectangle.Add(by)
		for j := range faces[i].Shapes {
			faces[i].Shapes[j] = faces[i].Shapes[j].Add(by)
		}
	}
	return faces
}
