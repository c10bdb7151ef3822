package text

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON returns v as an indented JSON document with a final newline. Characters
// that [Show] would not show as they are, are written as \u escapes, so the
// values are the same and the document is safe in a terminal or a log.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return SafeJSON(b.Bytes()), nil
}

// JSONLine is [JSON] on one line.
func JSONLine(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return SafeJSON(b.Bytes()), nil
}

// SafeJSON escapes the risky characters of a valid JSON document. Outside of
// strings there are none, so its structure and its values stay as they are.
func SafeJSON(doc []byte) []byte {
	s := string(doc)
	out := make([]byte, 0, len(doc))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n' || r == '\t' || r == '\r' || r < utf8.RuneSelf && r >= ' ' && r != 0x7f && !risky(s, i), r >= utf8.RuneSelf && visible(r):
			out = append(out, s[i:i+n]...)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
	}
	return out
}
