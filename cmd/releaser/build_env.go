package main

import (
	"slices"
	"strings"
)

// secretVariables are environment variables that build_cmd does not see unless
// build_env of config.json names them: what it runs could sign as this release,
// write to its page, or send them away. A "*" stands for any characters.
var secretVariables = []string{
	"ACTIONS_ID_TOKEN_*", "ACTIONS_RUNTIME_TOKEN", "SIGSTORE_ID_TOKEN",
	"RELEASER_KEY_PASSWORD", "RELEASER_TOKEN", "RELEASER_TOKEN_FILE",
	"COSIGN_PASSWORD", "*_TOKEN", "*_PASSWORD", "*_PASSPHRASE", "*_SECRET", "*_SECRET_KEY", "*_SECRET_ACCESS_KEY", "*_API_KEY", "*_PRIVATE_KEY", "*_CREDENTIALS",
}

// withoutSecrets returns env, a list of NAME=VALUE, without secretVariables,
// except those that allowed names.
func withoutSecrets(env, allowed []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return isSecret(name) && !slices.Contains(allowed, name)
	})
}

// isSecret reports whether a variable is one of secretVariables.
func isSecret(name string) bool {
	return slices.ContainsFunc(secretVariables, func(s string) bool {
		before, after, pattern := strings.Cut(s, "*")
		return name == s || pattern && len(name) > len(s)-1 && strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
	})
}
