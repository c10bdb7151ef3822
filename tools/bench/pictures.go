package main

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
)

// pictures are what both sides look at.
type pictures struct {
	vga, hd   []string // without a face: decoding and the HOG detector
	portraits []string // 150 by 150, a face in each: the descriptor besides
	batch     []string // 200 of them
	persons   string   // the directory with all portraits, to enrol
	cache     string
}

// makePictures puts everything into dir.
func makePictures(dir, debs string) (*pictures, error) {
	p := &pictures{cache: filepath.Join(dir, "cache"), persons: filepath.Join(dir, "persons")}
	found, err := filepath.Glob(filepath.Join(debs, "usr/share/doc/libdlib19.1/examples/johns/John_*/*.jpg"))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no portraits in dlib's examples", debs)
	}
	slices.Sort(found)
	for _, name := range found {
		to := filepath.Join(p.persons, filepath.Base(filepath.Dir(name)), filepath.Base(name))
		if err := copyFile(name, to); err != nil {
			return nil, err
		}
		p.portraits = append(p.portraits, to)
	}
	for i := range 200 {
		to := filepath.Join(dir, "batch", fmt.Sprintf("%03d.jpg", i))
		if err := copyFile(found[i%len(found)], to); err != nil {
			return nil, err
		}
		p.batch = append(p.batch, to)
	}
	for i := range 21 {
		name, err := plain(dir, "vga", 640, 480, i)
		if err != nil {
			return nil, err
		}
		p.vga = append(p.vga, name)
	}
	for i := range 6 {
		name, err := plain(dir, "hd", 1920, 1080, i)
		if err != nil {
			return nil, err
		}
		p.hd = append(p.hd, name)
	}
	return p, nil
}

// plain writes a picture of waves, which no detector takes for a face.
func plain(dir, name string, w, h, i int) (string, error) {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			v := uint8((x*x/97 + y*3 + x*y/61 + i*11) % 251)
			img.SetRGBA(x, y, color.RGBA{v, v / 2, 255 - v, 255})
		}
	}
	out := filepath.Join(dir, fmt.Sprintf("%s-%02d.jpg", name, i))
	f, err := os.Create(out)
	if err != nil {
		return "", err
	}
	if err := jpeg.Encode(f, img, &jpeg.Options{Quality: 90}); err != nil {
		_ = f.Close()
		return "", err
	}
	return out, f.Close()
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o666)
}

// rows is the table, in order.
func (p *pictures) rows() []row {
	off := []string{"--cache", "off", "--models", modelsHere(), "--out", ""}
	detect := func(jobs string, names ...string) []string {
		return append(append([]string{"detect", "--jobs", jobs}, off...), names...)
	}
	// A picture without a face makes detect exit with 4; one portrait in each
	// run keeps it at 0 and drops out of the difference.
	face := p.portraits[0]
	with := func(names []string) []string { return append([]string{face}, names...) }
	// go-face searches once; so does facerec without the second search at twice
	// the sides that it makes by default.
	noFace := func(size string, names []string, upsample string) row {
		name := "one more " + size + ", no face (HOG)"
		if upsample == "auto" {
			name = "the same, searched again at twice its sides"
		}
		search := func(names []string) []string { return append(detect("1", with(names)...), "--upsample", upsample) }
		return row{name: name, ours: search(names), theirs: with(names), oursOne: search(names[:1]), theirsOne: with(names[:1]), more: len(names) - 1}
	}
	enroll := func(cache string) []string {
		return []string{"enroll", "--jobs", "1", "--models", modelsHere(), "--persons", p.persons, "--cache", cache}
	}
	first := func(cache string) []string {
		return []string{"recognize", "--jobs", "1", "--models", modelsHere(), "--persons", p.persons, "--cache", cache, face}
	}
	return []row{
		{name: "start, load the models, one portrait", ours: detect("1", face), theirs: []string{face}},
		noFace("640×480", p.vga, "0"), noFace("1920×1080", p.hd, "0"),
		noFace("640×480", p.vga, "auto"), noFace("1920×1080", p.hd, "auto"),
		{name: "one more portrait (a descriptor)", ours: detect("1", p.portraits...), theirs: p.portraits, oursOne: detect("1", face), theirsOne: []string{face}, more: len(p.portraits) - 1},
		{name: fmt.Sprintf("enrol %d photos, cold", len(p.portraits)), ours: enroll("off"), theirs: p.portraits},
		{name: fmt.Sprintf("enrol %d photos, warm", len(p.portraits)), before: enroll(p.cache), ours: enroll(p.cache), theirs: p.portraits},
		{name: "start to first answer, cold", ours: first("off"), theirs: with(p.portraits)},
		{name: "start to first answer, warm", ours: first(p.cache), theirs: with(p.portraits)},
		{name: "200 portraits, 1 job", ours: detect("1", p.batch...), theirs: p.batch, jobs: 1},
		{name: "200 portraits, 2 jobs", ours: detect("2", p.batch...), theirs: p.batch, jobs: 2},
	}
}

// modelsHere is the models directory of the working directory that bench was started in.
func modelsHere() string {
	dir, err := filepath.Abs("models")
	if err != nil {
		return "models"
	}
	return dir
}
