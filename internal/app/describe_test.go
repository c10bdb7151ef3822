package app_test

import (
	"context"
	"errors"
	"image"
	"image/color"
	"math"
	"testing"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
)

var (
	red   = color.RGBA{230, 20, 20, 255}
	green = color.RGBA{20, 220, 20, 255}
)

func patch(x, y, side int, c color.RGBA) apptest.Patch {
	return apptest.Patch{Box: image.Rect(x, y, x+side, y+side), Color: c}
}

// Boxes come back in the picture's own pixels, whatever size was searched.
func TestDescribeSizing(t *testing.T) {
	img := apptest.Paint(320, 240, patch(40, 40, 80, red), patch(200, 120, 80, green))
	for _, tt := range []struct {
		name   string
		sizing app.Sizing
		within int
	}{
		{"as it is", app.Sizing{}, 0},
		{"doubled", app.Sizing{Upsample: 1}, 1},
		{"halved", app.Sizing{WorkPixels: 320 * 240 / 4}, 2},
		{"doubling held back by the limit", app.Sizing{Upsample: 2, WorkPixels: 320 * 240 * 2}, 1},
		{"doubling a picture over the limit", app.Sizing{Upsample: 1, WorkPixels: 320 * 240 / 4}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := app.Describe(context.Background(), &apptest.Engine{}, app.Picture{Image: img, JPEG: []byte{1}}, tt.sizing)
			if err != nil || len(got) != 2 {
				t.Fatalf("%d faces, %v", len(got), err)
			}
			for i, want := range []image.Rectangle{image.Rect(40, 40, 120, 120), image.Rect(200, 120, 280, 200)} {
				b := got[i].Box
				for _, d := range []int{b.Min.X - want.Min.X, b.Min.Y - want.Min.Y, b.Max.X - want.Max.X, b.Max.Y - want.Max.Y} {
					if d < -tt.within || d > tt.within {
						t.Errorf("box %v, want %v within %d", b, want, tt.within)
						break
					}
				}
				if len(got[i].Landmarks) != 5 || !got[i].Landmarks[2].In(want) {
					t.Errorf("landmarks %v are not in %v", got[i].Landmarks, want)
				}
			}
		})
	}
}

type fixed struct {
	apptest.Engine
	found []app.Detection
	err   error
	saw   app.Picture
}

func (f *fixed) Faces(_ context.Context, p app.Picture) ([]app.Detection, error) {
	f.saw = p
	return f.found, f.err
}

func TestDescribe(t *testing.T) {
	pic := app.Picture{Image: apptest.Paint(100, 100), JPEG: []byte("original")}
	at := func(x, y int) app.Detection { return app.Detection{Box: image.Rect(x, y, x+10, y+10)} }

	// Reading order, and the original bytes only at the original size.
	e := &fixed{found: []app.Detection{at(50, 20), at(70, 5), at(-3, 20)}}
	got, err := app.Describe(context.Background(), e, pic, app.Sizing{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{70, -3, 50} {
		if got[i].Box.Min.X != want {
			t.Errorf("face %d at %v, want x %d", i, got[i].Box, want)
		}
	}
	if string(e.saw.JPEG) != "original" {
		t.Error("the engine did not get the original bytes")
	}
	if got[0].Box == e.found[0].Box {
		t.Error("the engine's own slice was sorted")
	}
	if _, err := app.Describe(context.Background(), e, pic, app.Sizing{Upsample: 1}); err != nil || e.saw.JPEG != nil {
		t.Errorf("a scaled picture came with original bytes, %v", err)
	}

	// What is no number does not get through.
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		d := at(0, 0)
		d.Descriptor[77] = float32(bad)
		if _, err := app.Describe(context.Background(), &fixed{found: []app.Detection{d}}, pic, app.Sizing{}); err == nil {
			t.Errorf("a descriptor with %v was taken", bad)
		}
	}

	// Errors and a context that is done.
	boom := errors.New("boom")
	if _, err := app.Describe(context.Background(), &fixed{err: boom}, pic, app.Sizing{}); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := app.Describe(ctx, &fixed{}, pic, app.Sizing{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSizingCheck(t *testing.T) {
	for _, s := range []app.Sizing{{Upsample: -1}, {Upsample: 4}, {WorkPixels: -1}} {
		if s.Check() == nil {
			t.Errorf("%+v was taken", s)
		}
	}
	if err := (app.Sizing{Upsample: 3, WorkPixels: app.DefaultWorkPixels}).Check(); err != nil {
		t.Error(err)
	}
}

// A tiny picture is shown on a larger one, and nothing moves.
func TestDescribeTiny(t *testing.T) {
	img := apptest.Paint(30, 20, patch(5, 6, 10, red))
	e := &fixed{}
	if _, err := app.Describe(context.Background(), e, app.Picture{Image: img, JPEG: []byte{1}}, app.Sizing{}); err != nil {
		t.Fatal(err)
	}
	if e.saw.JPEG != nil || e.saw.Image.Bounds() != image.Rect(0, 0, 64, 64) {
		t.Errorf("the engine saw %v", e.saw.Image.Bounds())
	}
	got, err := app.Describe(context.Background(), &apptest.Engine{}, app.Picture{Image: img}, app.Sizing{})
	if err != nil || len(got) != 1 || got[0].Box != image.Rect(5, 6, 15, 16) {
		t.Errorf("got %v, %v", got, err)
	}
}

// An engine that complains in paragraphs is quoted in one line.
func TestDescribeOneLine(t *testing.T) {
	boom := errors.New("\n\nError detected at line 7.\n  Windows must be small.\n")
	_, err := app.Describe(context.Background(), &fixed{err: boom}, app.Picture{Image: apptest.Paint(100, 100)}, app.Sizing{})
	if !errors.Is(err, boom) || err.Error() != "Error detected at line 7. Windows must be small." {
		t.Errorf("got %q", err)
	}
}
