package main

import "strings"

// secretVariables are the environment variables with which this program signs
// and publishes. build_cmd never sees them: what it runs could sign as this
// release or write to its page. A name that ends with "*" is a prefix.
var secretVariables = []string{
	"ACTIONS_ID_TOKEN_*",
	"SIGSTORE_ID_TOKEN",
	"RELEASER_KEY_PASSWORD",
	"RELEASER_TOKEN",
}

// withoutSecrets returns env, a list of NAME=VALUE, without secretVariables.
func withoutSecrets(env []string) []string {
	var out []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if !isSecret(name) {
			out = append(out, e)
		}
	}
	return out
}

// isSecret reports whether a variable is one of secretVariables.
func isSecret(name string) bool {
	for _, s := range secretVariables {
		prefix, isPrefix := strings.CutSuffix(s, "*")
		if name == s || isPrefix && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
