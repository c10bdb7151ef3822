package check

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Allowance waives one rule for matching paths.
type Allowance struct {
	Rule string
	Glob string // a pattern of [path.Match] for absolute paths; "/**" at the end means everything below
}

// ParseAllowance reads RULE=PATTERN, or RULE alone for every path.
func ParseAllowance(s string) (Allowance, error) {
	check, glob, ok := strings.Cut(s, "=")
	if !ok {
		glob = "/**"
	}
	a := Allowance{check, glob}
	if !slices.Contains(Names(), check) {
		return a, fmt.Errorf("allowance %q: expected one of the rules %s, got %q", s, strings.Join(Names(), ", "), check)
	}
	if _, err := path.Match(strings.TrimSuffix(glob, "/**"), ""); err != nil {
		return a, fmt.Errorf("allowance %q: invalid pattern %q: %w", s, glob, err)
	}
	return a, nil
}

func (a Allowance) permits(check, name string) bool {
	if a.Rule != check {
		return false
	}
	if top, below := strings.CutSuffix(a.Glob, "/**"); below {
		if top == "" {
			return true
		}
		for dir := name; ; dir = path.Dir(dir) {
			if ok, err := path.Match(top, dir); err == nil && ok {
				return true
			}
			if dir == path.Dir(dir) {
				return false
			}
		}
	}
	ok, err := path.Match(a.Glob, name)
	return err == nil && ok
}
