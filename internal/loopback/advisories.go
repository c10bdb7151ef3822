package loopback

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
)

// Advisory is a known vulnerability that a database for scanners is made of. All
// times in it are in the past.
type Advisory struct {
	ID, Alias string
	Ecosystem string // Go or Debian
	Package   string
	Fixed     string   // the first version without it; empty: none
	Symbols   []string // what must be called, of a Go package
}

// advised is the time of every advisory.
const advised = "2026-11-01T00:00:00Z"

// osv is the advisory in OSV's format.
func (a Advisory) osv() ([]byte, error) {
	type object = map[string]any
	kind, events := "SEMVER", []any{object{"introduced": "0"}}
	if a.Ecosystem != "Go" {
		kind = "ECOSYSTEM"
	}
	if a.Fixed != "" {
		events = append(events, object{"fixed": a.Fixed})
	}
	affected := object{
		"package": object{"name": a.Package, "ecosystem": a.Ecosystem},
		"ranges":  []any{object{"type": kind, "events": events}},
	}
	if a.Symbols != nil {
		affected["ecosystem_specific"] = object{"imports": []any{object{"path": a.Package, "symbols": a.Symbols}}}
	}
	return json.Marshal(object{
		"schema_version": "1.3.1", "id": a.ID, "aliases": []string{a.Alias}, "modified": advised, "published": advised, "details": "planted",
		"affected": []any{affected}, "database_specific": object{"url": "https://example.com"},
	})
}

// WriteAdvisories writes databases as osv-scanner and govulncheck read them, into
// dir/osv and dir/govulncheck.
func WriteAdvisories(dir string, list ...Advisory) error {
	files := map[string][]byte{}
	archives := map[string]*bytes.Buffer{}
	writers := map[string]*zip.Writer{}
	type vuln struct {
		ID       string   `json:"id"`
		Modified string   `json:"modified"`
		Fixed    string   `json:"fixed,omitempty"`
		Aliases  []string `json:"aliases,omitempty"`
	}
	type module struct {
		Path  string `json:"path"`
		Vulns []vuln `json:"vulns"`
	}
	modules, vulns := []module{}, []vuln{}
	for _, a := range list {
		text, err := a.osv()
		if err != nil {
			return err
		}
		if writers[a.Ecosystem] == nil {
			archives[a.Ecosystem] = &bytes.Buffer{}
			writers[a.Ecosystem] = zip.NewWriter(archives[a.Ecosystem])
		}
		w, err := writers[a.Ecosystem].Create(a.ID + ".json")
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		if a.Ecosystem == "Go" {
			files["govulncheck/ID/"+a.ID+".json"] = text
			modules = append(modules, module{a.Package, []vuln{{a.ID, advised, a.Fixed, nil}}})
			vulns = append(vulns, vuln{a.ID, advised, "", []string{a.Alias}})
		}
	}
	for ecosystem, w := range writers {
		if err := w.Close(); err != nil {
			return err
		}
		files["osv/osv-scalibr/"+ecosystem+"/all.zip"] = archives[ecosystem].Bytes()
	}
	for name, v := range map[string]any{"db": map[string]string{"modified": advised}, "modules": modules, "vulns": vulns} {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		files["govulncheck/index/"+name+".json"] = text
	}
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
