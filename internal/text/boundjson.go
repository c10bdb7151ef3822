package text

import "fmt"

// BoundJSON refuses a document that nests deeper than depth, or that has more
// than so many values (0: any number), before anything decodes it: a decoder may
// need memory or stack for each. It does not check the syntax.
func BoundJSON(doc []byte, depth, values int) error {
	nested, count, inString := 0, 0, false
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if nested++; nested > depth {
				return fmt.Errorf("JSON nests more than %d deep", depth)
			}
			count++
		case c == ',':
			count++
		case c == '}' || c == ']':
			nested--
		}
		if values > 0 && count > values {
			return fmt.Errorf("JSON of more than %d values", values)
		}
	}
	return nil
}
