package kit

import (
	"context"
	"io"
	"os"
	"path"
	"path/filepath"

	"facerec/internal/atomicfile"
)

// Extract writes the files of a kit below dir, which is empty. at is the path of the
// kit, which is checked whole first: nothing of a damaged one is written. What the
// releases are worth is for verify to say.
func Extract(ctx context.Context, k *Kit, at, dir string) error {
	faults, err := k.Check(ctx, at, nil)
	if err == nil && len(faults) > 0 {
		err = faults[0].err()
	}
	if err != nil {
		return err
	}
	rules, err := atomicfile.Probe(dir)
	if err != nil {
		return err
	}
	names := atomicfile.NewNames(rules)
	all := []string{ManifestFile}
	for _, f := range k.Manifest.Files {
		all = append(all, f.Name)
	}
	for _, name := range all {
		if err := names.Add(name); err != nil {
			return err
		}
	}
	for _, name := range all {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(path.Dir(name))), 0o755); err != nil {
			return err
		}
		err := atomicfile.Write(filepath.Join(dir, filepath.FromSlash(name)), fileMode, func(w io.Writer) error {
			_, err := io.Copy(w, k.section(name))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
