package inputs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"facerec/internal/text"
)

// source is one entry of apt's sources: where Debian's archive is for this
// machine, and by which key it is trusted.
type source struct {
	uris     []string
	suites   []string
	comps    []string
	signedBy string // path of a keyring, or a key in place; empty means apt's own
	trusted  string // "yes" only for the unsigned archive of a test
	insecure string // the option that switches signature checks off, as it was written
}

// debianSuites are the names under which Debian's own archive offers whole
// suites. Other vendors' entries carry other names, or no "main".
var debianSuites = map[string]bool{
	"stable": true, "testing": true, "unstable": true, "oldstable": true, "sid": true,
	"bullseye": true, "bookworm": true, "trixie": true, "forky": true, "duke": true,
}

// archive finds the machine's own entry for Debian's archive, so that mirrors,
// proxies and keys stay as its owner set them up. Mirror overrides the address.
// Entries that switch signature checks off are never used.
func (s *Store) archive() (source, error) {
	if s.Mirror != "" {
		return source{uris: []string{s.Mirror}, trusted: s.trusted}, nil
	}
	var all []source
	var looked []string
	paths, _ := filepath.Glob("/etc/apt/sources.list.d/*")
	sort.Strings(paths)
	for _, p := range append([]string{"/etc/apt/sources.list"}, paths...) {
		b, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		looked = append(looked, p)
		switch filepath.Ext(p) {
		case ".list":
			all = append(all, parseList(string(b))...)
		case ".sources":
			all = append(all, parseDeb822(string(b))...)
		}
	}
	e, ok := pickDebian(all)
	switch {
	case !ok:
		return source{}, text.WithHint(fmt.Errorf("no entry for Debian's archive in apt's sources (searched %s)", text.List(looked, 8)), "pass --mirror URI or --offline DIR")
	case e.insecure != "":
		return source{}, text.WithHint(fmt.Errorf("apt's only entry for Debian's archive, %s, has the option %s, which switches signature checks off", text.Show(strings.Join(e.uris, " ")), text.Show(e.insecure)),
			"remove the option, or pass --mirror URI or --offline DIR")
	}
	return e, nil
}

// pickDebian prefers an entry signed with Debian's keyring, then the first. An
// entry whose signatures apt would not check is only returned if there is no
// other, so that the caller can name it.
func pickDebian(all []source) (source, bool) {
	best, found := source{}, false
	for _, e := range all {
		if len(e.uris) == 0 || !hasDebianSuite(e.suites) || !slices.Contains(e.comps, "main") {
			continue
		}
		if e.insecure == "" && strings.Contains(e.signedBy, "debian-archive-keyring") {
			return e, true
		}
		if !found || best.insecure != "" && e.insecure == "" {
			best, found = e, true
		}
	}
	return best, found
}

func hasDebianSuite(suites []string) bool {
	for _, s := range suites {
		if debianSuites[s] {
			return true
		}
	}
	return false
}

// insecureOptions are the options of sources.list(5) with which apt accepts an
// archive that is unsigned or weakly signed.
var insecureOptions = []string{"trusted", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure"}

// isInsecure reports whether an option switches signature checks off. Every
// value but apt's words for "no" counts as "yes".
func isInsecure(name, value string) bool {
	if !slices.Contains(insecureOptions, name) {
		return false
	}
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "", "no", "false", "without", "off", "disable", "0":
		return false
	}
	return true
}

// parseList reads the one-line format of sources.list(5).
func parseList(list string) []source {
	var out []source
	for line := range strings.Lines(list) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "deb" {
			continue
		}
		var e source
		f = f[1:]
		if len(f) > 0 && strings.HasPrefix(f[0], "[") {
			for len(f) > 0 {
				opt := strings.Trim(f[0], "[]")
				last := strings.HasSuffix(f[0], "]")
				name, value, _ := strings.Cut(opt, "=")
				name = strings.ToLower(strings.TrimRight(name, "+-"))
				if name == "signed-by" {
					e.signedBy = value
				}
				if isInsecure(name, value) {
					e.insecure = opt
				}
				f = f[1:]
				if last {
					break
				}
			}
		}
		if len(f) < 3 {
			continue
		}
		e.uris, e.suites, e.comps = f[:1], f[1:2], f[2:]
		out = append(out, e)
	}
	return out
}

// parseDeb822 reads the stanzas of sources.list(5)'s newer format.
func parseDeb822(stanzas string) []source {
	var out []source
	fields := map[string]string{}
	key := ""
	flush := func() {
		types := strings.Fields(fields["types"])
		if slices.Contains(types, "deb") && !strings.EqualFold(strings.TrimSpace(fields["enabled"]), "no") {
			e := source{
				uris:     strings.Fields(fields["uris"]),
				suites:   strings.Fields(fields["suites"]),
				comps:    strings.Fields(fields["components"]),
				signedBy: strings.TrimRight(fields["signed-by"], " "),
			}
			for _, name := range insecureOptions {
				if isInsecure(name, fields[name]) {
					e.insecure = name + ": " + strings.TrimSpace(fields[name])
				}
			}
			out = append(out, e)
		}
		fields, key = map[string]string{}, ""
	}
	for line := range strings.Lines(stanzas) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t':
			if key != "" {
				fields[key] += "\n" + line
			}
		default:
			k, v, ok := strings.Cut(line, ":")
			if !ok {
				continue
			}
			key = strings.ToLower(strings.TrimSpace(k))
			fields[key] = strings.TrimSpace(v)
		}
	}
	flush()
	return out
}

// render writes the entry for one kind ("deb", "deb-src") and suite.
func (e source) render(kind, suite string) string {
	out := fmt.Sprintf("Types: %s\nURIs: %s\nSuites: %s\nComponents: main\n", kind, strings.Join(e.uris, " "), suite)
	if e.signedBy != "" {
		// A path follows on the same line, a key in place on lines of its own.
		if !strings.HasPrefix(e.signedBy, "\n") {
			out += "Signed-By: " + e.signedBy + "\n"
		} else {
			out += "Signed-By:" + e.signedBy + "\n"
		}
	}
	if e.trusted != "" {
		out += "Trusted: " + e.trusted + "\n"
	}
	return out
}
