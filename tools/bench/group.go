package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// collage says whose the faces of dlib's bald_guys.jpg are, in reading order:
// four men, six pictures each.
const collage = "BAC" + "ABA" + "ABA" + "BCC" + "BDD" + "BDD" + "DAD" + "CCC"

// benchGroup measures how rightly facerec group joins the people on the pictures
// that come with dlib.
func benchGroup(ctx context.Context, flags *flag.FlagSet, args []string) error {
	program := flags.String("facerec", "bin/facerec", "the program")
	models := flags.String("models", "models", "its models")
	if err := flags.Parse(args); err != nil {
		return err
	}
	keep, err := filepath.Abs(filepath.Join("build", "bench-facerec"))
	if err != nil {
		return err
	}
	debs, err := unpackDebs(ctx, keep, "libdlib19.1")
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "bench-group-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	g := groupBench{ctx: ctx, program: *program, models: *models, work: work, examples: filepath.Join(debs, "usr/share/doc/libdlib19.1/examples")}
	people := filepath.Join(work, "people")
	johns := 0
	found, err := filepath.Glob(filepath.Join(g.examples, "johns", "*", "*.jpg"))
	if err != nil {
		return err
	}
	for _, name := range found {
		johns++
		if err := copyFile(name, filepath.Join(people, filepath.Base(filepath.Dir(name)), filepath.Base(name))); err != nil {
			return err
		}
	}
	men, err := g.portraits("men", func(face int) string {
		return "man-" + collage[face-1:face]
	}, people, "faces/bald_guys.jpg")
	if err != nil {
		return err
	}
	if johns != 55 || men != len(collage) {
		return fmt.Errorf("%d portraits and %d faces of bald men, expected 55 and %d", johns, men, len(collage))
	}
	fmt.Println("9 men:")
	if err := g.calibrate(people); err != nil {
		return err
	}
	photos, err := filepath.Glob(filepath.Join(g.examples, "faces", "2*.jpg"))
	if err != nil {
		return err
	}
	for i := range photos {
		if photos[i], err = filepath.Rel(g.examples, photos[i]); err != nil {
			return err
		}
	}
	n := 0
	strangers, err := g.portraits("strangers", func(int) string { n++; return fmt.Sprintf("stranger-%02d", n) }, people, append(photos, "faces/Tom_Cruise_avp_2014_4.jpg")...)
	if err != nil {
		return err
	}
	fmt.Printf("\nthe same 9 men and %d strangers, most of them small in group photos:\n", strangers)
	return g.calibrate(people)
}

type groupBench struct {
	ctx                             context.Context
	program, models, work, examples string
}

func (g *groupBench) run(args ...string) ([]byte, error) {
	cmd := exec.CommandContext(g.ctx, g.program, append(args, "--models", g.models, "--cache", "off", "-q")...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("facerec %s: %w: %s", args[0], err, errs.Bytes())
	}
	return out, nil
}

func (g *groupBench) calibrate(people string) error {
	out, err := g.run("calibrate", "--persons", people)
	if err == nil {
		_, err = os.Stdout.Write(out)
	}
	return err
}

// portraits cuts every face out of pictures, and files it under the name that
// whose gives for its number.
func (g *groupBench) portraits(name string, whose func(face int) string, people string, pictures ...string) (int, error) {
	dir := filepath.Join(g.work, name)
	args := []string{"group", "--persons", "", "--min-faces", "1", "--group-threshold", "0.001", "--json", "--out", dir}
	for _, p := range pictures {
		args = append(args, filepath.Join(g.examples, p))
	}
	out, err := g.run(args...)
	if err != nil {
		return 0, err
	}
	var doc struct {
		Groups []struct {
			Directory string
			Faces     []struct{ Face int }
		}
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		return 0, err
	}
	for _, group := range doc.Groups {
		if len(group.Faces) != 1 {
			return 0, fmt.Errorf("%s: %d faces, expected 1", group.Directory, len(group.Faces))
		}
		files, err := filepath.Glob(filepath.Join(group.Directory, "*"))
		if err != nil || len(files) != 1 {
			return 0, fmt.Errorf("%s: %d portraits, %w", group.Directory, len(files), err)
		}
		if err := copyFile(files[0], filepath.Join(people, whose(group.Faces[0].Face), filepath.Base(files[0]))); err != nil {
			return 0, err
		}
	}
	return len(doc.Groups), nil
}
