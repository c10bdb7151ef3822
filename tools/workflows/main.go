// Workflows runs the workflows of this repository, as they are, with act and
// without containers, against servers on loopback:
//
//	go run ./tools/workflows [--keep] [--verbose] [--scenes PATTERN]
//
// It clones the repository, publishes the clone on a Gitea of its own, and runs
//
//	ci        for a pull request of a fork, which must pass and push nothing
//	release   for a tag that is not signed, and for one whose gates find a
//	          vulnerability, and publish without an OIDC token: no page, no image
//	          and no signature may come of them
//	release   for the signed tag, up to a page that `releaser fetch` verifies
//	reproduce that release, sign what came of it, and put that on the page and next
//	          to the images, where `releaser verify --rebuilders` counts it
//	releaser  its own release, by itself, on a page of its own
//	use       what docs/pipeline.md tells others to write: the composite action, the
//	          job for GitLab, the lines for a shell
//	reproduce a later release, whose program was not made of its tag's sources: the
//	          workflow fails, and what it signs and publishes is a no
//
// What only GitHub has is replaced here and nowhere else: the file stand-ins.go
// says what by what.
//
// Exit codes: 0 all as expected · 1 could not run · 3 something was not as expected
// · 130 interrupted. The logs are in build/workflows.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// errUnexpected is the verdict that a workflow did not do what it must.
var errUnexpected = errors.New("not as expected")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case err == nil:
		return
	case ctx.Err() != nil:
		os.Exit(130)
	}
	fmt.Fprintf(os.Stderr, "workflows: %v\n", err)
	if errors.Is(err, errUnexpected) {
		os.Exit(3)
	}
	os.Exit(1)
}

func run(ctx context.Context, args []string) (err error) {
	if os.Getenv(inside) != "" {
		fmt.Println("workflows: not run again inside a run of workflows")
		return nil
	}
	flags := flag.NewFlagSet("workflows", flag.ContinueOnError)
	keep := flags.Bool("keep", false, "keep the working directory")
	verbose := flags.Bool("verbose", false, "print what act prints")
	only := flags.String("scenes", "", "play only those whose names match `PATTERN`; the second makes the tag that later ones need")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	top, err := os.Getwd()
	if err != nil {
		return err
	}
	logs := filepath.Join(top, "build", "workflows")
	if err := errors.Join(os.RemoveAll(logs), os.MkdirAll(logs, 0o755)); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "workflows-")
	if err != nil {
		return err
	}
	if *keep {
		fmt.Println("working in", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	// Builds in it run as other users too.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	s, err := newStage(ctx, top, dir, logs, *verbose)
	if err != nil {
		return err
	}
	defer s.close()
	start := time.Now()
	for _, scene := range []struct {
		name string
		play func() error
	}{
		{"ci: a pull request of a fork", s.ci},
		{"release: a tag that nobody signed", s.unsigned},
		{"release: a gate that finds something", s.broken},
		{"release: no OIDC token", s.noToken},
		{"release: published", s.release},
		{"reproduce: the last release", s.reproduce},
		{"releaser: its own release", s.self},
		{"use: the action on GitHub", s.useAction},
		{"use: GitLab and shell", s.useShell},
		{"reproduce: a release that its sources do not make", s.other}, // the last, as it moves the version
	} {
		if !chosen.MatchString(scene.name) {
			continue
		}
		fmt.Printf("== %s\n", scene.name)
		began := time.Now()
		if err := scene.play(); err != nil {
			return fmt.Errorf("%s: %w", scene.name, err)
		}
		fmt.Printf("ok, %s\n", time.Since(began).Round(time.Second))
	}
	fmt.Printf("workflows: all as expected, %s\n", time.Since(start).Round(time.Second))
	return nil
}

// ci runs as GitHub runs it for a stranger: without secrets and without tokens.
func (s *stage) ci() error {
	if err := s.act(0, "ci", "pull_request", nil); err != nil {
		return err
	}
	for _, want := range []string{"passed", "ok           workflows", "success    cells"} {
		if err := s.logged("ci", want); err != nil {
			return err
		}
	}
	return s.untouched()
}

// unsigned also makes the tag as it must be: the scenes after it need it.
func (s *stage) unsigned() error {
	if err := s.git("tag", tag); err != nil {
		return err
	}
	if err := s.git("push", "-q", "origin", tag); err != nil {
		return err
	}
	if err := s.act(1, "release", "push", s.privileged()); err != nil {
		return err
	}
	if err := s.logged("release", "nobody signed it"); err != nil {
		return err
	}
	if err := s.untouched(); err != nil {
		return err
	}
	for _, args := range [][]string{{"tag-delete", "TAG=" + tag}, {"release", "VERSION=" + version}, {"tag-check", "TAG=" + tag}} {
		if err := s.make("y\n", nil, args...); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) broken() error {
	if err := s.plant(true); err != nil {
		return err
	}
	if err := s.act(1, "release", "push", s.privileged()); err != nil {
		return err
	}
	for _, want := range []string{"FAIL         vulns", planted.ID} {
		if err := s.logged("release", want); err != nil {
			return err
		}
	}
	return errors.Join(s.untouched(), s.plant(false))
}

// noToken calls what the job publish calls, with the cell that the run before
// has built, on a runner that gives no token.
func (s *stage) noToken() error {
	layouts, err := filepath.Glob(filepath.Join(s.artifacts, "cell-*", "*"))
	if err != nil {
		return err
	}
	if len(layouts) != 1 {
		return fmt.Errorf("expected one cell among the artifacts, got %v", layouts)
	}
	err = s.make("", s.tokens(), "release-publish", "LAYOUT="+layouts[0])
	if err == nil {
		return fmt.Errorf("%w: it was published", errUnexpected)
	}
	if !strings.Contains(err.Error(), "token") {
		return fmt.Errorf("%w: expected an error about the token, got %w", errUnexpected, err)
	}
	return s.untouched()
}

func (s *stage) release() error {
	if err := s.act(0, "release", "push", s.privileged()); err != nil {
		return err
	}
	return s.fetch(s.page+"@"+version, s.identity)
}

// reproduce rebuilds the release on the page and signs what came of it.
func (s *stage) reproduce() error {
	statement, err := s.rebuilt(0)
	if err != nil {
		return err
	}
	if err := s.logged("reproduce", "rebuilt"); err != nil {
		return err
	}
	if err := s.fetch(s.page+"@"+version, s.identity); err != nil {
		return err
	}
	return s.counted(statement, s.identity, 0)
}

// who signs what reproduce finds.
const who = "https://github.com/" + rebuilder

// rebuilt runs reproduce and gives the name of what it signed.
func (s *stage) rebuilt(code int) (string, error) {
	if err := s.act(code, "reproduce", "workflow_dispatch", append(s.signedBy(who), "secret:GITHUB_TOKEN="+s.forge.Token), "--job", "publish"); err != nil {
		return "", err
	}
	statements, err := filepath.Glob(filepath.Join(s.artifacts, "rebuild", "*.rebuild.sigstore.json"))
	if err != nil {
		return "", err
	}
	if len(statements) != 1 {
		return "", fmt.Errorf("%w: expected one statement among the artifacts, got %v", errUnexpected, statements)
	}
	return filepath.Base(statements[0]), nil
}

// other publishes, as its maintainer, a release whose program has a file more than the
// tag's sources: what a machine that builds releases can do if somebody else has it.
func (s *stage) other() error {
	const next = "1.2.4"
	file := filepath.Join(s.project, "CHANGELOG.md")
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	raw = bytes.Replace(raw, []byte("\n## "), []byte("\n## "+next+"\n\nAnother.\n\n## "), 1)
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		return err
	}
	if err := s.git("commit", "-q", "-a", "-m", "docs: another release"); err != nil {
		return err
	}
	if err := s.make("y\n", nil, "release", "VERSION="+next); err != nil {
		return err
	}
	if err := s.make("", nil, "packages", "models", "samples"); err != nil {
		return err
	}
	planted, layout := filepath.Join(s.project, "cmd", "facerec", "planted.go"), s.path("planted")
	if err := os.WriteFile(planted, []byte("package main\n\nimport \"os\"\n\nfunc init() {\n\tif len(os.Args) == 1<<20 {\n\t\tprintln(\"planted\")\n\t}\n}\n"), 0o644); err != nil {
		return err
	}
	err = s.call("", s.environment(), "bin/releaser", "build", "--out", layout)
	if err := errors.Join(err, os.Remove(planted)); err != nil {
		return err
	}
	identity, err := identityOf("config.json", next, s.configs)
	if err != nil {
		return err
	}
	if err := s.make("", append(s.tokens(), s.signedBy(identity)...), "release-publish", "LAYOUT="+layout, "DIST="+s.path("planted-dist")); err != nil {
		return err
	}
	// Nobody but a rebuilder sees it: the release is whole, and signed by who may.
	if err := s.fetch(s.page+"@"+next, identity); err != nil {
		return err
	}
	statement, err := s.rebuilt(1)
	if err != nil {
		return err
	}
	for _, want := range []string{"Error 3", "the rebuild differs or is incomplete, and that is published", lineage + "/" + platform() + ": first broken link is program: facerec differs", next + "-" + lineage + "/facerec: content differs"} {
		if err := s.logged("reproduce", want); err != nil {
			return err
		}
	}
	if err := s.fetch(s.page+"@"+next, identity); err != nil {
		return err
	}
	return s.counted(statement, identity, 3)
}

// counted has the rebuilder's statement on the fetched release required: as it lies on the
// page, and as it refers to the images.
func (s *stage) counted(statement, identity string, code int) error {
	fetched := filepath.Join(s.path("fetched"), statement)
	if _, err := os.Stat(fetched); err != nil {
		return fmt.Errorf("%w: the page has no %s: %w", errUnexpected, statement, err)
	}
	list, err := json.Marshal(map[string]any{"rebuilders": []any{map[string]any{"name": "reproduce", "keyless": map[string]string{"issuer": s.sigstore.URL(who), "san": who}}}})
	if err != nil {
		return err
	}
	file := s.path("rebuilders.json")
	if err := os.WriteFile(file, list, 0o644); err != nil {
		return err
	}
	for _, place := range []string{"page", "registry"} {
		if place == "registry" {
			if err := os.Remove(fetched); err != nil {
				return err
			}
		}
		err = s.call("", s.environment(), "bin/releaser", "verify", s.path("fetched"), "--rebuilders", file, "--require", "1",
			"--certificate-identity", identity, "--certificate-oidc-issuer", s.sigstore.URL(identity))
		if unexpected := exits(code, err); unexpected != nil {
			return fmt.Errorf("the rebuild on the %s: %w", place, unexpected)
		}
		if code != 0 && !strings.Contains(err.Error(), "other bytes: reproduce") {
			return fmt.Errorf("%w: the rebuild on the %s: expected other bytes, got %w", errUnexpected, place, err)
		}
	}
	return nil
}

// self releases releaser with what the repository itself builds.
func (s *stage) self() error {
	identity, err := identityOf("releaser.json", version, s.configs)
	if err != nil {
		return err
	}
	if err := s.git("push", "-q", s.remote(selfName), "main", tag); err != nil {
		return err
	}
	env := append(s.tokens(), s.signedBy(identity)...)
	if err := s.call("", env, "bin/releaser", "--config", "releaser.json", "release", "--out", "build/self", "--registry", s.registry.Addr, "--page", s.selfPage); err != nil {
		return err
	}
	return s.fetch(s.selfPage+"@"+version, identity)
}
