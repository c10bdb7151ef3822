package verify

import "fmt"

// MaxStatement is the largest in-toto statement, in bytes: attestations can hold
// an SBOM.
const MaxStatement = 12 << 20

// maxJSONDepth is how deep JSON from outside may nest. A bundle goes to 8 and a
// provenance to 12.
const maxJSONDepth = 200

// checkDepth refuses JSON that nests too deep, before anything decodes it: a
// decoder may need memory or stack for each level. It does not check the syntax.
func checkDepth(data []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxJSONDepth {
				return fmt.Errorf("JSON is nested more than %d levels deep", maxJSONDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
