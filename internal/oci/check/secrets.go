package check

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"facerec/internal/executable"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// secretTraces are keys whose form leaves no doubt. A list that also guessed
// (long random words, the word "password") would be switched off after a week.
//
//   - A PEM private key of any kind. Inside a program the header alone is what
//     every cryptographic library carries: there a line of key must follow.
//   - AWS access key ids: four fixed letters and 16 of a small alphabet (IAM
//     User Guide, "IAM identifiers").
//   - GitHub's tokens: a prefix and 36 characters or more ("Behind GitHub's new
//     authentication token formats", 2021).
var secretTraces = []executable.Trace{
	{Literal: "-----BEGIN ", Near: text.Pattern(`^-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY( BLOCK)?-----`), What: "a private key"},
	{Literal: "AKIA", Near: awsKey, Before: wordBefore, What: "an AWS access key id"},
	{Literal: "ASIA", Near: awsKey, Before: wordBefore, What: "an AWS access key id"},
	{Literal: "ghp_", Near: githubToken, Before: wordBefore, What: "a GitHub token"},
	{Literal: "gho_", Near: githubToken, Before: wordBefore, What: "a GitHub token"},
	{Literal: "ghs_", Near: githubToken, Before: wordBefore, What: "a GitHub token"},
	{Literal: "ghu_", Near: githubToken, Before: wordBefore, What: "a GitHub token"},
	{Literal: "ghr_", Near: githubToken, Before: wordBefore, What: "a GitHub token"},
	{Literal: "github_pat_", Near: text.Pattern(`^github_pat_[A-Za-z0-9_]{36,}`), Before: wordBefore, What: "a GitHub token"},
}

var (
	awsKey      = text.Pattern(`^A[KS]IA[A-Z0-9]{16}([^A-Za-z0-9]|$)`)
	githubToken = text.Pattern(`^gh[opsur]_[A-Za-z0-9]{36,}`)
	wordBefore  = text.Pattern(`[A-Za-z0-9_]$`)
)

// keyInProgram is a private key in a program: more than the header. Escaped
// line ends are those of a key in a string of a script or of JSON.
var keyInProgram = text.Pattern(`^-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY( BLOCK)?-----(\\r|\\n|\s)*[A-Za-z0-9+/=:-]{20}`)

// findSecrets looks into a file. What it finds is named, never repeated.
func findSecrets(c tarball.Content, program bool) ([]executable.Hit, error) {
	traces := secretTraces
	if program {
		traces = append([]executable.Trace{{Literal: secretTraces[0].Literal, Near: keyInProgram, What: secretTraces[0].What}}, secretTraces[1:]...)
	}
	hits, err := executable.Scan(io.NewSectionReader(c, 0, c.Size()), traces)
	for i := range hits {
		hits[i].Text = ""
	}
	return hits, err
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
var secretEnv = text.Pattern(`(?i)(^|_)(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIALS?)$`)

// secretsInConfig looks at what a builder may have left in an image's
// configuration: environment, labels, history.
func secretsInConfig(raw []byte, env []string) ([]Finding, error) {
	var out []Finding
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if value != "" && secretEnv().MatchString(name) {
			out = append(out, Finding{Path: "env:" + name, Detail: "the image's environment sets what is named like a secret"})
		}
	}
	hits, err := executable.Scan(bytes.NewReader(raw), secretTraces)
	for _, h := range hits {
		out = append(out, Finding{Path: "config", Detail: fmt.Sprintf("%s at offset %d of the image's configuration", h.What, h.At)})
	}
	return out, err
}
