package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"facerec/internal/app"
	"facerec/internal/app/picture"
	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

// globals are the flags that every verb has.
type globals struct {
	config string
	quiet  bool
}

func (g *globals) flags(fs *pflag.FlagSet) {
	fs.StringVar(&g.config, "config", "", "configuration `file` (default facerec.json here, else facerec/config.json in the user's configuration directory)")
	fs.BoolVarP(&g.quiet, "quiet", "q", false, "print only errors to standard error")
}

// options are the flags of one verb; each verb adds the groups that it uses.
type options struct {
	*globals

	// for the engine
	models      string
	modelsCache string
	checkModels string
	detector    string
	upsample    string
	minSize     int
	minScore    float64
	memory      string
	maxPixels   int64
	workPixels  int64
	jobs        int

	// for the gallery
	persons     string
	threshold   float64
	margin      float64
	strict      bool
	takeLargest bool
	cache       string
	noCache     bool

	// which pictures
	selection

	// for the answer
	format        string
	json          bool
	descriptors   bool
	failOnUnknown bool
	out           string
	crops         string
	report        string
	xmp           bool
	xmpUnknown    bool
	font          string
}

func (o *options) modelsDir(fs *pflag.FlagSet) {
	fs.StringVar(&o.models, "models", "models", "`directory` of the model files; default: models here, else next to the program")
	fs.StringVar(&o.modelsCache, "models-cache", "", "`directory`, such as a mounted volume, to load models from; missing or damaged ones are first repaired from --models")
}

func (o *options) engine(fs *pflag.FlagSet) {
	o.modelsDir(fs)
	fs.StringVar(&o.checkModels, "check-models", "quick", "`how` to check models before loading: quick (hash files not hashed before) or full")
	fs.StringVar(&o.detector, "detector", "hog", "face `detector`: hog (fast) or cnn (slow, also finds turned faces)")
	fs.StringVar(&o.upsample, "upsample", "auto", "double the picture's sides `N` times first, 0 to 3, to find smaller faces; auto: once, for small pictures in which no face was found")
	fs.Int64Var(&o.maxPixels, "max-pixels", picture.DefaultMaxPixels, "refuse pictures of more than `N` pixels")
	fs.Int64Var(&o.workPixels, "work-pixels", app.DefaultWorkPixels, "scale larger pictures down to `N` pixels to look for faces; 0: never")
	fs.IntVar(&o.minSize, "min-size", 0, "leave out faces of less than `N` pixels")
	fs.Float64Var(&o.minScore, "min-score", 0, "leave out faces with a detection `score` below this (with hog, clear portraits have more than 1)")
	fs.StringVar(&o.memory, "memory", "auto", "use about `SIZE` of memory at most (2GB), with fewer jobs at once or at a smaller scale; auto: half of what is free; 0: no limit")
	fs.IntVarP(&o.jobs, "jobs", "j", 0, "work on `N` pictures at once; 0: one for each processor, at most 4 (each needs 50 to 100 MB)")
	o.cacheFlag(fs)
}

func (o *options) rule(fs *pflag.FlagSet) {
	fs.Float64VarP(&o.threshold, "threshold", "t", app.DefaultThreshold, "Euclidean `distance` below which two faces are one person's (go-face's figures are squared: 0.36)")
}

func (o *options) gallery(fs *pflag.FlagSet) {
	fs.StringVar(&o.persons, "persons", "persons", "`directory` with one directory of photos per person")
	o.rule(fs)
	fs.Float64Var(&o.margin, "margin", app.DefaultMargin, "least `distance` to the runner-up; with less a face is ambiguous")
	fs.BoolVar(&o.strict, "strict", false, "fail when a photo in persons/ is skipped")
	fs.BoolVar(&o.takeLargest, "take-largest", false, "enrol the largest face of a photo that shows several, if it is clearly larger")
}

func (o *options) answer(fs *pflag.FlagSet, formats ...string) {
	fs.StringVar(&o.format, "format", "text", "`format` of the answer: "+strings.Join(formats, ", "))
	fs.BoolVar(&o.json, "json", false, "short for --format json")
}

func (o *options) outputs(fs *pflag.FlagSet, out string) {
	fs.StringVarP(&o.out, "out", "o", out, "draw boxes and names into this `file` (.jpg or .png), or this directory for several pictures; '' for none")
	fs.StringVar(&o.crops, "crops", "", "cut the faces out into this `directory`")
	fs.StringVar(&o.report, "report", "", "write a contact sheet of all pictures, one HTML page, into this `file`")
	fs.StringVar(&o.font, "font", "", "TrueType or OpenType `file` to write text with (default: the Go font: Latin, Greek, Cyrillic)")
}

func (o *options) engineOptions() (app.EngineOptions, error) {
	d, err := app.ParseDetector(o.detector)
	if err != nil {
		return app.EngineOptions{}, usagef("--detector: %w", err)
	}
	return app.EngineOptions{Detector: d}, nil
}

func (o *options) sizing() (app.Sizing, error) {
	s := app.Sizing{WorkPixels: o.workPixels, MinSize: o.minSize, MinScore: o.minScore}
	if o.upsample == "auto" {
		s.Enlarge = o.detector == "hog" // cnn takes some fifty times as long
	} else if n, err := strconv.Atoi(o.upsample); err != nil {
		return s, usagef("--upsample %q: expected auto, or 0 to 3", o.upsample)
	} else {
		s.Upsample = n
	}
	if err := s.Check(); err != nil {
		return s, usageError{err}
	}
	limit, err := o.memoryLimit()
	if err != nil {
		return s, err
	}
	s.Memory = o.pictureMemory(limit)
	if o.maxPixels < 1 {
		return s, usagef("--max-pixels %d: expected 1 or more", o.maxPixels)
	}
	if o.jobs < 0 {
		return s, usagef("--jobs %d: expected 0 (as many as fit) or more", o.jobs)
	}
	return s, nil
}

func (o *options) decoder(env *environment) picture.Decoder {
	d := env.decoder
	d.MaxPixels = o.maxPixels
	return d
}

func (o *options) matching() (app.Rule, error) {
	r := app.Rule{Threshold: o.threshold, Margin: o.margin}
	if err := r.Check(); err != nil {
		return r, usageError{err}
	}
	return r, nil
}

// form is the answer's format.
func (o *options) form(formats ...string) (string, error) {
	f := o.format
	if o.json {
		if f != "text" && f != "json" {
			return "", usagef("--json and --format %s: expected one of them", f)
		}
		f = "json"
	}
	if !slices.Contains(formats, f) {
		return "", usagef("--format %q: expected %s", f, strings.Join(formats, ", "))
	}
	return f, nil
}

// workers is how many engines may be opened.
func (o *options) workers() int {
	if o.jobs > 0 {
		return o.jobs
	}
	return min(4, runtime.GOMAXPROCS(0))
}

// locate returns name if it exists here or is not the default, and else the
// one next to the program if that exists, so that the program can be called
// from anywhere.
func (env *environment) locate(name, standard string) string {
	if name != standard {
		return name
	}
	if _, err := os.Stat(name); err == nil {
		return name
	}
	dir, err := env.programDir()
	if err != nil {
		return name
	}
	there := filepath.Join(dir, name)
	if _, err := os.Stat(there); err != nil {
		return name
	}
	return there
}

// programDir is the directory of the program, whatever link it was called by.
func (env *environment) programDir() (string, error) {
	exe, err := env.executable()
	if err != nil {
		return "", fmt.Errorf("the program's own place is not known: %w", err)
	}
	if target, err := filepath.EvalSymlinks(exe); err == nil {
		exe = target
	}
	return filepath.Dir(exe), nil
}

// maxFontBytes is the largest font that is read; CJK collections have 20 MB.
const maxFontBytes = 128 << 20

// pen writes with --font, or with the Go font.
func (o *options) pen() (*app.Pen, error) {
	if o.font == "" {
		return app.NewPen(nil)
	}
	data, err := atomicfile.ReadFile(o.font, maxFontBytes)
	if err != nil {
		return nil, fmt.Errorf("%s: font cannot be read: %w", text.Show(o.font), plain(err))
	}
	p, err := app.NewPen(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.font, err)
	}
	return p, nil
}
