package verify

import (
	"fmt"
	"strings"
	"time"
)

// Text is the report for people: a line for each step, below it what was
// expected and found, and a verdict at the end.
func (r Report) Text() string {
	var b strings.Builder
	for _, s := range r.Steps {
		b.WriteString(s.Text())
	}
	b.WriteString(r.Summary())
	return b.String()
}

// Text is the step on a line of its own, with more lines below if something was
// expected and not found.
func (s Step) Text() string {
	var b strings.Builder
	word := map[Status]string{Pass: "ok", Fail: "FAIL", Skip: "skip"}[s.Status]
	fmt.Fprintf(&b, "%-4s  %-20s  %-12s  %s", word, or(s.Cell, "release"), s.Link, s.Subject)
	if s.Detail != "" {
		b.WriteString(": " + s.Detail)
	}
	b.WriteByte('\n')
	if s.Expected != "" || s.Got != "" {
		fmt.Fprintf(&b, "      expected %s\n      got      %s\n", s.Expected, s.Got)
	}
	for _, d := range s.Differences {
		fmt.Fprintf(&b, "      %s\n", d)
	}
	return b.String()
}

// Summary is the end of Text: the first broken link of each cell, and the verdict.
func (r Report) Summary() string {
	var b strings.Builder
	cells := len(r.Cells())
	for _, gap := range r.Unchecked {
		fmt.Fprintf(&b, "note: %s, as asked\n", gap)
	}
	if r.TrustRoot != nil {
		fmt.Fprintf(&b, "trust root: %s\n", r.TrustRoot.Text())
	}
	if r.Verified {
		fmt.Fprintf(&b, "verified: %s of %s %s, signed by %s\n", plural(cells, "cell"), r.Project, r.Version, r.Signature.Who())
		return b.String()
	}
	broken := r.Broken()
	for _, s := range broken {
		what := s.Detail
		if s.Field != "" && s.Expected != "" {
			what = fmt.Sprintf("%s: expected %s, got %s", s.Field, s.Expected, s.Got)
		}
		fmt.Fprintf(&b, "%s: first broken link is %s: %s\n", or(s.Cell, "release"), s.Link, what)
	}
	fmt.Fprintf(&b, "not verified: %s (exit code %d)\n", verdictText(r.Verdict), r.ExitCode)
	return b.String()
}

// verdictText is a class for people.
func verdictText(verdict string) string {
	return map[string]string{
		Untrusted.String():  "not trusted",
		Differs.String():    "differs",
		Failed.String():     "could not be checked",
		Incomplete.String(): "incomplete: nothing failed, but not everything could be checked",
	}[verdict]
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Text is the signature on one line.
func (s Signature) Text() string {
	var b strings.Builder
	b.WriteString("signed by " + s.Who())
	for _, e := range s.LogEntries {
		fmt.Fprintf(&b, ", entry %d of %s", e.Index, e.Log)
	}
	for _, t := range s.Timestamps {
		fmt.Fprintf(&b, ", at %s by the %s", t.Time.Format(time.RFC3339), t.Source)
	}
	return b.String()
}

func entryCount(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
