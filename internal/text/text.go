// Package text prepares strings for people, terminals and logs.
//
// Names, messages and headers that other people, files or servers wrote can
// hold line breaks, terminal escapes, bidirectional overrides, invisible
// characters, or workflow commands that a CI runner obeys. Every such string
// passes through one of these functions before it reaches a reader:
//
//   - [Show] for names: unchanged when harmless, quoted otherwise.
//   - [Quote] for names that are always quoted, as %q does.
//   - [Line] for messages: one line of limited length.
//   - [JSON] for documents: the same values, with risky characters escaped.
//   - [Row] for a line of columns.
//   - [Lines] for all that a command prints, as the last guard.
//
// They keep the same promise, which TestNothingActs checks: every line of the
// result has printable characters only, and no part of it is a workflow command of
// GitHub Actions or Azure Pipelines. The GitHub runner takes a line for a
// command when it starts with "::" after any blanks, or when "##[" stands
// anywhere in it (actions/runner, src/Runner.Common/ActionCommand.cs).
package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Show returns s as it is if it is printable on one line and harmless, and
// quoted otherwise. The empty string is quoted.
func Show(s string) string {
	if s == "" || s != strings.TrimSpace(s) || strings.HasPrefix(s, "::") || !harmless(s) {
		return Quote(s)
	}
	return s
}

// ShowASCII is [Show] for names that readers compare with others by eye: letters
// outside of ASCII, which can look like those in it, are escaped too.
func ShowASCII(s string) string {
	shown := Show(s)
	if strings.IndexFunc(shown, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return shown
	}
	if shown[0] != '"' || shown == s {
		shown = Quote(s)
	}
	var b strings.Builder
	for _, r := range shown {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRuneToASCII(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// Quote returns s as a Go string literal in which nothing invisible and no
// workflow command is left as it is.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	escape(&b, s, true)
	b.WriteByte('"')
	return b.String()
}

// Line returns a message as one line of at most limit bytes, or of any length
// if limit is 0. Runs of white space become one blank; what cannot be printed
// is escaped. A longer message is cut and ends in "…".
func Line(s string, limit int) string {
	if limit > 0 && len(s) > 8*limit { // no more than is shown needs to be looked at
		s = strings.ToValidUTF8(s[:8*limit], "")
	}
	s = strings.Join(strings.Fields(s), " ")
	var b strings.Builder
	if rest, found := strings.CutPrefix(s, "::"); found {
		b.WriteString(`\x3a:`)
		s = rest
	}
	escape(&b, s, false)
	s = b.String()
	if limit > 0 && len(s) > limit {
		s = strings.TrimRight(strings.ToValidUTF8(s[:limit], ""), `\`) + " …"
	}
	return s
}

// Lines returns a text of several lines that is safe to print: line ends, tabs and
// blanks stay, everything else that [Line] escapes is escaped. It is the last
// guard of what a program prints; names inside go through [Show] before.
func Lines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		line, end := strings.CutSuffix(line, "\n")
		rest := strings.TrimLeft(line, " \t")
		b.WriteString(line[:len(line)-len(rest)])
		if after, command := strings.CutPrefix(rest, "::"); command {
			b.WriteString(`\x3a:`)
			rest = after
		}
		for i, part := range strings.Split(rest, "\t") {
			if i > 0 {
				b.WriteByte('\t')
			}
			escape(&b, part, false)
		}
		if end {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// Row returns s as one line in which blanks and tabs stay, so that columns do. Line
// ends are escaped too: a name makes no line of its own.
func Row(s string) string { return Lines(strings.ReplaceAll(s, "\n", `\n`)) }

// harmless reports whether every character of s can be shown as it is.
func harmless(s string) bool {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !visible(r) || risky(s, i) {
			return false
		}
		i += n
	}
	return true
}

// visible reports whether a reader sees r as a character of its own, or as a
// part of one, in the direction in which it is written.
func visible(r rune) bool {
	switch {
	case r == '\u3000': // the ideographic space, common in names
		return true
	case r == '\u034f', r == '\u115f', r == '\u1160', r == '\u17b4', r == '\u17b5', r == '\u2800', r == '\u3164', r == '\uffa0':
		return false // letters and marks by category that are drawn as nothing
	case r >= '\u180b' && r <= '\u180f', r >= '\ufe00' && r <= '\ufe0e', r >= 0xe0100 && r <= 0xe01ef:
		return false // variation selectors, except the one of emoji
	}
	return unicode.IsPrint(r)
}

// risky reports whether the byte at i could be part of a workflow command: a
// '#' that follows another or comes before a bracket.
func risky(s string, i int) bool {
	return s[i] == '#' && (i > 0 && s[i-1] == '#' || i+1 < len(s) && s[i+1] == '[')
}

func escape(b *strings.Builder, s string, quoted bool) {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, risky(s, i):
			fmt.Fprintf(b, `\x%02x`, s[i])
		case quoted && (r == '"' || r == '\\'):
			b.WriteByte('\\')
			b.WriteRune(r)
		case visible(r):
			b.WriteString(s[i : i+n])
		default:
			q := strconv.QuoteRuneToASCII(r)
			if visible(r) || q == "'"+string(r)+"'" {
				q = fmt.Sprintf(`'\u%04x'`, r)
			}
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
}

// Count returns "1 file" or "3 files".
func Count(n int, noun string) string { return CountForms(n, noun, noun+"s") }

// CountForms is [Count] for a noun whose plural has a form of its own.
func CountForms(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// List joins names for a sentence: each shown, at most limit of them, the rest
// counted.
func List(names []string, limit int) string {
	shown := make([]string, 0, min(len(names), limit)+1)
	for i, name := range names {
		if i == limit {
			shown = append(shown, strconv.Itoa(len(names)-limit)+" more")
			break
		}
		shown = append(shown, Show(name))
	}
	if len(shown) < 2 {
		return strings.Join(shown, "")
	}
	last := len(shown) - 1
	return strings.Join(shown[:last], ", ") + " and " + shown[last]
}
