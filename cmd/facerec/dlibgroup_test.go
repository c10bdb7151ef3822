//go:build dlib

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facerec/internal/app"
	"facerec/internal/inputs"
)

// grouping is what group writes as JSON.
type grouping struct {
	Groups []struct {
		Seen      int
		Directory string
		Faces     []struct {
			File string
			Face int
		}
	}
	Smaller []struct{ File string }
	Summary app.Summary
}

// runGroup is facerec group --json.
func runGroup(t *testing.T, args ...string) grouping {
	t.Helper()
	code, out, errs := facerec(t, append([]string{"group", "--json"}, args...)...)
	if code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, errs)
	}
	var g grouping
	if err := json.Unmarshal([]byte(out), &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// The sample people, one of them in each group; a directory becomes a person, who
// is then recognised.
func TestDlibGroup(t *testing.T) {
	unpacked(t)
	if err := os.Rename("persons", "photos"); err != nil {
		t.Fatal(err)
	}
	g := runGroup(t, "photos", "images/unknown.jpg", "--out", "people")
	if len(g.Groups) != 4 || len(g.Smaller) != 1 || g.Smaller[0].File != "images/unknown.jpg" {
		t.Fatalf("got %+v", g)
	}
	names := map[string]string{}
	for _, group := range g.Groups {
		if group.Seen != 5 {
			t.Errorf("%s: seen %d times, expected 5", group.Directory, group.Seen)
		}
		for _, f := range group.Faces {
			if f.File == "images/unknown.jpg" {
				continue
			}
			name := filepath.Base(filepath.Dir(f.File))
			if was := names[group.Directory]; was != "" && was != name {
				t.Errorf("%s has %s and %s", group.Directory, was, name)
			}
			names[group.Directory] = name
		}
	}
	again := runGroup(t, "images/unknown.jpg", "photos", "--jobs", "1", "--cache", "off")
	for i := range again.Groups {
		if !slices.Equal(again.Groups[i].Faces, g.Groups[i].Faces) {
			t.Errorf("in another order, group %d is %v", i+1, again.Groups[i].Faces)
		}
	}
	// All portraits can be enrolled: --strict.
	for dir, name := range names {
		if err := os.MkdirAll("persons", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir, filepath.Join("persons", name)); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errs := facerec(t, "--strict")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, p := range wantPersons {
		if !strings.Contains(out, "Person: "+p+"\n") {
			t.Errorf("no %s in\n%s", p, out)
		}
	}
	if g := runGroup(t, "photos", "images/unknown.jpg"); len(g.Groups) != 0 || g.Summary.Known != 20 || len(g.Smaller) != 1 {
		t.Errorf("with everybody enrolled: %+v", g)
	}
}

// examples unpacks dlib's example pictures from the package that samples are from.
func examples(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := inputs.ReadLock(filepath.Join(root, "inputs.lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	pins, err := lock.For("samples", "amd64")
	if err != nil || len(pins) != 1 {
		t.Fatal(pins, err)
	}
	dir, err := inputs.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	deb := filepath.Join(dir, "files", pins[0].SHA256)
	if _, err := os.Stat(deb); err != nil {
		t.Skipf("%s is not here: get it with make samples", pins[0].Name)
	}
	to := t.TempDir()
	if out, err := exec.Command("dpkg-deb", "-x", deb, to).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v: %s", err, out)
	}
	return filepath.Join(to, "usr/share/doc/libdlib19.1/examples")
}

// 55 portraits of five men are five groups, and four men with six pictures each
// are four groups of six. Two faces of one picture are never one person's, so the
// collage that those are on is cut into portraits first.
func TestDlibGroupExamples(t *testing.T) {
	from := examples(t)
	unpacked(t)
	sizes := func(g grouping) []int {
		var out []int
		for _, group := range g.Groups {
			out = append(out, group.Seen)
			whose := map[string]bool{}
			for _, f := range group.Faces {
				if name := filepath.Base(filepath.Dir(f.File)); strings.HasPrefix(name, "John_") {
					whose[name] = true
				}
			}
			if len(whose) > 1 {
				t.Errorf("a group of %v", whose)
			}
		}
		return out
	}
	johns := runGroup(t, filepath.Join(from, "johns"), "--persons", "")
	if got := sizes(johns); !slices.Equal(got, []int{11, 11, 11, 11, 10}) || len(johns.Smaller) != 0 { // one photo is there twice
		t.Errorf("johns: %v", got)
	}
	bald := filepath.Join(from, "faces", "bald_guys.jpg")
	if got := sizes(runGroup(t, bald, "--persons", "", "--group-threshold", "2")); got != nil {
		t.Errorf("faces of one picture were joined: %v", got)
	}
	runGroup(t, bald, "--persons", "", "--min-faces", "1", "--out", "bald")
	if got := sizes(runGroup(t, "bald", "--persons", "", "--group-threshold", "0.65")); !slices.Equal(got, []int{6, 6, 6, 6}) {
		t.Errorf("bald men: %v", got)
	}
}
