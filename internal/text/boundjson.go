package text

import (
	"fmt"
	"iter"
)

// JSONMarks yields the brackets, braces and commas of a document that are not in
// strings, in their order. It does not check the syntax.
func JSONMarks(doc []byte) iter.Seq[byte] {
	return func(yield func(byte) bool) {
		inString := false
		for i := 0; i < len(doc); i++ {
			switch c := doc[i]; {
			case inString && c == '\\':
				i++
			case c == '"':
				inString = !inString
			case inString:
			case c == '{', c == '[', c == ',', c == '}', c == ']':
				if !yield(c) {
					return
				}
			}
		}
	}
}

// BoundJSON refuses a document that nests deeper than depth, or that has more
// than so many values (0: any number), before anything decodes it: a decoder may
// need memory or stack for each. It does not check the syntax.
func BoundJSON(doc []byte, depth, values int) error {
	nested, count := 0, 0
	for c := range JSONMarks(doc) {
		switch c {
		case '{', '[':
			if nested++; nested > depth {
				return fmt.Errorf("JSON is nested more than %d levels deep", depth)
			}
			count++
		case ',':
			count++
		default:
			nested--
		}
		if values > 0 && count > values {
			return fmt.Errorf("JSON has more than %d values", values)
		}
	}
	return nil
}
