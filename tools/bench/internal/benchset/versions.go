package benchset

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Release is one of many.
type Release struct {
	Config, Dist string
}

// Versions makes n releases called name of one project, as its versions are: all share a layer
// of weights MB and one of small files, and each has contents of its own of
// kilobytes KB: weights, or with s.Programs a stretch of a program. Their images are in the registry and their tarballs packed; nothing
// is signed.
func (s *Stage) Versions(name string, n, kilobytes int) ([]Release, error) {
	dir := filepath.Join(s.Dir, name)
	if err := s.weights(filepath.Join(dir, "weights"), s.Weights<<20, 0); err != nil {
		return nil, err
	}
	if err := manyFiles(filepath.Join(dir, "small"), s.Small); err != nil {
		return nil, err
	}
	image := s.Addr() + "/" + name
	var out []Release
	for i := range n {
		version := fmt.Sprintf("1.0.%d", i)
		program := filepath.Join("programs", version)
		if err := s.contents(filepath.Join(dir, program), kilobytes<<10, i); err != nil {
			return nil, err
		}
		raw, err := json.Marshal(Config{Name: "set", Version: version, Build: "true", Platforms: []string{"linux/amd64"},
			Data:      []map[string]string{{"src": "weights", "dest": "/app/models", "layer": "models"}, {"src": "small", "dest": "/app/data", "layer": "data"}},
			Artifacts: []map[string]string{{"src": program, "dest": "/app/bin", "layer": "programs", "binary": "any"}}})
		if err != nil {
			return nil, err
		}
		r := Release{filepath.Join(dir, version+".json"), filepath.Join(dir, "dist", version)}
		if err := os.WriteFile(r.Config, raw, 0o644); err != nil {
			return nil, err
		}
		layout := filepath.Join(dir, "oci")
		for _, args := range [][]string{
			{"build", "-q", "--config", r.Config, "--no-run", "--out", layout},
			{"push", "-q", layout, image},
			{"pack", "-q", "--config", r.Config, "--image", image, "--out", r.Dist},
		} {
			if out, err := exec.CommandContext(s.ctx, s.Releaser, args...).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("releaser %s: %w: %s", args[0], err, out)
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// contents are what release i alone has: with s.Programs, a stretch of a program that begins somewhere else.
func (s *Stage) contents(dir string, n, i int) error {
	if !s.Programs {
		return s.weights(dir, n, uint64(1000+i))
	}
	raw, err := os.ReadFile(s.Releaser)
	if err != nil {
		return err
	}
	if n > len(raw) {
		return fmt.Errorf("%s has %d bytes, expected at least %d", s.Releaser, len(raw), n)
	}
	from := i * 4099 % (len(raw) - n + 1)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "program"), raw[from:from+n], 0o644)
}
