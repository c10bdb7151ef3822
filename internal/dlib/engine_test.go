//go:build dlib

package dlib

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
	"testing"

	"facerec/internal/app"
)

const root = "../.."

func open(t *testing.T, d app.Detector) app.Engine {
	t.Helper()
	dir := filepath.Join(root, "models")
	if _, err := os.Stat(filepath.Join(dir, "dlib_face_recognition_resnet_model_v1.dat")); err != nil {
		t.Skip("no models: run `go run ./tools/inputs models`")
	}
	e, err := Open(app.EngineOptions{ModelsDir: dir, Detector: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func pictureAt(t *testing.T, path string) app.Picture {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return app.Picture{Image: m, JPEG: b}
}

func faces(t *testing.T, e app.Engine, p app.Picture) []app.Detection {
	t.Helper()
	d, err := e.Faces(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func distance(a, b [128]float32) float64 {
	var s float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		s += d * d
	}
	return math.Sqrt(s)
}

// enrolled gives each person's descriptors, one a photo.
func enrolled(t *testing.T, e app.Engine) (names []string, of map[string][][128]float32) {
	t.Helper()
	photos, err := filepath.Glob(filepath.Join(root, "persons", "*", "*.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if len(photos) == 0 {
		t.Skip("no photos: run `go run ./tools/inputs samples`")
	}
	of = map[string][][128]float32{}
	for _, p := range photos {
		d := faces(t, e, pictureAt(t, p))
		if len(d) != 1 {
			t.Fatalf("%s: %d faces, expected 1", p, len(d))
		}
		if len(d[0].Landmarks) != 5 {
			t.Fatalf("%s: %d landmarks, expected 5", p, len(d[0].Landmarks))
		}
		name := filepath.Base(filepath.Dir(p))
		of[name] = append(of[name], d[0].Descriptor)
	}
	for n := range of {
		names = append(names, n)
	}
	sort.Strings(names)
	return names, of
}

// TestSamples tells four people apart and leaves the stranger a stranger, at
// dlib's distance of 0.6. With -v it prints a hash of all descriptors' bits: it
// must be the same on every platform of a lineage.
func TestSamples(t *testing.T) {
	e := open(t, app.HOG)
	names, of := enrolled(t, e)
	bits := sha256.New()
	for _, n := range names {
		for i, a := range of[n] {
			if err := binary.Write(bits, binary.LittleEndian, a); err != nil {
				t.Fatal(err)
			}
			for _, m := range names {
				for j, b := range of[m] {
					d := distance(a, b)
					if n == m && d >= 0.6 || n != m && d < 0.6 {
						t.Errorf("%s %d and %s %d are %.3f apart", n, i, m, j, d)
					}
				}
			}
		}
	}
	got := faces(t, e, pictureAt(t, filepath.Join(root, "images", "unknown.jpg")))
	want := []string{"John_Schneider", "John_Salley", "John_Simm", "", "John_Savage"}
	if len(got) != len(want) {
		t.Fatalf("%d faces, expected %d", len(got), len(want))
	}
	// Faces of one row need not begin at the same line: here, who is where counts.
	sort.SliceStable(got, func(i, j int) bool {
		ri, rj := got[i].Box.Min.Y/400, got[j].Box.Min.Y/400
		return ri < rj || ri == rj && got[i].Box.Min.X < got[j].Box.Min.X
	})
	for i, f := range got {
		if err := binary.Write(bits, binary.LittleEndian, f.Descriptor); err != nil {
			t.Fatal(err)
		}
		best, name := 2.0, ""
		for _, n := range names {
			for _, d := range of[n] {
				if x := distance(f.Descriptor, d); x < best {
					best, name = x, n
				}
			}
		}
		t.Logf("face %d at %v: nearest %s, %.4f", i, f.Box, name, best)
		if best >= 0.6 {
			name = ""
		}
		if name != want[i] {
			t.Errorf("face %d is %q (%.3f), expected %q", i, name, best, want[i])
		}
	}
	t.Logf("dlib %s, descriptors %s", e.Info().Dlib, hex.EncodeToString(bits.Sum(nil)))
}

// TestStableOrder wants faces sorted by box, and the same on every run.
func TestStableOrder(t *testing.T) {
	e := open(t, app.HOG)
	path := filepath.Join(root, "images", "unknown.jpg")
	if _, err := os.Stat(path); err != nil {
		t.Skip("no photos: run `go run ./tools/inputs samples`")
	}
	a, b := faces(t, e, pictureAt(t, path)), faces(t, e, pictureAt(t, path))
	for i := range a {
		if a[i].Box != b[i].Box || a[i].Descriptor != b[i].Descriptor {
			t.Errorf("face %d differs from one run to the next", i)
		}
		if i > 0 && (a[i].Box.Min.Y < a[i-1].Box.Min.Y) {
			t.Errorf("face %d stands above face %d", i, i-1)
		}
	}
}

// TestNoFace gives an empty result, not an error, whatever the kind of picture.
func TestNoFace(t *testing.T) {
	e := open(t, app.HOG)
	for name, m := range map[string]image.Image{
		"grey":      image.NewGray(image.Rect(0, 0, 200, 100)),
		"one pixel": image.NewNRGBA(image.Rect(5, 5, 6, 6)),
		"rgba":      image.NewRGBA(image.Rect(-3, -3, 90, 90)),
	} {
		if d := faces(t, e, app.Picture{Image: m}); len(d) != 0 {
			t.Errorf("%s: %d faces, expected none", name, len(d))
		}
	}
}

// TestPixels wants nearly the same face from pixels as from the JPEG they came
// from (Go's decoder interpolates colours less finely than libjpeg; the
// distances seen are below 0.06), moved when the picture does not begin at (0,0).
func TestPixels(t *testing.T) {
	e := open(t, app.HOG)
	photos, _ := filepath.Glob(filepath.Join(root, "persons", "*", "*.jpg"))
	if len(photos) == 0 {
		t.Skip("no photos: run `go run ./tools/inputs samples`")
	}
	for _, path := range photos[:4] {
		p := pictureAt(t, path)
		a := faces(t, e, p)
		b := faces(t, e, app.Picture{Image: p.Image})
		if len(a) != 1 || len(b) != 1 {
			t.Fatalf("%s: %d faces from bytes, %d from pixels, expected 1", path, len(a), len(b))
		}
		d := distance(a[0].Descriptor, b[0].Descriptor)
		t.Logf("%s: pixels are %.4f from bytes", filepath.Base(path), d)
		if d > 0.1 {
			t.Errorf("%s: pixels are %.3f from bytes, expected less than 0.1", path, d)
		}
		moved := image.NewRGBA(p.Image.Bounds().Add(image.Pt(40, 50)))
		for y := range p.Image.Bounds().Dy() {
			for x := range p.Image.Bounds().Dx() {
				moved.Set(40+x, 50+y, p.Image.At(x, y))
			}
		}
		c := faces(t, e, app.Picture{Image: moved})
		if len(c) != 1 || c[0].Box != b[0].Box.Add(image.Pt(40, 50)) || c[0].Descriptor != b[0].Descriptor {
			t.Errorf("%s: a moved picture gives %v, expected %v moved by (40,50)", path, c[0].Box, b[0].Box)
		}
	}
}

// TestBrokenJPEG falls back to the pixels; without any it is an error.
func TestBrokenJPEG(t *testing.T) {
	e := open(t, app.HOG)
	if _, err := e.Faces(context.Background(), app.Picture{JPEG: []byte("no JPEG")}); err == nil {
		t.Error("no error for bytes that are no JPEG")
	}
	grey := image.NewGray(image.Rect(0, 0, 64, 64))
	var b bytes.Buffer
	if err := jpeg.Encode(&b, grey, nil); err != nil {
		t.Fatal(err)
	}
	if d := faces(t, e, app.Picture{Image: grey, JPEG: b.Bytes()}); len(d) != 0 {
		t.Errorf("%d faces in a grey square", len(d))
	}
}

// TestClosed gives an error, and closing twice does not hurt.
func TestClosed(t *testing.T) {
	e := open(t, app.HOG)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Faces(context.Background(), app.Picture{Image: image.NewUniform(color.White)}); err == nil {
		t.Error("no error from a closed engine")
	}
}

func TestCanceled(t *testing.T) {
	e := open(t, app.HOG)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Faces(ctx, app.Picture{Image: image.NewGray(image.Rect(0, 0, 9, 9))}); err != context.Canceled {
		t.Errorf("%v, expected context.Canceled", err)
	}
}

// TestScores wants a score for every face that is found: the same in every
// goroutine, and whichever way the picture comes.
func TestScores(t *testing.T) {
	if !HasScores() {
		t.Skip("built against an installed dlib, which gives no scores")
	}
	photos, err := filepath.Glob(filepath.Join(root, "persons", "*", "*.jpg"))
	if err != nil || len(photos) == 0 {
		t.Skip("no photos: run `go run ./tools/inputs samples`")
	}
	photos = photos[:min(len(photos), 8)]
	e := open(t, app.HOG)
	var mu sync.Mutex
	seen := map[string]float64{}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for _, name := range photos {
				found, err := e.Faces(t.Context(), pictureAt(t, name))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i, d := range found {
					key := fmt.Sprint(name, i)
					if before, ok := seen[key]; ok && before != d.Score {
						t.Errorf("%s: score %v, then %v", key, before, d.Score)
					}
					if seen[key] = d.Score; !(d.Score > 0.1 && d.Score < 10) {
						t.Errorf("%s: score %v", key, d.Score)
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	low, high := math.Inf(1), 0.0
	for _, s := range seen {
		low, high = min(low, s), max(high, s)
	}
	t.Logf("scores from %.3f to %.3f", low, high)
}

// TestInfo wants the lineage's name to be that of the dlib inside.
func TestInfo(t *testing.T) {
	if Lineage() == "" {
		if HasScores() || BLAS() == "" {
			t.Errorf("scores %v, BLAS %q", HasScores(), BLAS())
		}
		t.Skip("built against an installed dlib")
	}
	i := open(t, app.HOG).Info()
	if i.Lineage == "" || !strings.HasPrefix("dlib"+i.Dlib, i.Lineage+".") || i.GoFace == "" || i.BLAS == "" {
		t.Errorf("%+v", i)
	}
}

// TestCNN finds the face in the sample picture's corner with the other detector.
func TestCNN(t *testing.T) {
	if testing.Short() || runtime.GOARCH != "amd64" {
		t.Skip("the CNN detector takes seconds: not with -short, nor in an emulator")
	}
	e := open(t, app.CNN)
	path := filepath.Join(root, "images", "unknown.jpg")
	if _, err := os.Stat(path); err != nil {
		t.Skip("no photos: run `go run ./tools/inputs samples`")
	}
	corner := pictureAt(t, path).Image.(*image.YCbCr).SubImage(image.Rect(20, 20, 400, 400))
	d := faces(t, e, app.Picture{Image: corner})
	if len(d) != 1 || !d[0].Box.In(corner.Bounds()) {
		t.Fatalf("%d faces, expected 1", len(d))
	}
	t.Logf("score %.3f", d[0].Score)
	if s := d[0].Score; HasScores() != (s > 0.1 && s < 10) {
		t.Errorf("score %v", s)
	}
}

func TestMissingModels(t *testing.T) {
	if _, err := Open(app.EngineOptions{ModelsDir: t.TempDir()}); err == nil {
		t.Error("no error without models")
	}
}

// BenchmarkFace measures one portrait of 150×150 pixels: HOG and descriptor.
func BenchmarkFace(b *testing.B) {
	photos, _ := filepath.Glob(filepath.Join(root, "persons", "*", "*.jpg"))
	e, err := Open(app.EngineOptions{ModelsDir: filepath.Join(root, "models")})
	if err != nil || len(photos) == 0 {
		b.Skip("no models or photos")
	}
	defer func() { _ = e.Close() }()
	data, err := os.ReadFile(photos[0])
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := e.Faces(context.Background(), app.Picture{JPEG: data}); err != nil {
			b.Fatal(err)
		}
	}
}
