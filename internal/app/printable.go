package app

import (
	"strconv"
	"strings"
	"unicode"
)

// Printable returns s for a line of text: as it is, or quoted if it holds
// control characters, bytes that are not UTF-8, or marks that turn the
// direction of writing, any of which could forge or garble a line.
func Printable(s string) string {
	bad := func(r rune) bool {
		return r == unicode.ReplacementChar || !unicode.IsPrint(r) && r != '\u3000' || unicode.Is(unicode.Bidi_Control, r)
	}
	if s == "" || strings.ContainsFunc(s, bad) {
		return strconv.Quote(s)
	}
	return s
}
