package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// pipeline is the document whose examples are run.
const pipeline = "docs/pipeline.md"

// example is the indented block that follows a line with nothing but "HEAD:".
func example(document, head string) (string, error) {
	var out strings.Builder
	found := false
	for line := range strings.Lines(document) {
		switch {
		case !found:
			found = strings.TrimSpace(line) == head+":"
		case strings.HasPrefix(line, "    "):
			out.WriteString(line[4:])
		case strings.TrimSpace(line) == "":
			out.WriteString("\n")
		default:
			return check(out.String(), head)
		}
	}
	return check(out.String(), head)
}

func check(block, head string) (string, error) {
	if strings.TrimSpace(block) == "" {
		return "", fmt.Errorf("%s: no example follows the line %q", pipeline, head+":")
	}
	return strings.TrimSpace(block) + "\n", nil
}

// filled is an example with what a reader puts in. Every word must be there, so
// that an example which says something else is noticed.
func filled(block string, words ...string) (string, error) {
	for i := 0; i < len(words); i += 2 {
		if !strings.Contains(block, words[i]) {
			return "", fmt.Errorf("%s: expected %s in:\n%s", pipeline, words[i], block)
		}
	}
	return strings.NewReplacer(words...).Replace(block), nil
}

// example is one of the document's, and the digest to put into it.
func (s *stage) example(head string) (block, sha256 string, err error) {
	raw, err := os.ReadFile(filepath.Join(s.project, pipeline))
	if err != nil {
		return "", "", err
	}
	if block, err = example(string(raw), head); err != nil {
		return "", "", err
	}
	sha256, err = s.asset(fmt.Sprintf("%s_%s_%s.tar.gz", selfName, version, strings.ReplaceAll(platform(), "/", "_")))
	return block, sha256, err
}

// Pages and identities as the document has them.
const (
	docPage     = "https://github.com/OWNER/NAME@1.2.3"
	docIdentity = "https://github.com/OWNER/NAME/.github/workflows/release.yml@refs/tags/v1.2.3"
	docSelf     = "https://github.com/facerec/releaser"
)

// useAction runs the step of the document as a job of a workflow, then one with
// another digest, which must fail.
func (s *stage) useAction() error {
	step, sha256, err := s.example("GitHub")
	if err != nil {
		return err
	}
	head, err := exec.CommandContext(s.ctx, "git", "-C", s.project, "rev-parse", "HEAD").Output()
	if err != nil {
		return err
	}
	for digest, code := range map[string]int{sha256: 0, strings.Repeat("0", 64): 1} {
		step, err := filled(step, "COMMIT", strings.TrimSpace(string(head)), "VERSION", version, "SHA256", digest,
			docIdentity, s.identity, docPage, s.page+"@"+version)
		if err != nil {
			return err
		}
		// Two inputs have defaults that are GitHub's.
		step += fmt.Sprintf("    certificate-oidc-issuer: %s\n    releaser-page: %s\n", s.sigstore.URL(s.identity), s.selfPage)
		flow := "on: workflow_dispatch\njobs:\n  use:\n    runs-on: ubuntu-24.04\n    steps:\n      " +
			strings.ReplaceAll(step, "\n", "\n      ") + "\n      - run: releaser verify release --certificate-identity '" + s.identity +
			"' --certificate-oidc-issuer '" + s.sigstore.URL(s.identity) + "'\n"
		file := s.path("use.yml")
		if err := os.WriteFile(file, []byte(flow), 0o644); err != nil {
			return err
		}
		if err := s.actOn(code, "use", file, "workflow_dispatch", nil); err != nil {
			return err
		}
	}
	return s.logged("use", "expected sha256 "+strings.Repeat("0", 64))
}

// useShell runs the other two, each in an empty directory with a copy of install.sh.
func (s *stage) useShell() error {
	for _, head := range []string{"GitLab", "Shell"} {
		block, sha256, err := s.example(head)
		if err != nil {
			return err
		}
		if block, err = filled(block, "VERSION", version, "SHA256", sha256, docPage, s.page+"@"+version, docSelf, s.selfPage,
			"IDENTITY", "'"+s.identity+"'", "ISSUER", "'"+s.sigstore.URL(s.identity)+"'"); err != nil {
			return err
		}
		if head == "GitLab" {
			var job struct {
				Verify struct{ Script []string }
			}
			if err := yaml.Unmarshal([]byte(block), &job); err != nil {
				return fmt.Errorf("%s: %w", pipeline, err)
			}
			block = strings.Join(job.Verify.Script, "\n")
		}
		dir := s.path("use-" + head)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		installer, err := os.ReadFile(filepath.Join(s.project, "tools", "install", "install.sh"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "install.sh"), installer, 0o755); err != nil {
			return err
		}
		if err := s.logging("use", dir, "", append(s.environment(), "RUNNER_TEMP="+dir), "bash", "-e", "-c", block); err != nil {
			return failing(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "release", "checksums.txt")); err != nil {
			return errors.Join(errUnexpected, err)
		}
	}
	return nil
}
