package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/models"
	"facerec/internal/text"
)

// finding is one line of the doctor's report.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"` // "ok", "note" (nothing to worry about) or "bad"
	Text  string `json:"text"`
}

func doctorCommand(env *environment, g *globals) *cobra.Command {
	o := &options{globals: g}
	var record string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that facerec needs, and say what is wrong",
		Long: `Doctor checks the processor, the engine, the models (by hash), persons/, the directory
where pictures are written, the cache, the font and, if there is a release.json, which
files of the unpacked directory are as released. It exits with 5 if the models are not
as pinned, with 1 if anything else is wrong, and changes nothing.`,
		Example: `  facerec doctor
  facerec doctor --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := o.form("text", "json")
			if err != nil {
				return err
			}
			found, verdict := examine(env, o, record)
			if err := writeFindings(env, format, found); err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
			return verdict
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&o.persons, "persons", "persons", "`directory` with one directory of photos per person")
	o.modelsDir(fs)
	o.cacheFlag(fs)
	o.answer(fs, "text", "json")
	fs.StringVar(&o.font, "font", "", "TrueType or OpenType `file` to write text with (default: the Go font: Latin, Greek, Cyrillic)")
	fs.StringVar(&record, "release", "", "release.json `file` to compare with (default: the one next to the program)")
	return cmd
}

// examine makes the report, in a fixed order, and the error that stands for it.
func examine(env *environment, o *options, record string) ([]finding, error) {
	var out []finding
	var verdict error
	add := func(check, state, format string, args ...any) {
		out = append(out, finding{check, state, fmt.Sprintf(format, args...)})
		if state == "bad" {
			verdict = errors.New("something is bad, see above")
		}
	}

	add("program", "ok", "facerec %s, %s, %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if err := env.built(); err != nil {
		add("engine", "bad", "%v", err)
	} else if env.lineage() == "" {
		add("engine", "note", "dlib %s, %s; %s", env.dlib(), env.engineOf, env.build())
	} else {
		add("engine", "ok", "dlib %s, %s; %s", env.dlib(), env.engineOf, env.build())
	}
	if err := checkCPU(env.cpuLacks()); err != nil {
		add("processor", "bad", "%v", err)
	} else {
		add("processor", "ok", "%s, which is what is needed", baseline)
	}

	dir := o.modelsPath(env)
	report := models.Verify(atomicfile.FS(dir), env.pins)
	bad := badModels(dir, report)
	for _, f := range report.Files {
		name := filepath.Join(dir, f.Model.Name)
		if err := f.Err(); err != nil {
			add("model", "bad", "%s: %v", text.Show(name), err)
		} else {
			add("model", "ok", "%s: as pinned; %s, %s", text.Show(name), f.Model.Licence, f.Model.NeededBy)
		}
	}

	if env.decoder.HEIF == nil {
		add("pictures", "note", "JPEG, PNG, WebP, GIF, BMP, TIFF; this program was built without HEIC and AVIF")
	} else {
		add("pictures", "ok", "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF")
	}
	o.persons = env.locate(o.persons, "persons")
	n, err := directories(o.persons)
	switch own, samples := peopleIn(o.persons); {
	case err != nil:
		add("persons", "note", "%s: %v; nobody can be recognised; facerec DIRECTORY groups the faces of a directory", text.Show(o.persons), plain(err))
	case !own && samples:
		add("persons", "ok", "%s: %s, the samples; facerec DIRECTORY groups the faces of a directory until there are others", text.Show(o.persons), text.Count(n, "directory"))
	default:
		add("persons", "ok", "%s: %s; facerec enroll reports on the photos", text.Show(o.persons), text.Count(n, "directory"))
	}
	if err := writable("images"); err != nil {
		add("output", "note", "images: %v; pictures can be written elsewhere with --out FILE", plain(err))
	} else {
		add("output", "ok", "images: can be written")
	}
	f := cacheFinding(env, o)
	add(f.Check, f.State, "%s", f.Text)
	if _, err := o.pen(); err != nil {
		add("font", "bad", "%v", err)
	} else if o.font != "" {
		add("font", "ok", "%s", text.Show(o.font))
	} else {
		add("font", "ok", "the Go font: Latin, Greek, Cyrillic")
	}
	for _, f := range asReleased(env, record) {
		add(f.Check, f.State, "%s", f.Text)
	}
	if bad != nil {
		verdict = bad
	}
	return out, verdict
}

// asReleased compares the directory that the program lies in with release.json.
func asReleased(env *environment, record string) []finding {
	note := func(state, format string, args ...any) []finding {
		return []finding{{"release", state, fmt.Sprintf(format, args...)}}
	}
	exe, err := env.executable()
	if err != nil {
		return note("note", "the program does not know where it is: %v", err)
	}
	dir := filepath.Dir(exe)
	explicit := record != ""
	if !explicit {
		record = filepath.Join(dir, "release.json")
	}
	data, err := atomicfile.ReadFile(record, maxReleaseBytes)
	if err != nil {
		if !explicit {
			return note("note", "no release.json next to the program, so changes since the release cannot be determined; name one with --release FILE")
		}
		return note("bad", "%s: %v", text.Show(record), plain(err))
	}
	cells, err := parseRelease(data, platform())
	if err != nil {
		return note("bad", "%s: %v", text.Show(record), err)
	}
	// Of several lineages it is the one that this program came with.
	cell := cells[0]
	if sum, err := hashOf(atomicfile.FS(dir), filepath.Base(exe)); err == nil {
		for _, c := range cells {
			if c.has(filepath.Base(exe), sum) {
				cell = c
				break
			}
		}
	}
	changed := cell.changed(atomicfile.FS(dir))
	if len(changed) == 0 {
		return note("ok", "all %d files are as in %s", len(cell.Files), text.Show(cell.Asset))
	}
	var out []finding
	for _, line := range changed {
		out = append(out, finding{"release", "note", text.Show(line)})
	}
	return append(out, note("note", "%d of %d files are not as in %s", len(changed), len(cell.Files), text.Show(cell.Asset))...)
}

// directories counts the directories in dir that are not hidden.
func directories(dir string) (int, error) {
	list, err := os.ReadDir(dir)
	n := 0
	for _, d := range list {
		if d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			n++
		}
	}
	return n, err
}

// writable tries to make a file in dir, and takes it away again.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".facerec-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// cacheFinding tells where the cache is, how large, and what is wrong with it.
func cacheFinding(env *environment, o *options) finding {
	note := func(state, format string, args ...any) finding {
		return finding{"cache", state, fmt.Sprintf(format, args...)}
	}
	quiet := *o
	quiet.globals = &globals{quiet: true}
	s := openStore(env, &quiet)
	if s == nil {
		return note("note", "none: every picture is looked at again each time")
	}
	defer s.Close()
	n, size := s.Size()
	what := text.Show(s.dir) + ": " + cacheSize(n, size)
	if s.unreadable != nil {
		return note("note", "%s: cannot be read: %v; continuing without it", text.Show(s.dir), plain(s.unreadable))
	}
	if bad := s.Damage(); len(bad) > 0 {
		return note("note", "%s; damaged: %v; made anew where it is needed", what, bad[0])
	}
	at := packs(s.dir)
	for at != filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil {
			break
		}
		at = filepath.Dir(at)
	}
	if err := writable(at); err != nil {
		return note("note", "%s; cannot be written: %v; continuing without it", what, plain(err))
	}
	if at != packs(s.dir) {
		return note("ok", "%s: made when it is first needed", text.Show(s.dir))
	}
	return note("ok", "%s; facerec cache clear removes them", what)
}

func writeFindings(env *environment, format string, found []finding) error {
	if format == "json" {
		ok := true
		for _, f := range found {
			ok = ok && f.State != "bad"
		}
		return env.printJSON(struct {
			Schema   string    `json:"schema"`
			OK       bool      `json:"ok"`
			Findings []finding `json:"findings"`
		}{"facerec.doctor/v1", ok, found})
	}
	for _, f := range found {
		if _, err := fmt.Fprintf(env.stdout, "%-4s  %-9s  %s\n", f.State, f.Check, f.Text); err != nil {
			return err
		}
	}
	return nil
}
