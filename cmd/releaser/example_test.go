package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestExamplesAreCalls has every verb give examples, of itself, that have only flags
// and numbers of arguments that it takes.
func TestExamplesAreCalls(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Runnable() && !c.HasSubCommands() && c.Example == "" && c.Parent().Name() != "completion" {
			t.Errorf("%s: no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			call, _, _ := strings.Cut(strings.TrimSpace(line), " | ")
			words := strings.Fields(call)
			root := (&app{}).root() // flags keep what they were set to
			verb, args, err := root.Find(words[1:])
			if err != nil || words[0] != "releaser" || verb.Name() != c.Name() && !c.Hidden {
				t.Errorf("%s: %q is a call of %s: %v", c.CommandPath(), line, verb.CommandPath(), err)
				continue
			}
			if err := verb.ParseFlags(args); err != nil {
				t.Errorf("%q: %v", line, err)
			}
			if err := verb.ValidateArgs(verb.Flags().Args()); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{}).root())
}

// TestDocumentedCallsAreCalls reads the documents: each call of the program there names
// a verb and flags that exist.
func TestDocumentedCallsAreCalls(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md", "toolchain/*.md", "contrib/*/*.md", "contrib/*.md"} {
		found, err := filepath.Glob(filepath.Join("../..", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	calls := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(raw), "\n") {
			for _, call := range callPattern.FindAllString(line, -1) {
				calls++
				call, _, _ = strings.Cut(call, " #")
				call, _, _ = strings.Cut(call, " | ")
				call, _, _ = strings.Cut(call, " && ")
				verb, args, err := (&app{}).root().Find(strings.Fields(strings.Trim(call, "` "))[1:])
				if err == nil && !verb.HasParent() {
					err = fmt.Errorf("no such verb")
				}
				for _, arg := range args {
					name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
					if strings.HasPrefix(arg, "--") && name != "" && verb.Flag(strings.Trim(name, ".,;:)'…")) == nil && name != "help" && !strings.HasSuffix(name, "…") {
						err = fmt.Errorf("%s has no flag %s", verb.CommandPath(), arg)
					}
				}
				if err != nil {
					t.Errorf("%s:%d: %s: %v", file, n+1, call, err)
				}
			}
		}
	}
	if calls < 100 {
		t.Errorf("%d calls, expected far more", calls)
	}
}

// callPattern is a call in a block of code, or in a span.
var callPattern = regexp.MustCompile("^(?:    |\t)(?:\\$ )?(?:bin/)?releaser [a-z].*|`releaser [a-z][^`]*`")

// TestHelpFitsIntoATerminal reads what is written by hand in the help of every verb.
func TestHelpFitsIntoATerminal(t *testing.T) {
	const most = 92
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for line := range strings.Lines(c.Long) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > most {
				t.Errorf("%s: a line of %d characters, expected at most %d: %s", c.CommandPath(), n, most, line)
			}
		}
		for _, sub := range c.Commands() {
			if c.Name() != "completion" {
				walk(sub)
			}
		}
	}
	walk((&app{}).root())
}

// TestUsageSaysWhatIsMeant calls verbs that do not exist, flags that do not exist, and
// verbs with a wrong number of arguments.
func TestUsageSaysWhatIsMeant(t *testing.T) {
	for args, want := range map[string]string{
		"verfy dist":         `releaser: "verfy" is not a verb of releaser` + "\nhint: did you mean 'releaser verify'?\n",
		"kit creat":          `releaser: "creat" is not a verb of releaser kit` + "\nhint: did you mean 'releaser kit create'?\n",
		"trust zzzzzzzz":     `releaser: "zzzzzzzz" is not a verb of releaser trust` + "\nhint: expected one of update, show\n",
		"completion foo":     `releaser: "foo" is not a verb of releaser completion` + "\nhint: expected one of bash, zsh, fish, powershell\n",
		"help verfy":         `releaser: "verfy" is not a verb of releaser` + "\nhint: did you mean 'releaser verify'?\n",
		"verify --ofline d":  "releaser: unknown flag: --ofline\nhint: did you mean --offline?\n",
		"ls --zzzzzzzzzzz x": "releaser: unknown flag: --zzzzzzzzzzz\nhint: see 'releaser ls --help'\n",
		"ls":                 "releaser: got no arguments, expected 'releaser ls ARTIFACT'\nhint: see 'releaser ls --help'\n",
		"ls a b":             "releaser: got 2 arguments, expected 'releaser ls ARTIFACT'\nhint: see 'releaser ls --help'\n",
		"version x":          "releaser: got 1 argument, expected 'releaser version'\nhint: see 'releaser version --help'\n",
	} {
		var out, errs strings.Builder
		if code := run(t.Context(), strings.Fields(args), nil, &out, &errs); code != exitUsage || errs.String() != want || out.Len() > 0 {
			t.Errorf("%s: exit code %d, expected %d and %q, got %q%s", args, code, exitUsage, want, errs.String(), out.String())
		}
	}
}
