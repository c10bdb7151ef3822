package atomicfile_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"facerec/internal/atomicfile"
)

const (
	composed   = "d/caf\u00e9"
	decomposed = "d/cafe\u0301"
)

func TestNamesTogether(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string // what a folding system says, "" for nothing
	}{
		{[]string{"a", "b", "d/a", "d/b"}, ""},
		{[]string{"a", "d/a"}, ""},
		{[]string{"README", "Readme"}, "entry Readme: differs from README by upper and lower case alone"},
		{[]string{"Data", "data/x"}, ""}, // its parent is an entry of its own, which collides
		{[]string{"Data/x", "data/x"}, "entry data/x: differs from Data/x by upper and lower case alone"},
		{[]string{"stra\u00dfe", "STRASSE"}, "by the form of its letters alone"},
		{[]string{"\u017f", "S"}, "differs from"}, // long s
		{[]string{"\u212a", "k"}, "differs from"}, // the Kelvin sign
		{[]string{composed, decomposed}, "entry d/cafe\u0301: differs from d/caf\u00e9 by the form of its letters alone"},
		{[]string{composed, strings.ToUpper(decomposed)}, "differs from d/caf\u00e9"},
		{[]string{"\u00e5", "\u212b"}, "differs from"}, // å, the Angstrom sign
	} {
		for system, folds := range map[string]bool{"windows": true, "darwin": true, "linux": false, "freebsd": false} {
			names := atomicfile.NewNames(atomicfile.RulesOf(system))
			var err error
			for _, name := range c.names {
				err = errors.Join(err, names.Add(name))
			}
			switch {
			case c.want == "" || !folds:
				if err != nil {
					t.Errorf("%s: %q: got %v", system, c.names, err)
				}
			case err == nil || !strings.Contains(err.Error(), c.want):
				t.Errorf("%s: %q: got %v, expected %s", system, c.names, err, c.want)
			}
		}
	}
}

func TestDuplicateName(t *testing.T) {
	for _, system := range []string{"linux", "windows"} {
		names := atomicfile.NewNames(atomicfile.RulesOf(system))
		if err := errors.Join(names.Add("a"), names.Add("b")); err != nil {
			t.Error(err)
		}
		var ne *atomicfile.NameError
		if err := names.Add("a"); !errors.As(err, &ne) || ne.Reason != "duplicate entry" || ne.Hint() != "" {
			t.Errorf("%s: got %v", system, err)
		}
	}
}

func TestNamesOfWindows(t *testing.T) {
	windows, linux, darwin := atomicfile.RulesOf("windows"), atomicfile.RulesOf("linux"), atomicfile.RulesOf("darwin")
	for name, want := range map[string]string{
		"CON":                             "CON is a device on Windows",
		"d/con":                           "CON is a device",
		"aux.txt":                         "AUX is a device",
		"Nul .tar.gz":                     "NUL is a device",
		"com1":                            "COM1 is a device",
		"d/lpt\u00b2.x/a":                 "LPT² is a device",
		"conin$":                          "CONIN$ is a device",
		"dot.":                            "drops the dot or space",
		"d /a":                            "drops the dot or space",
		"file:stream":                     `no ':'`,
		"c:/windows":                      `no ':'`,
		`a\b`:                             `no '\\'`,
		"what?":                           `no '?'`,
		"a*":                              `no '*'`,
		`"a"`:                             `no '"'`,
		"a|b":                             `no '|'`,
		"<a>":                             `no '<'`,
		"tab\there":                       `no '\t'`,
		"not \xff":                        "expected UTF-8",
		strings.Repeat("ä", 256):          "at most 255 characters",
		strings.Repeat("\U0001F600", 128): "at most 255 characters",
	} {
		err := windows.Check(name)
		var ne *atomicfile.NameError
		if !errors.As(err, &ne) || !strings.Contains(ne.Reason, want) || ne.Hint() == "" || ne.Name != name {
			t.Errorf("%q: got %v, expected %s", name, err, want)
		}
		if err := linux.Check(name); err != nil {
			t.Errorf("Linux: %v", err)
		}
		if err := darwin.Check(name); (err != nil) != (want == "expected UTF-8") {
			t.Errorf("macOS: %q: %v", name, err)
		}
	}
	for _, name := range []string{"a", "console", "d/com", "com10", "lpt.x", "auxiliary", ".hidden", "a.b.c", "../x", "./x", "a b", strings.Repeat("ä", 255), strings.Repeat("d/", 400) + "x"} {
		if err := windows.Check(name); err != nil {
			t.Error(err)
		}
	}
}

func TestProbe(t *testing.T) {
	dir := t.TempDir()
	rules, err := atomicfile.Probe(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := atomicfile.RulesOf(runtime.GOOS); runtime.GOOS != "darwin" && rules != want { // a Mac can have either
		t.Errorf("got %+v, expected %+v", rules, want)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	var we *atomicfile.WriteError
	if _, err := atomicfile.Probe(dir + "/missing"); !errors.As(err, &we) {
		t.Errorf("got %v", err)
	}
}

func FuzzNames(f *testing.F) {
	f.Add("README", "Readme")
	f.Add(composed, decomposed)
	f.Add("aux.txt", "\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, rules := range []atomicfile.Rules{{Fold: true}, atomicfile.RulesOf("windows")} {
			names := atomicfile.NewNames(rules)
			if names.Add(a) != nil {
				continue
			}
			if names.Add(a) == nil {
				t.Errorf("%q is accepted twice", a)
			}
			if strings.EqualFold(a, b) && names.Add(b) == nil {
				t.Errorf("%q and %q are accepted", a, b)
			}
		}
	})
}
