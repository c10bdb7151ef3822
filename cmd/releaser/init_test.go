package main

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestParseRemote(t *testing.T) {
	for remote, want := range map[string]string{
		"git@github.com:Owner/Name.git":                 "github.com Owner/Name",
		"github.com:o/n":                                "github.com o/n",
		"https://github.com/o/n":                        "github.com o/n",
		"https://user:secret@GitHub.com/o/n.git/":       "github.com o/n",
		"ssh://git@git.example.org:2222/o/n.git":        "git.example.org o/n",
		"http://127.0.0.1:3000/o/n.git":                 "127.0.0.1:3000 o/n",
		"git://example.org/o/n":                         "example.org o/n",
		"/srv/git/n.git":                                " ",
		"../n":                                          " ",
		"file:///srv/git/n.git":                         " ",
		"https://example.org/n.git":                     "error",
		"https://example.org/a/b/c.git":                 "error",
		"git@example.org:o/n;touch x":                   "error",
		"https://example.org/o/${{ github.token }}":     "error",
		"https://example.org/o/n\n      - run: evil":    " ",
		"git@exam\u202eple.org:o/n":                     "error",
		"https://user:secret@example.org/not-a-project": "error",
	} {
		host, repo, err := parseRemote(remote)
		got := host + " " + repo
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: expected %q, got %q (%v)", remote, want, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v has the password", remote, err)
		}
	}
}

// TestInitNames makes configurations for names that projects have.
func TestInitNames(t *testing.T) {
	for _, c := range []struct {
		p  project
		ok bool
	}{
		{project{name: "tool", pkg: "."}, true},
		{project{name: "Tool.go", pkg: "./cmd/x", host: "github.com", repo: "O/Tool.go"}, true},
		{project{name: "it's", pkg: "./cmd/it's"}, false},
		{project{name: "-x", pkg: "."}, false},
		{project{name: "tool", pkg: "./cmd/a b"}, true},
	} {
		_, err := c.p.configuration()
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.p, err)
		}
		var doc struct {
			Jobs map[string]struct {
				Steps []map[string]any `yaml:"steps"`
			} `yaml:"jobs"`
		}
		if err := yaml.Unmarshal([]byte(c.p.workflow()), &doc); err != nil || len(doc.Jobs["release"].Steps) < 5 {
			t.Errorf("%+v: the workflow has the steps %v, %v", c.p, doc.Jobs["release"].Steps, err)
		}
		for _, line := range strings.Split(c.p.workflow(), "\n") {
			if strings.Contains(line, "uses:") && !strings.Contains(line, " # v") {
				t.Errorf("an action without a version: %s", line)
			}
		}
	}
}
