package text

import (
	"bytes"
	"encoding/json"
)

// AppendJSON appends s as a JSON string, spelled as encoding/json spells it with
// SetEscapeHTML(false).
func AppendJSON(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return appendEscaped(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	var w bytes.Buffer
	enc := json.NewEncoder(&w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string is always encoded
	return append(b, bytes.TrimSuffix(w.Bytes(), []byte("\n"))...)
}
