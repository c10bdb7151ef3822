package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"golang.org/x/net/publicsuffix"

	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

// credentials returns what the user's Docker configuration has for the registry,
// or none where nobody vouches for the registry.
func (s *session) credentials(ctx context.Context) authn.Authenticator {
	if !s.access.mayLogIn(s.repo.RegistryStr()) {
		return authn.Anonymous
	}
	var auth authn.Authenticator
	err := readableCredentials()
	if err == nil {
		auth, err = authn.Resolve(ctx, authn.DefaultKeychain, s.repo)
	}
	if err != nil { // a public repository can be read all the same
		s.access.Retry.Note(fmt.Sprintf("%s: no credentials from %s: %v; continuing anonymously", s.repo.RegistryStr(), credentialSource(s.repo.RegistryStr()), err))
		return authn.Anonymous
	}
	return auth
}

// readableCredentials returns an error if a file that the keychain would read is a
// pipe or device, which it would wait for or read without end, or is too large.
func readableCredentials() error {
	home, _ := os.UserHomeDir()
	for _, at := range []struct{ dir, file string }{
		{home, ".docker/config.json"},
		{os.Getenv("DOCKER_CONFIG"), "config.json"},
		{os.Getenv("REGISTRY_AUTH_FILE"), ""},
		{os.Getenv("XDG_RUNTIME_DIR"), "containers/auth.json"},
		{os.Getenv("XDG_CONFIG_HOME"), "containers/auth.json"},
		{home, ".config/containers/auth.json"},
	} {
		if at.dir == "" { // the variable is not set
			continue
		}
		path := filepath.Join(at.dir, at.file)
		fi, err := os.Stat(path)
		switch {
		case err != nil, fi.IsDir(): // there is none, or the keychain says why not
		case !fi.Mode().IsRegular():
			return &atomicfile.NotRegularError{Path: path, Mode: fi.Mode()}
		case fi.Size() > maxManifest:
			return &atomicfile.TooLargeError{Path: path, Size: fi.Size(), Limit: maxManifest}
		}
	}
	return nil
}

// mayLogIn reports whether credentials for a registry, HOST[:PORT], may be used: the
// caller named it, or a release whose signature holds does.
func (a Access) mayLogIn(registry string) bool {
	return a.Trusted || slices.ContainsFunc(slices.Concat(a.Named, a.Insecure), func(named string) bool { return strings.EqualFold(named, registry) })
}

// withhold takes credentials out of a request to a host that they are not for. A
// registry's token server may see them if it belongs to the registry's domain, or
// if the caller named it; any other one is asked anonymously.
func (g *guarded) withhold(r *http.Request) (*http.Request, error) {
	basic := strings.HasPrefix(strings.ToLower(r.Header.Get("Authorization")), "basic ")
	form := r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" // with a refresh token
	if !basic && !form || g.access.related(r.URL.Host) && r.URL.Scheme == "https" || strings.EqualFold(r.URL.Host, g.access.home) {
		return r, nil
	}
	if slices.ContainsFunc(g.access.TokenServers, func(s string) bool {
		return strings.EqualFold(s, r.URL.Host) || strings.EqualFold(s, r.URL.Hostname())
	}) {
		return r, nil
	}
	hint := fmt.Sprintf("use --token-server %s if they may be sent there", text.Show(r.URL.Host))
	why := fmt.Sprintf("the credentials for %s are not sent to %s, which gives out its tokens", g.access.home, text.Show(r.URL.Host))
	if form {
		return nil, text.WithHint(fmt.Errorf("%s", why), "%s", hint)
	}
	g.access.Retry.Note(why + ": " + hint)
	r = r.Clone(r.Context())
	r.Header.Del("Authorization")
	return r, nil
}

// related reports whether a host belongs to the registry's domain, as
// auth.docker.io does to index.docker.io.
func (a Access) related(host string) bool {
	one, err := domain(host)
	if err != nil {
		return false
	}
	other, err := domain(a.home)
	return err == nil && one == other
}

// domain is the part of a host's name that its owner registered.
func domain(host string) (string, error) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if net.ParseIP(host) != nil || !strings.Contains(host, ".") {
		return host, nil
	}
	return publicsuffix.EffectiveTLDPlusOne(host)
}

// credentialSource names the file and the key that choose the credential helper
// of a registry.
func credentialSource(registry string) string {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, _ := os.UserHomeDir()
		dir = filepath.Join(home, ".docker")
	}
	path := filepath.Join(dir, "config.json")
	var c struct {
		CredsStore  string            `json:"credsStore"`
		CredHelpers map[string]string `json:"credHelpers"`
	}
	raw, err := atomicfile.ReadFile(path, maxManifest)
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return path
	}
	switch helper := c.CredHelpers[registry]; {
	case helper != "":
		return fmt.Sprintf("docker-credential-%s (credHelpers[%q] in %s)", helper, registry, path)
	case c.CredsStore != "":
		return fmt.Sprintf("docker-credential-%s (credsStore in %s)", c.CredsStore, path)
	}
	return path
}
