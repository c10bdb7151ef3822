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
// of weights MB and one of small files, and each has a program of its own of
// kilobytes KB. Their images are in the registry and their tarballs packed; nothing
// is signed.
func (s *Stage) Versions(name string, n, kilobytes int) ([]Release, error) {
	dir := filepath.Join(s.Dir, name)
	if err := weights(filepath.Join(dir, "weights"), s.Weights<<20, 0); err != nil {
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
		if err := weights(filepath.Join(dir, program), kilobytes<<10, uint64(1000+i)); err != nil {
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
