package atomicfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facerec/internal/atomicfile"
)

// lines opens a journal, and returns what it has.
func lines(t *testing.T, path string) (j *atomicfile.Journal, all []string, damaged int) {
	t.Helper()
	j, damaged, err := atomicfile.OpenJournal(t.Context(), path, 1<<20, func(_ int64, b []byte) { all = append(all, string(b)) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j, all, damaged
}

// TestJournalCutAnywhere cuts a journal after every byte, as a kill would, and adds
// a line: what was whole before is there, and what is added.
func TestJournalCutAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, _, _ := lines(t, path)
	want := []string{"one", "", `{"two": 2}`}
	for _, s := range want {
		appendLine(t, j, s)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) + 1 {
		if err := os.WriteFile(path, whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		complete := bytes.Count(whole[:min(n+1, len(whole))], []byte("\n")) // the line feed may be missing
		j, got, damaged := lines(t, path)
		if !slices.Equal(got, want[:complete]) || damaged > 1 {
			t.Fatalf("cut after %d bytes: got %q, %d damaged", n, got, damaged)
		}
		appendLine(t, j, "next")
		_ = j.Close()
		j, got, _ = lines(t, path)
		if !slices.Equal(got, append(slices.Clone(want[:complete]), "next")) {
			t.Fatalf("cut after %d bytes, then one more line: got %q", n, got)
		}
		_ = j.Close()
	}
	for at := range whole {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1
		if err := os.WriteFile(path, flipped, 0o644); err != nil {
			t.Fatal(err)
		}
		j, got, damaged := lines(t, path)
		_ = j.Close()
		if damaged == 0 || slices.ContainsFunc(got, func(s string) bool { return !slices.Contains(want, s) }) {
			t.Fatalf("one bit at %d: got %q, %d damaged", at, got, damaged)
		}
	}
}

func appendLine(t *testing.T, j *atomicfile.Journal, text string) int64 {
	t.Helper()
	at, err := j.Append([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestJournalKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, _, _ := lines(t, path)
	var places []int64
	for _, s := range []string{"a", "bb", "ccc"} {
		places = append(places, appendLine(t, j, s))
	}
	now, err := j.Keep([]int64{places[2], places[0]})
	if err != nil {
		t.Fatal(err)
	}
	now = append(now, appendLine(t, j, "d"))
	want := []string{"ccc", "a", "d"}
	for i, at := range now {
		if got, err := j.Line(at); err != nil || string(got) != want[i] {
			t.Errorf("line %d: got %q, %v", i, got, err)
		}
	}
	for _, at := range []int64{1, now[2] + 1, now[2] + 1000, -1} {
		if got, err := j.Line(at); err == nil {
			t.Errorf("at %d: got %q", at, got)
		}
	}
	_ = j.Close()
	if _, got, damaged := lines(t, path); !slices.Equal(got, want) || damaged > 0 {
		t.Errorf("got %q, %d damaged", got, damaged)
	}
}

func TestJournalRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "j")
	j, _, _ := lines(t, path)
	open := func(path string, limit int64) error {
		_, _, err := atomicfile.OpenJournal(t.Context(), path, limit, func(int64, []byte) {})
		return err
	}
	var busy *atomicfile.BusyError
	if err := open(path, 10); !errors.As(err, &busy) {
		t.Errorf("open twice: got %v", err)
	}
	if _, err := j.Append([]byte("a\nb")); err == nil {
		t.Error("a line feed: got no error")
	}
	if _, err := j.Append(make([]byte, atomicfile.MaxJournalLine+1)); err == nil {
		t.Error("a line that is too long: got no error")
	}
	appendLine(t, j, "0123456789")
	_ = j.Close()
	var large *atomicfile.TooLargeError
	if err := open(path, 10); !errors.As(err, &large) {
		t.Errorf("too large: got %v", err)
	}
	var nr *atomicfile.NotRegularError
	if err := open(dir, 10); !errors.As(err, &nr) {
		t.Errorf("a directory: got %v", err)
	}
	var write *atomicfile.WriteError
	if err := open(filepath.Join(dir, "none", "j"), 10); !errors.As(err, &write) {
		t.Errorf("in no directory: got %v", err)
	}
	long := filepath.Join(dir, "long")
	if err := os.WriteFile(long, []byte(strings.Repeat("x", 2*atomicfile.MaxJournalLine)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := open(long, 4<<20); err == nil || !strings.Contains(err.Error(), "not a file of this program") {
		t.Errorf("a long line: got %v", err)
	}
}
