package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/app"
	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

// withoutVerb does what is useful with pictures and directories, by who is in
// persons/.
func (o *options) withoutVerb(cmd *cobra.Command, env *environment, args []string) error {
	ctx := cmd.Context()
	if !cmd.Flags().Changed("out") {
		o.out = ""
	}
	persons := env.locate(o.persons, "persons")
	own, samples := peopleIn(persons)
	directory := slices.ContainsFunc(args, func(name string) bool {
		fi, err := os.Stat(name)
		return err == nil && fi.IsDir()
	})
	switch {
	case own || samples && !directory || cmd.Flags().Changed("persons"):
		return recognizeBatch(ctx, env, o, args, false)
	case !directory:
		o.say(env, "nobody is enrolled: faces are found, not named")
		o.persons = ""
		err := detectBatch(ctx, env, o, args)
		o.next(env, err, "put photos of each person into persons/NAME/, or group the faces of a directory: facerec group DIRECTORY")
		return err
	}
	o.say(env, "nobody is enrolled: faces are grouped by person")
	dir := o.out
	o.persons, o.out = "", ""
	err := group(ctx, env, &groupOptions{options: o, groupThreshold: app.DefaultGroupThreshold, minFaces: 2, dir: dir}, args)
	if dir == "" {
		o.next(env, err, fmt.Sprintf("facerec group %s --out people writes a directory for each group; rename one to the person's name and move it into persons/", shown(args)))
	}
	return err
}

func (o *options) say(env *environment, what string) {
	if !o.quiet {
		env.errorf("%s", what)
	}
}

// next says what the next step is, unless something went wrong.
func (o *options) next(env *environment, err error, step string) {
	if !o.quiet && err == nil {
		fmt.Fprintf(env.stderr, "hint: %s\n", step)
	}
}

// shown is a command line's arguments, the first few.
func shown(args []string) string {
	var out []string
	for _, a := range args[:min(len(args), 3)] {
		out = append(out, text.Show(a))
	}
	if len(args) > 3 {
		out = append(out, "…")
	}
	return strings.Join(out, " ")
}

// maxSamplesBytes is the largest list of samples that is read.
const maxSamplesBytes = 1 << 20

// peopleIn reports whether there are people in dir: some of one's own, and some of
// the samples that a release brings, which dir/samples.lock.json lists.
func peopleIn(dir string) (own, samples bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, false
	}
	var lock struct {
		Persons []struct {
			Name string `json:"name"`
		} `json:"persons"`
	}
	if data, err := atomicfile.ReadFile(filepath.Join(dir, "samples.lock.json"), maxSamplesBytes); err == nil {
		_ = json.Unmarshal(data, &lock) // without a list nobody is a sample
	}
	for _, d := range entries {
		if !d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			continue
		}
		listed := false
		for _, p := range lock.Persons {
			listed = listed || p.Name == d.Name()
		}
		own, samples = own || !listed, samples || listed
	}
	return own, samples
}
