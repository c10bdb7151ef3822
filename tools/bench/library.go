package main

import (
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"facerec/tools/bench/internal/measure"
)

// shell wraps a command in one that does something before, and forgives that no
// face is found.
func shell(before string, args []string) []string {
	return append([]string{"sh", "-c", before + `; "$@"; code=$?; [ $code = 4 ] || exit $code`, "sh"}, args...)
}

// makeLibrary writes n different pictures of the portraits: each is encoded at
// qualities from 95 down, so that no two files are the same.
func makeLibrary(dir string, portraits []string, n int) ([]string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	var out []string
	for quality := 95; len(out) < n; quality-- {
		if quality < 30 {
			return nil, fmt.Errorf("a library of %d pictures: expected at most %d", n, len(out))
		}
		for i, from := range portraits[:min(len(portraits), n-len(out))] {
			f, err := os.Open(from)
			if err != nil {
				return nil, err
			}
			img, err := jpeg.Decode(f)
			_ = f.Close()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", from, err)
			}
			name := filepath.Join(dir, fmt.Sprintf("%02d-%02d.jpg", quality, i))
			if err := writeJPEG(name, img, quality); err != nil {
				return nil, err
			}
			out = append(out, name)
		}
	}
	return out, nil
}

func writeJPEG(name string, img image.Image, quality int) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := jpeg.Encode(f, img, &jpeg.Options{Quality: quality}); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// library measures facerec on a library of n pictures, next to one run of
// go-face over it, which keeps nothing.
func (b *rows) library(p *pictures, n int) error {
	dir, cache := filepath.Join(b.dir, "library"), filepath.Join(b.dir, "library-cache")
	names, err := makeLibrary(filepath.Join(dir, "0"), p.portraits, n)
	if err != nil {
		return err
	}
	look := func(verb string, args ...string) []string {
		return append([]string{b.ours, verb, "-q", "--models", modelsHere(), "--cache", cache}, append(args, dir)...)
	}
	recognize := look("recognize", "--persons", p.persons, "--format", "csv")
	// go-face has no cache: its one run, over the photos to enrol too, stands for all.
	theirs, err := b.times(slices.Concat([]string{b.others[0], b.models, "1"}, p.portraits, names))
	if err != nil {
		return err
	}
	fmt.Fprintf(b.w, "\nA library of %d pictures, %d photos enrolled, default jobs; go-face with -march=native and one thread has no cache\n", n, len(p.portraits))
	fmt.Fprintln(b.w, "\tCPU s\tNATIVE\tRATIO\tWALL s\tNATIVE\tPEAK MB\tNATIVE\t")
	added := filepath.Join(dir, "new.jpg")
	for _, r := range []struct {
		name   string
		before string
		args   []string
		theirs bool
	}{
		{"cold", "rm -rf " + quote(cache), recognize, true},
		{"warm", ":", recognize, true},
		{"warm, after one new picture", "cat " + quote(names[0]) + " > " + quote(added) + "; echo $$ >> " + quote(added), recognize, true},
		{"warm, all renamed", "mv " + quote(dir) + "/[0-9]* " + quote(dir) + "/$$", recognize, true},
		{"group, warm", ":", look("group", "--persons", ""), false},
	} {
		f, err := b.times(shell(r.before, r.args))
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		line := fmt.Sprintf("%s\t%.3f\t\t\t%.3f\t\t%.0f\t\t\n", r.name, f.CPU, f.Wall, f.Peak)
		if r.theirs {
			line = fmt.Sprintf("%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.0f\t%.0f\t\n", r.name, f.CPU, theirs.CPU, f.CPU/theirs.CPU, f.Wall, theirs.Wall, f.Peak, theirs.Peak)
		}
		if _, err := fmt.Fprint(b.w, line); err != nil {
			return err
		}
	}
	return nil
}

// times runs a command for each round and takes the medians.
func (b *rows) times(args []string) (measure.Figures, error) {
	var all []measure.Figures
	for range b.n {
		f, err := measure.Run(b.ctx, measure.Command{Args: args, Dir: b.dir, Env: []string{"OPENBLAS_NUM_THREADS=1"}})
		if err != nil {
			return f, err
		}
		all = append(all, f)
	}
	return measure.Median(all), nil
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// encoders are Debian's packages with heif-enc and what it needs.
var encoders = []string{"libheif-examples", "libheif1", "libaom3", "libdav1d6", "libde265-0", "libx265-199", "libnuma1", "libpng16-16", "libjpeg62-turbo"}

// formats measures one picture of 12 megapixels in several formats, without a
// face: decoding and the search.
func (b *rows) formats(keep string) error {
	debs, err := unpackDebs(b.ctx, keep, encoders...)
	if err != nil {
		return err
	}
	base := filepath.Join(b.dir, "12-megapixel")
	if err := writePicture(base+".png", flat{4000, 3000, false}); err != nil {
		return err
	}
	if err := writePicture(base+".jpg", flat{4000, 3000, false}); err != nil {
		return err
	}
	libs, err := filepath.Glob(filepath.Join(debs, "usr/lib/*-linux-gnu"))
	if err != nil || len(libs) == 0 {
		return fmt.Errorf("%s: no libraries, %w", debs, err)
	}
	for _, f := range []struct {
		ending string
		flags  []string
	}{{".heic", nil}, {".avif", []string{"-A"}}} {
		cmd := exec.CommandContext(b.ctx, filepath.Join(debs, "usr/bin/heif-enc"), append(f.flags, "-q", "60", "-o", base+f.ending, base+".png")...)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libs, ":"))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("heif-enc: %w: %s", err, out)
		}
	}
	fmt.Fprint(b.w, "\nOne picture of 12 megapixels without a face\n\tCPU s\tWALL s\tPEAK MB\t\n")
	for _, ending := range []string{".jpg", ".png", ".heic", ".avif"} {
		f, err := b.times(shell(":", []string{b.ours, "detect", "-q", "--no-cache", "--models", modelsHere(), base + ending}))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(b.w, "%s\t%.3f\t%.3f\t%.0f\t\n", strings.ToUpper(ending[1:]), f.CPU, f.Wall, f.Peak); err != nil {
			return err
		}
	}
	return nil
}

// more prints the tables after the first, each with columns of its own.
func (b *rows) more(p *pictures, keep string, n int) error {
	for _, table := range []func() error{
		func() error { return b.library(p, n) },
		func() error { return b.formats(keep) },
	} {
		b.w = tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
		if err := table(); err != nil {
			return err
		}
		if err := b.w.Flush(); err != nil {
			return err
		}
	}
	return nil
}
