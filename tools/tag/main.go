// Tag makes, checks and deletes the git tag of a release.
//
//	go run ./tools/tag create VERSION   set the version, commit, tag, push
//	go run ./tools/tag check TAG        before a release is built
//	go run ./tools/tag delete TAG       here and on the remote
//	go run ./tools/tag version          what config.json and git say
//
// Create changes nothing before it has checked all: that VERSION is semantic,
// that no such tag exists here or on the remote, that nothing is uncommitted, that
// there is a list of who may sign. It asks first; --yes answers for you. The commit
// is signed off, the tag signed; one that Check would refuse is not pushed.
//
// Check wants of a tag that it is "v" and the version in config.json, that it is
// an annotated tag of the commit that is checked out, that the remote has the
// same one, and that somebody in .github/allowed_signers signed it.
//
// Exit codes: 0 done · 1 could not do it · 2 usage · 3 the tag is not the one
// that is expected · 4 it is not signed by anybody allowed · 5 the remote or the
// list of signers is missing.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"facerec/internal/release"
	"facerec/internal/text"
)

// signers is git's list of people (gpg.ssh.allowedSignersFile).
const signers = ".github/allowed_signers"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// codeError is an error with an exit code.
type codeError struct {
	code int
	error
}

func fail(code int, format string, args ...any) error {
	return codeError{code, fmt.Errorf(format, args...)}
}

// repository is a work tree and its remote.
type repository struct {
	ctx         context.Context
	dir, remote string
	out         io.Writer
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("tag", flag.ContinueOnError)
	flags.SetOutput(stderr)
	yes := flags.Bool("yes", false, "do not ask")
	dir := flags.String("C", ".", "the repository")
	remote := flags.String("remote", "origin", "the remote")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	r := &repository{ctx, *dir, *remote, stdout}
	sure := func(what string) bool {
		if *yes {
			return true
		}
		fmt.Fprintf(stderr, "%s? [y/N] ", what)
		answer, _ := bufio.NewReader(stdin).ReadString('\n')
		return strings.EqualFold(strings.TrimSpace(answer), "y")
	}
	var err error
	switch verb := flags.Arg(0); {
	case verb == "version" && flags.NArg() == 1:
		err = r.version()
	case verb == "create" && flags.NArg() == 2:
		err = r.create(flags.Arg(1), sure)
	case verb == "check" && flags.NArg() == 2:
		err = r.check(flags.Arg(1))
	case verb == "delete" && flags.NArg() == 2:
		err = r.remove(flags.Arg(1), sure)
	default:
		err = fail(2, "expected create VERSION, check TAG, delete TAG or version")
	}
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "tag: %s\n", text.Line(err.Error(), 0))
	if hint := text.Hint(err); hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	var coded codeError
	if errors.As(err, &coded) {
		return coded.code
	}
	return 1
}

// git runs it and returns what it printed.
func (r *repository) git(args ...string) (string, error) {
	cmd := exec.CommandContext(r.ctx, "git", args...)
	cmd.Dir = r.dir
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func (r *repository) config() (*release.Config, []byte, error) {
	raw, err := os.ReadFile(filepath.Join(r.dir, "config.json"))
	if err != nil {
		return nil, nil, err
	}
	c, err := release.Parse("config.json", raw)
	return c, raw, err
}

func (r *repository) version() error {
	c, _, err := r.config()
	if err != nil {
		return err
	}
	described, err := r.git("describe", "--tags", "--always", "--dirty")
	if err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s (git: %s)\n", c.Version, described)
	return nil
}

// onRemote is the object that the remote has under a tag, or "".
func (r *repository) onRemote(tag string) (string, error) {
	out, err := r.git("ls-remote", "--tags", r.remote, "refs/tags/"+tag)
	if err != nil {
		return "", codeError{5, err}
	}
	object, _, _ := strings.Cut(out, "\t")
	return object, nil
}

func (r *repository) here(tag string) bool {
	_, err := r.git("rev-parse", "--verify", "--quiet", "refs/tags/"+tag)
	return err == nil
}

var versionField = regexp.MustCompile(`(?m)^(\s*"version"\s*:\s*")[^"]*(")`)

func (r *repository) create(name string, sure func(string) bool) error {
	v, err := release.ParseVersion(strings.TrimPrefix(name, "v"))
	if err != nil {
		return codeError{2, err}
	}
	c, raw, err := r.config()
	if err != nil {
		return err
	}
	if r.here(v.Tag()) {
		return fail(3, "the tag %s exists here", v.Tag())
	}
	object, err := r.onRemote(v.Tag())
	if err != nil {
		return err
	}
	if object != "" {
		return fail(3, "the tag %s exists on %s", v.Tag(), r.remote)
	}
	dirty, err := r.git("status", "--porcelain")
	if err != nil {
		return err
	}
	if dirty != "" {
		return fail(3, "uncommitted changes: %s", dirty)
	}
	list, err := r.signers()
	if err != nil {
		return err
	}
	branch, err := r.git("symbolic-ref", "--short", "HEAD")
	if err != nil {
		return fail(3, "no branch is checked out: %w", err)
	}
	if !sure(fmt.Sprintf("Set the version to %s, commit, tag and push %s and %s to %s", v, branch, v.Tag(), r.remote)) {
		return fail(1, "not confirmed: nothing was changed")
	}
	if c.Version != v {
		if len(versionField.FindAll(raw, -1)) != 1 {
			return fail(1, "config.json: expected one line with \"version\"")
		}
		raw = versionField.ReplaceAll(raw, []byte("${1}"+string(v)+"${2}"))
		if err := os.WriteFile(filepath.Join(r.dir, "config.json"), raw, 0o644); err != nil {
			return err
		}
		if _, err := r.git("commit", "--signoff", "-m", "release "+string(v), "--", "config.json"); err != nil {
			return err
		}
	}
	if _, err := r.git("tag", "--sign", "-m", c.ProjectName+" "+string(v), v.Tag()); err != nil {
		return err
	}
	if err := r.signed(v.Tag(), list); err != nil {
		_, derr := r.git("tag", "--delete", v.Tag())
		return errors.Join(err, derr)
	}
	if _, err := r.git("push", "--atomic", r.remote, "HEAD:refs/heads/"+branch, "refs/tags/"+v.Tag()); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "pushed %s\n", v.Tag())
	return nil
}

func (r *repository) check(tag string) error {
	name, prefixed := strings.CutPrefix(tag, "v")
	v, err := release.ParseVersion(name)
	if err != nil || !prefixed {
		return fail(2, "expected a tag v and a semantic version, got %s", text.Quote(tag))
	}
	c, _, err := r.config()
	if err != nil {
		return err
	}
	if c.Version != v {
		return fail(3, "config.json has version %s, the tag says %s", c.Version, v)
	}
	object, err := r.git("rev-parse", "--verify", "refs/tags/"+tag)
	if err != nil {
		return fail(3, "no tag %s: %w", tag, err)
	}
	if kind, err := r.git("cat-file", "-t", object); err != nil || kind != "tag" {
		return fail(4, "%s is not annotated, so nobody signed it", tag)
	}
	commit, err := r.git("rev-parse", object+"^{commit}")
	if err != nil {
		return err
	}
	head, err := r.git("rev-parse", "HEAD")
	if err != nil {
		return err
	}
	if commit != head {
		return fail(3, "%s is the tag of %s, checked out is %s", tag, commit, head)
	}
	remote, err := r.onRemote(tag)
	if err != nil {
		return err
	}
	if remote != object {
		return fail(3, "%s has moved: %s has %s, here it is %s", tag, r.remote, text.Show(remote), object)
	}
	list, err := r.signers()
	if err != nil {
		return err
	}
	if err := r.signed(tag, list); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s is signed and is %s\n", tag, commit)
	return nil
}

// signers is the list of people who may sign. It is the maintainers' to write.
func (r *repository) signers() (string, error) {
	list, err := filepath.Abs(filepath.Join(r.dir, signers))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(list); err != nil {
		return "", text.WithHint(fail(5, "who may sign is not known: %w", err),
			"commit "+signers+" with a line MAIL KEYTYPE KEY for each maintainer; RELEASING.md has the commands")
	}
	return list, nil
}

func (r *repository) signed(tag, list string) error {
	if _, err := r.git("-c", "gpg.format=ssh", "-c", "gpg.ssh.allowedSignersFile="+list, "verify-tag", tag); err != nil {
		return codeError{4, err}
	}
	return nil
}

func (r *repository) remove(tag string, sure func(string) bool) error {
	object, err := r.onRemote(tag)
	if err != nil {
		return err
	}
	here := r.here(tag)
	if object == "" && !here {
		return fail(3, "no tag %s here or on %s", text.Show(tag), r.remote)
	}
	if !sure(fmt.Sprintf("Delete %s here and on %s (a published release becomes a draft)", text.Show(tag), r.remote)) {
		return fail(1, "not confirmed: nothing was changed")
	}
	if object != "" {
		if _, err := r.git("push", r.remote, ":refs/tags/"+tag); err != nil {
			return err
		}
	}
	if here {
		if _, err := r.git("tag", "--delete", tag); err != nil {
			return err
		}
	}
	fmt.Fprintf(r.out, "deleted %s\n", text.Show(tag))
	return nil
}
