package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"facerec/internal/app"
	"facerec/internal/models"
)

// modelsInForce is the folder that models are loaded from.
func (o *options) modelsInForce(w *world, quiet bool) string {
	if o.modelsCache != "" {
		return o.modelsCache
	}
	return w.beside(o.models, "models", quiet)
}

// readyModels checks the models before they are loaded and returns their
// folder. Those in --models are as pinned or it is an error; those in the models
// cache are put right from there, which is said, and if that fails it is an
// error too: there is no quiet change to another folder.
func readyModels(ctx context.Context, w *world, o *options, c *cache) (string, error) {
	full := o.checkModels == "full"
	source := w.beside(o.models, "models", o.quiet)
	if o.modelsCache == "" || sameFolder(o.modelsCache, source) {
		return source, checkModels(w.pins, source, full, c)
	}
	dir := o.modelsCache
	if checkModels(w.pins, dir, full, c) == nil {
		return dir, nil
	}
	mended, err := models.Heal(ctx, dir, os.DirFS(source), w.pins)
	if !o.quiet {
		for _, f := range mended {
			w.complain("%s was %s: copied from %s", filepath.Join(dir, f.Model.Name), f.State, source)
		}
	}
	if err != nil {
		return "", healHint(ctx, dir, source, err)
	}
	return dir, checkModels(w.pins, dir, full, c)
}

// sameFolder reports whether both names lead to one folder.
func sameFolder(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// healHint says what is to be done when dir cannot be put right.
func healHint(ctx context.Context, dir, source string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fail := func(format string, args ...any) error {
		why := err
		if pe, ok := err.(*fs.PathError); ok { //nolint:errorlint // only if it is nothing but that: it names the folder again
			why = pe.Err
		}
		return modelsError{fmt.Errorf("%s: %w; %s", dir, why, fmt.Sprintf(format, args...))}
	}
	var bad *models.SourceError
	if errors.As(err, &bad) {
		return fail("the copy is in %s: unpack the release again or take the image anew, or name a folder with whole models", source)
	}
	fi, serr := os.Stat(dir)
	switch {
	case errors.Is(serr, fs.ErrNotExist):
		return modelsError{fmt.Errorf("%s: there is no such folder for models; mount a volume there (docker run -v VOLUME:%s), or leave --models-cache (%s) out to use those in %s", dir, dir, envName("models-cache"), source)}
	case serr == nil && !fi.IsDir():
		return modelsError{fmt.Errorf("%s: not a folder, expected one for models", dir)}
	case errors.Is(err, syscall.EROFS):
		return fail("mount a volume there that can be written (docker run -v VOLUME:%s), or leave --models-cache (%s) out to use those in %s", dir, envName("models-cache"), source)
	case errors.Is(err, fs.ErrPermission):
		return fail("%s; hand it over once as root (docker run --user 0:0 IMAGE entrypoint models heal, or chown -R %d:%d %s), or leave --models-cache (%s) out to use those in %s",
			whose(fi), os.Getuid(), os.Getgid(), dir, envName("models-cache"), source)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fail("make room there: all models together need 33 MB, and one of them twice while it is replaced")
	}
	return fail("see what is in the folder and remove it")
}

// whose says to whom a folder belongs, and who asks.
func whose(fi fs.FileInfo) string {
	me := fmt.Sprintf("facerec runs as %d:%d", os.Getuid(), os.Getgid())
	if fi == nil {
		return me
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return me
	}
	return fmt.Sprintf("the folder belongs to %d:%d with mode %04o, and %s", st.Uid, st.Gid, fi.Mode().Perm(), me)
}

func healCommand(w *world) *cobra.Command {
	o := &options{}
	var from string
	cmd := &cobra.Command{
		Use:   "heal",
		Short: "Replace model files that are missing or damaged by whole ones",
		Long: `Heal puts every model file in a folder right that is missing or not as pinned: it is
copied from another folder, checked while it is copied, and takes its place in one
step. Several processes may do so at once. Files that are as pinned, and files that
are no models, are left alone.

The folder is --models-cache if there is one, put right from --models; else it is
--models, put right from the models beside the program. --from names another source.

With --models-cache every other verb does the same by itself when it starts.`,
		Example: `  facerec models heal --models-cache /var/lib/facerec/models
  facerec models heal --models copy/models --from models`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.inherit(cmd)
			return healModels(cmd.Context(), w, o, from)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o.modelsDir(fs)
	fs.StringVar(&from, "from", "", "`folder` to copy whole models from")
	o.answer(fs, "text", "json")
	return cmd
}

// healModels is models heal.
func healModels(ctx context.Context, w *world, o *options, from string) error {
	format, err := o.form("text", "json")
	if err != nil {
		return err
	}
	dir := o.modelsInForce(w, o.quiet)
	switch {
	case from != "":
	case o.modelsCache != "":
		from = w.beside(o.models, "models", o.quiet)
	default:
		exe, err := w.executable()
		if err != nil {
			return fmt.Errorf("the program does not know where it is: %w; name the folder to copy from with --from DIR", err)
		}
		from = filepath.Join(filepath.Dir(exe), "models")
	}
	var mended []models.File
	if sameFolder(dir, from) {
		// A folder cannot be put right from itself; if it is whole, all is well.
		if err := badModels(dir, models.Verify(os.DirFS(dir), w.pins)); err != nil {
			return fmt.Errorf("%w; there is no other copy: name one with --from DIR", err)
		}
	} else if mended, err = models.Heal(ctx, dir, os.DirFS(from), w.pins); err != nil {
		return healHint(ctx, dir, from, err)
	}
	if format == "json" {
		err = writeHealedJSON(w, dir, from, mended)
	} else {
		err = writeHealedText(w, dir, from, mended)
	}
	if err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// was is the state in which a model was found; what was not mended was whole.
func was(m models.Model, mended []models.File) models.State {
	for _, f := range mended {
		if f.Model.Name == m.Name {
			return f.State
		}
	}
	return models.OK
}

func writeHealedText(w *world, dir, from string, mended []models.File) error {
	for _, m := range w.pins.Models {
		line := "ok        "
		how := ""
		if s := was(m, mended); s != models.OK {
			line, how = "healed    ", fmt.Sprintf(": was %s, copied from %s", s, app.Printable(from))
		}
		if _, err := fmt.Fprintf(w.stdout, "%s  %s%s\n", line, app.Printable(filepath.Join(dir, m.Name)), how); err != nil {
			return err
		}
	}
	return nil
}

func writeHealedJSON(w *world, dir, from string, mended []models.File) error {
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
	for _, m := range w.pins.Models {
		s := was(m, mended)
		doc.Models = append(doc.Models, fileJSON{m.Name, s.String(), s != models.OK})
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.stdout, "%s\n", text)
	return err
}
