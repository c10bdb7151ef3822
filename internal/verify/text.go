package verify

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"facerec/internal/text"
)

// Text is the report for people: a line for each step, below it what was
// expected and found, and a verdict at the end.
func (r Report) Text() string {
	var b strings.Builder
	for _, s := range r.Results {
		b.WriteString(s.Text())
	}
	b.WriteString(r.Summary())
	return b.String()
}

// Text is the step on a line of its own, with more lines below if something was
// expected and not found.
func (s Result) Text() string {
	var b strings.Builder
	word := map[Status]string{Pass: "ok", Fail: "FAIL", Skip: "skip"}[s.Status]
	fmt.Fprintf(&b, "%-4s  %-20s  %-12s  %s", word, s.where(), s.Link, s.path())
	if s.Detail != "" {
		b.WriteString(": " + s.Detail)
	}
	b.WriteByte('\n')
	if s.Expected != "" || s.Got != "" {
		fmt.Fprintf(&b, "      expected %s\n      got      %s\n", s.Expected, s.Got)
	}
	for _, c := range s.Causes {
		fmt.Fprintf(&b, "      cause %s\n", c)
	}
	for _, d := range s.Differences {
		fmt.Fprintf(&b, "      %s\n", d)
	}
	for _, o := range s.Output {
		fmt.Fprintf(&b, "      | %s\n", o)
	}
	return b.String()
}

// Summary is the end of Text: the chains and their first broken links, if any is
// broken, and the verdict.
func (r Report) Summary() string {
	var b strings.Builder
	for _, s := range r.Results {
		if s.isNo() {
			fmt.Fprintf(&b, "rebuilt differently: %s: %s\n", s.path(), s.Detail)
		}
	}
	for _, gap := range r.Unchecked {
		fmt.Fprintf(&b, "note: %s\n", gap)
	}
	for _, s := range r.Results {
		for _, n := range s.Notes {
			fmt.Fprintf(&b, "note: %s: %s\n", s.where(), n)
		}
	}
	if r.Signature != nil {
		for _, refused := range r.Signature.Refused {
			fmt.Fprintf(&b, "note: another bundle or trusted root does not verify: %s\n", refused)
		}
	}
	if r.TrustRoot != nil {
		fmt.Fprintf(&b, "trust root: %s\n", r.TrustRoot.Text())
	}
	if !r.Verified {
		b.WriteString(r.table())
		for _, s := range r.Broken() {
			fmt.Fprintf(&b, "%s: first broken link is %s: %s\n", s.where(), s.Link, s.why())
		}
	}
	for _, n := range r.Releases {
		if n.ExitCode == 0 {
			fmt.Fprintf(&b, "%s: verified: %s of %s %s, signed by %s\n", n.Dist, text.Count(n.Cells, "cell"), n.Project, n.Version, n.Signature.Who())
		} else {
			fmt.Fprintf(&b, "%s: not verified: %s\n", n.Dist, verdictText(n.Verdict))
		}
	}
	switch {
	case !r.Verified:
		fmt.Fprintf(&b, "not verified: %s (exit code %d)\n", verdictText(r.Verdict), r.ExitCode)
	case r.Checksums != "":
		fmt.Fprintf(&b, "verified: %s as %s says, signed by %s\n", text.Count(r.files(), "file"), text.Show(r.Checksums), r.Signature.Who())
	case r.Releases != nil:
		fmt.Fprintf(&b, "verified: %s of %s\n", text.Count(len(r.Chains), "cell"), text.Count(len(r.Releases), "release"))
	case r.rebuilt:
		fmt.Fprintf(&b, "verified: %s of %s %s, rebuilt from the sources byte for byte, signed by %s\n", text.Count(len(r.Chains), "cell"), r.Project, r.Version, r.Signature.Who())
	default:
		fmt.Fprintf(&b, "verified: %s of %s %s, signed by %s\n", text.Count(len(r.Chains), "cell"), r.Project, r.Version, r.Signature.Who())
	}
	return b.String()
}

// files is how many listed files passed.
func (r Report) files() int {
	n := 0
	for _, s := range r.Results {
		if s.Link == LinkFile && s.Status == Pass {
			n++
		}
	}
	return n
}

// why is a step that did not pass in half a line: what was seen, expected and
// found, and the most telling of what explains it.
func (s Result) why() string {
	what := s.Detail
	if s.Field != "" && !strings.Contains(what, s.Field) {
		what = s.Field + ", " + what
	}
	if s.Expected != "" || s.Got != "" {
		what += fmt.Sprintf(": expected %s, got %s", s.Expected, s.Got)
	}
	for _, more := range [][]string{s.Causes, s.Differences} {
		if len(more) > 0 {
			return what + "; " + more[0]
		}
	}
	return what
}

// table is the chains as people read them: a line per cell, a column per link.
func (r Report) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	links := r.links()
	if len(links) == 0 {
		return ""
	}
	fmt.Fprintf(w, "cell\t%s\n", strings.Join(links, "\t"))
	for _, c := range r.Chains {
		fmt.Fprintf(w, "%s", owner{c.Dist, c.Cell})
		for _, link := range links {
			word, status := c.word(link)
			if status == Fail {
				word = "FAIL"
			}
			fmt.Fprintf(w, "\t%s", or(word, "-"))
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // a builder takes everything
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
