package benchset

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Project is a set of images in the registry, and where its config.json is.
type Project struct {
	Dir   string
	Image string   // REGISTRY/NAME
	Cells []string // TAG PLATFORM PREFIX ASSET, one per line of the incumbent's loop
	Bytes int64    // of all distinct file contents
}

// Config is the path of the project's config.json.
func (p Project) Config() string { return filepath.Join(p.Dir, "config.json") }

// Set makes the project of a name, builds its images and pushes them: "cells" is
// lineages × three platforms, "assets" the same without programs, "layer" one image of one
// layer of weights, "small" one image of very many small files,
// "small-six" the same files in two lineages of three platforms.
func (s *Stage) Set(name string) (Project, error) {
	fill := s.makeCells
	switch name {
	case "cells":
	case "assets":
		fill = func(dir string) (Config, error) {
			return s.makeAssets(dir, "linux/amd64", "linux/arm64", "linux/arm/v7")
		}
	case "layer":
		fill = func(dir string) (Config, error) { return s.makeAssets(dir, "linux/amd64") }
	case "small":
		fill = s.makeSmall
	case "small-six":
		fill = s.makeSmallSix
	default:
		return Project{}, fmt.Errorf("set %q: expected cells, assets, layer, small or small-six", name)
	}
	p := Project{Dir: filepath.Join(s.Dir, name), Image: s.Addr() + "/" + name}
	if err := os.MkdirAll(p.Dir, 0o755); err != nil {
		return p, err
	}
	c, err := fill(p.Dir)
	if err != nil {
		return p, err
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return p, err
	}
	if err := os.WriteFile(filepath.Join(p.Dir, "config.json"), raw, 0o644); err != nil {
		return p, err
	}
	for _, l := range c.Lineages {
		for _, pl := range c.Platforms {
			arch := strings.ReplaceAll(strings.TrimPrefix(pl, "linux/"), "/", "")
			p.Cells = append(p.Cells, fmt.Sprintf("1.0.0%s %s set-1.0.0%s set_1.0.0_linux_%s%s.tar.gz", l["suffix"], pl, l["suffix"], arch, l["suffix"]))
		}
	}
	if err := filepath.WalkDir(p.Dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			fi, err := d.Info()
			if err != nil {
				return err
			}
			p.Bytes += fi.Size()
		}
		return err
	}); err != nil {
		return p, err
	}
	conf := filepath.Join(p.Dir, "config.json")
	layout := filepath.Join(p.Dir, "oci")
	for _, args := range [][]string{
		{"build", "-q", "--config", conf, "--no-run", "--out", layout},
		{"push", "-q", layout, p.Image},
	} {
		if out, err := exec.CommandContext(s.ctx, s.Releaser, args...).CombinedOutput(); err != nil {
			return p, fmt.Errorf("releaser %s: %w: %s", args[0], err, out)
		}
	}
	fmt.Printf("\nset %s: %d cells, %d MB of distinct contents\n", name, len(p.Cells), p.Bytes>>20)
	return p, nil
}

// Config is as much of config.json as the sets need.
type Config struct {
	Name      string              `json:"project_name"`
	Version   string              `json:"version"`
	Build     string              `json:"build_cmd"`
	Artifacts []map[string]string `json:"artifacts"`
	Data      []map[string]string `json:"extern_data,omitempty"`
	Lineages  []map[string]string `json:"lineages,omitempty"`
	Platforms []string            `json:"platforms"`
}

// makeCells lays out lineages × three platforms.
func (s *Stage) makeCells(dir string) (Config, error) {
	c := Config{Name: "set", Version: "1.0.0", Build: "true", Platforms: []string{"linux/amd64", "linux/arm64", "linux/arm/v7"}}
	for i := range s.Lineages {
		l := map[string]string{"name": fmt.Sprintf("line%d", i)}
		if i > 0 {
			l["suffix"] = fmt.Sprintf("-line%d", i)
		}
		c.Lineages = append(c.Lineages, l)
		if err := s.weights(filepath.Join(dir, "weights", l["name"]), s.Weights<<20, uint64(i)); err != nil {
			return c, err
		}
	}
	for _, p := range c.Platforms {
		parts := strings.Split(p, "/")
		out := filepath.Join(dir, "programs", p)
		cmd := exec.CommandContext(s.ctx, "go", "build", "-trimpath", "-o", out+"/", "./cmd/releaser", "./tools/demo")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+parts[0], "GOARCH="+parts[1], "GOARM=7", "GOEXPERIMENT=")
		if msg, err := cmd.CombinedOutput(); err != nil {
			return c, fmt.Errorf("building programs for %s: %w: %s", p, err, msg)
		}
	}
	if err := manyFiles(filepath.Join(dir, "small"), 500); err != nil {
		return c, err
	}
	c.Data = []map[string]string{
		{"src": "weights/{lineage}", "dest": "/app/models", "layer": "models"},
		{"src": "small", "dest": "/app/data", "layer": "data"},
	}
	c.Artifacts = []map[string]string{{"src": "programs/{platform}", "dest": "/app/bin", "layer": "programs"}}
	return c, nil
}

// makeAssets lays out lineages × platforms without programs: what matters is how large
// the tarballs are.
func (s *Stage) makeAssets(dir string, platforms ...string) (Config, error) {
	c := Config{Name: "set", Version: "1.0.0", Build: "true", Platforms: platforms}
	for i := range s.Lineages {
		l := map[string]string{"name": fmt.Sprintf("line%d", i)}
		if i > 0 {
			l["suffix"] = fmt.Sprintf("-line%d", i)
		}
		c.Lineages = append(c.Lineages, l)
		for j, p := range c.Platforms {
			if err := s.weights(filepath.Join(dir, "weights", l["name"], p), s.Weights<<20, uint64(10*i+j)); err != nil {
				return c, err
			}
		}
	}
	c.Artifacts = []map[string]string{{"src": "weights/{lineage}/{platform}", "dest": "/app/models", "binary": "any"}}
	return c, nil
}

// makeSmall lays out one image of very many small files.
func (s *Stage) makeSmall(dir string) (Config, error) {
	c := Config{Name: "set", Version: "1.0.0", Build: "true", Platforms: []string{"linux/amd64"}, Lineages: []map[string]string{{"name": "line0"}}}
	c.Artifacts = []map[string]string{{"src": "small", "dest": "/app/data"}}
	return c, manyFiles(filepath.Join(dir, "small"), s.Small)
}

// makeSmallSix lays out six images that have the same small files, as a data set
// that goes with a program does.
func (s *Stage) makeSmallSix(dir string) (Config, error) {
	c, err := s.makeSmall(dir)
	c.Platforms = []string{"linux/amd64", "linux/arm64", "linux/arm/v7"}
	c.Lineages = append(c.Lineages, map[string]string{"name": "line1", "suffix": "-line1"})
	return c, err
}
