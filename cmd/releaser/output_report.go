package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"facerec/internal/atomicfile"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// reportFlags say in which form a report comes, and where it goes.
type reportFlags struct {
	format, output string
	late           bool // the steps have not been printed as they came
}

func (f *reportFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.format, "format", "text", "`FORM` of the report: text, json, sarif or html")
	fl.StringVar(&f.output, "output", "", "write the report to `FILE`, and the text to standard output")
}

// check settles the form; json is --json. It reports whether standard output gets
// the text, line by line as it comes.
func (f *reportFlags) check(json bool) (live bool, err error) {
	if json {
		if f.format != "text" && f.format != "json" {
			return false, usage("--json and --format %s exclude each other", f.format)
		}
		f.format = "json"
	}
	if !strings.Contains(" text json sarif html ", " "+f.format+" ") {
		return false, usage("--format %q: expected text, json, sarif or html", f.format)
	}
	return f.format == "text" || f.output != "", nil
}

// deliver puts a report where it was asked for and ends with its exit code. The
// steps have been printed already where standard output gets the text.
func (a *app) deliver(r verify.Report, f reportFlags) error {
	document, err := render(r, f.format)
	if err != nil {
		return err
	}
	return a.deliverAs(document, r, f)
}

// deliverAs is deliver with a document that was made of the report.
func (a *app) deliverAs(document []byte, r verify.Report, f reportFlags) error {
	annotate := a.errs.command // where it does not spoil a document
	switch {
	case f.output != "":
		if err := atomicfile.WriteBytes(f.output, 0o644, document); err != nil {
			return err
		}
		a.note("the report is in %s", f.output)
		fallthrough
	case f.format == "text":
		annotate = func(s string) (int, error) { return io.WriteString(a.out, s) }
		text := r.Summary()
		if f.late {
			text = r.Text()
		}
		a.sayAll(text)
	default:
		a.out.Write(document) //nolint:errcheck // as every other print
	}
	if err := a.tellActions(r, annotate); err != nil {
		return err
	}
	if r.ExitCode != 0 {
		return &codedError{code: r.ExitCode}
	}
	return nil
}

func render(r verify.Report, format string) ([]byte, error) {
	switch format {
	case "json":
		raw, err := r.JSON()
		return text.SafeJSON(raw), err
	case "sarif":
		raw, err := r.SARIF()
		return text.SafeJSON(raw), err
	case "html":
		return r.HTML()
	}
	return []byte(r.Text()), nil
}

// tellActions annotates a job of GitHub Actions and adds to its step summary.
// The runner reads workflow commands from standard output and standard error
// alike.
func (a *app) tellActions(r verify.Report, annotate func(string) (int, error)) error {
	if os.Getenv("GITHUB_ACTIONS") != "true" {
		return nil
	}
	if _, err := annotate(r.Annotations()); err != nil {
		return err
	}
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return nil
	}
	if err := atomicfile.Append(path, []byte(r.Markdown())); err != nil {
		return fmt.Errorf("step summary, GITHUB_STEP_SUMMARY: %w", err)
	}
	return nil
}
