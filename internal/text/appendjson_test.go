package text

import (
	"bytes"
	"encoding/json"
	"testing"
)

// TestAppendJSON compares with encoding/json for every byte, and for what it
// treats in a way of its own.
func TestAppendJSON(t *testing.T) {
	all := []string{"", "plain name-1.0_x", "a<b>&c", `quo"te\`, "\u2028\u2029", "é 漢 \U0001f600", "\xff\xfe", "tab\tline\nnul\x00"}
	for c := range 256 {
		all = append(all, "x"+string([]byte{byte(c)})+"y")
	}
	for _, s := range all {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
		want.Truncate(want.Len() - 1)
		if got := AppendJSON([]byte("-"), s); string(got) != "-"+want.String() {
			t.Errorf("%q: got %s, want %s", s, got[1:], want.String())
		}
	}
}
