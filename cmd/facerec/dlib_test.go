//go:build dlib

package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/app"
)

// The tests in this file run the whole program with dlib on the sample photos,
// in a directory that is laid out like an unpacked release.

// unpacked makes such a directory and goes there.
func unpacked(t *testing.T) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, how := range map[string]string{
		"models/dlib_face_recognition_resnet_model_v1.dat": "make models",
		"images/unknown.jpg":  "make samples",
		"persons/John_Salley": "make samples",
	} {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Skipf("%s is not here: get it with %s", name, how)
		}
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(root, "models"), filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "persons"), os.DirFS(filepath.Join(root, "persons"))); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(root, "images/unknown.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "images/unknown.jpg"), data)
	t.Chdir(dir)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	t.Setenv("HOME", dir)
}

func put(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// facerec runs the program.
func facerec(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	env := hostEnvironment()
	var out, errs bytes.Buffer
	env.stdin, env.stdout, env.stderr, env.outTerminal, env.errTerminal = strings.NewReader(""), &out, &errs, false, false
	code = run(args, env)
	return code, out.String(), errs.String()
}

// wantPersons is what the composed sample picture shows, in reading order.
var wantPersons = []string{"John_Schneider", "John_Salley", "John_Simm", "unknown", "John_Savage"}

func TestDlibNoArguments(t *testing.T) {
	unpacked(t)
	code, out, errs := facerec(t)
	if code != 0 || errs != "" {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	want := []string{"Found 5 faces"}
	for _, p := range wantPersons {
		want = append(want, "Person: "+p)
	}
	if got := lines[:len(lines)-1]; strings.Join(got, "\n") != strings.Join(want, "\n") || !strings.HasPrefix(lines[len(lines)-1], "Total time: ") {
		t.Errorf("got\n%s", out)
	}
	first, err := os.ReadFile("images/result.jpg")
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(first))
	if err != nil || img.Bounds().Dx() != 1200 {
		t.Errorf("result.jpg: %v %v", img.Bounds(), err)
	}
	// Now from the cache, with one job: the same picture to the byte.
	if code, _, errs := facerec(t, "--jobs", "1"); code != 0 {
		t.Fatal(code, errs)
	}
	second, err := os.ReadFile("images/result.jpg")
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("a second run drew another picture, %v", err)
	}
	if code, _, _ := facerec(t, "--fail-on-unknown"); code != 3 {
		t.Errorf("--fail-on-unknown: exit code %d", code)
	}
}

// The same answer from every kind of file, from any number of jobs, and from a
// picture that lies on its side.
func TestDlibInputs(t *testing.T) {
	unpacked(t)
	data, err := os.ReadFile("images/unknown.jpg")
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var asPNG, asGrey, asSide bytes.Buffer
	grey := image.NewGray(img.Bounds())
	draw.Draw(grey, grey.Rect, img, image.Point{}, draw.Src)
	side := image.NewRGBA(image.Rect(0, 0, img.Bounds().Dy(), img.Bounds().Dx()))
	for y := range side.Rect.Dy() {
		for x := range side.Rect.Dx() { // a camera held so that 6 makes it upright
			side.Set(x, y, img.At(img.Bounds().Dx()-1-y, x))
		}
	}
	if err := png.Encode(&asPNG, img); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&asGrey, grey, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&asSide, side, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	put(t, "in/a.jpg", data)
	put(t, "in/b.png", asPNG.Bytes())
	put(t, "in/c-grey.jpg", asGrey.Bytes())
	put(t, "in/d-side.jpg", oriented(asSide.Bytes(), 6))

	code, out, errs := facerec(t, "recognize", "in", "--json", "--jobs", "1")
	if code != 0 {
		t.Fatal(code, errs)
	}
	var doc struct {
		Schema   string
		Pictures []struct {
			File          string
			Width, Height int
			Faces         []struct {
				Person *string
				Box    struct{ X, Y, Width, Height int }
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Schema != app.RecognizeSchema || len(doc.Pictures) != 4 {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, p := range doc.Pictures {
		var got []string
		for _, f := range p.Faces {
			name := "unknown"
			if f.Person != nil {
				name = *f.Person
			}
			got = append(got, name)
		}
		if strings.Join(got, " ") != strings.Join(wantPersons, " ") || p.Width != 1200 {
			t.Errorf("%s: %d×%d, %v", p.File, p.Width, p.Height, got)
		}
	}
	if code, again, _ := facerec(t, "recognize", "in", "--json", "--jobs", "3", "--cache", "off"); code != 0 || again != out {
		t.Errorf("three jobs without a cache answer otherwise: exit code %d", code)
	}
}

func TestDlibNoFace(t *testing.T) {
	unpacked(t)
	var b bytes.Buffer
	plain := image.NewRGBA(image.Rect(0, 0, 320, 240))
	draw.Draw(plain, plain.Rect, image.NewUniform(color.RGBA{90, 120, 60, 255}), image.Point{}, draw.Src)
	if err := jpeg.Encode(&b, plain, nil); err != nil {
		t.Fatal(err)
	}
	put(t, "images/unknown.jpg", b.Bytes())
	code, out, errs := facerec(t)
	if code != 4 || !strings.HasPrefix(out, "Found 0 faces\n") || !strings.Contains(errs, "no face found in images/unknown.jpg") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	put(t, "tiny.png", func() []byte {
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 1, 1))); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}())
	if code, _, errs := facerec(t, "detect", "tiny.png"); code != 4 {
		t.Errorf("one pixel: exit code %d, %s", code, errs)
	}
	if code, _, errs := facerec(t, "detect", "tiny.png", "--detector", "cnn"); code != 4 {
		t.Errorf("one pixel, cnn: exit code %d, %s", code, errs)
	}
}

func TestDlibEnrolment(t *testing.T) {
	unpacked(t)
	two, err := os.ReadFile("images/unknown.jpg")
	if err != nil {
		t.Fatal(err)
	}
	put(t, "persons/John_Simm/many.jpg", two)
	put(t, "persons/John_Simm/broken.jpg", two[:len(two)/2])
	put(t, "persons/John_Simm/notes.txt", []byte("not a picture"))
	code, out, errs := facerec(t)
	if code != 0 || !strings.Contains(out, "Person: John_Simm\n") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	for _, want := range []string{
		"persons/John_Simm/many.jpg: skipped: 5 faces",
		"persons/John_Simm/broken.jpg: skipped: broken jpeg: it ends too early",
		"persons/John_Simm/notes.txt: skipped: not a picture",
	} {
		if !strings.Contains(errs, want) {
			t.Errorf("no warning %q in\n%s", want, errs)
		}
	}
	if code, _, _ := facerec(t, "--strict"); code != 1 {
		t.Errorf("--strict: exit code %d", code)
	}
	put(t, "images/unknown.jpg", two[:len(two)/2])
	if err := os.Remove("images/result.jpg"); err != nil {
		t.Fatal(err)
	}
	code, out, errs = facerec(t)
	if code != 1 || out != "" || !strings.Contains(errs, "images/unknown.jpg: broken jpeg: it ends too early") {
		t.Errorf("a broken picture: exit code %d\n%s%s", code, out, errs)
	}
	if _, err := os.Stat("images/result.jpg"); err == nil {
		t.Error("a broken picture left a result")
	}
}

func TestDlibCompareAndCalibrate(t *testing.T) {
	unpacked(t)
	names, err := filepath.Glob("persons/John_S*/*.jpg")
	if err != nil || len(names) < 8 {
		t.Fatal(names, err)
	}
	var same, other string
	for _, n := range names[1:] {
		switch d := filepath.Dir(n); {
		case d == filepath.Dir(names[0]) && same == "":
			same = n
		case d != filepath.Dir(names[0]) && other == "":
			other = n
		}
	}
	if code, out, errs := facerec(t, "compare", names[0], same, "--fail-on-unknown"); code != 0 || !strings.Contains(out, "same person") {
		t.Error(code, out, errs)
	}
	if code, out, errs := facerec(t, "compare", names[0], other, "--fail-on-unknown"); code != 3 || !strings.Contains(out, "different people") {
		t.Error(code, out, errs)
	}
	code, out, errs := facerec(t, "calibrate", "--json")
	var doc struct {
		Suggested struct {
			Threshold                    float64
			False_rejects, False_accepts int
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); code != 0 || err != nil {
		t.Fatal(code, err, errs)
	}
	// On the samples the people lie well apart, and the default threshold is
	// among those that make no error.
	if s := doc.Suggested; s.False_accepts+s.False_rejects != 0 || s.Threshold < 0.36 || s.Threshold > 0.68 {
		t.Errorf("suggested %+v", s)
	}
}
