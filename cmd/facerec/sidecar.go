package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"facerec/internal/app"
	"facerec/internal/app/xmp"
	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

func (o *options) sidecarFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.xmp, "xmp", false, "write the names of known people into XMP sidecars next to the pictures, for photo programs; what else is in a sidecar is kept")
	fs.BoolVar(&o.xmpUnknown, "xmp-unknown", false, "with --xmp, write the places of unknown and ambiguous faces too, without names")
}

// checkSidecars refuses pictures next to which no sidecar is written.
func (j *job) checkSidecars() error {
	if !j.o.xmp {
		if j.o.xmpUnknown {
			return usagef("--xmp-unknown: expected --xmp too")
		}
		return nil
	}
	persons := &guard{}
	persons.readsDir("the directory of", j.o.persons)
	seen := map[string]bool{}
	for _, in := range j.inputs {
		if in.name == "-" {
			return usagef("--xmp: a picture on standard input has no place for a sidecar")
		}
		if dir := filepath.Dir(in.name); !seen[dir] {
			seen[dir] = true
			if err := persons.dir("--xmp", dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// sidecars writes what was seen into XMP sidecars.
type sidecars struct {
	job                        *job
	written, unchanged, failed int
	dir                        string         // the last directory
	stems                      map[string]int // how many files in it have a name, but for its ending
}

// picture writes the sidecar of a picture. What goes wrong is reported.
func (s *sidecars) picture(in input, r *app.Result) {
	if r.Err != nil {
		return
	}
	name, changed, err := s.write(in, r)
	switch {
	case err != nil:
		s.failed++
		s.job.env.errorf("%s: left as it is: %v", text.Show(name), err)
		s.job.env.hint(err)
	case changed:
		s.written++
	case name != "":
		s.unchanged++
	}
}

// write merges the faces of a picture into its sidecar. The name is "" if there
// is no sidecar, and nothing to write into one.
func (s *sidecars) write(in input, r *app.Result) (name string, changed bool, err error) {
	name = s.name(r.Name)
	old, info, err := readSidecar(name)
	if err != nil {
		return name, false, err
	}
	var faces []app.Face
	for _, f := range r.Faces {
		if f.Match.Verdict == app.Known || s.job.o.xmpUnknown {
			faces = append(faces, f)
		}
	}
	if len(faces) == 0 && old == nil {
		return "", false, nil
	}
	if old != nil {
		if id, ok := idOf(info); ok && s.job.guard.files[id] != "" {
			return name, false, fmt.Errorf("it is the input %s", text.Show(s.job.guard.files[id]))
		}
	}
	merged, kept, err := xmp.Merge(old, regions(r, faces))
	if err != nil {
		return name, false, err
	}
	if !s.job.o.quiet {
		for _, k := range kept {
			s.job.env.warnf("%s: %s", text.Show(name), k)
		}
	}
	if bytes.Equal(merged, old) {
		return name, false, nil
	}
	return name, true, s.replace(name, old, merged, cmp.Or[fs.FileInfo](info, in.info))
}

// replace writes a sidecar in the place of old, or a new one, for the owner of
// the file that like describes: the old one, or else the picture. A new one can be
// read by nobody who cannot read the picture.
func (s *sidecars) replace(name string, old, merged []byte, like fs.FileInfo) error {
	mode := 0o666 &^ s.job.env.umask
	if like != nil {
		mode &= like.Mode().Perm() | 0o200
	}
	if old != nil {
		mode = like.Mode().Perm()
	}
	f, err := atomicfile.Create(name, mode)
	if err != nil {
		return err
	}
	defer f.Discard()
	if like != nil {
		f.Own(like)
	}
	if _, err := f.Write(merged); err != nil {
		return err
	}
	if old == nil {
		return f.CommitNew()
	}
	if now, err := atomicfile.ReadFile(name, xmp.MaxBytes); err != nil || !bytes.Equal(now, old) {
		return errors.New("another program changed it at the same time")
	}
	return f.Commit()
}

// readSidecar reads a sidecar; nil if there is none.
func readSidecar(name string) ([]byte, fs.FileInfo, error) {
	info, err := os.Lstat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, plain(err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("it is %s, expected a file", atomicfile.Kind(info.Mode()))
	}
	data, err := atomicfile.ReadFile(name, xmp.MaxBytes)
	return data, info, plain(err)
}

// regions says where faces are in the picture as it is stored.
func regions(r *app.Result, faces []app.Face) xmp.Faces {
	out := xmp.Faces{Size: xmp.Stored(r.Size, r.Stored)}
	for _, face := range faces {
		region := xmp.Place(face.Box, r.Size, r.Stored)
		if region == (xmp.Region{}) {
			continue
		}
		if face.Match.Verdict == app.Known {
			region.Name = face.Match.Best.Person
		}
		out.Regions = append(out.Regions, region)
	}
	return out
}

// name is the sidecar of a picture: photo.jpg.xmp, as digiKam, darktable and
// PhotoPrism name it, unless there is none and there is a photo.xmp, as Lightroom
// names it, that can only be this picture's.
func (s *sidecars) name(picture string) string {
	for _, ending := range []string{".xmp", ".XMP"} {
		if _, err := os.Lstat(picture + ending); err == nil {
			return picture + ending
		}
	}
	stem := strings.TrimSuffix(picture, filepath.Ext(picture))
	for _, ending := range []string{".xmp", ".XMP"} {
		if _, err := os.Lstat(stem + ending); err == nil && s.files(stem) == 2 {
			return stem + ending
		}
	}
	return picture + ".xmp"
}

// files counts the files of this name, but for their endings.
func (s *sidecars) files(stem string) int {
	if dir := filepath.Dir(stem); s.stems == nil || s.dir != dir {
		s.dir, s.stems = dir, map[string]int{}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return 0 // not known, so not this picture's alone
		}
		for _, e := range entries {
			s.stems[strings.ToLower(strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())))]++
		}
	}
	return s.stems[strings.ToLower(filepath.Base(stem))]
}

// done says what was written, and returns an error if something was not.
func (s *sidecars) done() error {
	if !s.job.o.quiet {
		s.job.env.errorf("%s written, %d up to date", text.Count(s.written, "XMP sidecar"), s.unchanged)
	}
	if s.failed > 0 {
		return fmt.Errorf("%s could not be written", text.Count(s.failed, "XMP sidecar"))
	}
	return nil
}
