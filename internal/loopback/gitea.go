package loopback

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// giteaModule is built as the main package of a module of its own, because its
// go.mod has replace directives, which "go install" refuses.
const giteaModule = "code.gitea.io/gitea"

// giteaStatic are the directories of the module that the program reads when it
// runs. They are kept next to it, as the module cache may be emptied.
var giteaStatic = []string{"options", "public", "templates"}

// buildGitea builds the program and copies what it reads into dir.
func buildGitea(ctx context.Context, goTool, version, tmp, dir string) (string, error) {
	module, err := download(ctx, goTool, tmp, giteaModule+"@"+version)
	if err != nil {
		return "", err
	}
	mod, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return "", err
	}
	// The same requirements and replacements, under another name, plus itself.
	mod = regexp.MustCompile(`(?m)^module .*$`).ReplaceAll(mod, []byte("module loopback"))
	mod = regexp.MustCompile(`(?m)^tool .*$`).ReplaceAll(mod, nil)
	mod = append(mod, "\nrequire "+giteaModule+" "+version+"\n"...)
	sum, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return "", err
	}
	for name, data := range map[string][]byte{"go.mod": mod, "go.sum": sum} {
		if err := os.WriteFile(filepath.Join(tmp, name), data, 0o644); err != nil {
			return "", err
		}
	}
	program := filepath.Join(tmp, "gitea")
	cmd := exec.CommandContext(ctx, goTool, "build", "-mod=mod", "-trimpath", "-buildvcs=false", "-tags", "sqlite sqlite_unlock_notify timetzdata",
		"-ldflags", "-s -w -X main.Version="+strings.TrimPrefix(version, "v"), "-o", program, giteaModule)
	cmd.Dir = tmp
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=", "GOWORK=off", "GO111MODULE=on", "GOOS=", "GOARCH=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s@%s: %w: %s", giteaModule, version, err, tail(string(out), 3))
	}
	for _, name := range giteaStatic {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return "", err
		}
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(module, name))); err != nil {
			return "", err
		}
	}
	return program, nil
}

// download gets a module and returns its directory.
func download(ctx context.Context, goTool, dir, module string) (string, error) {
	cmd := exec.CommandContext(ctx, goTool, "mod", "download", "-json", module)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GO111MODULE=on")
	out, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if jerr := json.Unmarshal(out, &answer); err != nil || jerr != nil || answer.Dir == "" {
		return "", fmt.Errorf("go mod download %s: %s", module, tail(errors.Join(err, jerr, errors.New(answer.Error)).Error(), 3))
	}
	return answer.Dir, nil
}

// Gitea is a running forge with one user, who may do everything.
type Gitea struct {
	URL   string // http://127.0.0.1:PORT
	User  string
	Token string // of the user

	child *child
}

// giteaAccount is who runs Gitea when the test runs as root, whom it refuses.
const giteaAccount = "65534"

// NewGitea starts Gitea with its state in a temporary directory, which Close
// removes. It needs git, and as root setpriv (Debian package util-linux).
func NewGitea(ctx context.Context) (*Gitea, error) {
	return NewGiteaBehind(ctx, func(addr string) (string, error) { return addr, nil })
}

// NewGiteaBehind is NewGitea for a server that everybody reaches through another
// address: front is given the server's HOST:PORT and returns the one to use, which
// the server then names in its answers.
func NewGiteaBehind(ctx context.Context, front func(addr string) (string, error)) (*Gitea, error) {
	program, err := Tool(ctx, "gitea")
	if err != nil {
		return nil, err
	}
	// Another account must get to it: a test's own directory is private.
	home, err := os.MkdirTemp("", "gitea-")
	if err != nil {
		return nil, err
	}
	g := &Gitea{User: "maintainer"}
	if err := g.start(ctx, program, home, front); err != nil {
		return nil, errors.Join(err, os.RemoveAll(home))
	}
	stop := g.child.Close
	g.child.onClose = func() { _ = os.RemoveAll(home) }
	if err := g.signUp(ctx, program, home); err != nil {
		stop()
		return nil, err
	}
	return g, nil
}

// Close stops the server and removes its state.
func (g *Gitea) Close() { g.child.Close() }

func (g *Gitea) start(ctx context.Context, program, home string, front func(string) (string, error)) error {
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return err
	}
	// The tool cache may be below a private home directory too.
	copied := filepath.Join(home, "gitea")
	if err := linkOrCopy(program, copied, 0o755); err != nil {
		return err
	}
	for _, name := range giteaStatic {
		if err := os.CopyFS(filepath.Join(home, "static", name), os.DirFS(filepath.Join(filepath.Dir(program), name))); err != nil {
			return err
		}
	}
	url := ""
	c, _, err := startOnPorts(ctx, 1, func(ports []int) (*child, error) {
		addr, err := front(strings.TrimPrefix(loopbackURL(ports[0]), "http://"))
		if err != nil {
			return nil, err
		}
		url = "http://" + addr
		account := "nobody"
		if os.Getuid() != 0 {
			account = os.Getenv("USER")
		}
		text := fmt.Sprintf(giteaConfig, account, home, hex.EncodeToString(secret[:]), ports[0], url)
		if err := os.WriteFile(filepath.Join(home, "app.ini"), []byte(text), 0o644); err != nil {
			return nil, err
		}
		if err := giveAway(home); err != nil {
			return nil, err
		}
		name, args := asAccount(copied, "web", "--config", filepath.Join(home, "app.ini"), "--work-path", home)
		return start(ctx, home, "gitea", answers(loopbackURL(ports[0])+"/api/v1/version"), name, args...)
	})
	if err != nil {
		return err
	}
	g.child, g.URL = c, url
	return nil
}

// signUp makes the user and a token.
func (g *Gitea) signUp(ctx context.Context, program, home string) error {
	copied := filepath.Join(home, filepath.Base(program))
	for _, args := range [][]string{
		{"admin", "user", "create", "--username", g.User, "--random-password", "--email", g.User + "@example.org", "--admin", "--must-change-password=false"},
		{"admin", "user", "generate-access-token", "--username", g.User, "--token-name", "test", "--scopes", "all", "--raw"},
	} {
		name, all := asAccount(copied, append([]string{"--config", filepath.Join(home, "app.ini"), "--work-path", home}, args...)...)
		cmd := exec.CommandContext(ctx, name, all...)
		cmd.Dir = home
		out, err := cmd.Output()
		if err != nil {
			var ee *exec.ExitError
			if errors.As(err, &ee) {
				out = append(out, ee.Stderr...)
			}
			return fmt.Errorf("gitea %s: %w: %s", strings.Join(args[:3], " "), err, tail(string(out), 3))
		}
		lines := strings.Fields(string(out))
		if len(lines) > 0 {
			g.Token = lines[len(lines)-1]
		}
	}
	return nil
}

// asAccount runs a program as nobody if this is root, and without the caller's settings
// of git, which Gitea would write to.
func asAccount(program string, args ...string) (string, []string) {
	all := []string{"-u", "GIT_CONFIG_GLOBAL"}
	if os.Getuid() == 0 {
		all = append(all, "setpriv", "--reuid="+giteaAccount, "--regid="+giteaAccount, "--clear-groups")
	}
	return "env", slices.Concat(all, []string{program}, args)
}

// giveAway makes a directory the account's own.
func giveAway(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	if out, err := exec.Command("chown", "-R", giteaAccount+":"+giteaAccount, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("chown: %w: %s", err, tail(string(out), 3))
	}
	return nil
}

func linkOrCopy(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Do makes an API request as the user, such as POST user/repos with a JSON body,
// and returns the answer's JSON. Any answer but 2xx is an error.
func (g *Gitea) Do(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, g.URL+"/api/v1/"+path, &b)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "token "+g.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, tail(string(raw), 3))
	}
	return raw, nil
}

// Repository makes a repository with one commit on main and returns its page
// and that commit.
func (g *Gitea) Repository(ctx context.Context, name string) (page, commit string, err error) {
	_, err = g.Do(ctx, http.MethodPost, "user/repos", map[string]any{"name": name, "auto_init": true, "default_branch": "main"})
	if err != nil {
		return "", "", err
	}
	raw, err := g.Do(ctx, http.MethodGet, "repos/"+g.User+"/"+name+"/branches/main", nil)
	if err != nil {
		return "", "", err
	}
	var branch struct {
		Commit struct{ ID string }
	}
	if err := json.Unmarshal(raw, &branch); err != nil {
		return "", "", err
	}
	return g.URL + "/" + g.User + "/" + name, branch.Commit.ID, nil
}

// Tag makes a git tag at the head of main, or of what target names.
func (g *Gitea) Tag(ctx context.Context, repository, tag, target string) error {
	_, err := g.Do(ctx, http.MethodPost, "repos/"+g.User+"/"+repository+"/tags", map[string]any{"tag_name": tag, "target": target})
	return err
}

// DeleteTag deletes a git tag by pushing, which is how a tag that has a release
// can be deleted.
func (g *Gitea) DeleteTag(ctx context.Context, repository, tag string) error {
	dir, err := os.MkdirTemp("", "gitea-push-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	remote := strings.Replace(g.URL, "://", "://"+g.User+":"+g.Token+"@", 1) + "/" + g.User + "/" + repository
	for _, args := range [][]string{{"init", "-q"}, {"push", "-q", remote, ":refs/tags/" + tag}} {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, tail(string(out), 3))
		}
	}
	return nil
}

// giteaConfig takes the account, the directory, a secret, the port and the address
// that it is reached by.
const giteaConfig = `APP_NAME = loopback
RUN_USER = %[1]s
RUN_MODE = prod
WORK_PATH = %[2]s
[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[4]d
ROOT_URL = %[5]s/
DISABLE_SSH = true
SSH_ROOT_PATH = %[2]s/ssh
OFFLINE_MODE = true
STATIC_ROOT_PATH = %[2]s/static
APP_DATA_PATH = %[2]s/data
[database]
DB_TYPE = sqlite3
PATH = %[2]s/gitea.db
[git]
HOME_PATH = %[2]s/home
[repository]
ROOT = %[2]s/repositories
[repository.release]
ALLOWED_TYPES =
[attachment]
ALLOWED_TYPES =
MAX_SIZE = 2048
[security]
INSTALL_LOCK = true
SECRET_KEY = %[3]s
INTERNAL_TOKEN = %[3]s
[oauth2]
ENABLED = false
[service]
DISABLE_REGISTRATION = true
[cron.update_checker]
ENABLED = false
[actions]
ENABLED = false
[log]
LEVEL = Warn
MODE = console
[session]
PROVIDER = memory
[indexer]
ISSUE_INDEXER_TYPE = db
`
