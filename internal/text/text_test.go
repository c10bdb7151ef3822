package text_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"facerec/internal/text"
	"facerec/internal/text/texttest"
)

// acts is texttest's, and stricter: for what has no columns and may be joined to more.
func acts(line string) string {
	switch {
	case strings.Contains(line, "\t"):
		return "a tab"
	case strings.Contains(line, "##"), strings.Contains(line, "#["):
		return "what could become a workflow command"
	}
	return texttest.Acts(line)
}

func TestNothingActs(t *testing.T) {
	for _, s := range texttest.Strings {
		for name, got := range map[string]string{"Show": text.Show(s), "Quote": text.Quote(s), "Line": text.Line(s, 200), "Row": strings.ReplaceAll(text.Row(s), "\t", " ")} {
			if why := acts("  " + got); why != "" {
				t.Errorf("%s(%q) = %s: %s", name, s, got, why)
			}
		}
		for line := range strings.Lines(text.Lines("name: " + s + "\n" + s)) {
			if why := acts(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", " ")); why != "" {
				t.Errorf("Lines(%q): %q: %s", s, line, why)
			}
		}
		doc, err := text.JSON(map[string]string{"name": s})
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(doc)) {
			if why := acts(strings.TrimSuffix(line, "\n")); why != "" {
				t.Errorf("JSON(%q): %s: %s", s, line, why)
			}
		}
		var back map[string]string
		if err := json.Unmarshal(doc, &back); err != nil || back["name"] != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
			t.Errorf("JSON(%q) reads back as %q, %v", s, back["name"], err)
		}
	}
}

func TestShow(t *testing.T) {
	for s, want := range map[string]string{
		"plain":         "plain",
		"a b":           "a b",
		"Zoë 李":         "Zoë 李",
		"C#":            "C#",
		`a"b\c`:         `a"b\c`,
		"":              `""`,
		" a":            `" a"`,
		"a\nb":          `"a\nb"`,
		"a\x1b[0m":      `"a\x1b[0m"`,
		"\u202ea":       `"\u202ea"`,
		"caf\xe9":       `"caf\xe9"`,
		"::error::":     `"::error::"`,
		"a##[error]":    `"a#\x23[error]"`,
		"a\u200b\"":     `"a\u200b\""`,
		"\U000e0041":    `"\U000e0041"`,
		"\u3164":        `"\u3164"`,
		"\ufffd":        "\ufffd",
		"a\u3000b":      "a\u3000b",
		"❤\ufe0f.jpg":   "❤\ufe0f.jpg",
		"::a\u2028":     `"::a\u2028"`,
		"C:\\x\\y::z":   `C:\x\y::z`,
		"#[attribute]":  `"\x23[attribute]"`,
		"##vso[a]":      `"#\x23vso[a]"`,
		"tab\there":     `"tab\there"`,
		"nbsp\u00a0end": `"nbsp\u00a0end"`,
	} {
		if got := text.Show(s); got != want {
			t.Errorf("Show(%q) = %s, expected %s", s, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"two\nlines\t here ", 0, "two lines here"},
		{"\x1b[1mbold", 0, `\x1b[1mbold`},
		{"::error::no", 0, `\x3a:error::no`},
		{"  \n ::error::no", 0, `\x3a:error::no`},
		{"see ##[error]", 0, `see #\x23[error]`},
		{"abcdef", 3, "abc …"},
		{"héé", 2, "h …"},
		{"", 10, ""},
		{strings.Repeat("x", 100_000), 4, "xxxx …"},
	} {
		if got := text.Line(c.in, c.limit); got != c.want {
			t.Errorf("Line(%.40q, %d) = %q, expected %q", c.in, c.limit, got, c.want)
		}
	}
}

func TestLines(t *testing.T) {
	for in, want := range map[string]string{
		"a  b\n\tc\n":        "a  b\n\tc\n",
		"a\n  ::error::b\nc": "a\n  \\x3a:error::b\nc",
		"\x1b[1mbold\r\n":    "\\x1b[1mbold\\r\n",
		"see ##[group]x\ty":  "see #\\x23[group]x\ty",
		"":                   "",
	} {
		if got := text.Lines(in); got != want {
			t.Errorf("Lines(%q) = %q, expected %q", in, got, want)
		}
	}
}

func TestListAndCount(t *testing.T) {
	names := []string{"a", "b\n", "c", "d"}
	for limit, want := range map[int]string{1: "a and 3 more", 2: `a, "b\n" and 2 more`, 4: `a, "b\n", c and d`, 9: `a, "b\n", c and d`} {
		if got := text.List(names, limit); got != want {
			t.Errorf("List(%d) = %s, expected %s", limit, got, want)
		}
	}
	if got := text.List(nil, 3) + text.List(names[:1], 3); got != "a" {
		t.Errorf("List of none and one = %q", got)
	}
	got := []string{text.Count(0, "file"), text.Count(1, "file"), text.Count(2, "file"), text.CountForms(2, "entry", "entries")}
	if want := []string{"0 files", "1 file", "2 files", "2 entries"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"verify", "version", "push", "pull"}
	for word, want := range map[string]string{"verfy": "verify", "VERIFY": "verify", "pus": "push", "puhs": "push", "zzzzzzzz": "", "": ""} {
		if got, found := text.Nearest(word, names); got != want || found != (want != "") {
			t.Errorf("Nearest(%q) = %q, %v, expected %q", word, got, found, want)
		}
	}
}

func TestHint(t *testing.T) {
	err := text.WithHint(errors.New("no such cell"), "name one of %s", "a, b")
	wrapped := fmt.Errorf("pack: %w", err)
	if wrapped.Error() != "pack: no such cell" || text.Hint(wrapped) != "name one of a, b" {
		t.Errorf("got %q and %q", wrapped, text.Hint(wrapped))
	}
	if text.WithHint(nil, "x") != nil || text.Hint(errors.New("x")) != "" {
		t.Error("a hint without an error")
	}
}

func FuzzNothingActs(f *testing.F) {
	for _, s := range texttest.Strings {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, got := range []string{text.Show(s), text.Quote(s), text.Line(s, 0), text.Line(s, 20)} {
			if why := acts(got); why != "" {
				t.Errorf("%q becomes %q: %s", s, got, why)
			}
		}
	})
}
