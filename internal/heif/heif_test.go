//go:build nodynamic

package heif

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"testing"

	"facerec/internal/app/picture"
)

// White with a red corner at the top left, as heif-enc (128×64 pixels) and
// avifenc (32×16) write it.
var corners = map[picture.Format]string{
	picture.HEIC: "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAUJtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAAA5waXRtAAAAAAABAAAAImlsb2MAAAAAREAAAQABAAAAAAFmAAEAAAAAAAAAOwAAACNpaW5mAAAAAAABAAAAFWluZmUCAAAAAAEAAGh2YzEAAAAAwmlwcnAAAACkaXBjbwAAAHhodmNDAQNwAAAAAAAAAAAAHvAA/P34+AAADwMgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQCEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoBAgQWW6kkprm4EBAwIAAAMAAgAAAwACECIAAQAHRAHBcrAiQAAAABRpc3BlAAAAAAAAAIAAAABAAAAAEHBpeGkAAAAAAwgICAAAABZpcG1hAAAAAAAAAAEAAQOBAoMAAABDbWRhdAAAADcoAa8J4CE5dV///eoX//8i3ch/GG1Z55/lcUJ35Mbf/7TkcI//7pFEB9GEN/8N+rlqNMoFTn/A",
	picture.AVIF: "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADybWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABGgAAACUAAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAamlwcnAAAABLaXBjbwAAABRpc3BlAAAAAAAAACAAAAAQAAAAEHBpeGkAAAAAAwgICAAAAAxhdjFDgSAAAAAAABNjb2xybmNseAABAA0ABoAAAAAXaXBtYQAAAAAAAAABAAEEAQKDBAAAAC1tZGF0EgAKCDgQ/+wgIaDSMhdFkAGGGGFAug/U9mb49CDrjG6yWSeKEA==",
}

func file(t testing.TB, f picture.Format) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(corners[f])
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func checkCorners(t *testing.T, m image.Image, size, red, white image.Point) {
	t.Helper()
	if m.Bounds().Size() != size {
		t.Fatalf("%v, expected %v", m.Bounds(), size)
	}
	r := color.RGBAModel.Convert(m.At(red.X, red.Y)).(color.RGBA)
	w := color.RGBAModel.Convert(m.At(white.X, white.Y)).(color.RGBA)
	if r.R < 150 || r.G > 60 || r.B > 60 || w.R < 230 || w.G < 230 || w.B < 230 {
		t.Errorf("the corners are %v and %v", r, w)
	}
}

func TestDecode(t *testing.T) {
	d := picture.Decoder{HEIF: Decode}
	for format := range corners {
		p, err := d.Decode(file(t, format))
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		size := map[picture.Format]image.Point{picture.HEIC: {X: 128, Y: 64}, picture.AVIF: {X: 32, Y: 16}}[format]
		checkCorners(t, p.Image, size, image.Pt(2, 2), size.Sub(image.Pt(4, 4)))
		if p.Size != size || p.JPEG != nil {
			t.Errorf("%s: %+v", format, p.Size)
		}
		if _, err := (picture.Decoder{HEIF: Decode, MaxPixels: 511}).Decode(file(t, format)); err == nil {
			t.Errorf("%s: taken, although it is larger than the limit", format)
		}
	}
}

// AVIF's own turns (irot and imir) are applied, as avifenc writes them.
func TestTurned(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		size, red  image.Point
	}{
		{"a quarter to the left", "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAAD8bWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABJAAAACUAAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAdGlwcnAAAABUaXBjbwAAABRpc3BlAAAAAAAAACAAAAAQAAAAEHBpeGkAAAAAAwgICAAAAAxhdjFDgSAAAAAAABNjb2xybmNseAABAA0ABoAAAAAJaXJvdAEAAAAYaXBtYQAAAAAAAAABAAEFAQKDBIUAAAAtbWRhdBIACgg4EP/sICGg0jIXRZABhhhhQLoP1PZm+PQg64xuslknihA=", image.Pt(16, 32), image.Pt(2, 29)},
		{"a quarter to the right", "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAAD8bWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABJAAAACUAAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAdGlwcnAAAABUaXBjbwAAABRpc3BlAAAAAAAAACAAAAAQAAAAEHBpeGkAAAAAAwgICAAAAAxhdjFDgSAAAAAAABNjb2xybmNseAABAA0ABoAAAAAJaXJvdAMAAAAYaXBtYQAAAAAAAAABAAEFAQKDBIUAAAAtbWRhdBIACgg4EP/sICGg0jIXRZABhhhhQLoP1PZm+PQg64xuslknihA=", image.Pt(16, 32), image.Pt(13, 2)},
		{"top and bottom", "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAAEGbWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABLgAAACUAAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAfmlwcnAAAABdaXBjbwAAABRpc3BlAAAAAAAAACAAAAAQAAAAEHBpeGkAAAAAAwgICAAAAAxhdjFDgSAAAAAAABNjb2xybmNseAABAA0ABoAAAAAJaXJvdAAAAAAJaW1pcgAAAAAZaXBtYQAAAAAAAAABAAEGAQKDBIWGAAAALW1kYXQSAAoIOBD/7CAhoNIyF0WQAYYYYUC6D9T2Zvj0IOuMbrJZJ4oQ", image.Pt(32, 16), image.Pt(2, 13)},
		{"left and right", "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAAEGbWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABLgAAACUAAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAfmlwcnAAAABdaXBjbwAAABRpc3BlAAAAAAAAACAAAAAQAAAAEHBpeGkAAAAAAwgICAAAAAxhdjFDgSAAAAAAABNjb2xybmNseAABAA0ABoAAAAAJaXJvdAAAAAAJaW1pcgEAAAAZaXBtYQAAAAAAAAABAAEGAQKDBIWGAAAALW1kYXQSAAoIOBD/7CAhoNIyF0WQAYYYYUC6D9T2Zvj0IOuMbrJZJ4oQ", image.Pt(32, 16), image.Pt(29, 2)},
		{"to the left, then left and right", "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAAEGbWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABLgAAACUAAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAfmlwcnAAAABdaXBjbwAAABRpc3BlAAAAAAAAACAAAAAQAAAAEHBpeGkAAAAAAwgICAAAAAxhdjFDgSAAAAAAABNjb2xybmNseAABAA0ABoAAAAAJaXJvdAEAAAAJaW1pcgEAAAAZaXBtYQAAAAAAAAABAAEGAQKDBIWGAAAALW1kYXQSAAoIOBD/7CAhoNIyF0WQAYYYYUC6D9T2Zvj0IOuMbrJZJ4oQ", image.Pt(16, 32), image.Pt(13, 29)},
		{"to the left, then top and bottom", "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAAEGbWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABLgAAACUAAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAfmlwcnAAAABdaXBjbwAAABRpc3BlAAAAAAAAACAAAAAQAAAAEHBpeGkAAAAAAwgICAAAAAxhdjFDgSAAAAAAABNjb2xybmNseAABAA0ABoAAAAAJaXJvdAEAAAAJaW1pcgAAAAAZaXBtYQAAAAAAAAABAAEGAQKDBIWGAAAALW1kYXQSAAoIOBD/7CAhoNIyF0WQAYYYYUC6D9T2Zvj0IOuMbrJZJ4oQ", image.Pt(16, 32), image.Pt(2, 2)},
	} {
		data, err := base64.StdEncoding.DecodeString(tt.file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := picture.Decoder{HEIF: Decode}.Decode(data)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		checkCorners(t, p.Image, tt.size, tt.red, p.Size.Sub(image.Pt(1, 1)).Sub(tt.red))
	}
}

// What is cut is an error, and nothing panics.
func TestDecodeCut(t *testing.T) {
	d := picture.Decoder{HEIF: Decode}
	for format := range corners {
		data := file(t, format)
		for _, n := range []int{12, len(data) / 4, len(data) / 2} {
			if p, err := d.Decode(data[:n]); err == nil {
				t.Errorf("%s of %d bytes: a picture of %v", format, n, p.Size)
			}
		}
	}
}

// FuzzDecode damages a byte at a time: what the header says is bounded.
func FuzzDecode(f *testing.F) {
	for format := range corners {
		f.Add(file(f, format))
	}
	d := picture.Decoder{HEIF: Decode, MaxPixels: 1 << 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !bytes.Contains(data[:min(12, len(data))], []byte("ftyp")) {
			return
		}
		if p, err := d.Decode(data); err == nil && p.Image.Bounds().Empty() {
			t.Error("an empty picture")
		}
	})
}
