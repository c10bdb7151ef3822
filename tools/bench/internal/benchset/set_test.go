package benchset

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"facerec/tools/bench/internal/measure"
)

// TestContentsAreTheSameEachTime fills two directories: what is measured today is what
// is measured tomorrow.
func TestContentsAreTheSameEachTime(t *testing.T) {
	var directories [2]string
	for i := range directories {
		directories[i] = t.TempDir()
		if err := manyFiles(directories[i], 120); err != nil {
			t.Fatal(err)
		}
		if err := new(Stage).weights(filepath.Join(directories[i], "w"), 1<<16, 3); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	err := filepath.WalkDir(directories[0], func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		return Same(path, strings.Replace(path, directories[0], directories[1], 1))
	})
	if err != nil || n < 121 {
		t.Errorf("%d files, %v", n, err)
	}
}

// TestSmallFilesAreKeptUntilClose: what a round left is out of the next one's way, and
// only large files are removed while something is still to be measured.
func TestSmallFilesAreKeptUntilClose(t *testing.T) {
	s := Stage{Dir: t.TempDir()}
	scratch := filepath.Join(s.Dir, "scratch")
	for range 2 {
		if err := s.empty(scratch); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(scratch); err == nil {
			t.Fatal("it is still there")
		}
		if err := os.MkdirAll(filepath.Join(scratch, "d"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, size := range map[string]int{"small": 10, "large": largeFile} {
			if err := os.WriteFile(filepath.Join(scratch, "d", name), make([]byte, size), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.empty(scratch); err != nil {
		t.Fatal(err)
	}
	kept := func() (names []string) {
		for _, of := range []string{"small", "large"} {
			found, err := filepath.Glob(filepath.Join(s.Dir, "*", "was", "d", of))
			if err != nil {
				t.Fatal(err)
			}
			for range found {
				names = append(names, of)
			}
		}
		return names
	}
	if got := kept(); len(got) != 2 || got[0] != "small" || got[1] != "small" {
		t.Errorf("kept %v, expected two small files", got)
	}
	s.Close()
	if got, err := os.ReadDir(s.Dir); err != nil || len(got) > 0 {
		t.Errorf("after Close: %v, %v", got, err)
	}
}

func TestRowsGiveRatios(t *testing.T) {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	Head(w)
	Rows(w, "x", Figures{measure.Figures{CPU: 10, Wall: 8, Peak: 30}, 6, 0, nil}, Figures{measure.Figures{CPU: 0.5, Wall: 2, Peak: 60}, 3, 0, nil})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(b.String(), "\n")
	if got := strings.Fields(rows[2]); strings.Join(got[2:4], " ") != "0.500 2.00" {
		t.Errorf("ours: %q", got)
	}
	if got := strings.Fields(rows[3]); strings.Join(got[:6], " ") != "x, ratio 20.0 4.0 0.5 2.0" {
		t.Errorf("ratio: %q", got)
	}
}

func TestRowsGiveTheLeastRatio(t *testing.T) {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	of := func(cpu ...float64) (f Figures) {
		for _, c := range cpu {
			f.runs = append(f.runs, measure.Figures{CPU: c, Wall: 2 * c})
		}
		return f
	}
	Rows(w, "x", of(10, 12, 9), of(1, 2, 1))
	Rows(w, "y", of(10), of(1))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(b.String()), " "); strings.Count(got, "least ratio of 3 rounds 6.0 6.0") != 1 || strings.Contains(got, "y, least") {
		t.Errorf("got\n%s", got)
	}
}

// TestWeightsHaveTheirSize: what is measured does not depend on whether the models
// are there, or on one of them being larger than what is wanted.
func TestWeightsHaveTheirSize(t *testing.T) {
	for _, models := range []map[string]int{{}, {"a.dat": 3000}, {"a.dat": 3000, "b.dat": 400}, {"a.dat": 500, "b.dat": 400}} {
		t.Chdir(t.TempDir())
		if err := os.Mkdir("models", 0o755); err != nil {
			t.Fatal(err)
		}
		for name, size := range models {
			if err := os.WriteFile(filepath.Join("models", name), make([]byte, size), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := new(Stage).weights("w", 1000, 0); err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir("w")
		if err != nil {
			t.Fatal(err)
		}
		var total int64
		for _, f := range files {
			fi, err := f.Info()
			if err != nil {
				t.Fatal(err)
			}
			total += fi.Size()
		}
		if total != 1000 {
			t.Errorf("%v: expected 1000 bytes, got %d", models, total)
		}
	}
}
