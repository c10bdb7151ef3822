package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/publish"
	"facerec/internal/retry"
)

// pageFlags say how a release page is reached.
type pageFlags struct {
	tokenFile string
}

func (f *pageFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "read the forge's token from `FILE` (default: environment RELEASER_TOKEN, else GITHUB_TOKEN or GITEA_TOKEN by the kind of the page)")
}

// maxToken is more than any forge's tokens have, in bytes.
const maxToken = 4 << 10

// pageOptions are how pages are reached in this run. GITHUB_TOKEN goes to GitHub
// alone, unless a Gitea runner set it.
func (a *app) pageOptions(f pageFlags) (publish.Options, error) {
	o := publish.Options{
		UserAgent: "releaser/" + version, Insecure: a.registries.insecure,
		Retry: &retry.Policy{Tries: a.registries.retries + 1, Stall: a.registries.stall, Obey: true, Notice: func(line string) { a.note("%s", line) }},
	}
	if f.tokenFile != "" {
		raw, err := atomicfile.ReadFile(f.tokenFile, maxToken)
		if err != nil {
			return o, fmt.Errorf("--token-file: %w", err)
		}
		token := strings.TrimSpace(string(raw))
		if token == "" || strings.ContainsAny(token, " \t\r\n") {
			return o, usage("--token-file %s: expected one token", f.tokenFile)
		}
		o.Token = func(string) string { return token }
		return o, nil
	}
	o.Token = func(kind string) string {
		for _, name := range []string{"RELEASER_TOKEN", strings.ToUpper(kind) + "_TOKEN"} {
			if token := strings.TrimSpace(os.Getenv(name)); token != "" {
				return token
			}
		}
		if kind == "gitea" && os.Getenv("GITEA_ACTIONS") == "true" {
			return strings.TrimSpace(os.Getenv("GITHUB_TOKEN"))
		}
		return ""
	}
	return o, nil
}
