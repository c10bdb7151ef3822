package inputs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"

	"facerec/internal/release"
)

// SamplesSchema is the first field of persons/samples.lock.json.
const SamplesSchema = "facerec/samples/v1"

// Samples is persons/samples.lock.json: which photos of the package are
// enrolled, and which are pasted into one picture to recognise.
type Samples struct {
	Schema  string   `json:"schema"`
	Folder  string   `json:"folder"`  // of the photos, inside the package
	Go      string   `json:"go"`      // the Go whose JPEG encoder made the picture's hash
	Persons []Person `json:"persons"` // enrolled
	Picture Composed `json:"picture"`
}

// Person is one enrolled person.
type Person struct {
	Name   string  `json:"name"`
	Photos []Photo `json:"photos"`
}

// Photo is one pinned file of the package.
type Photo struct {
	File   string `json:"file"` // relative to Directory
	SHA256 string `json:"sha256"`
}

// Composed is a picture put together from photos that are not enrolled.
type Composed struct {
	Name   string  `json:"name"`
	Photos []Photo `json:"photos"` // up to six, row by row
	SHA256 string  `json:"sha256"` // of the JPEG
}

var samplePath = regexp.MustCompile(`^[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*(\.jpg)?$`)

// ParseSamples reads samples.lock.json strictly.
func ParseSamples(b []byte) (*Samples, error) {
	var s Samples
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return nil, fmt.Errorf("samples lock: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("samples lock: something follows the JSON document")
	}
	if s.Schema != SamplesSchema {
		return nil, fmt.Errorf("samples lock: schema %q, expected %q", s.Schema, SamplesSchema)
	}
	photos := s.Picture.Photos
	if n := len(photos); n == 0 || n > 6 {
		return nil, fmt.Errorf("samples lock: the picture has %d photos, expected 1 to 6", n)
	}
	for _, p := range s.Persons {
		if !samplePath.MatchString(p.Name) || path.Base(p.Name) != p.Name {
			return nil, fmt.Errorf("samples lock: person %q, expected letters, digits and underscores", p.Name)
		}
		if len(p.Photos) == 0 {
			return nil, fmt.Errorf("samples lock: %s has no photos", p.Name)
		}
		photos = append(photos[:len(photos):len(photos)], p.Photos...)
	}
	for _, p := range photos {
		if !samplePath.MatchString(p.File) || path.Ext(p.File) != ".jpg" {
			return nil, fmt.Errorf("samples lock: photo %q, expected PERSON/NAME.jpg", p.File)
		}
		if !hexSum.MatchString(p.SHA256) {
			return nil, fmt.Errorf("samples lock: %s has sha256 %q, expected 64 lower-case hexadecimal digits", p.File, p.SHA256)
		}
	}
	if !samplePath.MatchString(s.Picture.Name) || path.Ext(s.Picture.Name) != ".jpg" {
		return nil, fmt.Errorf("samples lock: picture %q, expected NAME.jpg", s.Picture.Name)
	}
	return &s, nil
}

// Samples writes the enrolled photos below personsDir and the picture into
// imagesDir. Files that are there with the right hash are left alone; other
// files are not touched.
func (s *Store) Samples(ctx context.Context, l *Samples, pin Pin, personsDir, imagesDir string) error {
	if n, err := samplesThere(l, personsDir, imagesDir); err != nil {
		return err
	} else if n > 0 {
		s.say("samples: %d files are already there, hash checked", n)
		return nil
	}
	deb, err := s.Get(ctx, pin)
	if err != nil {
		return err
	}
	tmp, err := s.tempDir("samples-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := unpackDeb(ctx, deb, tmp); err != nil {
		return err
	}
	root := filepath.Join(tmp, filepath.FromSlash(l.Folder))
	n := 0
	for _, p := range l.Persons {
		for _, ph := range p.Photos {
			b, err := readPhoto(root, ph)
			if err != nil {
				return err
			}
			target := filepath.Join(personsDir, p.Name, path.Base(ph.File))
			if err := WriteFile(target, b); err != nil {
				return err
			}
			n++
		}
	}
	s.say("samples: wrote %d photos of %d people below %s, hash checked", n, len(l.Persons), personsDir)

	var faces []image.Image
	for _, ph := range l.Picture.Photos {
		b, err := readPhoto(root, ph)
		if err != nil {
			return err
		}
		m, err := jpeg.Decode(bytes.NewReader(b))
		if err != nil {
			return fmt.Errorf("%s: %w", ph.File, err)
		}
		faces = append(faces, m)
	}
	picture, err := Compose(faces)
	if err != nil {
		return err
	}
	target := filepath.Join(imagesDir, l.Picture.Name)
	if got := sum(picture); got != l.Picture.SHA256 {
		if runtime.Version() == l.Go {
			return &WrongHash{File: target, Expected: l.Picture.SHA256, Got: got, Size: int64(len(picture)), Todo: "composing changed: look at the picture, then pin its new hash in samples.lock.json"}
		}
		s.say("samples: %s has sha256 %s, not the pinned %s: its JPEG encoder is that of %s, the pin's that of %s; it shows the same", target, got, l.Picture.SHA256, runtime.Version(), l.Go)
	}
	if err := WriteFile(target, picture); err != nil {
		return err
	}
	s.say("samples: wrote %s from %d other photos, hash %s", target, len(faces), sum(picture))
	return nil
}

// samplesThere counts the files when all of them are there as pinned, else 0.
func samplesThere(l *Samples, personsDir, imagesDir string) (int, error) {
	n := 0
	ok := func(file, want string) (bool, error) {
		got, _, err := hashFile(file)
		if os.IsNotExist(err) {
			return false, nil
		}
		n++
		return got == want, err
	}
	for _, p := range l.Persons {
		for _, ph := range p.Photos {
			if same, err := ok(filepath.Join(personsDir, p.Name, path.Base(ph.File)), ph.SHA256); err != nil || !same {
				return 0, err
			}
		}
	}
	if same, err := ok(filepath.Join(imagesDir, l.Picture.Name), l.Picture.SHA256); err != nil || !same {
		return 0, err
	}
	return n, nil
}

func readPhoto(root string, p Photo) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(p.File)))
	if err != nil {
		return nil, fmt.Errorf("the package has no photo %s: %w", p.File, err)
	}
	if got := sum(b); got != p.SHA256 {
		return nil, &WrongHash{File: p.File, Expected: p.SHA256, Got: got, Size: int64(len(b)), Todo: "the package's photo changed: pin it again in samples.lock.json"}
	}
	return b, nil
}

func sum(b []byte) string {
	return release.DigestOf(sha256.Sum256(b)).Hex()
}

// The picture: 1200×800 pixels, portraits of 330 in up to two rows of three on
// warm grey, so that each face is well above the 80 pixels that dlib's HOG
// detector wants, and a name fits below it.
const (
	pictureW, pictureH = 1200, 800
	portrait           = 330
	perRow             = 3
	pictureQuality     = 92
)

// Compose puts one to six square portraits into one picture and gives its JPEG.
// The same portraits give the same bytes, on every machine with the same Go.
func Compose(faces []image.Image) ([]byte, error) {
	if len(faces) == 0 || len(faces) > 2*perRow {
		return nil, fmt.Errorf("compose: %d portraits, expected 1 to %d", len(faces), 2*perRow)
	}
	m := image.NewRGBA(image.Rect(0, 0, pictureW, pictureH))
	draw.Draw(m, m.Bounds(), image.NewUniform(color.RGBA{0xd8, 0xd4, 0xcc, 0xff}), image.Point{}, draw.Src)
	rows := (len(faces) + perRow - 1) / perRow
	gapY := (pictureH - rows*portrait) / (rows + 1)
	for i, f := range faces {
		row := i / perRow
		inRow := min(perRow, len(faces)-row*perRow)
		gapX := (pictureW - inRow*portrait) / (inRow + 1)
		x := gapX + i%perRow*(portrait+gapX)
		y := gapY + row*(portrait+gapY)
		r := image.Rect(x, y, x+portrait, y+portrait)
		draw.Draw(m, r.Inset(-6), image.NewUniform(color.RGBA{0xfa, 0xf8, 0xf4, 0xff}), image.Point{}, draw.Src)
		draw.Draw(m, r, enlarge(f, portrait, portrait), image.Point{}, draw.Src)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: pictureQuality}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
