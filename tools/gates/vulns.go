package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"facerec/internal/text"
)

func (w *world) accepted() ([]vexStatement, error) { return readVEX(filepath.Join(w.root, vexFile)) }

// vulnsGate asks osv-scanner about the SPDX documents of the release: a separate
// program reads what ours wrote.
func vulnsGate(ctx context.Context, w *world) (string, error) {
	accepted, err := w.accepted()
	if err != nil {
		return "", err
	}
	documents, err := filepath.Glob(filepath.Join(w.dist, "*.spdx.json"))
	if err != nil {
		return "", err
	}
	if len(documents) == 0 {
		return "", unchecked("no SPDX document in %s", w.dist)
	}
	scanner, err := w.scanner(ctx, "osv-scanner")
	if err != nil {
		return "", err
	}
	args := []string{scanner, "scan", "source", "--format=json", "--all-packages"}
	var env []string
	if w.database != "" {
		// An offline scan without a database would find nothing and say so in green.
		db := filepath.Join(w.database, "osv", "osv-scalibr")
		if _, err := os.Stat(filepath.Join(db, "Go", "all.zip")); err != nil {
			return "", unchecked("database: %w", err)
		}
		args = append(args, "--offline", "--local-db-path="+filepath.Dir(db))
	}
	for _, d := range documents {
		args = append(args, "-L", d)
	}
	r, err := call{env: env, args: args}.run(ctx)
	if err != nil {
		return "", err
	}
	if r.code > 1 {
		return "", unchecked("osv-scanner: exit code %d: %s", r.code, r.last())
	}
	all, packages, ecosystems, err := parseOSV(r.stdout)
	if err != nil {
		return "", fmt.Errorf("osv-scanner's answer: %w", err)
	}
	for _, e := range ecosystems {
		if w.database == "" {
			break
		}
		if _, err := os.Stat(filepath.Join(w.database, "osv", "osv-scalibr", e, "all.zip")); err != nil {
			return "", unchecked("database for %s: %w", text.Show(e), err)
		}
	}
	if i := bytes.Index(r.stderr, []byte("could not load db")); i >= 0 {
		return "", unchecked("osv-scanner: %s", text.Line(string(r.stderr[i:]), 300))
	}
	if packages == 0 {
		return "", unchecked("osv-scanner read no package from %s", text.Count(len(documents), "document"))
	}
	wrong, spared := judge(all, accepted, w.today)
	return fmt.Sprintf("%s, %s, %d accepted", text.Count(len(documents), "document"), text.Count(packages, "package"), spared), found("vulnerabilities", wrong)
}

// parseOSV reads osv-scanner's JSON: what it found, how many packages it looked
// up, and in the databases of which ecosystems.
func parseOSV(raw []byte) (all []vulnerability, packages int, ecosystems []string, err error) {
	var doc struct {
		Results []struct {
			Source   struct{ Path string }
			Packages []struct {
				Package         struct{ Name, Version, Ecosystem string }
				Vulnerabilities []struct {
					ID      string
					Aliases []string
					// The package's full name: of Go's, what it looked up has the last part only.
					Affected []struct {
						Package struct{ Name, Ecosystem string }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, 0, nil, err
	}
	for _, r := range doc.Results {
		for _, p := range r.Packages {
			packages++
			kind, _, _ := strings.Cut(p.Package.Ecosystem, ":")
			if kind != "" && !slices.Contains(ecosystems, kind) {
				ecosystems = append(ecosystems, kind)
			}
			for _, v := range p.Vulnerabilities {
				name := p.Package.Name
				for _, a := range v.Affected {
					if a.Package.Ecosystem == kind && (a.Package.Name == name || strings.HasSuffix(a.Package.Name, "/"+name)) {
						name = a.Package.Name
						break
					}
				}
				all = merge(all, vulnerability{append([]string{v.ID}, v.Aliases...), purlOf(kind, name),
					strings.TrimPrefix(p.Package.Version, "v"), []string{filepath.Base(r.Source.Path)}})
			}
		}
	}
	return all, packages, ecosystems, nil
}

// purlOf is a package URL of an ecosystem as OSV names it, without a version.
func purlOf(ecosystem, name string) string {
	switch ecosystem {
	case "Go":
		return "pkg:golang/" + name
	case "Debian":
		return "pkg:deb/debian/" + name
	}
	return "pkg:" + strings.ToLower(ecosystem) + "/" + name
}

// merge adds a finding, or where it is to the same one.
func merge(all []vulnerability, v vulnerability) []vulnerability {
	i := slices.IndexFunc(all, func(o vulnerability) bool {
		return o.ids[0] == v.ids[0] && o.purl == v.purl && o.version == v.version
	})
	if i < 0 {
		return append(all, v)
	}
	for _, where := range v.where {
		if !slices.Contains(all[i].where, where) {
			all[i].where = append(all[i].where, where)
		}
	}
	return all
}

// vulncheckGate asks govulncheck about both programs: releaser by its sources,
// where it knows what is called, and facerec as built, since its sources need
// dlib.
func vulncheckGate(ctx context.Context, w *world) (string, error) {
	accepted, err := w.accepted()
	if err != nil {
		return "", err
	}
	programs, err := w.facerecs()
	if err != nil {
		return "", err
	}
	if len(programs) == 0 {
		return "", unchecked("facerec is not built: run make facerec")
	}
	scanner, err := w.scanner(ctx, "govulncheck")
	if err != nil {
		return "", err
	}
	args := []string{scanner, "-format=json"}
	if w.database != "" {
		db := filepath.Join(w.database, "govulncheck")
		if _, err := os.Stat(filepath.Join(db, "index", "modules.json")); err != nil {
			return "", unchecked("database: %w", err)
		}
		args = append(args, "-db="+(&url.URL{Scheme: "file", Path: db}).String())
	}
	var all []vulnerability
	for _, target := range append([]string{"./cmd/releaser"}, programs...) {
		how := "-mode=source"
		if target != "./cmd/releaser" {
			how = "-mode=binary"
		}
		r, err := call{dir: w.root, env: []string{"CGO_ENABLED=0"}, args: append(slices.Clone(args), how, target)}.run(ctx)
		if err != nil {
			return "", err
		}
		if r.code != 0 {
			return "", unchecked("govulncheck %s: exit code %d: %s", target, r.code, r.last())
		}
		some, err := parseGovulncheck(r.stdout, filepath.Base(target))
		if err != nil {
			return "", fmt.Errorf("govulncheck's answer on %s: %w", target, err)
		}
		for _, v := range some {
			all = merge(all, v)
		}
	}
	wrong, spared := judge(all, accepted, w.today)
	return fmt.Sprintf("%s, %d accepted", text.Count(len(programs)+1, "program"), spared), found("vulnerabilities", wrong)
}

// facerecs are the programs that were built here.
func (w *world) facerecs() ([]string, error) {
	var out []string
	for _, pattern := range []string{"bin/facerec", "build/*/*/*/facerec", "build/*/*/*/*/facerec"} {
		some, err := filepath.Glob(filepath.Join(w.root, pattern))
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// parseGovulncheck reads the stream of messages. A finding at the level of a
// symbol is one that the program calls; of a source nothing else counts. A
// stripped program has no symbols to look for, and all in its packages count.
func parseGovulncheck(raw []byte, where string) ([]vulnerability, error) {
	type frame struct{ Module, Version, Package, Function string }
	var all []vulnerability
	mode := ""
	aliases := map[string][]string{}
	d := json.NewDecoder(bytes.NewReader(raw))
	for {
		var m struct {
			Config *struct {
				ScanMode string `json:"scan_mode"`
			}
			OSV *struct {
				ID      string
				Aliases []string
			}
			Finding *struct {
				OSV   string
				Trace []frame
			}
		}
		if err := d.Decode(&m); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return nil, err
		}
		switch {
		case m.Config != nil:
			mode = m.Config.ScanMode
		case m.OSV != nil:
			aliases[m.OSV.ID] = m.OSV.Aliases
		case m.Finding != nil && len(m.Finding.Trace) > 0:
			f := m.Finding.Trace[0]
			if mode == "source" && f.Function == "" || f.Package == "" && mode == "source" {
				continue
			}
			all = merge(all, vulnerability{append([]string{m.Finding.OSV}, aliases[m.Finding.OSV]...),
				"pkg:golang/" + f.Module, strings.TrimPrefix(f.Version, "v"), []string{where}})
		}
	}
	if mode == "" {
		return nil, errors.New("it has no configuration message")
	}
	return all, nil
}
