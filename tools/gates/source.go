package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"facerec/internal/text"
)

// tracked lists the repository's files that match a pattern of git's.
func (w *world) tracked(ctx context.Context, patterns ...string) ([]string, error) {
	r, err := call{dir: w.root, args: append([]string{"git", "ls-files", "--cached", "--others", "--exclude-standard", "--"}, patterns...)}.want(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range r.lines() {
		if _, err := os.Stat(filepath.Join(w.root, name)); err == nil { // not one that is about to be removed
			out = append(out, name)
		}
	}
	return out, nil
}

func formatGate(ctx context.Context, w *world) (string, error) {
	files, err := w.tracked(ctx, "*.go")
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", unchecked("no Go files in %s", w.root)
	}
	r, err := call{dir: w.root, args: append([]string{"gofmt", "-l"}, files...)}.run(ctx)
	if err != nil {
		return "", err
	}
	var wrong []string
	for _, l := range r.lines() {
		wrong = append(wrong, l+": run gofmt -w")
	}
	if r.code != 0 {
		wrong = append(wrong, "gofmt: "+r.last())
	}
	modules, err := w.tracked(ctx, "go.mod", "*/go.mod")
	if err != nil {
		return "", err
	}
	for _, m := range modules {
		r, err := call{dir: filepath.Join(w.root, filepath.Dir(m)), args: []string{"go", "mod", "tidy", "-diff"}}.run(ctx)
		switch {
		case err != nil:
			return "", err
		case r.code != 0 && onlyMoved(r.lines()):
			// -diff orders go.sum in another way than tidy itself writes it.
		case r.code != 0 && len(r.stdout) > 0:
			wrong = append(wrong, m+": run go mod tidy")
		case r.code != 0:
			return "", unchecked("%s: %s", m, r.last())
		}
	}
	return text.Count(len(files), "file") + ", " + text.Count(len(modules), "module"), found("sources are not formatted or tidy", wrong)
}

// onlyMoved reports whether a diff takes out the same lines that it puts in.
func onlyMoved(diff []string) bool {
	var in, out []string
	for _, l := range diff {
		switch {
		case strings.HasPrefix(l, "+++ "), strings.HasPrefix(l, "--- "):
		case strings.HasPrefix(l, "+"):
			in = append(in, l[1:])
		case strings.HasPrefix(l, "-"):
			out = append(out, l[1:])
		}
	}
	slices.Sort(in)
	slices.Sort(out)
	return len(in) > 0 && slices.Equal(in, out)
}

func dockerfileGate(ctx context.Context, w *world) (string, error) {
	files, err := w.tracked(ctx, "Dockerfile", "*/Dockerfile")
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", unchecked("no Dockerfile in %s", w.root)
	}
	// The linter is a module of its own: it brings BuildKit.
	linter, err := w.tool(ctx, "dockerlint")
	if err != nil {
		return "", unchecked("%w", err)
	}
	r, err := call{dir: w.root, args: append([]string{linter}, files...)}.run(ctx)
	if err != nil {
		return "", err
	}
	switch r.code {
	case 0:
		return text.Count(len(files), "file"), nil
	case 3:
		return "", found("BuildKit's linter", r.lines())
	}
	return "", unchecked("dockerlint: exit code %d: %s", r.code, r.last())
}

func workflowsGate(ctx context.Context, w *world) (string, error) {
	shellcheck, err := installed("shellcheck", "shellcheck")
	if err != nil {
		return "", err
	}
	lint, err := w.scanner(ctx, "actionlint")
	if err != nil {
		return "", err
	}
	flows, err := w.tracked(ctx, ".github/workflows/*.yml", "contrib/ci/*.yml")
	if err != nil {
		return "", err
	}
	if len(flows) == 0 {
		return "", unchecked("no workflows in %s", w.root)
	}
	scripts, err := w.scripts(ctx)
	if err != nil {
		return "", err
	}
	r, err := call{dir: w.root, args: append([]string{lint, "-no-color", "-oneline", "-shellcheck", shellcheck}, flows...)}.run(ctx)
	if err != nil {
		return "", err
	}
	if r.code > 1 {
		return "", unchecked("actionlint: exit code %d: %s", r.code, r.last())
	}
	wrong := r.lines()
	if len(scripts) > 0 {
		r, err := call{dir: w.root, args: append([]string{shellcheck, "--format=gcc"}, scripts...)}.run(ctx)
		if err != nil {
			return "", err
		}
		if r.code > 1 {
			return "", unchecked("shellcheck: exit code %d: %s", r.code, r.last())
		}
		wrong = append(wrong, r.lines()...)
	}
	return text.Count(len(flows), "workflow") + ", " + text.Count(len(scripts), "script"), found("workflows and scripts", append(wrong, w.unpinned(flows)...))
}

// scripts lists the shell scripts: by name, or by their first line.
func (w *world) scripts(ctx context.Context) ([]string, error) {
	all, err := w.tracked(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range all {
		switch filepath.Ext(name) {
		case ".sh", ".bash":
			out = append(out, name)
		case "":
			head := make([]byte, 32)
			f, err := os.Open(filepath.Join(w.root, name))
			if err != nil {
				return nil, err
			}
			n, _ := f.Read(head)
			_ = f.Close()
			first, _, _ := strings.Cut(string(head[:n]), "\n")
			if strings.HasPrefix(first, "#!") && (strings.HasSuffix(first, "sh") || strings.Contains(first, "bash")) {
				out = append(out, name)
			}
		}
	}
	return out, nil
}

// pinnedAction is how a workflow names an action: by commit, and the release
// that the commit is in a comment.
var pinnedAction = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)

// unpinned lists the actions that are not pinned by a commit's digest with the
// release in a comment. Local ones come with the commit that names them.
func (w *world) unpinned(flows []string) []string {
	var out []string
	for _, name := range flows {
		raw, err := os.ReadFile(filepath.Join(w.root, name))
		if err != nil {
			return []string{err.Error()}
		}
		n := 0
		for line := range strings.Lines(string(raw)) {
			n++
			_, uses, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "- ")), "uses: ")
			if !ok || strings.HasPrefix(uses, "./") || strings.HasPrefix(strings.TrimSpace(line), "#") {
				continue
			}
			if !pinnedAction.MatchString(uses) {
				out = append(out, name+":"+strconv.Itoa(n)+": expected OWNER/NAME@COMMIT # vVERSION, got "+text.Show(uses))
			}
		}
	}
	return out
}

func historyGate(ctx context.Context, w *world) (string, error) {
	gitleaks, err := w.scanner(ctx, "gitleaks")
	if err != nil {
		return "", err
	}
	r, err := call{dir: w.root, args: []string{"git", "rev-parse", "--is-shallow-repository"}}.run(ctx)
	if err != nil {
		return "", err
	}
	if r.code != 0 {
		return "", unchecked("git: %s", r.last())
	}
	if strings.TrimSpace(string(r.stdout)) != "false" {
		return "", unchecked("the clone is shallow: its history is incomplete")
	}
	// Only what leads to HEAD: other branches are other people's.
	return leaks(ctx, w, gitleaks, "commits", "git", w.root, "--log-opts=--full-history HEAD")
}

// Subjects of commits: git and forges cut longer ones. Commits that were on main
// before the rule was kept are left as they are: history is not rewritten.
const (
	maxSubject    = 72
	subjectsSince = "2026-11-29T00:00:00Z"
)

// subjectsGate finds commits whose subject is too long, or is not "room: what".
// Merges have git's own.
func subjectsGate(ctx context.Context, w *world) (string, error) {
	r, err := call{dir: w.root, args: []string{"git", "log", "--no-merges", "--since=" + subjectsSince, "--format=%H %s"}}.run(ctx)
	if err != nil {
		return "", unchecked("git: %w", err)
	}
	if r.code != 0 {
		return "", unchecked("git log: %s", r.last())
	}
	var wrong []string
	n := 0
	for line := range strings.Lines(string(r.stdout)) {
		hash, subject, _ := strings.Cut(strings.TrimSpace(line), " ")
		n++
		switch length := utf8.RuneCountInString(subject); {
		case length > maxSubject:
			wrong = append(wrong, fmt.Sprintf("%.7s: %d characters, expected at most %d: %s", hash, length, maxSubject, text.Show(subject)))
		case !subjectShape.MatchString(subject):
			wrong = append(wrong, fmt.Sprintf("%.7s: expected \"room: what and why\", got %s", hash, text.Quote(subject)))
		}
	}
	return text.Count(n, "commit"), found("subjects of commits", wrong)
}

var subjectShape = regexp.MustCompile(`^[a-z0-9][a-z0-9/,._ -]*: \S`)
