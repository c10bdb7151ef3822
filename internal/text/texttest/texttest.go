// Package texttest has strings that act where they are printed as they are, and reports
// whether a line of output acts: for tests of whatever prints names.
package texttest

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Forged begins the line that a string of Strings would make of its own.
const Forged = "FORGED"

// Strings are what strangers write, harmless and not.
var Strings = []string{
	"", " ", "plain", "a b", " lead", "trail ", "Zoë", "李小龍", "עברית", "a\u3000b", "❤\ufe0f.jpg",
	"a\nb", "a\r\nb", "a\tb", "a\rb", "\x1b[31mred", "\x1b]0;title\a", "a\x00b", "a\x7fb", "\u009b31m",
	"\u202eexe.gpj", "a\u2066b\u2069", "a\u200bb", "a\u200db", "\ufeffbom", "a\u2028b", "a\u2029b", "a\u00a0b", "a\u00adb",
	"\u3164", "a\u115fb", "\U000e0041tag", "\U000e0100", "\xff\xfe", "caf\xe9", "\ud7ff", "\ufffd",
	"::error::x", " ::set-output name=a::b", "\t::add-mask::x", "\n::stop-commands::x", "x\n::warning::y", "::", "\u00a0::error::x",
	"##[error]x", "a ##[group]b", "x##[group]y", "##vso[task.setvariable variable=a]b", "#[x]", "###[x]", "##", "#", "C#", "c##",
	`"quoted"`, `back\slash`, "|a|b|", "|a|<b>", "<script>", "`code`", "=1+1", strings.Repeat("long ", 1000),
	"a\n" + Forged, "a\r" + Forged, "a\u2028" + Forged, "a\v" + Forged, "a\u0085" + Forged,
}

// Files are some of them, names that files can have, for tests that cannot afford all.
var Files = []string{
	"a\nb", "\x1b[31mred", "\x1b]0;title\a", "\u202eexe.txt", "a\u200bb", "a\u2028b", "a\rb", "\u009b31m",
	"::error::x", "\u00a0::error::x", "x\n::warning::y", "##[error]x", "x##[group]y", "##vso[task.setvariable variable=a]b",
	"caf\xe9", "a\u00a0b", "|a|<b>", "=1+1",
}

// Dense are a few strings with everything in them.
var Dense = []string{
	"x\n::error::y\x1b[31m##[command]z\u202e\u200b\xff\n" + Forged,
	"::error title=a::b",
	"##[command]c",
}

// Acts reports what in a line, without its end, would do more than be read. A tab may
// stand between columns.
func Acts(line string) string {
	if !utf8.ValidString(line) {
		return "bytes that are not UTF-8"
	}
	for _, r := range line {
		if !unicode.IsPrint(r) && r != '\t' && r != '\u3000' {
			return fmt.Sprintf("character %U", r)
		}
	}
	if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") || strings.Contains(line, "##vso[") {
		return "a workflow command"
	}
	return ""
}

// ActsIn is Acts for a stream: the first line that acts, and why. No string may make a
// line of its own either.
func ActsIn(stream string) (line, why string) {
	for line := range strings.Lines(stream) {
		line = strings.TrimSuffix(line, "\n")
		if why := Acts(line); why != "" {
			return line, why
		}
		if strings.HasPrefix(strings.TrimSpace(line), Forged) {
			return line, "a string that makes a line of its own"
		}
	}
	return "", ""
}
