package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facerec/internal/text"
)

// environment lists the flags that an environment variable can set: RELEASER_
// and the flag's name in upper case, with "_" for "-". A flag on the command
// line wins.
var environment = []string{
	"config", "quiet",
	"registry", "insecure-registry", "token-server", "ca-file", "retries", "stall", "cache", "no-cache", "cache-limit",
	"trusted-root", "signing-config", "page", "token-file", "jobs",
}

// otherVariables are the RELEASER_ variables that belong to no flag: secrets,
// and what build_cmd is told about its cell.
var otherVariables = []string{
	"RELEASER_KEY_PASSWORD", "RELEASER_TOKEN",
	"RELEASER_LINEAGE", "RELEASER_PLATFORM", "RELEASER_OS", "RELEASER_ARCH", "RELEASER_VARIANT", "RELEASER_VERSION",
}

func variable(flag string) string {
	return "RELEASER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// applyEnvironment sets the flags of cmd that the command line does not.
func applyEnvironment(cmd *cobra.Command) error {
	var wrong error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value := os.Getenv(variable(f.Name))
		if f.Changed || value == "" || !slices.Contains(environment, f.Name) || wrong != nil {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			wrong = usage("environment variable %s: %v", variable(f.Name), err)
		}
	})
	return wrong
}

// warnOfTypos names RELEASER_ variables that mean nothing here but look like one
// that does.
func (a *app) warnOfTypos(variables []string) {
	known := slices.Clone(otherVariables)
	for _, flag := range environment {
		known = append(known, variable(flag))
	}
	for _, v := range variables {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "RELEASER_") || slices.Contains(known, name) {
			continue
		}
		if near, ok := text.Nearest(strings.TrimPrefix(name, "RELEASER_"), trimmed(known)); ok {
			a.warn("unknown environment variable %s: did you mean RELEASER_%s?", text.Show(name), near)
		}
	}
}

func trimmed(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.TrimPrefix(n, "RELEASER_")
	}
	return out
}
