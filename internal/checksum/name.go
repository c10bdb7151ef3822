package checksum

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxName is the longest file name that Linux file systems take, in bytes.
const maxName = 255

// ValidName reports whether a name can stand in checksums.txt: one that is a bare
// file name on every system, that coreutils writes without escaping it, and
// that no shell takes for an option. The error says what is wrong with it.
func ValidName(name string) error {
	if why := nameFault(name); why != nil {
		return fmt.Errorf("file name %q: %w", name, why)
	}
	return nil
}

func nameFault(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > maxName:
		return fmt.Errorf("is %d bytes long, expected at most %d", len(name), maxName)
	case name == "." || name == "..":
		return errors.New("names a directory, expected a file")
	case !utf8.ValidString(name):
		return errors.New("is not valid UTF-8")
	case strings.Contains(name, "/"):
		return errors.New("has a path, expected a bare file name")
	case strings.Contains(name, `\`):
		return errors.New("has a backslash, which coreutils would write escaped; rename the file")
	case strings.HasPrefix(name, "-"):
		return errors.New("begins with a dash and would be read as an option; rename the file")
	case strings.HasPrefix(name, "*"):
		return errors.New("begins with an asterisk, the marker of binary mode; rename the file")
	case strings.HasPrefix(name, " ") || strings.HasSuffix(name, " "):
		return errors.New("begins or ends with a blank; rename the file")
	}
	for _, r := range name {
		// C0, DEL and C1; the last would move a terminal's cursor as well.
		if r < 0x20 || r >= 0x7f && r <= 0x9f {
			return fmt.Errorf("has the control character %U", r)
		}
	}
	return nil
}
