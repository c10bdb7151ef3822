package inputs

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func samplesFile(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("../../persons/samples.lock.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSamplesFile wants no photo both enrolled and in the picture, and one
// person in the picture who is not enrolled.
func TestSamplesFile(t *testing.T) {
	s, err := ParseSamples(samplesFile(t))
	if err != nil {
		t.Fatal(err)
	}
	files, people := map[string]bool{}, map[string]bool{}
	for _, p := range s.Persons {
		people[p.Name] = true
		for _, ph := range p.Photos {
			files[ph.File] = true
		}
	}
	strangers := 0
	for _, ph := range s.Picture.Photos {
		if files[ph.File] {
			t.Errorf("%s is enrolled and in the picture", ph.File)
		}
		if !people[filepath.Dir(ph.File)] {
			strangers++
		}
	}
	if strangers != 1 || len(s.Persons) < 3 {
		t.Errorf("%d strangers and %d people, expected 1 and at least 3", strangers, len(s.Persons))
	}
}

func TestParseSamplesRefuses(t *testing.T) {
	good := string(samplesFile(t))
	for name, change := range map[string][2]string{
		"schema":      {"facerec/samples/v1", "facerec/samples/v0"},
		"unknown key": {`"persons":`, `"people": 1, "persons":`},
		"upwards":     {`"name": "John_Simm"`, `"name": ".."`},
		"below":       {`"name": "John_Simm"`, `"name": "a/b"`},
		"absolute":    {`"file": "John_Simm/`, `"file": "/John_Simm/`},
		"dots":        {`"file": "John_Simm/`, `"file": "../John_Simm/`},
		"hash":        {`"sha256": "`, `"sha256": "x`},
		"picture":     {`"name": "unknown.jpg"`, `"name": "../unknown.jpg"`},
	} {
		if !strings.Contains(good, change[0]) {
			t.Fatalf("%s: the lock has no %q", name, change[0])
		}
		if _, err := ParseSamples([]byte(strings.ReplaceAll(good, change[0], change[1]))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParseSamples(f *testing.F) {
	f.Add(samplesFile(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSamples(b)
		if err != nil {
			return
		}
		for _, p := range s.Persons {
			if !filepath.IsLocal(p.Name) || strings.Contains(p.Name, "/") {
				t.Errorf("accepted person %q", p.Name)
			}
			for _, ph := range p.Photos {
				if !filepath.IsLocal(ph.File) {
					t.Errorf("accepted photo %q", ph.File)
				}
			}
		}
	})
}

func gradient(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x * y) % 256), 255})
		}
	}
	return m
}

// TestComposeGolden pins the bytes, for the Go that the pin of unknown.jpg
// names; any Go must give the same twice.
func TestComposeGolden(t *testing.T) {
	const want = "48ce61306d126e1af7fe37ceee0051b95f27ea1843a7eee8359b59994a4c8a79"
	faces := []image.Image{gradient(150, 150), gradient(150, 150), gradient(31, 97), gradient(1, 1)}
	a, err := Compose(faces)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Compose(faces)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("the same portraits give other bytes")
	}
	s, err := ParseSamples(samplesFile(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := sum(a); got != want && runtime.Version() == s.Go {
		t.Errorf("sha256 %s, expected %s", got, want)
	}
	m, err := jpeg.Decode(bytes.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	if m.Bounds() != image.Rect(0, 0, pictureW, pictureH) {
		t.Errorf("bounds %v", m.Bounds())
	}
}

func TestComposeRefuses(t *testing.T) {
	for _, n := range []int{0, 7} {
		if _, err := Compose(make([]image.Image, n)); err == nil {
			t.Errorf("no error for %d portraits", n)
		}
	}
}

// TestEnlarge wants a flat picture to stay flat, the same size to stay the
// same, and every weight to sum to one.
func TestEnlarge(t *testing.T) {
	flat := image.NewRGBA(image.Rect(0, 0, 5, 3))
	for i := range flat.Pix {
		flat.Pix[i] = 201
	}
	m := enlarge(flat, 33, 17)
	for i, v := range m.Pix {
		if i%4 != 3 && v != 201 {
			t.Fatalf("byte %d is %d, expected 201", i, v)
		}
	}
	g := gradient(20, 20)
	if !bytes.Equal(enlarge(g, 20, 20).Pix, g.Pix) {
		t.Error("the same size is not the same picture")
	}
	for d := range 330 {
		pos, wt := taps(d, 330, 150)
		if wt[0]+wt[1]+wt[2]+wt[3] != unit {
			t.Errorf("weights %v of %d do not sum to %d", wt, d, unit)
		}
		for _, p := range pos {
			if p < 0 || p >= 150 {
				t.Errorf("position %d of %d is outside", p, d)
			}
		}
	}
}
