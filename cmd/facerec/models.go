package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"facerec/internal/app"
	"facerec/internal/models"
)

// badModels says what is wrong with the models in dir and what to do about it.
func badModels(dir string, r models.Report) error {
	if r.OK() {
		return nil
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return modelsError{fmt.Errorf("%s: there is no such folder, expected the model files in it; run facerec in the unpacked folder, or name the right one with --models DIR", dir)}
	}
	return modelsError{fmt.Errorf("%s: %s; unpack the release again, or name the right folder with --models DIR", dir, r.Problems())}
}

// checkModels looks at every model file before it is loaded: its size, and its
// hash unless the cache knows that the same file was hashed before. With full
// every file is hashed. All three are needed whatever the detector: go-face
// loads them all.
func checkModels(lock models.Lock, dir string, full bool, c *cache) error {
	fsys := os.DirFS(dir)
	r := models.VerifySize(fsys, lock)
	if err := badModels(dir, r); err != nil {
		return err
	}
	for i, m := range lock.Models {
		name := filepath.Join(dir, m.Name)
		fi, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, plain(err))
		}
		key := stamp(name, fi, m.SHA256)
		if !full && c.vouched(key) {
			continue
		}
		one := models.Verify(fsys, models.Lock{Models: []models.Model{m}})
		r.Files[i] = one.Files[0]
		if one.OK() {
			c.vouch(key)
		}
	}
	return badModels(dir, r)
}

func modelsCommand(w *world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "Check the model files, or put them right",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return usagef("models: expected verify or heal") },
	}
	o := &options{}
	verify := &cobra.Command{
		Use:   "verify",
		Short: "Hash every model file and compare with what is pinned",
		Long: `Verify reads every model file and compares its size and SHA-256 with those that are
pinned in models.lock.json, and exits with 5 if one is missing or differs.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.inherit(cmd)
			return verifyModels(w, o)
		},
	}
	o.modelsDir(verify.Flags())
	o.answer(verify.Flags(), "text", "json")
	cmd.AddCommand(verify, healCommand(w))
	return cmd
}

// modelsSchema is the schema of models verify --json.
const modelsSchema = "facerec.models/v1"

// verifyModels hashes everything that is pinned.
func verifyModels(w *world, o *options) error {
	format, err := o.form("text", "json")
	if err != nil {
		return err
	}
	dir := o.modelsInForce(w, o.quiet)
	report := models.Verify(os.DirFS(dir), w.pins)
	verdict := badModels(dir, report)
	if format == "json" {
		err = writeModelsJSON(w, dir, report)
	} else {
		err = writeModelsText(w, dir, report)
	}
	if err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return verdict
}

func writeModelsText(w *world, dir string, report models.Report) error {
	for _, f := range report.Files {
		line := fmt.Sprintf("%-10s  %s", f.State, app.Printable(filepath.Join(dir, f.Model.Name)))
		if err := f.Err(); err != nil {
			line += ": " + err.Error()
		} else {
			line += fmt.Sprintf("  %d bytes  sha256 %s  %s", f.Size, f.SHA256, f.Model.Licence)
		}
		if _, err := fmt.Fprintln(w.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

func writeModelsJSON(w *world, dir string, report models.Report) error {
	type fileJSON struct {
		Name           string `json:"name"`
		State          string `json:"state"`
		Size           int64  `json:"size"`
		ExpectedSize   int64  `json:"expected_size"`
		SHA256         string `json:"sha256"`
		ExpectedSHA256 string `json:"expected_sha256"`
		Licence        string `json:"licence"`
		NeededBy       string `json:"needed_by"`
	}
	doc := struct {
		Schema string     `json:"schema"`
		Dir    string     `json:"dir"`
		OK     bool       `json:"ok"`
		Models []fileJSON `json:"models"`
	}{modelsSchema, dir, report.OK(), []fileJSON{}}
	for _, f := range report.Files {
		doc.Models = append(doc.Models, fileJSON{f.Model.Name, f.State.String(), f.Size, f.Model.Size, f.SHA256, f.Model.SHA256, f.Model.Licence, f.Model.NeededBy})
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.stdout, "%s\n", text)
	return err
}
