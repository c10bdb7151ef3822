package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/models"
	"facerec/internal/text"
)

// modelsPath is the directory that models are loaded from.
func (o *options) modelsPath(env *environment) string {
	if o.modelsCache != "" {
		return o.modelsCache
	}
	return env.locate(o.models, "models")
}

// readyModels checks the models before they are loaded and returns their
// directory. Those in --models have to match their pins; those in the models
// cache are repaired from there, with a line on standard error. There is no
// silent fallback to another directory.
func readyModels(ctx context.Context, env *environment, o *options, c *store) (string, error) {
	full := o.checkModels == "full"
	source := env.locate(o.models, "models")
	if o.modelsCache == "" || sameDirectory(o.modelsCache, source) {
		return source, checkModels(env.pins, source, full, c)
	}
	dir := o.modelsCache
	if checkModels(env.pins, dir, full, c) == nil {
		return dir, nil
	}
	repaired, err := models.Heal(ctx, dir, atomicfile.FS(source), env.pins)
	if !o.quiet {
		for _, f := range repaired {
			env.errorf("%s was %s: copied from %s", filepath.Join(dir, f.Model.Name), f.State, source)
		}
	}
	if err != nil {
		return "", cannotHeal(ctx, dir, source, err)
	}
	return dir, checkModels(env.pins, dir, full, c)
}

// sameDirectory reports whether both names lead to one directory.
func sameDirectory(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// cannotHeal is the error for models in dir that could not be repaired, with
// what to do about it.
func cannotHeal(ctx context.Context, dir, source string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fail := func(hint string, args ...any) error {
		why := err
		if pe, ok := err.(*fs.PathError); ok { //nolint:errorlint // only if it is nothing but that: it names the directory again
			why = pe.Err
		}
		return text.WithHint(modelsError{fmt.Errorf("%s: %w", text.Show(dir), why)}, hint, args...)
	}
	without := fmt.Sprintf("leave --models-cache (%s) out to use those in %s", envName("models-cache"), source)
	var bad *models.SourceError
	if errors.As(err, &bad) {
		return fail("the copy is in %s: unpack the release again, pull the image again, or name a directory with whole models", source)
	}
	fi, serr := os.Stat(dir)
	switch {
	case errors.Is(serr, fs.ErrNotExist):
		return text.WithHint(modelsError{fmt.Errorf("%s: directory for models not found", text.Show(dir))}, "mount a volume there (docker run -v VOLUME:%s), or %s", text.Show(dir), without)
	case serr == nil && !fi.IsDir():
		return modelsError{fmt.Errorf("%s: not a directory, expected one for models", text.Show(dir))}
	case errors.Is(err, syscall.EROFS):
		return fail("mount a writable volume there (docker run -v VOLUME:%s), or %s", text.Show(dir), without)
	case errors.Is(err, fs.ErrPermission):
		return fail("%s; hand it over once as root (docker run --user 0:0 IMAGE entrypoint models heal, or chown -R %d:%d %s), or %s",
			ownerAndMe(fi), os.Getuid(), os.Getgid(), dir, without)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fail("make room there: all models need 33 MB, and one of them twice while it is replaced")
	}
	return fail("look at what is in the directory and remove it")
}

// ownerAndMe says who owns a directory, and who this process is.
func ownerAndMe(fi fs.FileInfo) string {
	me := fmt.Sprintf("facerec runs as %d:%d", os.Getuid(), os.Getgid())
	if fi == nil {
		return me
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return me
	}
	return fmt.Sprintf("the directory belongs to %d:%d with mode %04o, and %s", st.Uid, st.Gid, fi.Mode().Perm(), me)
}

func healCommand(env *environment, g *globals) *cobra.Command {
	o := &options{globals: g}
	var from string
	cmd := &cobra.Command{
		Use:   "heal",
		Short: "Replace model files that are missing or damaged",
		Long: `Heal repairs the model files of a directory: each one that is missing or does not
match its pin is copied from another directory, checked while it is copied, and
renamed into place. Several processes may do so at once. Other files are left alone.

The directory is --models-cache if that is set, repaired from --models; else it is
--models, repaired from the models next to the program. --from names another source.

With --models-cache every other verb repairs models when it starts.`,
		Example: `  facerec models heal --models-cache /var/lib/facerec/models
  facerec models heal --models copy/models --from models`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return healModels(cmd.Context(), env, o, from)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o.modelsDir(fs)
	fs.StringVar(&from, "from", "", "`directory` to copy whole models from")
	o.answer(fs, "text", "json")
	return cmd
}

// healModels is models heal.
func healModels(ctx context.Context, env *environment, o *options, from string) error {
	format, err := o.form("text", "json")
	if err != nil {
		return err
	}
	dir := o.modelsPath(env)
	switch {
	case from != "":
	case o.modelsCache != "":
		from = env.locate(o.models, "models")
	default:
		dir, err := env.programDir()
		if err != nil {
			return text.WithHint(err, "name the directory to copy from with --from DIR")
		}
		from = filepath.Join(dir, "models")
	}
	var repaired []models.File
	if sameDirectory(dir, from) {
		// A directory cannot be repaired from itself; if it is whole, all is well.
		if err := badModels(dir, models.Verify(atomicfile.FS(dir), env.pins)); err != nil {
			return text.WithHint(err, "there is no other copy: name one with --from DIR")
		}
	} else if repaired, err = models.Heal(ctx, dir, atomicfile.FS(from), env.pins); err != nil {
		return cannotHeal(ctx, dir, from, err)
	}
	if format == "json" {
		err = writeHealedJSON(env, dir, from, repaired)
	} else {
		err = writeHealedText(env, dir, from, repaired)
	}
	if err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// was is the state in which a model was found; what was not repaired was ok.
func was(m models.Model, repaired []models.File) models.State {
	for _, f := range repaired {
		if f.Model.Name == m.Name {
			return f.State
		}
	}
	return models.OK
}

func writeHealedText(env *environment, dir, from string, repaired []models.File) error {
	for _, m := range env.pins.Models {
		line := "ok        "
		how := ""
		if s := was(m, repaired); s != models.OK {
			line, how = "repaired  ", fmt.Sprintf(": was %s, copied from %s", s, text.Show(from))
		}
		if _, err := fmt.Fprintf(env.stdout, "%s  %s%s\n", line, text.Show(filepath.Join(dir, m.Name)), how); err != nil {
			return err
		}
	}
	return nil
}

func writeHealedJSON(env *environment, dir, from string, repaired []models.File) error {
	type fileJSON struct {
		Name   string `json:"name"`
		Was    string `json:"was"`
		Healed bool   `json:"healed"`
	}
	doc := struct {
		Schema string     `json:"schema"`
		Dir    string     `json:"dir"`
		From   string     `json:"from"`
		OK     bool       `json:"ok"`
		Models []fileJSON `json:"models"`
	}{"facerec.models.heal/v1", dir, from, true, []fileJSON{}}
	for _, m := range env.pins.Models {
		s := was(m, repaired)
		doc.Models = append(doc.Models, fileJSON{m.Name, s.String(), s != models.OK})
	}
	return env.printJSON(doc)
}
