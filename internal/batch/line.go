package batch

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"facerec/internal/release"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// The first fields of the JSON forms.
const (
	LineSchema    = "releaser.verify-list/v1"
	SummarySchema = "releaser.verify-list-summary/v1"
)

// Line is what a release of a list came to. It depends on the release and on what
// was expected of it, and on nothing else.
type Line struct {
	Schema   string          `json:"schema"`
	Release  string          `json:"release"` // as the list names it
	Verdict  string          `json:"verdict"` // "verified", "differs", "untrusted", "error", "usage" or "incomplete"
	ExitCode int             `json:"exit_code"`
	Project  string          `json:"project,omitempty"`
	Version  release.Version `json:"version,omitempty"`
	Signer   string          `json:"signer,omitempty"` // only if the signature is good
	Cells    int             `json:"cells"`

	// Digest is what was verified: that of checksums.txt, which names everything
	// else of the release, or, without a checksums.txt, of the list of the tarballs
	// that sha256sum would write; of a kit, that of its kit.json. It is missing where neither could be read.
	Digest *release.Digest `json:"digest,omitempty"`

	// Releases are those in a kit that has several.
	Releases []Part `json:"releases,omitempty"`

	Causes    []Cause  `json:"causes"`              // the first broken link of the release and of each cell
	Unchecked []string `json:"unchecked,omitempty"` // what was not checked, in words
}

// Part is a release of several in a kit.
type Part struct {
	Project  string          `json:"project,omitempty"`
	Version  release.Version `json:"version,omitempty"`
	Verdict  string          `json:"verdict"`
	ExitCode int             `json:"exit_code"`
	Signer   string          `json:"signer,omitempty"`
	Cells    int             `json:"cells"`
}

// Cause is why a release was not verified.
type Cause struct {
	Release  string `json:"release,omitempty"` // which of several in a kit
	Cell     string `json:"cell,omitempty"`
	Link     string `json:"link,omitempty"` // one of those of the chain; "" if there was nothing to walk along
	Subject  string `json:"subject,omitempty"`
	Detail   string `json:"detail"`
	Expected string `json:"expected,omitempty"`
	Got      string `json:"got,omitempty"`
}

// maxCauses is how many causes a line has.
const maxCauses = 12

// verdicts are the words for exit codes.
var verdicts = map[int]string{
	0: "verified", 1: verify.Failed.String(), 2: "usage", 3: verify.Differs.String(), 4: verify.Untrusted.String(), 5: verify.Incomplete.String(),
}

// order is that of exit codes, the worst first: not trusted, differs, could not be
// done, cannot be asked for like this, incomplete.
var order = []int{4, 3, 1, 2, 5, 0}

// ReportLine is the line of a release that was looked at.
func ReportLine(name string, r verify.Report, digest *release.Digest) Line {
	l := Line{Schema: LineSchema, Release: name, Verdict: r.Verdict, ExitCode: r.ExitCode, Project: r.Project, Version: r.Version,
		Cells: len(r.Chains), Digest: digest, Causes: []Cause{}, Unchecked: r.Unchecked}
	if r.Signature != nil {
		l.Signer = r.Signature.Who()
	}
	var signers []string
	for _, n := range r.Releases {
		p := Part{Project: n.Project, Version: release.Version(n.Version), Verdict: n.Verdict, ExitCode: n.ExitCode, Cells: n.Cells}
		if n.Signature != nil {
			p.Signer = n.Signature.Who()
			if !slices.Contains(signers, p.Signer) {
				signers = append(signers, p.Signer)
			}
		}
		l.Releases = append(l.Releases, p)
	}
	if len(signers) > 0 {
		l.Signer = strings.Join(signers, ", ")
	}
	for _, s := range r.Broken() {
		l.Causes = append(l.Causes, Cause{Release: s.Dist, Cell: s.Cell, Link: s.Link, Subject: s.Subject, Detail: s.Detail, Expected: s.Expected, Got: s.Got})
	}
	if more := len(l.Causes) - maxCauses; more > 0 {
		l.Causes = append(l.Causes[:maxCauses], Cause{Detail: text.Count(more, "more cause")})
	}
	return l
}

// ErrorLine is the line of a release that could not be looked at; code is the exit
// code that the error stands for.
func ErrorLine(name string, code int, err error) Line {
	detail := text.Error(err, 0).Error()
	for _, said := range []string{text.Line(name, 0), text.Line(filepath.Clean(name), 0), text.Show(name)} { // the line begins with it
		if rest, found := strings.CutPrefix(detail, said); found && said != "" && strings.TrimLeft(rest, ": ") != rest {
			detail = strings.TrimLeft(rest, ": ")
			break
		}
	}
	if hint := text.Hint(err); hint != "" {
		detail += ": " + text.Line(hint, 0)
	}
	return Line{Schema: LineSchema, Release: name, Verdict: verdicts[code], ExitCode: code, Causes: []Cause{{Detail: detail}}}
}

// final reports whether doing it once more would give the same.
func (l Line) final() bool { return l.ExitCode != 1 && l.ExitCode != 2 }

// Summary is what a list came to.
type Summary struct {
	Schema   string         `json:"schema"`
	Releases int            `json:"releases"`
	Verdicts map[string]int `json:"verdicts"` // how many lines have each
	ExitCode int            `json:"exit_code"`

	Kept int `json:"-"` // lines that were found in the state
}

// add counts a line; the worst exit code stays.
func (s *Summary) add(l Line) {
	s.Releases++
	s.Verdicts[l.Verdict]++
	if slices.Index(order, l.ExitCode) < slices.Index(order, s.ExitCode) {
		s.ExitCode = l.ExitCode
	}
}

// Text is the line for people.
func (l Line) Text() string {
	what := ""
	switch {
	case l.ExitCode == 0 && l.Releases != nil:
		what = fmt.Sprintf("%s of %s, signed by %s", text.Count(l.Cells, "cell"), text.Count(len(l.Releases), "release"), l.Signer)
	case l.ExitCode == 0 && l.Project == "":
		what = "signed by " + l.Signer
	case l.ExitCode == 0:
		what = fmt.Sprintf("%s of %s %s, signed by %s", text.Count(l.Cells, "cell"), l.Project, l.Version, l.Signer)
	case len(l.Causes) > 0:
		what = l.Causes[0].Text()
		if more := len(l.Causes) - 1; more > 0 {
			what += fmt.Sprintf(" (and %d more)", more)
		}
	}
	return fmt.Sprintf("%-10s  %s: %s", l.Verdict, text.Show(l.Release), text.Line(what, 0))
}

// Text is the cause for people.
func (c Cause) Text() string {
	what := c.Detail
	if c.Expected != "" || c.Got != "" {
		what += fmt.Sprintf(": expected %s, got %s", c.Expected, c.Got)
	}
	for _, before := range []string{c.Subject, c.Link, c.Cell, c.Release} {
		if before != "" {
			what = before + ": " + what
		}
	}
	return what
}

// Text is the summary for people.
func (s Summary) Text() string {
	var parts []string
	for _, code := range slices.Backward(order) {
		if n := s.Verdicts[verdicts[code]]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, verdicts[code]))
		}
	}
	return fmt.Sprintf("%s: %s (exit code %d)", text.Count(s.Releases, "release"), strings.Join(parts, ", "), s.ExitCode)
}
