package tarball

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Filter returns the part of the tree that include and exclude leave.
//
// Patterns are matched against whole names from the top. In an element "*"
// stands for any bytes, "?" for one character, "[a-z]" for one of a set, and
// "\" takes the next character as it is; an element "**" stands for any number
// of elements, none included. So "*.txt" is about the top only and "**/*.txt"
// about everything.
//
// An entry is in when include is empty, or when it or a directory above it
// matches one of include. It is out when it or a directory above it matches
// one of exclude: exclude wins. Directories above an entry that is in are in
// as well, with their modes; the top always is. When the first name of a group
// of hard links is out, the next one that is in carries the content.
//
// A malformed pattern is an error. One that matches nothing is not; see
// [Tree.Matches].
func (t Tree) Filter(include, exclude []string) (Tree, error) {
	if len(include)+len(exclude) == 0 {
		return t, nil
	}
	in, err := compile(include)
	if err != nil {
		return Tree{}, err
	}
	out, err := compile(exclude)
	if err != nil {
		return Tree{}, err
	}
	wanted := make([]bool, t.Len())
	inside := map[string]bool{} // directories whose whole content is in; read by key only
	outside := map[string]bool{}
	for i := range wanted {
		e := t.At(i)
		dir, nested := parent(e.Name)
		elems := strings.Split(e.Name, "/")
		if nested && outside[dir] || out.match(elems) {
			if e.Type == Dir {
				outside[e.Name] = true
			}
			continue
		}
		if below := nested && inside[dir]; len(in) > 0 && !below && !in.match(elems) {
			continue
		}
		if e.Type == Dir {
			inside[e.Name] = true
		}
		wanted[i] = true
		for nested {
			above, _ := t.Index(dir)
			if wanted[above] {
				break
			}
			wanted[above] = true
			dir, nested = parent(dir)
		}
	}
	kept := t.keep(func(i int) bool { return wanted[i] })
	return treeOf(kept, slices.Values([]Entry{{Name: ".", Type: Dir, Mode: t.TopMode()}}))
}

// Matches reports whether any entry matches the pattern, so that one that is
// misspelt can be pointed out.
func (t Tree) Matches(pattern string) (bool, error) {
	p, err := compile([]string{pattern})
	if err != nil {
		return false, err
	}
	for i := range t.Len() {
		if p.match(strings.Split(t.nodes.name(i), "/")) {
			return true, nil
		}
	}
	return false, nil
}

// globs are patterns, split into elements.
type globs [][]string

func compile(patterns []string) (globs, error) {
	var g globs
	for _, p := range patterns {
		trimmed := strings.TrimSuffix(strings.TrimPrefix(p, "./"), "/")
		if trimmed == "" || trimmed[0] == '/' {
			return nil, fmt.Errorf("pattern %q: expected a path relative to the top", p)
		}
		elems := strings.Split(trimmed, "/")
		for _, e := range elems {
			if e == "" || e == "." || e == ".." {
				return nil, fmt.Errorf("pattern %q: the element %q can match nothing", p, e)
			}
			if _, err := path.Match(e, ""); err != nil {
				return nil, fmt.Errorf("pattern %q: the element %q is malformed; check its brackets and backslashes", p, e)
			}
		}
		g = append(g, elems)
	}
	return g, nil
}

func (g globs) match(name []string) bool {
	for _, p := range g {
		if matchElems(p, name) {
			return true
		}
	}
	return false
}

// matchElems goes back only to the last "**": what an earlier one took can
// stay as it is, so that the time is at most len(p) times len(name).
func matchElems(p, name []string) bool {
	back, retry := -1, 0
	i, k := 0, 0
	for k < len(name) {
		if i < len(p) && p[i] == "**" {
			back, retry = i, k
			i++
			continue
		}
		if i < len(p) {
			if ok, _ := path.Match(p[i], name[k]); ok {
				i, k = i+1, k+1
				continue
			}
		}
		if back < 0 {
			return false
		}
		retry++
		i, k = back+1, retry
	}
	for i < len(p) && p[i] == "**" {
		i++
	}
	return i == len(p)
}
