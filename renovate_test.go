package house

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRenovateFindsPins checks the patterns of renovate.json against the files that
// have the pins: one that matches nothing would never be noticed.
func TestRenovateFindsPins(t *testing.T) {
	raw, err := os.ReadFile("renovate.json")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		EnabledManagers []string
		CustomManagers  []struct {
			ManagerFilePatterns, MatchStrings []string
		}
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(config.EnabledManagers, " "); all != "gomod dockerfile github-actions custom.regex" {
		t.Errorf("managers: %s", all)
	}
	// What pins look like, however they are found.
	pins := []*regexp.Regexp{
		regexp.MustCompile(`(?m)\$\(GO\) run [^ \n]+@v[0-9]`),
		regexp.MustCompile(`(?m)\bpkg: +"[^"]+", version: +"v[0-9]`),
	}
	found, want := 0, 0
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || unquoted.MatchString(path+"/")) {
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		ext := filepath.Ext(path)
		if d.IsDir() || ext != "" && ext != ".mk" && ext != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, p := range pins {
			want += len(p.FindAll(text, -1))
		}
		for _, m := range config.CustomManagers {
			for _, files := range m.ManagerFilePatterns {
				if !regexp.MustCompile(strings.Trim(files, "/")).MatchString(filepath.ToSlash(path)) {
					continue
				}
				for _, s := range m.MatchStrings {
					found += len(regexp.MustCompile(s).FindAll(text, -1))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Gitea's module path is a constant, so that its pin is not among those wanted.
	if found != want || found < 10 {
		t.Errorf("renovate.json finds %d pins, expected %d", found, want)
	}
}
