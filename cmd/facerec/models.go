package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/models"
	"facerec/internal/text"
)

// badModels says what is wrong with the models in dir and what to do about it.
func badModels(dir string, r models.Report) error {
	if r.OK() {
		return nil
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return text.WithHint(modelsError{fmt.Errorf("%s: directory with the model files not found", text.Show(dir))}, "run facerec in the unpacked directory, or name the right one with --models DIR")
	}
	return text.WithHint(modelsError{fmt.Errorf("%s: %s", text.Show(dir), r.Problems())}, "unpack the release again, or name the right directory with --models DIR")
}

// checkModels looks at every model file before it is loaded: its size, and its
// hash unless the cache knows that the same file was hashed before. With full
// every file is hashed. All three are needed whatever the detector: go-face
// loads them all.
func checkModels(lock models.Lock, dir string, full bool, c *store) error {
	fsys := atomicfile.FS(dir)
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
		pin, err := hex.DecodeString(m.SHA256)
		if err != nil || len(pin) != sha256.Size {
			return fmt.Errorf("%s: its pin is not a SHA-256", name)
		}
		if sum, ok := c.sum(name, fi); ok && !full && sum == [sha256.Size]byte(pin) {
			continue
		}
		one := models.Verify(fsys, models.Lock{Models: []models.Model{m}})
		r.Files[i] = one.Files[0]
		if one.OK() {
			c.keepSum(name, fi, [sha256.Size]byte(pin))
		}
	}
	return badModels(dir, r)
}

func modelsCommand(env *environment, g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "Check or repair the model files",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return usagef("models: expected verify or heal") },
	}
	o := &options{globals: g}
	verify := &cobra.Command{
		Use:   "verify",
		Short: "Hash every model file and compare it with its pin",
		Long: `Verify compares the size and SHA-256 of every model file with those pinned in
models.lock.json. It exits with 5 if one is missing or differs.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return verifyModels(env, o)
		},
	}
	o.modelsDir(verify.Flags())
	o.answer(verify.Flags(), "text", "json")
	cmd.AddCommand(verify, healCommand(env, g))
	return cmd
}

// modelsSchema is the schema of models verify --json.
const modelsSchema = "facerec.models/v1"

// verifyModels hashes everything that is pinned.
func verifyModels(env *environment, o *options) error {
	format, err := o.form("text", "json")
	if err != nil {
		return err
	}
	dir := o.modelsPath(env)
	report := models.Verify(atomicfile.FS(dir), env.pins)
	verdict := badModels(dir, report)
	if format == "json" {
		err = writeModelsJSON(env, dir, report)
	} else {
		err = writeModelsText(env, dir, report)
	}
	if err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return verdict
}

func writeModelsText(env *environment, dir string, report models.Report) error {
	for _, f := range report.Files {
		line := fmt.Sprintf("%-10s  %s", f.State, text.Show(filepath.Join(dir, f.Model.Name)))
		if err := f.Err(); err != nil {
			line += ": " + err.Error()
		} else {
			line += fmt.Sprintf("  %d bytes  sha256 %s  %s", f.Size, f.SHA256, f.Model.Licence)
		}
		if _, err := fmt.Fprintln(env.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

func writeModelsJSON(env *environment, dir string, report models.Report) error {
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
	return env.printJSON(doc)
}
