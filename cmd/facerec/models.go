package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/app"
)

// modelState is what is known about one model file.
type modelState struct {
	Name    string `json:"name"`
	SHA256  string `json:"sha256"` // as pinned
	Size    int64  `json:"size"`   // as pinned, in bytes
	State   string `json:"state"`  // "ok", "missing", "size", "hash" or "unreadable"
	Detail  string `json:"detail"` // expected and got, for people
	License string `json:"licence"`
}

// modelReport is about every file that an engine needs, by name.
type modelReport []modelState

// err is nil if every model is there and as pinned.
func (r modelReport) err(dir string) error {
	var bad []string
	for _, m := range r {
		if m.State != "ok" {
			bad = append(bad, m.Name+": "+m.Detail)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return modelsError{fmt.Errorf("%s: models are not as pinned: %s; unpack the release again, or name the right folder with --models DIR", dir, strings.Join(bad, "; "))}
}

func modelsCommand(w *world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "Check the model files",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return usagef("models: expected verify") },
	}
	o := &options{}
	verify := &cobra.Command{
		Use:   "verify",
		Short: "Hash every model file and compare with what is pinned",
		Long: `Verify reads every model file and compares its size and SHA-256 with those that are
pinned in models.lock.json, and exits with 5 if one is missing or differs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.inherit(cmd)
			return verifyModels(w, o)
		},
	}
	o.modelsDir(verify.Flags())
	o.answer(verify.Flags(), "text", "json")
	cmd.AddCommand(verify)
	return cmd
}

// modelsSchema is the schema of models verify --json.
const modelsSchema = "facerec.models/v1"

// verifyModels hashes everything that is pinned, whatever a detector needs.
func verifyModels(w *world, o *options) error {
	format, err := o.form("text", "json")
	if err != nil {
		return err
	}
	dir := w.beside(o.models, "models", o.quiet)
	report, err := w.checkAll(dir)
	if err != nil {
		return err
	}
	verdict := report.err(dir)
	if format == "json" {
		text, err := json.MarshalIndent(struct {
			Schema string      `json:"schema"`
			Dir    string      `json:"dir"`
			OK     bool        `json:"ok"`
			Models modelReport `json:"models"`
		}{modelsSchema, dir, verdict == nil, report}, "", "  ")
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w.stdout, "%s\n", text); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
		return verdict
	}
	for _, m := range report {
		if _, err := fmt.Fprintf(w.stdout, "%-8s %s  %s\n", m.State, app.Printable(m.Name), m.Detail); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
	}
	return verdict
}
