package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/jpeg"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"facerec/internal/app/apptest"
)

// oriented is a JPEG with an EXIF segment that holds an orientation (EXIF 2.32,
// 4.6.4: tag 0x112, one SHORT) and nothing else.
func oriented(jpg []byte, o byte) []byte {
	const tiff = "MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"
	body := append([]byte("Exif\x00\x00"+tiff), o, 0, 0, 0, 0, 0, 0)
	head := append([]byte("\xff\xd8\xff\xe1"), 0, byte(len(body)+2))
	return append(append(head, body...), jpg[2:]...)
}

// TestSidecarOrientation stores one picture in all eight orientations. Exiftool
// finds the face where it is stored, which is the same place in all of them.
func TestSidecarOrientation(t *testing.T) {
	exiftool, err := exec.LookPath("exiftool")
	if err != nil {
		t.Skipf("no exiftool: %v (Debian package libimage-exiftool-perl)", err)
	}
	t.Chdir(t.TempDir())
	write := func(name string, data []byte) {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	stored := image.Rect(48, 32, 112, 80)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, apptest.Paint(400, 300, apptest.Patch{Box: stored, Color: paintColors["red"]}), &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	write("models/fake.dat", []byte(fakeModel))
	write("persons/Rose/1.jpg", b.Bytes())
	for o := 1; o <= 8; o++ {
		write("photos/"+strconv.Itoa(o)+".jpg", oriented(b.Bytes(), byte(o)))
	}
	env := fakeEnvironment()
	var stdout, stderr bytes.Buffer
	env.stdin, env.stdout, env.stderr = strings.NewReader(""), &stdout, &stderr
	if code := run([]string{"recognize", "photos", "--xmp", "--cache", "off"}, env); code != 0 || !strings.Contains(stderr.String(), "8 XMP sidecars written, 0 up to date") {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	out, err := exec.Command(exiftool, "-j", "-n", "-struct", "-ext", "xmp", "photos").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var docs []struct {
		SourceFile string
		RegionInfo struct {
			AppliedToDimensions struct{ W, H int }
			RegionList          []struct {
				Area       struct{ X, Y, W, H float64 }
				Name, Type string
			}
		}
		PersonInImage, Subject json.RawMessage
	}
	if err := json.Unmarshal(out, &docs); err != nil || len(docs) != 8 {
		t.Fatalf("%d sidecars, %v: %s", len(docs), err, out)
	}
	for _, d := range docs {
		r := d.RegionInfo
		if len(r.RegionList) != 1 || r.AppliedToDimensions.W != 400 || r.AppliedToDimensions.H != 300 || !bytes.Contains(d.PersonInImage, []byte("Rose")) || !bytes.Contains(d.Subject, []byte("Rose")) {
			t.Errorf("%s: %+v, %s, %s", d.SourceFile, r, d.PersonInImage, d.Subject)
			continue
		}
		a := r.RegionList[0].Area
		for _, diff := range []float64{a.X - 80.0/400, a.Y - 56.0/300, a.W - 64.0/400, a.H - 48.0/300} {
			if math.Abs(diff) > 2.0/300 { // JPEG blurs the edges
				t.Errorf("%s: the region is at %+v", d.SourceFile, a)
			}
		}
	}
	// The photo and the sidecar as one: what docs/facerec.md says.
	before, err := os.ReadFile("photos/6.jpg")
	if err != nil || !bytes.Equal(before, oriented(b.Bytes(), 6)) {
		t.Fatalf("the photo was changed, %v", err)
	}
	if out, err := exec.Command(exiftool, "-tagsfromfile", "%d%f.%e.xmp", "-xmp:all", "photos/6.jpg").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command(exiftool, "-s3", "-RegionName", "photos/6.jpg").Output(); err != nil || strings.TrimSpace(string(out)) != "Rose" {
		t.Errorf("copied into the photo: %q, %v", out, err)
	}
}
