package text

import (
	"strings"
	"testing"
)

func TestBoundJSON(t *testing.T) {
	for _, c := range []struct {
		name, doc, want string
	}{
		{"small", `{"a":[1,2,3]}`, ""},
		{"brackets and commas in strings", `{"a":"[[[[[[,,,,,,,,,\"[[[[[,,,,,,"}`, ""},
		{"deep", strings.Repeat("[", 5), "JSON is nested more than 4 levels deep"},
		{"wide and shallow", `[` + strings.Repeat("[],", 6), "JSON has more than 8 values"},
		{"many numbers", `[` + strings.Repeat("1,", 9), "JSON has more than 8 values"},
		{"many members", `{` + strings.Repeat(`"a":1,`, 9), "JSON has more than 8 values"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := BoundJSON([]byte(c.doc), 4, 8)
			if got := errorText(err); got != c.want {
				t.Errorf("got %q, expected %q", got, c.want)
			}
		})
	}
	if err := BoundJSON([]byte(strings.Repeat("1,", 1000)), 1, 0); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
