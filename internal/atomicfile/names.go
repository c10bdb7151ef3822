package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"facerec/internal/text"
)

// Rules say which names a directory can have.
type Rules struct {
	Fold    bool // names that differ by case or Unicode normalisation alone are one file
	UTF8    bool // names are Unicode
	Windows bool // names and characters that Windows keeps for itself
}

// RulesOf returns the rules of a system, named as runtime.GOOS names it, for the
// file systems that it usually has.
func RulesOf(system string) Rules {
	switch system {
	case "windows":
		return Rules{Fold: true, UTF8: true, Windows: true}
	case "darwin", "ios":
		return Rules{Fold: true, UTF8: true}
	}
	return Rules{}
}

// Probe returns the rules of an existing directory on this system. Whether it
// folds names is tried with a file in it, which is removed again.
func Probe(dir string) (Rules, error) {
	rules := RulesOf(runtime.GOOS)
	f, err := os.CreateTemp(dir, Prefix+"case-")
	if err != nil {
		return rules, &WriteError{dir, err}
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return rules, &WriteError{dir, err}
	}
	_, err = os.Lstat(filepath.Join(dir, strings.ToUpper(filepath.Base(f.Name()))))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return rules, err
	}
	rules.Fold = err == nil
	return rules, nil
}

// Names are the names of entries that are to be written into one directory.
type Names struct {
	rules Rules
	seen  map[string]string // names by what they are where they are folded
}

// NewNames returns an empty set.
func NewNames(r Rules) *Names { return &Names{rules: r, seen: map[string]string{}} }

// Add takes a name, slash-separated and relative to the directory. A name that
// the directory cannot have, and one that is the same file as an earlier name
// there, is a [*NameError].
func (n *Names) Add(name string) error {
	if err := n.rules.Check(name); err != nil {
		return err
	}
	key := name
	if n.rules.Fold {
		key = fold(name)
	}
	if other, taken := n.seen[key]; taken {
		reason := "duplicate entry"
		switch {
		case strings.EqualFold(name, other) && name != other:
			reason = "differs from " + text.Show(other) + " by upper and lower case alone"
		case name != other:
			reason = "differs from " + text.Show(other) + " by the form of its letters alone"
		}
		return &NameError{Name: name, Other: other, Reason: reason}
	}
	n.seen[key] = name
	return nil
}

// Check returns a [*NameError] if a directory cannot have a slash-separated name,
// or a symbolic link such a target, whatever else is in it.
func (r Rules) Check(name string) error {
	reason := ""
	switch {
	case r.UTF8 && !utf8.ValidString(name):
		reason = "expected UTF-8"
	case r.Windows:
		for element := range strings.SplitSeq(name, "/") {
			if reason == "" && element != "." && element != ".." {
				reason = windowsFault(element)
			}
		}
	}
	if reason != "" {
		return &NameError{Name: name, Reason: reason}
	}
	return nil
}

// maxElement is the longest name of a file on Windows, in UTF-16 units.
const maxElement = 255

// windowsFault says what is wrong with one element of a name on Windows, or "".
func windowsFault(element string) string {
	for _, c := range element {
		if c < ' ' || strings.ContainsRune(`<>:"\|?*`, c) {
			return fmt.Sprintf("Windows allows no %q in names", c)
		}
	}
	if strings.HasSuffix(element, ".") || strings.HasSuffix(element, " ") {
		return "Windows drops the dot or space at the end of names"
	}
	base, _, _ := strings.Cut(element, ".")
	if device := strings.ToUpper(strings.TrimRight(base, " ")); isDevice(device) {
		return fmt.Sprintf("%s is a device on Windows", device)
	}
	if len(utf16.Encode([]rune(element))) > maxElement {
		return fmt.Sprintf("expected at most %d characters in a name", maxElement)
	}
	return ""
}

// isDevice reports whether Windows keeps a name, in upper case and without its
// extension, for a device.
func isDevice(name string) bool {
	switch name {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, ok := strings.CutPrefix(name, "COM")
	if !ok {
		port, ok = strings.CutPrefix(name, "LPT")
	}
	return ok && utf8.RuneCountInString(port) == 1 && strings.Contains("0123456789¹²³", port)
}

// fold maps names to one if a file system that ignores case and normalisation
// would. Where one folds more, a second file of the name still cannot be made, as
// entries never replace what is there.
func fold(s string) string {
	s = strings.Map(func(r rune) rune {
		least := r
		for n := unicode.SimpleFold(r); n != r; n = unicode.SimpleFold(n) {
			least = min(least, n)
		}
		return least
	}, norm.NFD.String(s))
	return norm.NFD.String(strings.NewReplacer("ß", "SS", "ẞ", "SS").Replace(s))
}

// NameError says that a directory cannot have a name.
type NameError struct {
	Name   string
	Other  string // the earlier name that would be the same file, or ""
	Reason string
}

func (e *NameError) Error() string { return "entry " + text.Show(e.Name) + ": " + e.Reason }

// Hint says what to do about it.
func (e *NameError) Hint() string {
	if e.Other == e.Name {
		return ""
	}
	return "use a file system that can have such names, as Linux has"
}
