package rebuild

import (
	"fmt"
	"slices"
	"strings"

	"facerec/internal/release"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// Named is what a release says that it was built from.
type Named struct {
	Commit string // "" if it names none
	Inputs []Input
}

var commitID = text.Pattern(`^[0-9a-f]{40,64}$`)

// NamedBy reads what a provenance statement names. The statement is verified: a
// signer wrote it. One that names nothing gives nothing.
func NamedBy(statement []byte) (Named, error) {
	var n Named
	if statement == nil {
		return n, nil
	}
	materials, err := verify.Materials(statement)
	if err != nil {
		return n, fmt.Errorf("%s: %w", release.ProvenanceFile, err)
	}
	for _, m := range materials {
		if n.Commit == "" && commitID().MatchString(m.Commit) { // a hint repeats it for a shell
			n.Commit = m.Commit
		}
		if d, err := release.ParseHex(m.SHA256); err == nil && m.URI == "" && m.Name != "" {
			n.Inputs = append(n.Inputs, Input{m.Name, d})
		}
	}
	return n, nil
}

// Sources are the sources that are about to be built.
type Sources struct {
	Dir     string   // for people
	Commit  string   // that is checked out, "" where git knows none
	NoGit   string   // why git knows none
	Tag     string   // of the release, in git
	Tagged  string   // commit that it names, "" for none
	Changes []string // files that are not as in the commit
	Inputs  []Input  // the configuration and lock files
}

// SourceError says that the sources are not those of the release. Nothing was
// built.
type SourceError struct {
	Dir           string
	What          string
	Expected, Got string
	Advice        string
}

func (e *SourceError) Error() string {
	return fmt.Sprintf("sources in %s: %s: expected %s, got %s", text.Show(e.Dir), e.What, text.Line(e.Expected, 200), text.Line(e.Got, 200))
}

// Hint says how to get the right ones.
func (e *SourceError) Hint() string { return e.Advice }

// shownChanges bounds how many changed files an error lists.
const shownChanges = 8

// Check compares the sources with what the release names. It says what was
// compared, and what could not be, "" for nothing.
func (n Named) Check(s Sources) (compared, gap string, err error) {
	wrong := func(what, expected, got, advice string) error {
		return &SourceError{s.Dir, what, expected, got, advice}
	}
	want, who := n.Commit, "the provenance"
	if want == "" && s.Tagged != "" {
		want, who = s.Tagged, "the git tag "+s.Tag
	}
	var same []string
	switch {
	case s.Commit != "" && want == "":
		gap = "the release names no commit, and git has no tag " + s.Tag + ": the commit could not be compared"
	case s.Commit != "" && want != s.Commit:
		return "", "", wrong("commit", want+" as "+who+" names it", s.Commit, "git checkout "+want)
	case s.Commit != "" && len(s.Changes) > 0:
		return "", "", wrong("working tree", "the files of commit "+s.Commit, "changes of "+text.List(s.Changes, shownChanges),
			"git checkout "+s.Commit+", and undo the changes; what a build leaves belongs in .gitignore")
	case s.Commit != "":
		same = append(same, "commit "+s.Commit+", as "+who+" names it")
	default:
		gap = "the commit could not be compared"
		if want != "" {
			gap += " with " + want
		}
		gap += ": " + s.NoGit
	}
	for _, in := range s.Inputs {
		i := slices.IndexFunc(n.Inputs, func(o Input) bool { return o.Name == in.Name })
		if i < 0 {
			continue
		}
		if named := n.Inputs[i].SHA256; named != in.SHA256 {
			advice := "take the sources of the release"
			if want != "" {
				advice = "git checkout " + want
			}
			return "", "", wrong(in.Name, named.String(), in.SHA256.String(), advice)
		}
		same = append(same, in.Name)
	}
	return strings.Join(same, ", "), gap, nil
}
