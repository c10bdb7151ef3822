package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestExamplesAreCalls reads every example in the help: each is a call of its verb, with
// flags and numbers of arguments that it takes.
func TestExamplesAreCalls(t *testing.T) {
	calls := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			call, _, _ := strings.Cut(strings.TrimSpace(line), " && ")
			call, _, _ = strings.Cut(call, " > ")
			if at := strings.Index(call, "facerec "); at < 0 || strings.HasPrefix(call, "docker ") {
				continue
			} else {
				call = call[at:]
			}
			calls++
			root := newRoot(fakeEnvironment()) // flags keep what they were set to
			verb, args, err := root.Find(strings.Fields(call)[1:])
			if err != nil || verb.CommandPath() != c.CommandPath() {
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
	walk(newRoot(fakeEnvironment()))
	if calls < 15 {
		t.Errorf("%d calls, expected more", calls)
	}
}
