package checksum

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"facerec/internal/release"
)

// MaxSize is the largest file, in bytes, that the parsers read.
const MaxSize = 4 << 20

// A LineError says which line of a list of sums cannot be read, and why.
type LineError struct {
	File string // name of the list
	Line int    // counted from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s line %d: %v", e.File, e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// Parse reads what [Sums.Format] writes and nothing else: Format of the result
// is data again. Errors within a line are of type *[LineError].
func Parse(data []byte) (Sums, error) { return parse(data, false) }

// ParseCoreutils reads what coreutils' sha256sum writes, in text or binary
// mode, in any order, as long as it needs no escaping. The result is sorted.
// Errors within a line are of type *[LineError].
func ParseCoreutils(data []byte) (Sums, error) { return parse(data, true) }

func parse(data []byte, foreign bool) (Sums, error) {
	if len(data) > MaxSize {
		return Sums{}, fmt.Errorf("%s: expected at most %d bytes, got %d", File, MaxSize, len(data))
	}
	if len(data) == 0 {
		return Sums{}, fmt.Errorf("%s: is empty; expected one line for every file of the release", File)
	}
	var list []Sum
	seen := map[string]int{}
	for n := 1; len(data) > 0; n++ {
		line, rest, ended := bytes.Cut(data, []byte{'\n'})
		if !ended {
			return Sums{}, &LineError{File, n, errors.New("the line feed at its end is missing; the file may be cut short")}
		}
		data = rest
		s, err := parseLine(string(line), foreign)
		if err != nil {
			return Sums{}, &LineError{File, n, err}
		}
		if first, ok := seen[s.Name]; ok {
			return Sums{}, &LineError{File, n, fmt.Errorf("%s is listed twice, first on line %d", s.Name, first)}
		}
		seen[s.Name] = n
		if !foreign && len(list) > 0 && list[len(list)-1].Name > s.Name {
			return Sums{}, &LineError{File, n, fmt.Errorf("%s comes after %s; expected the names sorted bytewise", s.Name, list[len(list)-1].Name)}
		}
		if len(list) == MaxEntries {
			return Sums{}, &LineError{File, n, fmt.Errorf("expected at most %d files", MaxEntries)}
		}
		list = append(list, s)
	}
	return New(list)
}

func parseLine(line string, foreign bool) (Sum, error) {
	const digits = 64
	switch {
	case line == "":
		return Sum{}, errors.New("is blank; expected HEX, two spaces, NAME")
	case strings.Contains(line, "\r"):
		return Sum{}, errors.New("has a carriage return; expected line feeds alone (was it converted to DOS line ends?)")
	case strings.HasPrefix(line, `\`):
		return Sum{}, errors.New("begins with a backslash: coreutils escaped a name here; rename that file")
	case strings.HasPrefix(line, "SHA256 ("):
		return Sum{}, errors.New("is in BSD style; expected HEX, two spaces, NAME (sha256sum without --tag)")
	case len(line) < digits+2:
		return Sum{}, fmt.Errorf("is %d bytes long; expected 64 hexadecimal digits, two spaces and a name", len(line))
	}
	d, err := release.ParseHex(line[:digits])
	if err != nil {
		return Sum{}, fmt.Errorf("sha256: %w", err)
	}
	switch sep := line[digits : digits+2]; {
	case sep == "  ":
	case sep == " *" && foreign:
	case sep == " *":
		return Sum{}, errors.New(`has the binary marker " *" before the name; expected two spaces`)
	default:
		return Sum{}, fmt.Errorf("expected two spaces between sum and name, got %q", sep)
	}
	name := line[digits+2:]
	if err := ValidName(name); err != nil {
		return Sum{}, err
	}
	return Sum{Name: name, Digest: d}, nil
}
