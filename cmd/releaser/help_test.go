package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
)

// TestHelpIsText reads the help of every verb: nothing in it is a control character or
// other than text.
func TestHelpIsText(t *testing.T) {
	verbs := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		verbs++
		var help bytes.Buffer
		c.SetOut(&help)
		if err := c.Help(); err != nil {
			t.Error(err)
		}
		if at := strings.IndexFunc(help.String(), func(r rune) bool { return r != '\n' && (!unicode.IsPrint(r) || r == unicode.ReplacementChar) }); at >= 0 {
			t.Errorf("%s: help has %q at byte %d", c.CommandPath(), help.String()[at:min(at+20, help.Len())], at)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{}).root())
	if verbs < 25 {
		t.Errorf("%d verbs, expected all", verbs)
	}
}
