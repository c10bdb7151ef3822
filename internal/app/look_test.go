package app_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
	"facerec/internal/app/picture"
)

func pngOf(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A small picture in which nobody is found is searched again at twice its
// sides, and that is said; one with a face is not, nor is a large one.
func TestEnlarge(t *testing.T) {
	for _, tt := range []struct {
		name   string
		sizing app.Sizing
		side   int // of the face
		faces  int
		looked int64
		note   bool
	}{
		{"found at once", app.Sizing{Enlarge: true}, 40, 1, 1, false},
		{"found when enlarged", app.Sizing{Enlarge: true}, 5, 1, 2, true},
		{"not found at all", app.Sizing{Enlarge: true}, 2, 0, 2, false},
		{"not asked for", app.Sizing{}, 5, 0, 1, false},
		{"upsampled anyway", app.Sizing{Enlarge: true, Upsample: 1}, 5, 1, 1, false},
		{"too small a face", app.Sizing{Enlarge: true, MinSize: 41}, 40, 0, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &apptest.Engine{}
			r := app.Recognizer{Engine: e, Sizing: tt.sizing}
			res, err := r.Recognize(t.Context(), "a", pngOf(t, apptest.Paint(100, 80, patch(20, 20, tt.side, red))), nil)
			if err != nil || res.Err != nil {
				t.Fatal(err, res.Err)
			}
			if len(res.Faces) != tt.faces || e.Looked.Load() != tt.looked || (len(res.Notes) > 0) != tt.note {
				t.Errorf("%d faces, looked %d times, notes %q", len(res.Faces), e.Looked.Load(), res.Notes)
			}
			if tt.note && !res.Faces[0].Box.In(image.Rect(18, 18, 27, 27)) {
				t.Errorf("the face is at %v of the picture itself", res.Faces[0].Box)
			}
		})
	}
}

// What a picture needs is known before it is decoded: it is searched smaller,
// and refused when even that is too much.
func TestMemory(t *testing.T) {
	data := pngOf(t, apptest.Paint(400, 300, patch(100, 100, 120, red)))
	for _, tt := range []struct {
		memory int64
		faces  int
		note   bool
		err    bool
	}{
		{0, 1, false, false},
		{100 << 20, 1, false, false},
		{1 << 20, 1, true, false},
		{1 << 10, 0, false, true},
	} {
		r := app.Recognizer{Engine: &apptest.Engine{}, Sizing: app.Sizing{Memory: tt.memory}}
		res, err := r.Recognize(t.Context(), "a", data, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Faces) != tt.faces || (len(res.Notes) > 0) != tt.note || (res.Err != nil) != tt.err {
			t.Errorf("%d bytes: %d faces, notes %q, %v", tt.memory, len(res.Faces), res.Notes, res.Err)
		}
		var large *picture.TooLargeError
		if tt.err && (!errors.As(res.Err, &large) || !strings.Contains(large.Hint(), "--memory")) {
			t.Errorf("%v", res.Err)
		}
		if tt.note && !res.Faces[0].Box.In(image.Rect(90, 90, 230, 230)) {
			t.Errorf("the face is at %v of the picture itself", res.Faces[0].Box)
		}
	}
}

// Pictures whose sides are too large when they are enlarged are refused.
func TestEnlargedSides(t *testing.T) {
	r := app.Recognizer{Engine: &apptest.Engine{}, Sizing: app.Sizing{Upsample: 3}}
	res, err := r.Recognize(t.Context(), "a", pngOf(t, image.NewGray(image.Rect(0, 0, 9000, 2))), nil)
	var large *picture.TooLargeError
	if err != nil || !errors.As(res.Err, &large) {
		t.Errorf("%v, %v", err, res.Err)
	}
}

// However much each asks for, no more than the limit is ever held, and all of
// them come to their end, in order.
func TestOrderedMemory(t *testing.T) {
	const limit = 100
	var mu sync.Mutex
	held, most := map[int]int64{}, int64(0)
	var asked atomic.Int64
	next := 0
	err := app.Ordered(t.Context(), 8, 200, limit, func(ctx context.Context, i int, reserve app.Reserve) error {
		n := int64(i*37%140) + 1
		if i%5 == 0 {
			return nil // one that needs nothing
		}
		if err := reserve(ctx, n); err != nil {
			return err
		}
		asked.Add(1)
		mu.Lock()
		defer mu.Unlock()
		held[i] = min(n, limit)
		sum := int64(0)
		for _, v := range held {
			sum += v
		}
		most = max(most, sum)
		return nil
	}, func(i int) error {
		if i != next {
			t.Errorf("done %d, expected %d", i, next)
		}
		next++
		mu.Lock()
		defer mu.Unlock()
		delete(held, i)
		return nil
	})
	if err != nil || next != 200 || asked.Load() != 160 || most > limit {
		t.Errorf("%v; %d done, %d reserved, at most %d bytes held", err, next, asked.Load(), most)
	}
}

func TestSummaryNotRead(t *testing.T) {
	var s app.Summary
	for _, data := range []string{"\xff\x0a..", "\x00\x00\x00\x18ftypqt  ....", "II*\x00\x10\x00\x00\x00CR\x02\x00", "plain text"} {
		r := app.Recognizer{Engine: &apptest.Engine{}}
		res, err := r.Recognize(t.Context(), "a", []byte(data), nil)
		if err != nil || res.Err == nil || strings.Contains(res.Err.Error(), "broken") {
			t.Errorf("%q: %v, %v", data, err, res.Err)
		}
		s.Add(&res)
	}
	var b bytes.Buffer
	rep, err := app.NewReporter("text", &b, app.Header{})
	if err != nil {
		t.Fatal(err)
	}
	if err := rep.End(s); err != nil || b.String() != "4 pictures, 0 faces; 4 could not be read (not read: 1 JPEG XL, 1 RAW, 1 video)\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
