package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"facerec/internal/text"
)

// maxList bounds a proxy's answer, in bytes.
const maxList = 8 << 20

// toolchainModule is the module as which proxies serve Go itself
// (go.dev/doc/toolchain).
const toolchainModule = "golang.org/toolchain"

// toolchain is a version of it: v0.0.1-go1.26.8.linux-amd64.
var toolchain = text.Pattern(`^v0\.0\.1-go([0-9]+\.[0-9]+(?:\.[0-9]+)?)\.[a-z]`)

// proxyFile asks the module proxies for a file below a module, as the go command
// does: the next proxy is asked where one has nothing, and after "|" also where
// one cannot be reached.
func (s *search) proxyFile(ctx context.Context, path, file string) ([]byte, string, error) {
	if s.Private != "" && module.MatchPrefixPatterns(s.Private, path) {
		return nil, "", errors.New("GONOPROXY has it: no module proxy is asked")
	}
	escaped, err := module.EscapePath(path)
	if err != nil {
		return nil, "", err
	}
	var last error
	for rest := s.Proxy; rest != ""; {
		at, sep := rest, byte(0)
		if i := strings.IndexAny(rest, ",|"); i >= 0 {
			at, sep, rest = rest[:i], rest[i], rest[i+1:]
		} else {
			rest = ""
		}
		switch at = strings.TrimSpace(at); at {
		case "":
			continue
		case "direct", "off":
			if last == nil {
				last = fmt.Errorf("GOPROXY is %s: no module proxy to ask", at)
			}
			return nil, "", last
		}
		u, err := url.Parse(at)
		if err != nil || u.Host == "" {
			return nil, "", fmt.Errorf("GOPROXY: expected a URL, got %s", text.Quote(at))
		}
		raw, err := s.world.Document(ctx, strings.TrimSuffix(at, "/")+"/"+escaped+"/"+file, maxList)
		if err == nil {
			return raw, u.Host, nil
		}
		last = err
		if !errors.Is(err, fs.ErrNotExist) && sep != '|' {
			return nil, "", err
		}
	}
	if last == nil {
		last = errors.New("GOPROXY is empty: no module proxy to ask")
	}
	return nil, "", last
}

func lookGo(ctx context.Context, s *search) Result {
	r := Result{Pins: s.pins.goes}
	if len(s.pins.goes) == 0 {
		return r
	}
	raw, host, err := s.proxyFile(ctx, toolchainModule, "@v/list")
	if err != nil {
		r.fail("go", err)
		return r
	}
	var releases []string
	for line := range strings.Lines(string(raw)) {
		if m := toolchain().FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			releases = append(releases, m[1])
		}
	}
	if len(releases) == 0 {
		r.fail("go", fmt.Errorf("%s: expected Go releases in the list of %s, got none", host, toolchainModule))
		return r
	}
	pinned, in := newestPin(s.pins.goes)
	// The newest patch of the pinned release, and the newest release.
	best := map[bool]string{}
	for _, v := range releases {
		same := goMinor(v) == goMinor(pinned)
		if compareGo(v, pinned) > 0 && (best[same] == "" || compareGo(v, best[same]) > 0) {
			best[same] = v
		}
	}
	for _, same := range []bool{true, false} {
		if v := best[same]; v != "" {
			r.New = append(r.New, Finding{Name: "go", Found: v, Where: []string{host}, Pinned: []string{pinned}, In: in})
		}
	}
	return r
}

func newestPin(pins []Pin) (version string, in []string) {
	for _, p := range pins {
		switch c := compareGo(p.Version, version); {
		case version == "" || c > 0:
			version, in = p.Version, p.In
		case c == 0:
			in = append(in[:len(in):len(in)], p.In...)
		}
	}
	return version, in
}

func goMinor(v string) string {
	_, n := shape(v)
	return strings.Join(n[:min(2, len(n))], ".")
}

func compareGo(a, b string) int {
	_, x := shape(a)
	_, y := shape(b)
	return compareNumbers(x, y)
}

func lookModules(ctx context.Context, s *search) Result {
	r := Result{Pins: s.pins.modules}
	for _, p := range s.pins.modules {
		v, host, err := s.newestModule(ctx, p.Name, p.Version)
		if err != nil {
			r.fail(p.Name, err)
			continue
		}
		if v != "" {
			r.New = append(r.New, Finding{Name: p.Name, Found: v, Where: []string{host}, Pinned: []string{p.Version}, In: p.In})
		}
	}
	return r
}

// newestModule returns the newest version of a module after the pinned one, or
// "". A module without released versions has the latest commit's.
func (s *search) newestModule(ctx context.Context, path, pinned string) (version, host string, err error) {
	raw, host, err := s.proxyFile(ctx, path, "@v/list")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	released := false
	for line := range strings.Lines(string(raw)) {
		v := strings.TrimSpace(line)
		if !semver.IsValid(v) || len(v) > 200 {
			if v != "" {
				return "", "", fmt.Errorf("%s: expected a list of versions, got %s", host, text.Quote(text.Line(v, 100)))
			}
			continue
		}
		if semver.Prerelease(v) != "" || strings.HasSuffix(v, "+incompatible") && !strings.HasSuffix(pinned, "+incompatible") {
			continue
		}
		released = true
		if semver.Compare(v, pinned) > 0 && (version == "" || semver.Compare(v, version) > 0) {
			version = v
		}
	}
	if released {
		return version, host, nil
	}
	raw, host, err = s.proxyFile(ctx, path, "@latest")
	if err != nil {
		return "", "", err
	}
	var latest struct{ Version string }
	if err := json.Unmarshal(raw, &latest); err != nil || !semver.IsValid(latest.Version) || len(latest.Version) > 200 {
		return "", "", fmt.Errorf("%s: expected the latest version of %s, got something else", host, path)
	}
	if semver.Compare(latest.Version, pinned) > 0 {
		version = latest.Version
	}
	return version, host, nil
}
