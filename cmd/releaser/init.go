package main

import (
	"context"
	"errors"
	"go/build"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
	"facerec/internal/text"
)

// schemaURL is where editors find what config.json can have.
const schemaURL = "https://raw.githubusercontent.com/facerec/facerec/main/config.schema.json"

const githubIssuer = "https://token.actions.githubusercontent.com"

// workflowFile is where GitHub, Gitea and Forgejo look for workflows.
const workflowFile = ".github/workflows/release.yml"

type initAnswer struct {
	Schema string   `json:"schema"`
	Files  []string `json:"files"`
	Next   []string `json:"next"`
}

func (a *app) initVerb() *cobra.Command {
	var remote, pkg string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write config.json and a release workflow for a Go project",
		Long: `Write config.json and ` + workflowFile + ` for the Go project in this
directory, and print the next three commands. The program is the main package in
the directory itself or below cmd/; the page, the image and the identity that signs
come from the git remote origin. No file is ever replaced.

A project on GitHub signs keyless. Elsewhere, the workflow signs with the key in the
secret RELEASER_KEY. Without a remote, only config.json is written, without page and
identity.`,
		Example: `  releaser init
  releaser init --package ./cmd/tool`,
		RunE: func(*cobra.Command, []string) error {
			p, err := findProject(filepath.Dir(a.configFile), remote, pkg)
			if err != nil {
				return err
			}
			return a.initialize(p)
		},
	}
	cmd.Flags().StringVar(&remote, "remote", "", "`URL` of the repository (default: git remote origin)")
	cmd.Flags().StringVar(&pkg, "package", "", "directory of the main `PACKAGE`, such as ./cmd/tool (default: the only one)")
	return cmd
}

// project is what init finds out.
type project struct {
	dir  string
	name string
	pkg  string // ./cmd/tool
	host string // of the remote; empty without one
	repo string // OWNER/NAME
	docs []string
}

func (p project) github() bool { return p.host == "github.com" }

func (p project) page() string {
	if p.host == "" {
		return ""
	}
	return "https://" + p.host + "/" + p.repo
}

// image is the repository of the images.
func (p project) image() string {
	switch {
	case p.github():
		return "ghcr.io/" + strings.ToLower(p.repo)
	case p.host != "":
		return p.host + "/" + strings.ToLower(p.repo)
	}
	return strings.ToLower(p.name)
}

// moduleLine is the module directive of go.mod.
var moduleLine = text.Pattern(`(?m)^module[ \t]+"?([^\s"]+)"?`)

var majorSuffix = text.Pattern(`/v[0-9]+$`)

func findProject(dir, remote, pkg string) (project, error) {
	p := project{dir: dir}
	raw, err := atomicfile.ReadFile(filepath.Join(dir, "go.mod"), maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return p, text.WithHint(usage("go.mod not found: init is for Go projects"), "run it in the directory that has go.mod, or write config.json by hand: %s", schemaURL)
	}
	if err != nil {
		return p, err
	}
	m := moduleLine().FindSubmatch(raw)
	if m == nil {
		return p, usage("%s: expected a line 'module PATH'", filepath.Join(dir, "go.mod"))
	}
	module := majorSuffix().ReplaceAllString(string(m[1]), "")
	if remote == "" {
		if configured, err := git(context.Background(), dir, "config", "--get", "remote.origin.url"); err == nil {
			remote = strings.TrimSpace(configured)
		}
	}
	if remote != "" {
		if p.host, p.repo, err = parseRemote(remote); err != nil {
			return p, err
		}
	}
	p.name = path.Base(module)
	if p.repo != "" {
		p.name = path.Base(p.repo)
	}
	if p.pkg, err = mainPackage(dir, pkg, p.name); err != nil {
		return p, err
	}
	for _, doc := range []string{"LICENSE", "README.md"} {
		if fi, err := os.Stat(filepath.Join(dir, doc)); err == nil && fi.Mode().IsRegular() {
			p.docs = append(p.docs, doc)
		}
	}
	return p, nil
}

// scpRemote is git's short form of an SSH address: USER@HOST:PATH.
var scpRemote = text.Pattern(`^(?:[^@/:]+@)?([^/:@]+):([^/].*)$`)

// parseRemote reads HOST and OWNER/NAME of a git remote. A user and a password in
// it are left out. A path on this machine has neither.
func parseRemote(remote string) (host, repo string, err error) {
	if u, err := url.Parse(remote); err == nil && u.Host != "" {
		host, repo = u.Host, u.Path
		if u.Scheme == "ssh" || u.Scheme == "git" {
			host = u.Hostname()
		}
	} else if m := scpRemote().FindStringSubmatch(remote); m != nil {
		host, repo = m[1], m[2]
	} else {
		return "", "", nil
	}
	repo = strings.TrimSuffix(strings.Trim(repo, "/"), ".git")
	if !regexp.MustCompile(`^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$`).MatchString(repo) || !regexp.MustCompile(`^[A-Za-z0-9.:-]+$`).MatchString(host) {
		return "", "", text.WithHint(usage("git remote: expected HOST/OWNER/NAME, got %s", text.Show(host+"/"+repo)), "name the repository with --remote")
	}
	return strings.ToLower(host), repo, nil
}

// mainPackage finds the main package of the program: the one that was named, the
// directory itself, or one below cmd/.
func mainPackage(dir, named, name string) (string, error) {
	isMain := func(rel string) bool {
		p, err := build.ImportDir(filepath.Join(dir, rel), 0)
		return err == nil && p.IsCommand()
	}
	if named != "" {
		rel := path.Clean(filepath.ToSlash(named))
		if path.IsAbs(rel) || rel == ".." || strings.HasPrefix(rel, "../") || !isMain(rel) {
			return "", usage("--package %s: expected a directory with a main package, below go.mod", text.Show(named))
		}
		return dotted(rel), nil
	}
	if isMain(".") {
		return ".", nil
	}
	var found []string
	entries, _ := os.ReadDir(filepath.Join(dir, "cmd")) // without it there is nothing to find
	for _, e := range entries {
		if rel := "cmd/" + e.Name(); e.IsDir() && isMain(rel) {
			if e.Name() == name {
				return dotted(rel), nil
			}
			found = append(found, dotted(rel))
		}
	}
	switch len(found) {
	case 0:
		return "", text.WithHint(usage("no main package found in . or below cmd/"), "name it with --package")
	case 1:
		return found[0], nil
	}
	return "", text.WithHint(usage("%s: %s", text.Count(len(found), "main package"), text.List(found, 12)), "name one with --package")
}

func dotted(rel string) string {
	if rel == "." {
		return rel
	}
	return "./" + rel
}

// The parts of config.json that init writes, in the order of the file.
type (
	initConfig struct {
		Schema      string        `json:"$schema"`
		Project     string        `json:"project_name"`
		BuildCmd    string        `json:"build_cmd"`
		Artifacts   []initItem    `json:"artifacts"`
		ExternData  []initItem    `json:"extern_data,omitempty"`
		Platforms   []string      `json:"platforms"`
		Image       initImage     `json:"image"`
		Asset       string        `json:"asset"`
		Identity    *initIdentity `json:"identity,omitempty"`
		Page        string        `json:"page,omitempty"`
		RollingTags []string      `json:"rolling_tags"`
	}
	initItem struct {
		Src  string `json:"src"`
		Dest string `json:"dest"`
	}
	initImage struct {
		Repository string   `json:"repository"`
		Entrypoint []string `json:"entrypoint"`
	}
	initIdentity struct {
		Issuer string `json:"issuer"`
		SAN    string `json:"san"`
	}
)

// configuration is the config.json of the project.
func (p project) configuration() ([]byte, error) {
	program := p.name
	if p.pkg != "." {
		program = path.Base(p.pkg)
	}
	c := initConfig{
		Schema: schemaURL, Project: p.name,
		BuildCmd: `CGO_ENABLED=0 GOOS="$RELEASER_OS" GOARCH="$RELEASER_ARCH" GOARM="${RELEASER_VARIANT#v}" ` +
			`go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$RELEASER_VERSION" ` +
			`-o "build/$RELEASER_PLATFORM/` + program + `" ` + shellWord(p.pkg),
		Artifacts:   []initItem{{"build/{platform}/" + program, "/app/" + program}},
		Platforms:   []string{"linux/amd64", "linux/arm64"},
		Image:       initImage{p.image(), []string{"/app/" + program}},
		Asset:       p.name + "_{version}_{os}_{arch}{suffix}.tar.gz",
		Page:        p.page(),
		RollingTags: []string{"{major}.{minor}", "{major}", "latest"},
	}
	for _, doc := range p.docs {
		c.ExternData = append(c.ExternData, initItem{doc, "/app/" + doc})
	}
	if p.github() {
		c.Identity = &initIdentity{githubIssuer, p.page() + "/" + workflowFile + "@refs/tags/{tag}"}
	}
	raw, err := text.JSON(c)
	if err != nil {
		return nil, err
	}
	if _, err := release.Parse("config.json", raw); err != nil {
		return nil, text.WithHint(err, "init cannot name this project: write config.json by hand: %s", schemaURL)
	}
	return raw, nil
}

func (a *app) initialize(p project) error {
	config, err := p.configuration()
	if err != nil {
		return err
	}
	type file struct {
		path string
		data []byte
	}
	files := []file{{a.configFile, config}}
	if p.host != "" {
		files = append(files, file{filepath.Join(p.dir, workflowFile), []byte(p.workflow())})
	}
	answer := initAnswer{Schema: "releaser.init/v1"}
	for _, f := range files {
		if exists(f.path) {
			return text.WithHint(usage("%s exists already, and is not replaced", f.path), "nothing was written; remove it first to start over")
		}
	}
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
			return err
		}
		if err := atomicfile.WriteNewBytes(f.path, 0o644, f.data); err != nil {
			return err
		}
		answer.Files = append(answer.Files, f.path)
	}
	if p.host == "" {
		a.note("init: no git remote: no workflow was written, and config.json has no page and no identity")
	}
	answer.Next = p.next()
	if a.json {
		return a.answer(answer)
	}
	for _, f := range answer.Files {
		a.say("%s  written", f)
	}
	a.say("Next:")
	for _, n := range answer.Next {
		a.say("  %s", n)
	}
	return nil
}

// next lists the three commands that follow.
func (p project) next() []string {
	switch {
	case p.github():
		return []string{
			"git add config.json " + workflowFile + " && git commit -m 'release with releaser'",
			"releaser build",
			"git tag v0.1.0 && git push origin HEAD v0.1.0   # needs a section 0.1.0 in CHANGELOG.md",
		}
	case p.host != "":
		return []string{
			"releaser keygen release   # release.key becomes the secret RELEASER_KEY; do not commit it",
			"git add config.json release.pub " + workflowFile + " && git commit -m 'release with releaser' && releaser build",
			"git tag v0.1.0 && git push origin HEAD v0.1.0   # needs a section 0.1.0 in CHANGELOG.md",
		}
	}
	return []string{
		"releaser build --version 0.1.0 && releaser pack --version 0.1.0 --image oci-layout:build/oci",
		"releaser keygen release && releaser sign dist --key release.key",
		"releaser verify dist --image oci-layout:build/oci --key release.pub --unsafe-no-transparency-log",
	}
}

// workflow is the release workflow.
func (p project) workflow() string {
	command, env := "releaser release", ""
	prepare := "      - run: releaser trust update # the Sigstore services\n"
	oidc := "      id-token: write # keyless signatures\n"
	if !p.github() {
		command = `(umask 077 && printf '%s\n' "$KEY" >"$RUNNER_TEMP/release.key") && releaser release --key "$RUNNER_TEMP/release.key"`
		env = "          KEY: ${{ secrets.RELEASER_KEY }}\n"
		prepare, oidc = "", ""
	}
	host, _, _ := strings.Cut(p.image(), "/")
	return strings.NewReplacer("@REF@", ownRevision(), "@HOST@", host, "@OIDC@", oidc,
		"@PREPARE@", prepare, "@RELEASE@", command, "@KEY@", env).Replace(workflowText)
}

// ownRevision is the commit that this program was built from, or else the tag of its
// version, so that a workflow builds the same one.
func ownRevision() string {
	revision, modified := "", true
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				revision = s.Value
			case "vcs.modified":
				modified = s.Value == "true"
			}
		}
	}
	if revision != "" && !modified {
		return revision
	}
	return "v" + strings.TrimSuffix(version, "-dev")
}

const workflowText = `# A tag v1.2.3 becomes a published, verified release. Written by 'releaser init';
# config.json says what is built. Run a failed job again: each step goes by what is
# done already.
name: release
on:
  push:
    tags: ["v*"]
permissions:
  contents: read
concurrency:
  group: release-${{ github.ref }}
  cancel-in-progress: false

jobs:
  release:
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    permissions:
      contents: write # the release page
      packages: write # the images
@OIDC@    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
          fetch-depth: 0
      - uses: actions/setup-go@b7ad1dad31e06c5925ef5d2fc7ad053ef454303e # v7.0.0
        with:
          go-version-file: go.mod
          cache: false # nothing that a pull request could have written
      - name: Build releaser
        run: |
          git clone -q https://github.com/facerec/facerec "$RUNNER_TEMP/releaser"
          git -C "$RUNNER_TEMP/releaser" checkout -q @REF@
          (cd "$RUNNER_TEMP/releaser" && go build -o bin/ ./cmd/releaser)
          echo "$RUNNER_TEMP/releaser/bin" >>"$GITHUB_PATH"
@PREPARE@      - run: printf '%s' "$TOKEN" | docker login @HOST@ --username "$USER_NAME" --password-stdin
        env:
          TOKEN: ${{ github.token }}
          USER_NAME: ${{ github.actor }}
      - run: @RELEASE@
        env:
          RELEASER_TOKEN: ${{ github.token }}
@KEY@`
