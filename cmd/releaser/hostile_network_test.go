//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"facerec/internal/text/texttest"
)

// answers is a server that writes its status lines and headers itself, byte for byte:
// net/http would not let what is hostile pass.
type answers struct {
	raw func(r *http.Request) string // the whole answer
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = buf.WriteString(a.raw(r))
	_ = buf.Flush()
}

// TestServersDoNotAct lets a registry, its token server, a forge, a web root and a
// module proxy answer with hostile texts, in each place where a server's text
// could be shown. No line of what is printed acts.
func TestServersDoNotAct(t *testing.T) {
	a := &answers{}
	s := httptest.NewUnstartedServer(a)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	honest := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(honest.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	t.Chdir(t.TempDir())
	t.Setenv("GOPROXY", s.URL)
	t.Setenv("GONOPROXY", "")
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("RELEASER_TOKEN", "secret")
	for name, content := range map[string]string{
		"config.json": `{"project_name": "tool", "build_cmd": "true", "artifacts": [{"src": "x", "dest": "/app/x"}], "version": "1.0.0", "platforms": ["linux/amd64"]}`,
		"x":           "x", "go.mod": "module m\n\ngo 1.26.0\n", "Dockerfile": "FROM " + host + "/base:1.0\n",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range []string{"build --out lay", "keygen k", "pack --image oci-layout:lay --out dist", "sign dist --key k.key"} {
		if code, _, errs := within(t, strings.Fields("-q "+args)...); code != 0 {
			t.Fatalf("%s: exit code %d: %s", args, code, errs)
		}
	}
	const unsafe = " --key k.pub --unsafe-no-transparency-log"
	verbs := []string{
		"ls HOST/tool:1.0.0", "check HOST/tool:1.0.0", "pull HOST/tool:1.0.0 pulled", "push lay HOST/tool", "pack --image HOST/tool --out packed",
		"verify dist --image HOST/tool" + unsafe, "diff HOST/tool:1.0.0 oci-layout:lay:1.0.0",
		"fetch github:URL/o/r got --platform linux/amd64" + unsafe, "fetch gitea:URL/o/r got --platform linux/amd64" + unsafe,
		"fetch web:URL/www got --platform linux/amd64" + unsafe, "fetch URL/o/r got --platform linux/amd64" + unsafe,
		"publish dist --page github:URL/o/r --image oci-layout:lay" + unsafe, "publish dist --page gitea:URL/o/r --image oci-layout:lay" + unsafe,
		"discover --archive URL --suites stable", "discover --archive URL --suites stable --json",
		"discover --only images --open-issues --page github:URL/o/r",
	}
	answer := func(status, headers, body string) string {
		return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, headers, len(body), body)
	}
	quoted := func(n string) string {
		raw, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	seen := map[string]bool{} // kinds of which something is shown
	for i, n := range texttest.Files {
		t.Setenv("GITHUB_ACTIONS", []string{"", "true"}[i/2%2])
		line := strings.NewReplacer("\n", " ", "\r", " ").Replace(n) // what a header can have
		q := quoted(n)
		problem := fmt.Sprintf(`{"message": %[1]s, "detail": %[1]s, "documentation_url": %[1]s, "details": %[1]s, "error": %[1]s, "error_description": %[1]s, "errors": [{"code": %[1]s, "message": %[1]s, "detail": %[1]s, "field": %[1]s, "resource": %[1]s}]}`, q)
		rel := fmt.Sprintf(`[{"id": 1, "tag_name": %[1]s, "name": %[1]s, "body": %[1]s, "html_url": %[1]s, "assets": [{"id": 1, "name": %[1]s, "size": 1, "state": %[1]s, "browser_download_url": %[1]s}]}, {"id": 2, "tag_name": "v1.0.0", "name": %[1]s, "body": %[1]s, "target_commitish": %[1]s, "html_url": %[1]s, "assets": [{"id": 2, "name": %[1]s, "size": 1, "state": "uploaded", "browser_download_url": %[1]s}]}]`, q)
		kinds := map[string]func(r *http.Request) string{
			"status":  func(*http.Request) string { return answer("418 "+line, "", n) },
			"busy":    func(*http.Request) string { return answer("503 "+line, "Retry-After: "+line+"\r\n", n) },
			"limited": func(*http.Request) string { return answer("429 "+line, "X-Ratelimit-Reset: "+line+"\r\n", problem) },
			"body":    func(*http.Request) string { return answer("404 "+line, "Content-Type: application/json\r\n", problem) },
			"plain":   func(*http.Request) string { return answer("403 "+line, "Content-Type: text/plain\r\n", n) },
			"type": func(*http.Request) string {
				return answer("200 OK", "Content-Type: "+line+"\r\nDocker-Distribution-Api-Version: "+line+"\r\nDocker-Content-Digest: "+line+"\r\n", n)
			},
			"login": func(*http.Request) string {
				return answer("401 "+line, "Www-Authenticate: Bearer realm=\""+line+"\",service=\""+line+"\",scope=\""+line+"\"\r\n", problem)
			},
			"realm": func(r *http.Request) string {
				if strings.HasPrefix(r.URL.Path, "/token") {
					return answer("401 "+line, "Content-Type: application/json\r\n", problem)
				}
				return answer("401 "+line, "Www-Authenticate: Bearer realm=\""+s.URL+"/token\",service=\""+line+"\"\r\n", problem)
			},
			"token": func(r *http.Request) string {
				if strings.HasPrefix(r.URL.Path, "/token") {
					return answer("200 OK", "", fmt.Sprintf(`{"token": %s}`, q))
				}
				return answer("401 "+line, "Www-Authenticate: Bearer realm=\""+s.URL+"/token\",service=\""+line+"\"\r\n", problem)
			},
			"scheme":   func(*http.Request) string { return answer("401 "+line, "Www-Authenticate: "+line+" "+line+"\r\n", n) },
			"redirect": func(*http.Request) string { return answer("307 "+line, "Location: "+line+"\r\n", n) },
			"elsewhere": func(*http.Request) string {
				return answer("307 "+line, "Location: http://x.invalid/"+line+"\r\nLink: <"+line+">; rel=\"next\"\r\n", n)
			},
			"broken": func(*http.Request) string { return "HTTP/1.1 " + n + "\r\n" + n + "\r\n\r\n" },
			"header": func(*http.Request) string { return "HTTP/1.1 200 OK\r\n" + n + ": " + n + "\r\n\r\n" + n },
			"documents": func(r *http.Request) string {
				body := rel
				switch p := r.URL.Path; {
				case p == "/v2/":
					body = "{}"
				case strings.HasSuffix(p, "/tags/list"):
					body = fmt.Sprintf(`{"name": %s, "tags": ["1.0", %s, %s]}`, q, q, quoted("9.0"+n))
				case strings.HasSuffix(p, "/releases.json"):
					body = fmt.Sprintf(`{"schema": %s, "releases": [{"tag": %[1]s, "assets": [{"name": %[1]s, "size": 1, "digest": %[1]s}]}]}`, q)
					if i%2 == 0 {
						body = strings.Replace(body, `"schema": `+q, `"schema": "releaser.releases/v1"`, 1)
					}
				case strings.HasSuffix(p, "/version"):
					body = fmt.Sprintf(`{"version": %s}`, q)
				case strings.HasSuffix(p, "/o/r"):
					body = fmt.Sprintf(`{"name": %s, "permissions": {"push": true}}`, q)
				case strings.Contains(p, "/manifests/"):
					body = fmt.Sprintf(`{"schemaVersion": 2, "mediaType": %s, "manifests": [{"mediaType": %[1]s, "digest": %[1]s, "size": 1, "platform": {"os": %[1]s, "architecture": %[1]s}}]}`, q)
					return answer("200 OK", "Content-Type: application/vnd.oci.image.index.v1+json\r\n", body)
				case strings.Contains(p, "/@v/"), strings.Contains(p, "/dists/"):
					body = "v9.9.9\n" + n + "\nv0.0.1-go1.99." + n + "\nOrigin: " + n + "\n"
				case strings.Contains(p, "/releases/1/"), strings.Contains(p, "/releases/2/"), strings.Contains(p, "/assets/"):
					body = n
				}
				return answer("200 OK", "Content-Type: application/json\r\n", body)
			},
		}
		for kind, raw := range kinds {
			a.raw = raw
			for j, verb := range verbs {
				if (i+j)%4 != 0 && kind != "documents" { // each verb meets each kind, with a quarter of the names
					continue
				}
				more := " --retries 0"
				if kind == "busy" && i%8 == 0 {
					more = " --retries 1 --stall 2s"
				}
				args := strings.Fields(strings.NewReplacer("HOST", host, "URL", s.URL).Replace(verb) + more)
				code, out, errs := within(t, args...)
				if code == 0 && !strings.HasPrefix(verb, "discover") && !strings.HasPrefix(verb, "pull") {
					t.Errorf("%s, %s %q: exit code 0", verb, kind, n)
				}
				seen[kind] = seen[kind] || strings.Contains(out+errs, `\x1b[31mred`) || strings.Contains(out+errs, `\u202e`) || strings.Contains(out+errs, "=1+1")
				for _, stream := range []string{out, errs} {
					for l := range strings.Lines(stream) {
						for _, own := range []string{"::error title=", "::warning title="} {
							l = strings.TrimPrefix(l, own)
						}
						if why := texttest.Acts(strings.TrimSuffix(l, "\n")); why != "" {
							t.Errorf("%s, %s %q: prints %.300q: %s", verb, kind, n, l, why)
						}
					}
				}
			}
		}
	}
	for kind, some := range seen {
		if !some && kind != "status" && kind != "plain" { // there HTTP's own text of the status is shown
			t.Errorf("%s: nothing of it is shown", kind)
		}
	}
}

// TestPagesDoNotAct plants hostile names in a release and on its page, a directory,
// and reads both in a job of GitHub Actions and outside of one.
func TestPagesDoNotAct(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{
		"config.json": `{"project_name": "tool", "build_cmd": "true", "artifacts": [{"src": "x", "dest": "/app/x"}], "version": "1.0.0", "platforms": ["linux/amd64"]}`,
		"x":           "x", "CHANGELOG.md": strings.ToValidUTF8("## 1.0.0\n"+strings.Join(texttest.Files, "\n")+"\n", ""),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const unsafe = " --key k.pub --unsafe-no-transparency-log"
	for _, args := range []string{
		"build --out lay", "keygen k", "pack --image oci-layout:lay --out dist", "sign dist --key k.key",
		"publish dist --page dir:www --image oci-layout:lay" + unsafe,
		"pack --image oci-layout:lay --out clean", "sign clean --key k.key",
	} {
		if code, _, errs := within(t, strings.Fields("-q "+args)...); code != 0 {
			t.Fatalf("%s: exit code %d: %s", args, code, errs)
		}
	}
	for _, n := range texttest.Files {
		for _, name := range []string{"dist/" + n + ".tar.gz", "www/v1.0.0/" + n, "www/" + n} {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, actions := range []string{"", "true"} {
		t.Setenv("GITHUB_ACTIONS", actions)
		for _, c := range []struct {
			args string
			says bool // one of the names
		}{
			{"verify dist --image oci-layout:lay" + unsafe, true},
			{"verify dist --json --image oci-layout:lay" + unsafe, true},
			{"verify dist --format sarif --image oci-layout:lay" + unsafe, true},
			{"verify dist --format html --image oci-layout:lay" + unsafe, true},
			{"publish dist --page dir:www --image oci-layout:lay" + unsafe, true},
			{"publish dist --page dir:www --dry-run --image oci-layout:lay" + unsafe, true},
			{"publish clean --page dir:www --image oci-layout:lay" + unsafe, true},
			{"fetch dir:www got --all" + unsafe, false},
			{"fetch dir:www got --platform linux/amd64 --json" + unsafe, false},
		} {
			_, out, errs := within(t, strings.Fields(c.args)...)
			if c.says && !strings.Contains(out+errs, "exe.txt") && !strings.Contains(out+errs, `\x1b[31mred`) {
				t.Errorf("%s names no file:\n%s%s", c.args, out, errs)
			}
			for _, stream := range []string{out, errs} {
				for l := range strings.Lines(stream) {
					for _, own := range []string{"::error title=", "::warning title="} {
						l = strings.TrimPrefix(l, own)
					}
					if why := texttest.Acts(strings.TrimSuffix(l, "\n")); why != "" {
						t.Errorf("%s prints %.300q: %s", c.args, l, why)
					}
				}
			}
		}
	}
}
