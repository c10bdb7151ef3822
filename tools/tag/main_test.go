package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// project is a repository with a remote, a key to sign with and a first commit.
type project struct {
	t        *testing.T
	dir, key string
}

func newProject(t *testing.T) *project {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("ssh-keygen is not installed (Debian package openssh-client)")
	}
	base := t.TempDir()
	for k, v := range map[string]string{"HOME": base, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": filepath.Join(base, "gitconfig"),
		"GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@example.com", "GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@example.com"} {
		t.Setenv(k, v)
	}
	p := &project{t, filepath.Join(base, "work"), filepath.Join(base, "key")}
	p.run(base, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test@example.com", "-f", p.key)
	p.run(base, "git", "init", "-q", "--bare", "remote")
	p.run(base, "git", "init", "-q", "-b", "main", "work")
	for _, c := range [][]string{{"gpg.format", "ssh"}, {"user.signingkey", p.key}} {
		p.run(p.dir, "git", "config", c[0], c[1])
	}
	p.run(p.dir, "git", "remote", "add", "origin", filepath.Join(base, "remote"))
	public, err := os.ReadFile(p.key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	p.write(signers, "test@example.com "+string(public))
	p.write("config.json", "{\n  \"project_name\": \"p\",\n  \"version\": \"1.0.0\",\n  \"build_cmd\": \"true\",\n  \"artifacts\": [{\"src\": \"a\", \"dest\": \"/app/a\"}]\n}\n")
	p.run(p.dir, "git", "add", "-A")
	p.run(p.dir, "git", "commit", "-q", "-m", "first")
	return p
}

func (p *project) write(name, content string) {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) run(dir string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// tag runs the program and wants an exit code and a part of what it says.
func (p *project) tag(stdin string, code int, want string, args ...string) {
	p.t.Helper()
	var out, complaint bytes.Buffer
	got := run(p.t.Context(), append([]string{"-C", p.dir}, args...), strings.NewReader(stdin), &out, &complaint)
	if got != code || !strings.Contains(out.String()+complaint.String(), want) {
		p.t.Errorf("tag %v: want %d with %q, got %d: %s%s", args, code, want, got, &out, &complaint)
	}
}

func TestRelease(t *testing.T) {
	p := newProject(t)
	p.tag("n\n", 1, "nothing was changed", "create", "1.1.0")
	p.tag("", 1, "nothing was changed", "create", "1.1.0")
	p.tag("y\n", 0, "pushed v1.1.0", "create", "1.1.0")
	p.tag("", 0, "v1.1.0 is signed", "check", "v1.1.0")
	p.tag("", 0, "1.1.0 (git: v1.1.0)", "version")
	p.tag("y\n", 3, "exists here", "create", "1.1.0")
	p.run(p.dir, "git", "tag", "-d", "v1.1.0")
	p.tag("y\n", 3, "exists on origin", "create", "1.1.0")
	p.run(p.dir, "git", "fetch", "-q", "--tags")
	p.write("config.json.orig", "x")
	p.tag("y\n", 3, "uncommitted", "create", "1.2.0")
	if err := os.Remove(filepath.Join(p.dir, "config.json.orig")); err != nil {
		t.Fatal(err)
	}
	other := p.key + "2"
	p.run(p.dir, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "other@example.com", "-f", other)
	p.run(p.dir, "git", "config", "user.signingkey", other)
	p.tag("y\n", 4, "No principal", "create", "1.2.0") // nobody would accept it
	p.tag("y\n", 3, "no tag", "delete", "v1.2.0")
	p.run(p.dir, "git", "rm", "-q", signers)
	p.run(p.dir, "git", "commit", "-q", "-m", "no signers")
	p.tag("y\n", 5, "RELEASING.md has the commands", "create", "1.2.0")
	p.tag("n\n", 1, "nothing was changed", "delete", "v1.1.0")
	p.tag("y\n", 0, "deleted", "delete", "v1.1.0")
	p.tag("y\n", 3, "no tag", "delete", "v1.1.0")
}

func TestCheckRefuses(t *testing.T) {
	p := newProject(t)
	for _, tag := range []string{"1.0.0", "v1.0", "vnext", "v01.0.0", "v1.0.0\n", ""} {
		p.tag("", 2, "semantic version", "check", tag)
	}
	p.tag("", 2, "MAJOR.MINOR.PATCH", "create", "1.x")
	p.tag("", 3, "no tag", "check", "v1.0.0")
	p.tag("", 3, "config.json has version 1.0.0", "check", "v1.0.1")

	p.run(p.dir, "git", "tag", "v1.0.0")
	p.tag("", 4, "not annotated", "check", "v1.0.0")
	p.run(p.dir, "git", "tag", "-f", "-a", "-m", "x", "v1.0.0")
	p.tag("", 3, "has moved", "check", "v1.0.0") // the remote does not have it
	p.run(p.dir, "git", "push", "-q", "-f", "origin", "main", "v1.0.0")
	p.tag("", 4, "no signature", "check", "v1.0.0")

	other := p.key + "2"
	p.run(p.dir, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "other@example.com", "-f", other)
	p.run(p.dir, "git", "-c", "user.signingkey="+other, "tag", "-f", "-s", "-m", "x", "v1.0.0")
	p.run(p.dir, "git", "push", "-q", "-f", "origin", "v1.0.0")
	p.tag("", 4, "No principal", "check", "v1.0.0") // signed by somebody else

	p.run(p.dir, "git", "tag", "-f", "-s", "-m", "x", "v1.0.0")
	p.tag("", 3, "has moved", "check", "v1.0.0")
	p.run(p.dir, "git", "push", "-q", "-f", "origin", "v1.0.0")
	p.tag("", 0, "is signed", "check", "v1.0.0")
	p.run(p.dir, "git", "commit", "-q", "--allow-empty", "-m", "later")
	p.tag("", 3, "checked out is", "check", "v1.0.0")
	p.run(p.dir, "git", "checkout", "-q", "v1.0.0")
	p.run(p.dir, "git", "rm", "-q", "--cached", signers)
	if err := os.Remove(filepath.Join(p.dir, signers)); err != nil {
		t.Fatal(err)
	}
	p.tag("", 5, "who may sign", "check", "v1.0.0")
	p.tag("", 5, "ls-remote", "-remote", "nowhere", "check", "v1.0.0")
}
