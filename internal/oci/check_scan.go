package oci

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"facerec/internal/tarball"
)

// What is looked for inside files. A literal that a processor finds at memory
// speed comes first, a pattern then judges the bytes around it.

// trace is one thing to look for.
type trace struct {
	literal string
	near    *regexp.Regexp // must match at the literal; nil: the literal is enough
	before  *regexp.Regexp // must not match what leads up to the literal
	what    string
}

// secretTraces are keys whose form leaves no doubt. A list that also guessed
// (long random words, the word "password") would be switched off after a week.
//
//   - A PEM private key of any kind. Inside a program the header alone is what
//     every cryptographic library carries: there a line of key must follow.
//   - AWS access key ids: four fixed letters and 16 of a small alphabet (IAM
//     User Guide, "IAM identifiers").
//   - GitHub's tokens: a prefix and 36 characters or more ("Behind GitHub's new
//     authentication token formats", 2021).
var secretTraces = []trace{
	{literal: "-----BEGIN ", near: regexp.MustCompile(`^-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY( BLOCK)?-----`), what: "a private key"},
	{literal: "AKIA", near: awsKey, before: wordBefore, what: "an AWS access key id"},
	{literal: "ASIA", near: awsKey, before: wordBefore, what: "an AWS access key id"},
	{literal: "ghp_", near: githubToken, before: wordBefore, what: "a GitHub token"},
	{literal: "gho_", near: githubToken, before: wordBefore, what: "a GitHub token"},
	{literal: "ghs_", near: githubToken, before: wordBefore, what: "a GitHub token"},
	{literal: "ghu_", near: githubToken, before: wordBefore, what: "a GitHub token"},
	{literal: "ghr_", near: githubToken, before: wordBefore, what: "a GitHub token"},
	{literal: "github_pat_", near: regexp.MustCompile(`^github_pat_[A-Za-z0-9_]{36,}`), before: wordBefore, what: "a GitHub token"},
}

var (
	awsKey      = regexp.MustCompile(`^A[KS]IA[A-Z0-9]{16}([^A-Za-z0-9]|$)`)
	githubToken = regexp.MustCompile(`^gh[opsur]_[A-Za-z0-9]{36,}`)
	wordBefore  = regexp.MustCompile(`[A-Za-z0-9_]$`)
)

// keyInProgram is a private key in a program: more than the header. Escaped
// line ends are those of a key in a string of a script or of JSON.
var keyInProgram = regexp.MustCompile(`^-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY( BLOCK)?-----(\\r|\\n|\s)*[A-Za-z0-9+/=:-]{20}`)

// buildTraces are paths of the machine that built a program: of its users and
// of its temporary files, and of a Go module cache wherever it lies (a program
// built with -trimpath names modules without it).
//
// A name that goes on to the left ("example.org/pkg/root/x.go") is another
// path. But Go packs the strings of a program without anything between them,
// so the folders that compilers keep in a home count wherever they stand.
// "/tmp" is also a name that programs use: only what lies in a folder of it, or
// is a source file, counts.
var buildTraces = []trace{
	{literal: "/root/", near: regexp.MustCompile(`^/root/[A-Za-z0-9._+@~-]+`), before: nameBefore, what: "a path of the build machine"},
	{literal: "/root/go/", what: "a path of the build machine"},
	{literal: "/root/.", near: regexp.MustCompile(`^/root/\.(cache|cargo|rustup|local|ccache|conan2?|m2|npm)/`), what: "a path of the build machine"},
	{literal: "/home/", near: regexp.MustCompile(`^/home/[A-Za-z0-9._+@~-]+/`), before: nameBefore, what: "a path of the build machine"},
	{literal: "/tmp/", near: regexp.MustCompile(`^/tmp/[A-Za-z0-9._+@~-]+(/[A-Za-z0-9._+@~-]|\.(go|s|c|cc|cpp|cxx|h|hpp|o|a)\b)`), before: nameBefore, what: "a path of the build machine"},
	{literal: "/pkg/mod/", near: regexp.MustCompile(`^/pkg/mod/[A-Za-z0-9._!-]+[/@]`), what: "a path of a Go module cache"},
}

var nameBefore = regexp.MustCompile(`[A-Za-z0-9._~-]$`)

// hit is one trace found.
type hit struct {
	what string
	text string // what stands there, cut short; "" where it must not be repeated
	at   int64  // offset in the file
}

// How files are read: in pieces that overlap by more than any pattern looks at.
const (
	scanPiece   = 1 << 20
	scanOverlap = 512
	maxHits     = 8 // of one file: enough to find out where they come from
)

// scan reads a file once and reports the first hits.
func scan(r io.Reader, traces []trace) ([]hit, error) {
	buf := make([]byte, 0, scanPiece+2*scanOverlap)
	var hits []hit
	base := int64(0) // offset of buf[0]
	from := 0        // where in buf to go on
	for {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return nil, err
		}
		end := len(buf)
		if !last {
			end -= scanOverlap
		}
		for _, t := range traces {
			for _, h := range t.find(buf, from, end, base) {
				if !slices.ContainsFunc(hits, func(o hit) bool { return o.at == h.at }) {
					hits = append(hits, h)
				}
			}
		}
		if last || len(hits) >= maxHits {
			return hits[:min(len(hits), maxHits)], nil
		}
		keep := end - scanOverlap // what leads up to a literal is looked at too
		base += int64(keep)
		buf = buf[:copy(buf, buf[keep:])]
		from = scanOverlap
	}
}

// find looks for literals that begin in buf[from:end].
func (t trace) find(buf []byte, from, end int, base int64) []hit {
	var out []hit
	for i := from; i < end && len(out) < maxHits; {
		j := bytes.Index(buf[i:min(len(buf), end+len(t.literal)-1)], []byte(t.literal))
		if j < 0 {
			break
		}
		i += j
		around := buf[i:min(len(buf), i+scanOverlap)]
		if (t.near == nil || t.near.Match(around)) && (t.before == nil || !t.before.Match(buf[max(0, i-32):i])) {
			out = append(out, hit{t.what, printable(around), base + int64(i)})
		}
		i += len(t.literal)
	}
	return out
}

// printable is the text at the beginning of b, at most 80 characters.
func printable(b []byte) string {
	for i, c := range b {
		if c <= ' ' || c > '~' || i == 80 {
			return string(b[:i])
		}
	}
	return string(b)
}

// findSecrets looks into a file. What it finds is named, never repeated.
func findSecrets(c tarball.Content, program bool) ([]hit, error) {
	traces := secretTraces
	if program {
		traces = append([]trace{{literal: secretTraces[0].literal, near: keyInProgram, what: secretTraces[0].what}}, secretTraces[1:]...)
	}
	hits, err := scan(io.NewSectionReader(c, 0, c.Size()), traces)
	for i := range hits {
		hits[i].text = ""
	}
	return hits, err
}

// findBuildPaths looks into a program for the known traces of a build machine,
// and for more folders of it that the caller knows.
func findBuildPaths(r io.Reader, more []string) ([]hit, error) {
	traces := buildTraces
	for _, m := range more {
		traces = append(traces[:len(traces):len(traces)], trace{literal: strings.TrimRight(m, "/") + "/", what: "a path of the build machine"})
	}
	return scan(r, traces)
}

// secretNames are files that hold credentials and nothing else, by the names
// that their programs give them. Keys are matched by path.Match on the last
// elements of a name.
var secretNames = []struct{ pattern, what string }{
	{".git", "a git repository: history, and often a token in its config"},
	{".env", "an environment file"},
	{".env.*", "an environment file"},
	{"id_rsa", "an SSH key"},
	{"id_dsa", "an SSH key"},
	{"id_ecdsa", "an SSH key"},
	{"id_ed25519", "an SSH key"},
	{".netrc", "passwords of hosts"},
	{"_netrc", "passwords of hosts"},
	{".git-credentials", "passwords of git"},
	{".docker/config.json", "passwords of registries"},
	{".dockercfg", "passwords of registries"},
	{".npmrc", "a token of a package registry"},
	{".pypirc", "a token of a package registry"},
	{".pgpass", "passwords of databases"},
	{".aws/credentials", "keys of AWS"},
	{".kube/config", "keys of a cluster"},
}

// harmlessEnv are templates that projects ship on purpose.
var harmlessEnv = []string{".env.example", ".env.sample", ".env.template", ".env.dist"}

// secretName says what a name promises to be, or "".
func secretName(name string) string {
	base := path.Base(name)
	for _, h := range harmlessEnv {
		if base == h {
			return ""
		}
	}
	two := path.Join(path.Base(path.Dir(name)), base)
	for _, s := range secretNames {
		subject := base
		if strings.Contains(s.pattern, "/") {
			subject = two
		}
		if ok, err := path.Match(s.pattern, subject); err == nil && ok {
			return s.what
		}
	}
	return ""
}

// secretEnv are names of environment variables that hold a secret.
var secretEnv = regexp.MustCompile(`(?i)(^|_)(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIALS?)$`)

// secretsInConfig looks at what a builder may have left in an image's
// configuration: environment, labels, history.
func secretsInConfig(raw []byte, env []string) ([]Finding, error) {
	var out []Finding
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if value != "" && secretEnv.MatchString(name) {
			out = append(out, Finding{Path: "env:" + name, Detail: "the image's environment sets what is named like a secret"})
		}
	}
	hits, err := scan(bytes.NewReader(raw), secretTraces)
	for _, h := range hits {
		out = append(out, Finding{Path: "config", Detail: fmt.Sprintf("%s at offset %d of the image's configuration", h.what, h.at)})
	}
	return out, err
}
