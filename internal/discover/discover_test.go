package discover

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"facerec/internal/release"
)

// fakeWorld answers from maps. A name that begins with "!" is an error.
type fakeWorld struct {
	documents map[string]string
	tags      map[string][]string
	asked     []string
}

var errWorld = errors.New("connection refused")

func (w *fakeWorld) Document(_ context.Context, url string, limit int64) ([]byte, error) {
	w.asked = append(w.asked, url)
	if _, broken := w.documents["!"+url]; broken {
		return nil, errWorld
	}
	d, ok := w.documents[url]
	if !ok {
		return nil, fmt.Errorf("%s: %w", url, fs.ErrNotExist)
	}
	if int64(len(d)) > limit {
		return nil, errors.New("too long")
	}
	return []byte(d), nil
}

func (w *fakeWorld) Tags(_ context.Context, repository string) ([]string, error) {
	w.asked = append(w.asked, repository)
	tags, ok := w.tags[repository]
	if !ok {
		return nil, errWorld
	}
	return tags, nil
}

func (w *fakeWorld) Digest(_ context.Context, repository, tag string) (release.Digest, error) {
	if !slices.Contains(w.tags[repository], tag) {
		return release.Digest{}, errWorld
	}
	return release.DigestBytes([]byte(repository + ":" + tag)), nil
}

// archive makes the documents of a suite. The index is plain, or packed with gzip
// where the suite has two names.
func archive(documents map[string]string, base string, names []string, index string) {
	file, data := "main/binary-amd64/Packages", []byte(index)
	text := ""
	if len(names) > 1 {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(data)
		_ = z.Close()
		file, data = file+".gz", b.Bytes()
		text = "Suite: " + names[1] + "\n"
	}
	text = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + text + "Codename: " + names[0] + "\nSHA256:\n " +
		release.DigestBytes(data).Hex() + fmt.Sprintf(" %d %s\n-----BEGIN PGP SIGNATURE-----\n", len(data), file)
	for _, n := range names {
		documents[base+"/dists/"+n+"/InRelease"] = text
		documents[base+"/dists/"+n+"/"+file] = string(data)
	}
}

const lock = `{"schema": "facerec/inputs/v1", "go": "go1.26.8",
"modules": [{"path": "example.org/Face", "version": "v0.0.0-20210630145111-0c14797b4d0e", "sum": "h1:x"}],
"compilers": [{"platform": "linux/amd64", "packages": [{"name": "g++-12", "version": "12.2.0-14"}, {"name": "gcc-12", "version": "12.2.0-14"}, {"name": "binutils", "version": "2.40-2"}]}],
"wants": [], "pins": [
{"use": "dlib19", "kind": "deb", "suite": "bookworm", "name": "libdlib-dev", "arch": "amd64", "version": "19.24+dfsg-1", "file": "a", "size": 1, "sha256": "` + "0000000000000000000000000000000000000000000000000000000000000000" + `"},
{"use": "dlib20", "kind": "deb", "suite": "sid", "name": "libdlib-dev", "arch": "amd64", "version": "20.0-2+b1", "file": "b", "size": 1, "sha256": "` + "0000000000000000000000000000000000000000000000000000000000000000" + `"},
{"use": "models", "kind": "source", "suite": "bookworm", "name": "dlib", "version": "19.24+dfsg-1", "file": "c", "size": 1, "sha256": "` + "0000000000000000000000000000000000000000000000000000000000000000" + `"}]}`

func stanza(name, version, source string) string {
	s := "Package: " + name + "\nVersion: " + version + "\nDescription: x\n more\n"
	if source != "" {
		s += "Source: " + source + "\n"
	}
	return s + "\n"
}

// compilersAsPinned are what bookworm has of compilers.
var compilersAsPinned = stanza("g++-12", "12.2.0-14", "gcc-12") + stanza("gcc-12", "12.2.0-14", "") + stanza("binutils", "2.40-2", "")

// lines shows results: "finder name found where" and "finder name: reason".
func lines(results []Result) []string {
	out := []string{}
	for _, r := range results {
		for _, f := range r.New {
			out = append(out, fmt.Sprintf("%s %s %s %s", r.Finder, f.Name, f.Found, strings.Join(f.Where, ",")))
		}
		for _, e := range r.Failures {
			out = append(out, fmt.Sprintf("! %s %s: %s", r.Finder, e.Name, e.Reason))
		}
	}
	return out
}

func TestLook(t *testing.T) {
	const proxy, deb = "https://proxy.example", "https://deb.example/debian"
	toolchains := "v0.0.1-go1.26.8.linux-amd64\nv0.0.1-go1.26.8.windows-arm64\n"
	type change func(p *Project, w *fakeWorld)
	lookUp := func(names ...string) []string { return names }
	bookworm := stanza("libdlib-dev", "19.24+dfsg-1", "dlib") + compilersAsPinned
	sid := stanza("libdlib-dev", "20.0-2+b1", "dlib (20.0-2)")
	for _, c := range []struct {
		name   string
		only   []string
		change change
		want   []string
	}{
		{"nothing new", nil, nil, nil},
		{"a patch and a release of Go", lookUp("go"), func(_ *Project, w *fakeWorld) {
			w.documents[proxy+"/golang.org/toolchain/@v/list"] += "v0.0.1-go1.26.10.linux-amd64\nv0.0.1-go1.26.9.linux-amd64\nv0.0.1-go1.28rc1.linux-amd64\nv0.0.1-go1.27.0.linux-amd64\nv0.0.1-go1.9.linux-amd64\n"
		}, []string{"go go 1.26.10 proxy.example", "go go 1.27.0 proxy.example"}},
		{"no list of Go", lookUp("go"), func(_ *Project, w *fakeWorld) {
			w.documents[proxy+"/golang.org/toolchain/@v/list"] = "<html>"
		}, []string{"! go go: proxy.example: expected Go releases in the list of golang.org/toolchain, got none"}},
		{"a proxy that is down", lookUp("go", "modules"), func(_ *Project, w *fakeWorld) {
			w.documents["!"+proxy+"/golang.org/toolchain/@v/list"] = ""
		}, []string{"! go go: connection refused"}},
		{"the next proxy after |", lookUp("go"), func(p *Project, w *fakeWorld) {
			w.documents["!"+proxy+"/golang.org/toolchain/@v/list"] = ""
			w.documents["https://two.example/golang.org/toolchain/@v/list"] = "v0.0.1-go1.26.9.linux-amd64\n"
			p.Proxy = proxy + "|https://two.example,direct"
		}, []string{"go go 1.26.9 two.example"}},
		{"no proxy", lookUp("go", "modules"), func(p *Project, _ *fakeWorld) { p.Proxy = "off" }, []string{
			"! go go: GOPROXY is off: no module proxy to ask", "! modules example.org/Face: GOPROXY is off: no module proxy to ask"}},
		{"an empty GOPROXY", lookUp("go"), func(p *Project, _ *fakeWorld) { p.Proxy = "" }, []string{"! go go: GOPROXY is empty: no module proxy to ask"}},
		{"a private module", lookUp("modules"), func(p *Project, _ *fakeWorld) { p.Private = "example.org" }, []string{
			"! modules example.org/Face: GONOPROXY has it: no module proxy is asked"}},
		{"a module's first release", lookUp("modules"), func(_ *Project, w *fakeWorld) {
			w.documents[proxy+"/example.org/!face/@v/list"] = "v1.0.0\nv1.1.0\nv1.2.0-rc.1\nv2.0.0+incompatible\n"
		}, []string{"modules example.org/Face v1.1.0 proxy.example"}},
		{"a module's next commit", lookUp("modules"), func(_ *Project, w *fakeWorld) {
			w.documents[proxy+"/example.org/!face/@latest"] = `{"Version": "v0.0.0-20220101000000-0123456789ab"}`
		}, []string{"modules example.org/Face v0.0.0-20220101000000-0123456789ab proxy.example"}},
		{"a list of something else", lookUp("modules"), func(_ *Project, w *fakeWorld) {
			w.documents[proxy+"/example.org/!face/@v/list"] = "v1.0.0\n<!doctype html>\x1b[2J\n"
		}, []string{`! modules example.org/Face: proxy.example: expected a list of versions, got "<!doctype html>\\x1b[2J"`}},
		{"an unknown module", lookUp("modules"), func(_ *Project, w *fakeWorld) {
			delete(w.documents, proxy+"/example.org/!face/@latest")
		}, []string{"! modules example.org/Face: https://proxy.example/example.org/!face/@latest: file does not exist: not found"}},
		{"without a lock: direct requirements", lookUp("go", "modules"), func(p *Project, w *fakeWorld) {
			p.Inputs = nil
			w.documents[proxy+"/example.org/a/@v/list"] = "v1.0.0\nv1.0.1\n"
			w.documents[proxy+"/golang.org/toolchain/@v/list"] += "v0.0.1-go1.26.9.linux-amd64\n"
		}, []string{"go go 1.26.9 proxy.example", "modules example.org/a v1.0.1 proxy.example"}},

		{"a newer base image", lookUp("images"), func(_ *Project, w *fakeWorld) {
			w.tags["docker.io/library/golang"] = []string{"1.26.8-bookworm", "1.27.0-bookworm", "1.27-bookworm", "1.28.0-trixie", "1.26.10-bookworm", "latest"}
		}, []string{"images docker.io/library/golang 1.27.0-bookworm docker.io/library/golang"}},
		{"a registry that is down", lookUp("images"), func(_ *Project, w *fakeWorld) { w.tags = nil }, []string{"! images docker.io/library/golang:1.26.8-bookworm: connection refused"}},
		{"a tag that moved", lookUp("images"), func(p *Project, w *fakeWorld) {
			p.Files.(fstest.MapFS)["Dockerfile"].Data = []byte("FROM registry.example:5000/a/b:stable@sha256:" + strings.Repeat("0", 64) + "\n")
			w.tags["registry.example:5000/a/b"] = []string{"stable"}
		}, []string{"images registry.example:5000/a/b stable registry.example:5000/a/b"}},
		{"a digest that still holds", lookUp("images"), func(p *Project, w *fakeWorld) {
			p.Files.(fstest.MapFS)["Dockerfile"].Data = []byte("FROM registry.example:5000/a/b:stable@" + release.DigestBytes([]byte("registry.example:5000/a/b:stable")).String() + "\n")
			w.tags["registry.example:5000/a/b"] = []string{"stable"}
		}, nil},
		{"an argument without a default", lookUp("images"), func(p *Project, _ *fakeWorld) {
			p.Files.(fstest.MapFS)["Dockerfile"].Data = []byte("ARG BASE\nFROM $BASE\n")
		}, []string{"! images : argument BASE has no default"}},

		{"the pin's suite moved", lookUp("packages"), func(_ *Project, w *fakeWorld) {
			archive(w.documents, deb, []string{"sid", "unstable"}, stanza("libdlib-dev", "20.0-3", "dlib"))
		}, []string{"packages dlib 20.0-3 sid"}},
		{"a rebuild in the pin's suite, none elsewhere", lookUp("packages"), func(_ *Project, w *fakeWorld) {
			archive(w.documents, deb, []string{"sid", "unstable"}, stanza("libdlib-dev", "20.0-2+b2", "dlib"))
			archive(w.documents, deb, []string{"trixie", "stable"}, stanza("libdlib-dev", "20.0-2+b3", "dlib"))
		}, []string{"packages dlib 20.0-2+b2 sid"}},
		{"a new major version, in two suites", lookUp("packages"), func(p *Project, w *fakeWorld) {
			archive(w.documents, deb, []string{"forky", "testing"}, stanza("libdlib-dev", "21.0-1", "dlib"))
			archive(w.documents, deb, []string{"trixie", "stable"}, stanza("libdlib-dev", "21.0-1", "dlib"))
			p.Suites = []string{"testing", "stable"}
		}, []string{"packages dlib 21.0-1 forky,trixie"}},
		{"a new minor version of the older major", lookUp("packages"), func(p *Project, w *fakeWorld) {
			archive(w.documents, deb, []string{"trixie", "stable"}, stanza("libdlib-dev", "19.24.6+dfsg-1", "dlib"))
		}, []string{"packages dlib 19.24.6+dfsg-1 trixie"}},
		{"only a revision elsewhere, and an older major", lookUp("packages"), func(p *Project, w *fakeWorld) {
			archive(w.documents, deb, []string{"trixie", "stable"}, stanza("libdlib-dev", "19.24-7", "dlib")+stanza("libdlib-dev", "18.3-1", "dlib"))
		}, nil},
		{"no archive", lookUp("packages", "compilers"), func(p *Project, _ *fakeWorld) { p.Archive = "" }, []string{
			"! packages Debian suites: no Debian archive is known", "! compilers Debian suites: no Debian archive is known"}},
		{"a suite that is missing", lookUp("packages"), func(p *Project, _ *fakeWorld) { p.Suites = []string{"nosuch"} }, []string{
			"! packages Debian suite nosuch: " + deb + "/dists/nosuch/Release: file does not exist"}},
		{"an index that was changed", lookUp("packages"), func(p *Project, w *fakeWorld) {
			w.documents[deb+"/dists/bookworm/main/binary-amd64/Packages"] = strings.ToUpper(bookworm)
		}, []string{"! packages Debian suite bookworm: " + deb + "/dists/bookworm/main/binary-amd64/Packages: expected " + release.DigestBytes([]byte(bookworm)).String() +
			", as its Release file says, got " + release.DigestBytes([]byte(strings.ToUpper(bookworm))).String()}},
		{"a package that is gone", lookUp("packages"), func(p *Project, w *fakeWorld) {
			for _, names := range [][]string{{"bookworm"}, {"sid", "unstable"}, {"trixie", "stable"}} {
				archive(w.documents, deb, names, compilersAsPinned)
			}
		}, []string{"! packages dlib: expected it in a suite, got none that has it", "! packages libdlib-dev: expected it in a suite, got none that has it"}},

		{"a compiler's revision and its successor", lookUp("compilers"), func(p *Project, w *fakeWorld) {
			archive(w.documents, deb, []string{"bookworm"}, stanza("libdlib-dev", "19.24+dfsg-1", "dlib")+stanza("g++-12", "12.2.0-14+deb12u1", "gcc-12")+stanza("gcc-12", "12.2.0-14+deb12u1", "")+stanza("binutils", "2.40-2+b1", ""))
			archive(w.documents, deb, []string{"trixie", "stable"}, stanza("gcc-13", "13.1-1", "")+stanza("gcc-14", "14.2.0-1", "")+stanza("g++-14", "14.2.0-1", "gcc-14")+stanza("gcc-12", "12.4.0-1", "")+stanza("binutils", "2.44-1", ""))
		}, []string{"compilers binutils 2.44-1 trixie", "compilers gcc-12 12.2.0-14+deb12u1 bookworm", "compilers gcc-14 14.2.0-1 trixie"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &fakeWorld{documents: map[string]string{
				proxy + "/golang.org/toolchain/@v/list": toolchains,
				proxy + "/example.org/!face/@v/list":    "",
				proxy + "/example.org/!face/@latest":    `{"Version": "v0.0.0-20210630145111-0c14797b4d0e", "Time": "2021-06-30T14:51:11Z"}`,
			}, tags: map[string][]string{"docker.io/library/golang": {"1.26.8-bookworm", "1.25.0-bookworm"}}}
			archive(w.documents, deb, []string{"bookworm"}, bookworm)
			archive(w.documents, deb, []string{"sid", "unstable"}, sid)
			archive(w.documents, deb, []string{"trixie", "stable"}, compilersAsPinned)
			p := Project{Proxy: proxy + ",direct", Archive: deb, Suites: []string{"stable", "unstable"}, Inputs: []string{"inputs.lock.json"}, Files: fstest.MapFS{
				"inputs.lock.json": {Data: []byte(lock)},
				"go.mod":           {Data: []byte("module x\n\ngo 1.26.8\n\nrequire (\n\texample.org/a v1.0.0\n\texample.org/b v1.0.0 // indirect\n\texample.org/c v1.0.0\n)\n\nreplace example.org/c => ./c\n")},
				"Dockerfile":       {Data: []byte("ARG GO=golang:1.26.8-bookworm\nFROM --platform=$BUILDPLATFORM ${GO} AS go\nFROM debian:bookworm-slim\nCOPY --from=go /a /b\nFROM scratch\n")},
			}}
			if c.change != nil {
				c.change(&p, w)
			}
			got, err := Look(t.Context(), p, w, c.only)
			if err != nil {
				t.Fatal(err)
			}
			if got := lines(got); !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			titles := map[string]bool{}
			for _, r := range got {
				for _, f := range r.New {
					if titles[f.Title()] || f.Found == "" || len(f.Where) == 0 || len(f.Pinned) == 0 || len(f.In) == 0 {
						t.Errorf("finding %+v: expected a title of its own and all fields", f)
					}
					titles[f.Title()] = true
				}
			}
			if raw, err := json.Marshal(got); err != nil || bytes.Contains(raw, []byte("null")) {
				t.Errorf("%s, %v: expected no null", raw, err)
			}
		})
	}
}

// Each suite is read once, whatever it is called.
func TestSuitesOnce(t *testing.T) {
	w := &fakeWorld{documents: map[string]string{}}
	const deb = "https://deb.example"
	archive(w.documents, deb, []string{"bookworm"}, stanza("libdlib-dev", "19.24+dfsg-1", "dlib")+compilersAsPinned)
	archive(w.documents, deb, []string{"sid", "unstable"}, stanza("libdlib-dev", "20.0-2+b1", "dlib"))
	p := Project{Archive: deb + "/", Suites: []string{"unstable", "sid"}, Inputs: []string{"l"}, Files: fstest.MapFS{"l": {Data: []byte(lock)}}}
	if got, err := Look(t.Context(), p, w, []string{"packages", "compilers"}); err != nil || len(lines(got)) != 0 {
		t.Fatalf("%v, %v", lines(got), err)
	}
	n := 0
	for _, u := range w.asked {
		if strings.Contains(u, "Packages") {
			n++
		}
	}
	if n != 2 {
		t.Errorf("expected 2 indexes to be read, got %d: %v", n, w.asked)
	}
}

func TestProjectFiles(t *testing.T) {
	for _, c := range []struct {
		name  string
		files fstest.MapFS
		want  string
	}{
		{"no lock", fstest.MapFS{}, "l: file does not exist"},
		{"not a lock", fstest.MapFS{"l": {Data: []byte("{}")}}, "lock file l: schema"},
		{"not a go.mod", fstest.MapFS{"l": {Data: []byte(lock)}, "go.mod": {Data: []byte("modul x")}}, "go.mod:1"},
		{"too large", fstest.MapFS{"l": {Data: bytes.Repeat([]byte(" "), maxFile+1)}}, "expected at most"},
	} {
		_, err := Look(t.Context(), Project{Files: c.files, Inputs: []string{"l"}}, &fakeWorld{}, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, expected %q", c.name, err, c.want)
		}
	}
}

func TestBases(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"short names", "FROM debian\nFROM a/b:1\nFROM r.example/c@sha256:" + strings.Repeat("a", 64), "docker.io/library/debian latest, docker.io/a/b 1, r.example/c @sha256:" + strings.Repeat("a", 64)},
		{"stages", "FROM golang:1 AS Build\nFROM build\nFROM scratch\nCOPY --from=build a b\nCOPY --from=0 a b\nCOPY --chown=1 --from=busybox:1.36 a b", "docker.io/library/golang 1, docker.io/library/busybox 1.36"},
		{"arguments", "ARG A=1 \nARG B=debian:$A\nFROM ${B}\nARG A=2\nFROM x:${A:-9}\nFROM y:${C:-3}", "docker.io/library/debian 1, docker.io/library/x 1, docker.io/library/y 3"},
		{"continued, commented", "# FROM no:1\nFROM \\\n  # nor this\n  --platform=linux/amd64 \\\n  a:1\n", "docker.io/library/a 1"},
		{"here-documents", "FROM a:1\nRUN <<EOF cat <<'TWO'\nFROM no:1\nEOF\nFROM no:2\nTWO\nFROM b:1", "docker.io/library/a 1, docker.io/library/b 1"},
		{"twice", "FROM a:1\nFROM a:1", "docker.io/library/a 1"},
		{"lower case", "from a:1 as b", "docker.io/library/a 1"},
		{"not a name", "FROM A?:1", "! docker.io/library/A? 1"},
		{"nothing", "FROM\nFROM --platform=x", ""},
	} {
		var got []string
		for _, b := range bases("f", c.file) {
			s := b.repository + " " + b.String()
			if b.err != nil {
				s = "! " + s
			}
			got = append(got, s)
		}
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%s: got %q, expected %q", c.name, got, c.want)
		}
	}
}

func TestNewest(t *testing.T) {
	for _, c := range []struct{ pinned, names, want string }{
		{"1.2", "1.3 1.10 1.9", "1.10"},
		{"1.2", "1.2 1.2.3 2 v1.3 1.3-rc1", ""},
		{"v1.2-alpine3.18", "v1.3-alpine3.18 v1.3-alpine3.19", "v1.3-alpine3.19"},
		{"20240101", "20231231 20250101", "20250101"},
		{"9" + strings.Repeat("0", 40), "1" + strings.Repeat("0", 41), "1" + strings.Repeat("0", 41)},
		{"1.02", "1.2 1.002", ""},
		{"latest", "latest newest", ""},
	} {
		if got, _ := newest(c.pinned, strings.Fields(c.names)); got != c.want {
			t.Errorf("newest(%s, %s) = %q, expected %q", c.pinned, c.names, got, c.want)
		}
	}
}

// versions are in order.
var versions = []string{
	"0~", "0", "1.0~rc1-1", "1.0~rc1-2", "1.0", "1.0+dfsg-1", "1.0-0.1+b1", "1.0-1", "1.0-1+b1", "1.0-1+deb12u1", "1.0-2", "1.0-10", "1.0.1-1", "1.0a-1", "1.10", "2.9", "10.0", "1:0.1", "1:0.10", "2:0",
}

func TestCompareDebian(t *testing.T) {
	sorted := slices.Clone(versions)
	slices.SortStableFunc(sorted, compareDebian)
	dpkg, err := exec.LookPath("dpkg")
	for _, a := range versions {
		for _, b := range versions {
			c := compareDebian(a, b)
			if c != -compareDebian(b, a) || (c == 0) != (a == b) && a != b {
				t.Errorf("compare(%s, %s) = %d, the other way %d", a, b, c, compareDebian(b, a))
			}
			if err != nil || a >= b {
				continue
			}
			op := map[int]string{-1: "lt", 0: "eq", 1: "gt"}[c]
			if err := exec.Command(dpkg, "--compare-versions", a, op, b).Run(); err != nil {
				t.Errorf("compare(%s, %s) = %d, and dpkg disagrees", a, b, c)
			}
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"1.0~rc1", "1.0", -1}, {"1.0", "1.0-0", 0}, {"1.0-9", "1.0-10", -1}, {"1:1", "2", 1}, {"1.0+b", "1.0-1", 1}, {"19.24+dfsg-1", "19.24.6+dfsg-1", -1}, {"1.2.0a", "1.2.0+", -1}, {"007", "7", 0}} {
		if got := compareDebian(c.a, c.b); got != c.want {
			t.Errorf("compare(%s, %s) = %d, expected %d", c.a, c.b, got, c.want)
		}
	}
}

func TestReadPackages(t *testing.T) {
	all := func(debPackage) bool { return true }
	for _, c := range []struct{ name, ending, in, want string }{
		{"not xz", ".xz", "hello", "xz"},
		{"not gzip", ".gz", "hello", "EOF"},
		{"no version", "", "Package: a\n\n", "expected a package with name and version"},
		{"control characters", "", "Package: a\x1b[2J\nVersion: 1\n", "expected a package with name and version"},
		{"a long line", "", "Package: " + strings.Repeat("a", maxLine) + "\n", "too long"},
	} {
		if _, err := readPackages([]byte(c.in), c.ending, all); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, expected %q", c.name, err, c.want)
		}
	}
	got, err := readPackages([]byte("\n\nPackage: a\nVersion: 1\nSource: s (2)\n\n\nPackage: b\nVersion: 1:2-3"), "", all)
	if err != nil || !slices.Equal(got, []debPackage{{"a", "1", "s"}, {"b", "1:2-3", "b"}}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzDebianIndexes(f *testing.F) {
	f.Add([]byte("Codename: sid\nSHA256:\n 00 1 main/binary-amd64/Packages\n"))
	f.Add([]byte(stanza("a", "1-1", "b (2)")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := parseRelease(data); err == nil && len(r.files) == 0 {
			t.Error("a Release file without files")
		}
		for _, ending := range []string{"", ".gz", ".xz"} {
			got, err := readPackages(data, ending, func(debPackage) bool { return true })
			if err != nil {
				continue
			}
			for _, p := range got {
				if !debName().MatchString(p.name) || compareDebian(p.version, p.version) != 0 {
					t.Errorf("%q", p)
				}
			}
		}
	})
}

func FuzzDockerfile(f *testing.F) {
	f.Add("ARG A=x\nFROM ${A}:1@sha256:0 AS b\nRUN <<E\nE\nCOPY --from=b c d")
	f.Fuzz(func(t *testing.T, file string) {
		for _, b := range bases("f", file) {
			if b.err == nil && !repositoryShape().MatchString(b.repository) {
				t.Errorf("%q", b)
			}
		}
	})
}
