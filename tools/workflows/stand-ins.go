package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"facerec/internal/loopback"
	"facerec/internal/release"
)

// This file is the one place that says what stands in for GitHub:
//
//	actions/*, by commit     tools/workflows/actions/*
//	hosted runners           this machine, without containers
//	apt-get in containers    tools/workflows/bin/apt-get: what is installed is not asked for
//	the OIDC issuer          loopback.Issuer, through the variables that GitHub sets too
//	github.token, the page   a Gitea and its token
//	ghcr.io                  distribution's registry
//	Sigstore's public good   loopback.Sigstore
//	vulnerability databases  a small one that is made here
//
// and what is left out, so that a run stays within minutes: the variables of narrowed,
// and the cells and platforms that narrow takes out of config.json and releaser.json.

// What is released.
const (
	version    = "1.2.3"
	tag        = "v" + version
	repository = "facerec"
	selfName   = "releaser"
	lineage    = "dlib19"
	rebuilder  = ours + "/.github/workflows/reproduce.yml@refs/heads/main"
	ours       = "facerec/facerec" // the repository on GitHub, with the composite action
)

// inside is the variable with the repository that jobs check out. Where it is set,
// workflows are being run, and the job of ci that runs them does nothing.
const inside = "FORGE_REMOTE"

// runners are the labels of GitHub's machines that this one stands in for. act skips
// a job for any other.
var runners = []string{"ubuntu-24.04", "ubuntu-24.04-arm"}

// narrowed are variables of the Makefile that make jobs of ci look at less.
var narrowed = []string{
	"CHECKED=./internal/release",
	"NATIVE=./internal/dlib/...",
	"RACED=./internal/checksum",
	"CROSS=linux/amd64",
}

// events are what GitHub tells a workflow.
var events = map[string]any{
	"pull_request": map[string]any{
		"action": "opened", "number": 1,
		"pull_request": map[string]any{
			"number": 1,
			"head":   map[string]any{"ref": "change", "repo": map[string]any{"full_name": "stranger/facerec", "fork": true}},
			"base":   map[string]any{"ref": "main", "repo": map[string]any{"full_name": "facerec/facerec", "fork": false}},
		},
	},
	"push":              map[string]any{"ref": "refs/tags/" + tag},
	"workflow_dispatch": map[string]any{},
}

// environment is what every job finds. Of this process's own it lacks whatever
// another CI, another make or a user of releaser has put there.
func (s *stage) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.ContainsFunc([]string{"GITHUB_", "ACTIONS_", "RUNNER_", "INPUT_", "RELEASER_", "MAKE", "MFLAGS", "GIT_", "SIGSTORE_", "GITEA_"}, func(p string) bool { return strings.HasPrefix(name, p) }) ||
			slices.Contains([]string{"PATH", "CI", "CELLS", "PACKAGES", "REGISTRY", "PAGE", "TO"}, name)
	})
	return append(env,
		"PATH="+filepath.Join(s.top, "tools", "workflows", "bin")+":"+os.Getenv("PATH"),
		"CI_CONTAINER=", // no image for the jobs that want one
		"MAKEFLAGS=-- "+strings.Join(append([]string{"DATABASE=" + s.path("advisories")}, narrowed...), " "),
		inside+"="+s.remote(repository),
		"ARTIFACTS="+s.path("artifacts"),
		"GITHUB_WORKFLOW_REF="+rebuilder, // act has none; reproduce asks for it
		"REGISTRY="+s.registry.Addr,
		"PAGE="+s.page,
		"RELEASER_SIGNING_CONFIG="+s.sigstore.SigningConfig,
		"RELEASER_TRUSTED_ROOT="+s.sigstore.TrustedRoot,
		"RELEASER_CACHE="+s.path("cache"),
		// Nothing of the user's is read or changed.
		"GIT_CONFIG_GLOBAL="+s.path("gitconfig"), "GIT_CONFIG_NOSYSTEM=1",
		"DOCKER_CONFIG="+s.path("docker"),
		"XDG_CONFIG_HOME="+s.path("config"),
		"GOENV="+s.goEnv, // which is in the one that was replaced
	)
}

// tokens is the environment with the forge's token, as the job publish has it.
func (s *stage) tokens() []string {
	return append(s.environment(), "RELEASER_TOKEN="+s.forge.Token, "REGISTRY_USER="+s.forge.User, "REGISTRY_TOKEN="+s.forge.Token)
}

// privileged is what jobs get in a run of the project's own: github.token, and an
// OIDC token for who asks.
func (s *stage) privileged() []string {
	return append(s.signedBy(s.identity), "secret:GITHUB_TOKEN="+s.forge.Token)
}

// signedBy is what GitHub tells a job with the permission id-token.
func (s *stage) signedBy(identity string) []string {
	url, token := s.sigstore.Runner(identity)
	return []string{"ACTIONS_ID_TOKEN_REQUEST_URL=" + url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + token}
}

func (s *stage) remote(name string) string { return s.forge.URL + "/" + s.forge.User + "/" + name }

var usesAction = regexp.MustCompile(`(?m)^\s*(?:- )?uses: (([\w.-]+/[\w.-]+)@[0-9a-f]{40})\b`)

// standIns are act's flags for the actions of a workflow. One that nothing stands in
// for is an error.
func (s *stage) standIns(file string) ([]string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var flags []string
	for _, m := range usesAction.FindAllStringSubmatch(string(raw), -1) {
		dir := filepath.Join(s.top, "tools", "workflows", "actions", filepath.Base(m[2]))
		if m[2] == ours {
			dir = s.project
		}
		if _, err := os.Stat(filepath.Join(dir, "action.yml")); err != nil {
			return nil, fmt.Errorf("%s: nothing stands in for %s: %w", filepath.Base(file), m[2], err)
		}
		if flag := m[1] + "=" + dir; !slices.Contains(flags, flag) {
			flags = append(flags, "--local-repository", flag)
		}
	}
	return flags, nil
}

// Known vulnerabilities: one of what no program here has, and one of what facerec
// has.
var (
	harmless = loopback.Advisory{ID: "GO-2026-0001", Alias: "CVE-2026-99998", Package: "example.com/x", Fixed: "1.0.0"}
	planted  = loopback.Advisory{ID: "GO-2026-0002", Alias: "CVE-2026-99999", Package: "golang.org/x/image", Ecosystem: "Go"}
)

// plant writes the databases of vulnerabilities, with one that is found or without.
func (s *stage) plant(fault bool) error {
	var list []loopback.Advisory
	for _, ecosystem := range []string{"Go", "Debian"} {
		a := harmless
		a.Ecosystem = ecosystem
		list = append(list, a)
	}
	if fault {
		list = append(list, planted)
	}
	return loopback.WriteAdvisories(s.path("advisories"), list...)
}

// clone makes the project: this repository's history, what its working tree has
// now, and a commit with what stands in for the maintainers' own: a key that may
// sign tags, a section in CHANGELOG.md, the issuer, fewer cells.
func (s *stage) clone() error {
	s.page, s.selfPage = s.remote(repository), s.remote(selfName)
	config := s.path("gitconfig")
	key := s.path("key")
	if err := s.logging("git", s.dir, "", s.environment(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", maintainer, "-f", key); err != nil {
		return err
	}
	credentials := strings.Replace(s.forge.URL, "://", "://"+s.forge.User+":"+s.forge.Token+"@", 1)
	if err := os.WriteFile(config, fmt.Appendf(nil, gitConfig, maintainer, key, s.top, s.project, credentials, s.forge.URL), 0o600); err != nil {
		return err
	}
	if err := s.logging("git", s.dir, "", s.environment(), "git", "clone", "-q", "file://"+s.top, s.project); err != nil {
		return err
	}
	if err := s.overlay(); err != nil {
		return err
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		return err
	}
	changelog, err := os.ReadFile(filepath.Join(s.project, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	changelog = bytes.Replace(changelog, []byte("## Unreleased"), []byte("## "+version), 1)
	files := map[string][]byte{".github/allowed_signers": append([]byte(maintainer+" "), public...), "CHANGELOG.md": changelog}
	for _, name := range []string{"config.json", "releaser.json"} {
		if files[name], err = s.narrow(name); err != nil {
			return err
		}
		s.configs[name] = files[name]
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(s.project, name), data, 0o644); err != nil {
			return err
		}
	}
	if s.identity, err = identityOf("config.json", version, s.configs); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"checkout", "-q", "-B", "main"},
		{"add", "-A"},
		{"commit", "-q", "-m", "workflows: what stands in for the maintainers'"},
		{"remote", "set-url", "origin", s.remote(repository)},
	} {
		if err := s.git(args...); err != nil {
			return err
		}
	}
	for _, name := range []string{repository, selfName} {
		if _, err := s.forge.Do(s.ctx, http.MethodPost, "user/repos", map[string]any{"name": name, "default_branch": "main"}); err != nil {
			return err
		}
	}
	return s.git("push", "-q", "origin", "main")
}

// overlay copies what git tracks, or would, as it is in the working tree.
func (s *stage) overlay() error {
	out, err := exec.CommandContext(s.ctx, "git", "-C", s.top, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		from, to := filepath.Join(s.top, name), filepath.Join(s.project, name)
		fi, err := os.Lstat(from)
		if errors.Is(err, fs.ErrNotExist) {
			err = os.Remove(to)
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			if err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if !fi.Mode().IsRegular() {
			return fmt.Errorf("%s: expected a regular file", name)
		}
		raw, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := errors.Join(os.WriteFile(to, raw, 0o644), os.Chmod(to, fi.Mode().Perm()|0o600)); err != nil {
			return err
		}
	}
	return nil
}

// narrow is a configuration for one cell of this machine's platform, with the issuer
// that stands in for GitHub's.
func (s *stage) narrow(name string) ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(s.project, name))
	if err != nil {
		return nil, err
	}
	full, err := release.Parse(name, raw)
	if err != nil {
		return nil, err
	}
	var c map[string]any
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, err
	}
	c["version"] = version
	c["platforms"] = []string{platform()}
	if own, err := release.ParsePlatform(platform()); err != nil {
		return nil, err
	} else if label := full.Runner(own); label != "" {
		c["runners"] = map[string]string{platform(): label}
	}
	for _, l := range full.Lineages {
		if l.Name == lineage {
			c["lineages"] = []any{map[string]string{"name": l.Name, "suffix": l.Suffix}}
		}
	}
	c["identity"] = map[string]string{"issuer": s.sigstore.Actions, "san": full.Identity.SAN}
	narrow, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, err
	}
	parsed, err := release.Parse(name, narrow)
	if err != nil {
		return nil, err
	}
	fmt.Printf("%s: %d of %d cells\n", name, len(parsed.Cells()), len(full.Cells()))
	return append(narrow, '\n'), nil
}

// identityOf is who signs a project's release.
func identityOf(name string, v release.Version, configs map[string][]byte) (string, error) {
	c, err := release.Parse(name, configs[name])
	if err != nil {
		return "", err
	}
	return c.ExpectedIdentity(v).SAN, nil
}

const maintainer = "maintainer@example.org"

// gitConfig takes the mail address, the key, the two directories, and the forge's
// address with and without the token: pushing needs it.
const gitConfig = `[user]
	name = Maintainer
	email = %[1]s
	signingkey = %[2]s
[gpg]
	format = ssh
[safe]
	directory = %[3]s
	directory = %[3]s/.git
	directory = %[4]s
[url "%[5]s"]
	pushInsteadOf = %[6]s
[advice]
	detachedHead = false
`
