package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"

	"facerec/internal/text"
)

// licencesFile says which licences are accepted, which programs are released
// and under which licence is what a C linker puts into them.
const licencesFile = "licences.json"

type licencesList struct {
	Accepted []string `json:"accepted"` // SPDX identifiers
	Programs []struct {
		Name      string   `json:"name"`
		Package   string   `json:"package"`
		Tags      string   `json:"tags,omitempty"`
		Cgo       bool     `json:"cgo,omitempty"`
		Platforms []string `json:"platforms"` // OS/ARCH
		Table     string   `json:"table"`     // the file that the release has
	} `json:"programs"`
	// Known are modules whose licence file is not recognised, or lists several:
	// somebody read it.
	Known  map[string]string `json:"known"`
	Native []native          `json:"native"`
}

// native is a library that the C linker adds, or data that comes along.
type native struct {
	Name    string `json:"name"`
	Licence string `json:"licence"` // an SPDX expression
	Pattern string `json:"pattern"` // of names in inputs.lock.json that are this
	Source  string `json:"source"`
}

// component is a row of a table.
type component struct{ name, version, licence, source string }

// licencesGate writes down, for every program, what is linked in under which
// licence, and compares it with the tables that the release has.
func licencesGate(ctx context.Context, w *world) (string, error) {
	raw, err := os.ReadFile(filepath.Join(w.root, licencesFile))
	if err != nil {
		return "", unchecked("%w", err)
	}
	var list licencesList
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return "", fmt.Errorf("%s: %w", licencesFile, err)
	}
	if len(list.Programs) == 0 {
		return "", unchecked("%s names no program", licencesFile)
	}
	var wrong []string
	rows := 0
	for _, p := range list.Programs {
		modules := map[string]component{}
		for _, platform := range p.Platforms {
			system, arch, _ := strings.Cut(platform, "/")
			arch, _, _ = strings.Cut(arch, "/")
			env := []string{"GOOS=" + system, "GOARCH=" + arch, "CGO_ENABLED=0"}
			if p.Cgo {
				env[2] = "CGO_ENABLED=1"
			}
			r, err := call{dir: w.root, env: env, args: []string{"go", "list", "-deps", "-tags", p.Tags,
				"-f", "{{$p := .}}{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}\t{{$p.Dir}}\t{{range $p.EmbedFiles}}{{.}}|{{end}}{{end}}{{end}}", p.Package}}.want(ctx)
			if err != nil {
				return "", err
			}
			for _, l := range r.lines() {
				f := strings.Split(l, "\t")
				if len(f) != 5 {
					return "", fmt.Errorf("go list: unexpected %s", text.Quote(l))
				}
				inside, err := embedded(f[0], f[1], f[3], strings.FieldsFunc(f[4], func(r rune) bool { return r == '|' }), list.Known)
				if err != nil {
					return "", err
				}
				for _, c := range inside {
					modules[c.name] = c
				}
				if _, have := modules[f[0]]; have {
					continue
				}
				licence, ok := list.Known[f[0]]
				if !ok {
					if licence, err = licenceOf(f[2]); err != nil {
						return "", err
					}
				}
				modules[f[0]] = component{f[0], f[1], licence, "https://" + f[0]}
			}
		}
		table := slices.SortedFunc(maps.Values(modules), func(a, b component) int { return cmp.Compare(a.name, b.name) })
		table = append(table, component{"Go's standard library", "", "BSD-3-Clause", "https://go.dev"})
		if p.Cgo {
			for _, n := range list.Native {
				table = append(table, component{n.Name, "", n.Licence, n.Source})
			}
			missing, err := w.unlisted(list.Native)
			if err != nil {
				return "", err
			}
			wrong = append(wrong, missing...)
		}
		for _, c := range table {
			if bad := notAccepted(c.licence, list.Accepted); bad != "" {
				wrong = append(wrong, fmt.Sprintf("%s: %s has the licence %s, which %s does not accept", p.Name, c.name, text.Show(bad), licencesFile))
			}
		}
		rows += len(table)
		want := formatTable(p.Name, table)
		path := filepath.Join(w.root, p.Table)
		if w.write {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return "", err
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				return "", err
			}
			continue
		}
		have, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(have, want) {
			wrong = append(wrong, p.Table+": not what is linked in: run make licences-table")
		}
	}
	return text.Count(len(list.Programs), "program") + ", " + text.Count(rows, "component"), found("licences", wrong)
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([-.].*)?$`)

// embedded lists what a package carries in embedded files, such as libraries that
// are compiled to WebAssembly: each has its licence next to it, in LICENSE.NAME.
func embedded(module, version, dir string, files []string, known map[string]string) ([]component, error) {
	var out []component
	dirs := map[string]bool{}
	for _, f := range files {
		if d := filepath.Dir(f); d != "." && !dirs[d] {
			dirs[d] = true
			entries, err := os.ReadDir(filepath.Join(dir, d))
			if err != nil {
				return nil, unchecked("%w", err)
			}
			for _, e := range entries {
				m := licenceName.FindStringSubmatch(e.Name())
				if m == nil || len(m[2]) < 2 {
					continue
				}
				name := m[2][1:] + ", in " + module
				licence, ok := known[name]
				if !ok {
					if licence, err = recognise(filepath.Join(dir, d, e.Name())); err != nil {
						return nil, err
					}
				}
				out = append(out, component{name, version, licence, "https://" + module})
			}
		}
	}
	return out, nil
}

// licenceOf names the licence of a module by the text of its files: an SPDX
// expression, or "unknown". Every file must be recognised nearly whole.
func licenceOf(dir string) (string, error) {
	if dir == "" {
		return "", unchecked("a module is not in the module cache: run go mod download")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", unchecked("%w", err)
	}
	var ids []string
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenceName.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
			continue
		}
		licence, err := recognise(filepath.Join(dir, e.Name()))
		if err != nil || licence == unknown {
			return licence, err
		}
		ids = append(ids, strings.Split(licence, " AND ")...)
	}
	return expression(ids), nil
}

// unknown is the licence of a text that is not recognised.
const unknown = "unknown"

// recognise names the licences of a text, as an SPDX expression. It must be
// recognised nearly whole.
func recognise(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	c := licensecheck.Scan(raw)
	if c.Percent < 75 {
		return unknown, nil
	}
	var ids []string
	for _, m := range c.Match {
		if !m.IsURL {
			ids = append(ids, m.ID)
		}
	}
	return expression(ids), nil
}

func expression(ids []string) string {
	if len(ids) == 0 {
		return unknown
	}
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), " AND ")
}

// notAccepted returns the first part of an expression that is not accepted. A
// licence with an exception is accepted only as such.
func notAccepted(expression string, accepted []string) string {
	for part := range strings.SplitSeq(expression, " AND ") {
		if !slices.Contains(accepted, part) {
			return part
		}
	}
	return ""
}

// unlisted names the inputs of the lock file that no native entry explains:
// every Debian library and every model that gets into facerec.
func (w *world) unlisted(list []native) ([]string, error) {
	raw, err := os.ReadFile(filepath.Join(w.root, "inputs.lock.json"))
	if err != nil {
		return nil, err
	}
	var lock struct {
		Pins      []struct{ Use, Kind, Name string }
		Compilers []struct{ Packages []struct{ Name string } }
	}
	if err := json.Unmarshal(raw, &lock); err != nil {
		return nil, fmt.Errorf("inputs.lock.json: %w", err)
	}
	names := map[string]bool{}
	for _, p := range lock.Pins {
		if p.Use != "samples" {
			names[p.Name] = true
		}
	}
	for _, c := range lock.Compilers {
		for _, p := range c.Packages {
			if strings.HasPrefix(p.Name, "lib") { // compilers themselves are not linked in
				names[p.Name] = true
			}
		}
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		known := false
		for _, n := range list {
			re, err := regexp.Compile(`^(?:` + n.Pattern + `)$`)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", licencesFile, n.Name, err)
			}
			known = known || re.MatchString(name)
		}
		if !known {
			wrong = append(wrong, "inputs.lock.json: "+name+" is linked in and has no entry in "+licencesFile)
		}
	}
	return wrong, nil
}

func formatTable(program string, rows []component) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# What %s contains, and under which licences\n\nWritten by `make licences-table`. Licences are SPDX expressions.\n\n| component | version | licence | source |\n|---|---|---|---|\n", program)
	for _, c := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.name, c.version, c.licence, c.source)
	}
	return b.Bytes()
}
