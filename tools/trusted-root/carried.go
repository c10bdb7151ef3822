package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"facerec/internal/atomicfile"
	"facerec/internal/verify"
)

// carried is the pair of files in the roots' directory.
type carried struct {
	data   []byte
	record verify.CarriedOrigin
}

// readRoot reads the pair; the zero value if there is none yet.
func readRoot(dir string) (carried, error) {
	raw, err := os.ReadFile(filepath.Join(dir, recordFile))
	if os.IsNotExist(err) {
		if _, err := os.Stat(dir); err != nil {
			return carried{}, usageError{fmt.Errorf("%s is not a directory: run in the root of the repository, or name it with --dir", dir)}
		}
		return carried{}, nil
	}
	if err != nil {
		return carried{}, err
	}
	var c carried
	if err := json.Unmarshal(raw, &c.record); err != nil {
		return carried{}, fmt.Errorf("%s: %w", recordFile, err)
	}
	c.data, err = os.ReadFile(filepath.Join(dir, dataFile))
	return c, err
}

// write puts both files into place, each in one step. If the second one fails the
// test that compares them with each other says so.
func (c carried) write(dir string) error {
	record, err := json.MarshalIndent(c.record, "", "  ")
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{dataFile, c.data}, {recordFile, append(record, '\n')}} {
		if err := atomicfile.WriteBytes(filepath.Join(dir, f.name), 0o644, f.data); err != nil {
			return err
		}
	}
	return nil
}

// difference says what a renewal changed, authority by authority.
func difference(w io.Writer, before, after carried) error {
	field := func(name, was, is string) {
		if was == is {
			fmt.Fprintf(w, "  %-10s %s\n", name, is)
			return
		}
		fmt.Fprintf(w, "- %-10s %s\n+ %-10s %s\n", name, was, name, is)
	}
	show := func(r verify.CarriedOrigin) (pkg, published, sum, root string) {
		if r.Package == "" {
			return "none", "none", "none", "none"
		}
		return r.Package + " " + r.Version, r.Published.Format(time.RFC3339), r.SHA256.Hex(), fmt.Sprintf("%d, until %s", r.TUFRoot.Version, r.TUFRoot.Expires.Format(time.RFC3339))
	}
	pkg, published, sum, root := show(before.record)
	pkg2, published2, sum2, root2 := show(after.record)
	field("package", pkg, pkg2)
	field("published", published, published2)
	field("TUF root", root, root2)
	field("sha256", sum, sum2)
	was, err := contents(before.data)
	if err != nil {
		return fmt.Errorf("the root before: %w", err)
	}
	is, err := contents(after.data)
	if err != nil {
		return err
	}
	for _, line := range was {
		if !slices.Contains(is, line) {
			fmt.Fprintf(w, "- %s\n", line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			fmt.Fprintf(w, "+ %s\n", line)
		}
	}
	return nil
}

// contents is a line for each authority and log.
func contents(data []byte) ([]string, error) {
	if data == nil {
		return nil, nil
	}
	tr, err := verify.ParseTrustedRoot(data)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, t := range tr.Contents() {
		until := "in use"
		if !t.Until.IsZero() {
			until = "until " + t.Until.Format(time.DateOnly)
		}
		out = append(out, fmt.Sprintf("%s %s %s since %s, %s", t.Kind, t.URL, t.Name, t.From.Format(time.DateOnly), until))
	}
	return out, nil
}
