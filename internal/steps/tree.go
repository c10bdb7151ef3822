package steps

import (
	"fmt"

	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/text"
)

// Tree is what git says of the directory that a release is made from.
type Tree struct {
	Head    string   // commit
	Tagged  string   // commit that the version's tag names, "" without such a tag
	Tags    []string // at Head
	Changes []string // files that are not as committed, and new ones that are not ignored
}

// NotReadyError is something that a person has to do before a release.
type NotReadyError struct {
	Reason string
	Advice string
}

func (e *NotReadyError) Error() string { return e.Reason }

// Hint returns the advice.
func (e *NotReadyError) Hint() string { return e.Advice }

// shownChanges bounds how many changed files an error lists.
const shownChanges = 8

// check refuses a tree that is not the one that the tag of v names. Nothing of what
// it refuses would show in the release afterwards.
func (t Tree) check(v release.Version) error {
	if len(t.Changes) > 0 {
		return &publish.Refusal{Subject: "working tree", Reason: "differs from the commit: " + text.List(t.Changes, shownChanges),
			Advice: "commit the changes and tag that commit, or undo them; what a build leaves belongs in .gitignore"}
	}
	switch {
	case t.Tagged == t.Head:
		return nil
	case t.Tagged != "":
		return &publish.Refusal{Subject: "git tag " + v.Tag(), Reason: fmt.Sprintf("expected the checked out commit %s, got %s", t.Head, t.Tagged),
			Advice: "check out the tag: git checkout " + v.Tag()}
	case len(t.Tags) > 0:
		return &NotReadyError{fmt.Sprintf("git tag %s not found: the checked out commit %s has %s", v.Tag(), short(t.Head), text.List(t.Tags, shownChanges)),
			"release the version of that tag, which config.json must have too, or tag the commit: git tag -s " + v.Tag()}
	}
	return &NotReadyError{fmt.Sprintf("git tag %s not found", v.Tag()), "tag the commit and push the tag: git tag -s " + v.Tag()}
}

// short is the beginning of a commit, for people.
func short(commit string) string { return commit[:min(len(commit), 12)] }
