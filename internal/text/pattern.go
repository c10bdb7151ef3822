package text

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression that is compiled when it is first used: a program
// has many, and a run needs few. One that is malformed panics then.
func Pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
