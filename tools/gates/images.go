package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"facerec/internal/release"
	"facerec/internal/text"
)

func (w *world) project() (*release.Config, error) {
	raw, err := os.ReadFile(w.config)
	if err != nil {
		return nil, err
	}
	return release.Parse(filepath.Base(w.config), raw)
}

// present checks that there is something to look at, and a releaser to look.
func (w *world) present() error {
	if _, err := os.Stat(w.releaser); err != nil {
		return unchecked("%w: run make releaser", err)
	}
	if _, err := os.Stat(filepath.Join(w.layout, "index.json")); err != nil {
		return unchecked("%w", err)
	}
	return nil
}

// structureGate lets releaser check judge every image of the layout.
func structureGate(ctx context.Context, w *world) (string, error) {
	if err := w.present(); err != nil {
		return "", err
	}
	args := []string{"check", "oci-layout:" + w.layout}
	if w.only != "" {
		config, err := w.project()
		if err != nil {
			return "", err
		}
		cells, err := config.Select(w.only)
		if err != nil {
			return "", err
		}
		for _, c := range cells {
			args = append(args, "--platform", c.Platform.String())
		}
	}
	r, err := call{dir: filepath.Dir(w.config), args: append([]string{w.releaser, "--config", w.config, "--json"}, args...)}.run(ctx)
	if err != nil {
		return "", err
	}
	var answer struct {
		Verdict string
		Images  []struct {
			Image, Reference string
			Checks           []struct{ Name, Check, Status, Detail, What string }
		}
	}
	switch r.code {
	case 0:
		if err := json.Unmarshal(r.stdout, &answer); err != nil {
			return "", fmt.Errorf("releaser check: %w", err)
		}
		return text.Count(len(answer.Images), "image"), nil
	case 3:
		// The text form says it best.
		r, err := call{dir: filepath.Dir(w.config), args: append([]string{w.releaser, "--config", w.config}, args...)}.run(ctx)
		if err != nil {
			return "", err
		}
		var wrong []string
		for _, l := range r.lines() {
			if strings.Contains(l, "fail") || strings.Contains(l, "FAIL") {
				wrong = append(wrong, strings.TrimSpace(l))
			}
		}
		if len(wrong) == 0 {
			wrong = []string{r.last()}
		}
		return "", found("releaser check", wrong)
	case 5:
		return "", unchecked("releaser check: %s", r.last())
	}
	return "", fmt.Errorf("releaser check: exit code %d: %s", r.code, r.last())
}

// smokeGate starts the program of every platform image with the argument
// "version" and expects the release's version in what it says.
func smokeGate(ctx context.Context, w *world) (string, error) {
	if err := w.present(); err != nil {
		return "", err
	}
	config, err := w.project()
	if err != nil {
		return "", err
	}
	spared := strings.Split(w.notRun, ",")
	cells, err := w.cells(config)
	if err != nil {
		return "", err
	}
	var ran, skipped, wrong []string
	var missing error
	for _, cell := range cells {
		if slices.Contains(spared, cell.Platform.String()) {
			skipped = append(skipped, cell.String())
			continue
		}
		switch err := w.start(ctx, config, cell); {
		case err == nil:
			ran = append(ran, cell.String())
		case errors.Is(err, errUnchecked):
			missing = errors.Join(missing, err)
		case ctx.Err() != nil:
			return "", err
		default:
			wrong = append(wrong, fmt.Sprintf("%s: %v", cell, err))
		}
	}
	if err := found("programs that do not run", wrong); err != nil {
		return "", err
	}
	if missing != nil {
		return "", missing
	}
	if len(ran) == 0 {
		return "", unchecked("no image was run")
	}
	note := "ran " + strings.Join(ran, ", ")
	if len(skipped) > 0 {
		note += "; left out by request: " + strings.Join(skipped, ", ")
	}
	return note, nil
}

// cells are those that the layout has images of. A tag without any is an error
// of structure, not of this gate.
func (w *world) cells(config *release.Config) ([]release.Cell, error) {
	raw, err := os.ReadFile(filepath.Join(w.layout, "index.json"))
	if err != nil {
		return nil, err
	}
	top, err := parseIndex(raw)
	if err != nil {
		return nil, err
	}
	var out []release.Cell
	for _, c := range config.Cells() {
		for _, m := range top.Manifests {
			if m.Annotations["org.opencontainers.image.ref.name"] != config.ImageTag(config.Version, c.Lineage) {
				continue
			}
			raw, err := os.ReadFile(w.blob(m.Digest))
			if err != nil {
				return nil, err
			}
			index, err := parseIndex(raw)
			if err != nil {
				return nil, err
			}
			for _, p := range index.Manifests {
				if p.Platform.OS == c.Platform.OS && p.Platform.Architecture == c.Platform.Arch && p.Platform.Variant == c.Platform.Variant {
					out = append(out, c)
				}
			}
		}
	}
	if len(out) == 0 {
		return nil, unchecked("%s has no image of version %s", w.layout, config.Version)
	}
	return out, nil
}

func (w *world) blob(digest string) string {
	return filepath.Join(w.layout, "blobs", filepath.FromSlash(strings.Replace(digest, ":", "/", 1)))
}

// descriptor and index are the little of an OCI index that is used here.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
		Variant      string `json:"variant,omitempty"`
	} `json:"platform"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	Manifests     []descriptor `json:"manifests"`
}

func parseIndex(raw []byte) (index, error) {
	var i index
	if err := json.Unmarshal(raw, &i); err != nil {
		return index{}, fmt.Errorf("index: %w", err)
	}
	return i, nil
}

// start runs one cell's program, out of the image, in the image's directory.
func (w *world) start(ctx context.Context, config *release.Config, cell release.Cell) error {
	emulator, err := emulatorFor(cell.Platform)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gates-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root := filepath.Join(dir, "root")
	ref := "oci-layout:" + w.layout + ":" + config.ImageTag(config.Version, cell.Lineage) + ":/"
	if _, err := (call{args: []string{w.releaser, "--quiet", "cp", "--platform", cell.Platform.String(), ref, root}}).want(ctx); err != nil {
		return err
	}
	if len(config.Image.Entrypoint) == 0 {
		return unchecked("%s: config.json has no entrypoint", cell)
	}
	args := append([]string{}, emulator...)
	args = append(args, filepath.Join(root, filepath.FromSlash(config.Image.Entrypoint[0])))
	args = append(args, config.Image.Entrypoint[1:]...)
	args = append(args, "version")
	limited, cancel := context.WithTimeout(ctx, w.startTime)
	defer cancel()
	r, err := call{dir: filepath.Join(root, filepath.FromSlash(config.Image.Workdir)), args: args}.run(limited)
	switch {
	case limited.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("it did not say its version within %v", w.startTime)
	case err != nil:
		return err
	case r.code != 0:
		return fmt.Errorf("exit code %d: %s", r.code, r.last())
	case !strings.Contains(string(r.stdout), string(config.Version)):
		return fmt.Errorf("expected version %s, got %s", config.Version, text.Quote(strings.TrimSpace(string(r.stdout))))
	}
	return nil
}

// emulatorFor is what runs a platform's programs on this machine: nothing, or qemu.
func emulatorFor(p release.Platform) ([]string, error) {
	if p.OS != runtime.GOOS {
		return nil, unchecked("a program for %s does not run on %s", p, runtime.GOOS)
	}
	if p.Arch == runtime.GOARCH {
		return nil, nil
	}
	names := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "arm": "arm", "riscv64": "riscv64", "s390x": "s390x", "ppc64le": "ppc64le", "386": "i386"}
	name, ok := names[p.Arch]
	if !ok {
		return nil, unchecked("no emulator for %s", p)
	}
	path, err := installed("qemu-"+name+"-static", "qemu-user-static")
	if err != nil {
		return nil, err
	}
	return []string{path}, nil
}
