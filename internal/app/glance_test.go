package app_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"reflect"
	"testing"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
	"facerec/internal/app/picture"
)

// watcher notes whether an engine was shown pixels.
type watcher struct {
	apptest.Engine
	pixels, files int
	refuse        error // of files
}

func (w *watcher) Faces(ctx context.Context, p app.Picture) ([]app.Detection, error) {
	if p.Image != nil {
		w.pixels++
		return w.Engine.Faces(ctx, p)
	}
	w.files++
	if w.refuse != nil {
		return nil, w.refuse
	}
	return w.Engine.Faces(ctx, p)
}

// Without the pixels the answer is the same, and a plain JPEG is decoded once;
// everything else is decoded here as ever.
func TestNoImage(t *testing.T) {
	encode := func(name string, w, h int) []byte {
		var b bytes.Buffer
		patch := apptest.Patch{Box: image.Rect(20, 20, 60, 60), Color: color.RGBA{230, 20, 20, 255}}
		if err := app.Encode(&b, name, apptest.Paint(w, h, patch)); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	photo := encode("a.jpg", 100, 80)
	exif := "\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
	turned := append(append(bytes.Clone(photo[:2]), exif...), photo[2:]...)
	for name, tt := range map[string]struct {
		data          []byte
		decoder       picture.Decoder
		sizing        app.Sizing
		refuse        error
		files, pixels int
	}{
		"plain":          {data: photo, files: 1},
		"turned":         {data: turned, pixels: 1},
		"png":            {data: encode("a.png", 100, 80), pixels: 1},
		"tiny":           {data: encode("a.jpg", 100, 63), pixels: 1},
		"another size":   {data: photo, sizing: app.Sizing{Upsample: 1}, pixels: 1},
		"too large":      {data: photo, decoder: picture.Decoder{MaxPixels: 7999}},
		"cut":            {data: photo[:len(photo)-200], files: 1},
		"cut in header":  {data: photo[:20]},
		"no picture":     {data: []byte("text")},
		"engine refuses": {data: photo, refuse: errors.New("a warning"), files: 1, pixels: 1},
	} {
		t.Run(name, func(t *testing.T) {
			full := app.Recognizer{Engine: &apptest.Engine{}, Decoder: tt.decoder, Sizing: tt.sizing}
			want, err := full.Recognize(t.Context(), "a", tt.data, nil)
			if err != nil {
				t.Fatal(err)
			}
			e := &watcher{refuse: tt.refuse}
			quick := app.Recognizer{Engine: e, Decoder: tt.decoder, Sizing: tt.sizing, NoImage: true}
			got, err := quick.Recognize(t.Context(), "a", tt.data, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Image != nil {
				t.Error("there is an image")
			}
			if want.Image = nil; !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if e.files != tt.files || e.pixels != tt.pixels {
				t.Errorf("shown %d files and %d times pixels, expected %d and %d", e.files, e.pixels, tt.files, tt.pixels)
			}
		})
	}
	fatal := &app.EngineError{Err: errors.New("no models")}
	e := &watcher{refuse: fatal}
	r := app.Recognizer{Engine: e, NoImage: true}
	if _, err := r.Recognize(t.Context(), "a", photo, nil); !errors.Is(err, fatal) || e.pixels != 0 {
		t.Errorf("%v, pixels %d", err, e.pixels)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Recognize(ctx, "a", photo, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
