package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"facerec/internal/atomicfile"
	"facerec/internal/verify"
)

// carried is what lies in the roots' directory: the root, its record, and the TUF
// metadata that vouches for it.
type carried struct {
	data     []byte
	record   verify.CarriedOrigin
	evidence evidence
}

// readRoot reads it; the zero value if there is none yet.
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
	if c.data, err = os.ReadFile(filepath.Join(dir, dataFile)); err != nil {
		return c, err
	}
	c.evidence, err = readEvidence(filepath.Join(dir, evidenceDir))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // so it was before there was any
	}
	return c, err
}

// write puts all files into place, each in one step, and takes away the roots that
// are needed no longer. If one of them fails --check says so.
func (c carried) write(dir string, before carried) error {
	record, err := json.MarshalIndent(c.record, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, evidenceDir), 0o755); err != nil {
		return err
	}
	type file struct {
		name string
		data []byte
	}
	files := []file{{filepath.Join(dir, dataFile), c.data}, {filepath.Join(dir, evidenceDir, targetsFile), c.evidence.targets}}
	for _, version := range slices.Sorted(maps.Keys(c.evidence.roots)) {
		files = append(files, file{rootPath(dir, version), c.evidence.roots[version]})
	}
	for _, f := range append(files, file{filepath.Join(dir, recordFile), append(record, '\n')}) {
		if err := atomicfile.WriteBytes(f.name, 0o644, f.data); err != nil {
			return err
		}
	}
	for version := range before.evidence.roots {
		if _, kept := c.evidence.roots[version]; !kept {
			if err := os.Remove(rootPath(dir, version)); err != nil {
				return err
			}
		}
	}
	return nil
}

func rootPath(dir string, version int64) string {
	return filepath.Join(dir, evidenceDir, fmt.Sprintf("%d.root.json", version))
}

// difference says what a renewal changed, authority by authority.
func difference(w io.Writer, before, after carried) error {
	field := func(name, was, is string) {
		if was == is {
			fmt.Fprintf(w, "  %-11s %s\n", name, is)
			return
		}
		fmt.Fprintf(w, "- %-11s %s\n+ %-11s %s\n", name, was, name, is)
	}
	metadata := func(m verify.CarriedTUF) string {
		if m.Version == 0 {
			return "none"
		}
		return fmt.Sprintf("%d, until %s", m.Version, m.Expires.Format(time.RFC3339))
	}
	show := func(r verify.CarriedOrigin) (pkg, published, sum, root, targets string) {
		if r.Package == "" {
			return "none", "none", "none", "none", "none"
		}
		return r.Package + " " + r.Version, r.Published.Format(time.RFC3339), r.SHA256.Hex(), metadata(r.TUFRoot), metadata(r.TUFTargets)
	}
	pkg, published, sum, root, targets := show(before.record)
	pkg2, published2, sum2, root2, targets2 := show(after.record)
	field("package", pkg, pkg2)
	field("published", published, published2)
	field("TUF root", root, root2)
	field("TUF targets", targets, targets2)
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
