package verify

import (
	"fmt"
	"slices"
	"strings"

	"facerec/internal/text"
)

// Annotations is the report as workflow commands of GitHub Actions: an error for
// each broken link, a warning for each that could not be looked at, to be
// printed on stdout. It is empty if all holds.
func (r Report) Annotations() string {
	var b strings.Builder
	for _, s := range r.Results {
		if s.Status == Pass {
			continue
		}
		command := "error"
		if s.Status == Skip {
			command = "warning"
		}
		fmt.Fprintf(&b, "::%s title=%s::%s\n", command, commandProperty(s.where()+": "+s.Link), commandData(s.path()+": "+s.explain()))
	}
	return b.String()
}

// explain is why a step did not pass, on one line.
func (s Result) explain() string {
	why := s.Detail
	if s.Expected != "" || s.Got != "" {
		why += fmt.Sprintf(" (expected %s, got %s)", s.Expected, s.Got)
	}
	return strings.Join(slices.Concat([]string{why}, s.Causes, s.Differences, s.Output), "; ")
}

// commandData escapes the text of a workflow command, as the runner undoes it.
func commandData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text.Line(s, 0))
}

// commandProperty escapes a property of a workflow command.
func commandProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}

// Markdown is the report as a step summary: the verdict, a table of the cells,
// and what is broken.
func (r Report) Markdown() string {
	var b strings.Builder
	verdict := "Verified"
	if !r.Verified {
		verdict = "Not verified: " + r.Verdict
	}
	fmt.Fprintf(&b, "### %s\n\n", verdict)
	if r.Project != "" {
		fmt.Fprintf(&b, "%s %s", markdownText(r.Project), markdownText(string(r.Version)))
		if r.Signature != nil {
			fmt.Fprintf(&b, ", %s", markdownText(r.Signature.Text()))
		}
		b.WriteString("\n\n")
	}
	if r.TrustRoot != nil {
		fmt.Fprintf(&b, "Trust root: %s.\n\n", markdownText(r.TrustRoot.Text()))
	}
	for _, n := range r.Releases {
		fmt.Fprintf(&b, "- %s: %s\n", markdownText(n.Dist), n.Verdict)
	}
	if r.Releases != nil {
		b.WriteByte('\n')
	}
	for _, gap := range r.Unchecked {
		fmt.Fprintf(&b, "Note: %s.\n\n", markdownText(gap))
	}
	if r.Checksums != "" {
		fmt.Fprintf(&b, "%s as %s says.\n", text.Count(r.files(), "file"), markdownText(text.Show(r.Checksums)))
		r.markdownBroken(&b)
		return b.String()
	}
	links := r.links()
	b.WriteString("| cell | " + strings.Join(links, " | ") + " |\n|---|" + strings.Repeat("---|", len(links)) + "\n")
	for _, c := range r.Chains {
		b.WriteString("| " + markdownText(owner{c.Dist, c.Cell}.String()))
		for _, link := range links {
			b.WriteString(" | " + c.mark(link))
		}
		b.WriteString(" |\n")
	}
	r.markdownBroken(&b)
	return b.String()
}

func (r Report) markdownBroken(b *strings.Builder) {
	for i, s := range r.Broken() {
		if i == 0 {
			b.WriteString("\nFirst broken links:\n\n")
		}
		fmt.Fprintf(b, "- %s, %s: %s\n", markdownText(s.where()), s.Link, markdownText(s.explain()))
	}
}

// links are those of the chain that some cell has.
func (r Report) links() []string {
	var out []string
	for _, link := range r.order() {
		if slices.ContainsFunc(r.Chains, func(c Chain) bool { return c.has(link) }) {
			out = append(out, link)
		}
	}
	return out
}

func (c Chain) has(link string) bool {
	return slices.ContainsFunc(c.Links, func(l LinkState) bool { return l.Link == link })
}

// word is how a link of the cell ended, "" if it has none.
func (c Chain) word(link string) (word string, status Status) {
	for _, l := range c.Links {
		if l.Link == link {
			return l.word, l.Status
		}
	}
	return "", ""
}

func (s Result) word() string {
	switch s.Status {
	case Fail:
		return s.outcome(s.Class.String())
	case Skip:
		return "skipped"
	case Pass:
	}
	return "ok"
}

// Outcome is how a step ended in a word or two: its grade, if it has one.
func (s Result) Outcome() string { return s.outcome(s.word()) }

func (s Result) outcome(otherwise string) string {
	if s.Grade != nil {
		return s.Grade.String()
	}
	return otherwise
}

func (c Chain) mark(link string) string {
	word, status := c.word(link)
	if status == Fail {
		return "**" + word + "**"
	}
	return word
}

// markdownText keeps text from being taken for markup or for the end of a table's
// cell.
func markdownText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "\n", " ").Replace(s)
}
