package checksum

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"

	"facerec/internal/text"
)

// Algorithm is a hash function, as in "sha256".
type Algorithm string

// The algorithms whose sums [ParseList] reads.
const (
	SHA256 Algorithm = "sha256"
	SHA384 Algorithm = "sha384"
	SHA512 Algorithm = "sha512"
)

// sizes are the lengths of the sums in bytes.
var sizes = map[Algorithm]int{SHA256: 32, SHA384: 48, SHA512: 64}

// ListEntry is one line of a list that another tool wrote.
type ListEntry struct {
	Name      string // a slash-separated path below the directory of the release, see [fs.ValidPath]
	Algorithm Algorithm
	Sum       []byte
}

// maxPath is the longest path in a list, in bytes.
const maxPath = 1024

// tagged is a line in BSD style ("SHA256 (name) = hex", what coreutils writes
// with --tag) or as "openssl dgst" writes it ("SHA256(name)= hex",
// "SHA2-256(name)= hex").
var tagged = text.Pattern(`^([A-Za-z0-9/-]+) ?\((.*)\) ?= ([0-9A-Fa-f]+)$`)

// taggedNames are the algorithms as tagged lines name them.
var taggedNames = map[string]Algorithm{
	"SHA256": SHA256, "SHA2-256": SHA256, "SHA384": SHA384, "SHA2-384": SHA384, "SHA512": SHA512, "SHA2-512": SHA512,
}

// otherSums name the algorithms of shorter sums, by their hexadecimal digits.
var otherSums = map[int]string{8: "CRC-32", 32: "MD5", 40: "SHA-1", 56: "SHA-224"}

// ParseList reads a list of sums that any of the common tools wrote: goreleaser's
// NAME_checksums.txt, SHA256SUMS, sha512sum's, BSD style, openssl's. The entries
// are in the order of the file. name is the list's own, for errors.
//
// A byte order mark, DOS line ends, a missing line feed at the end, upper-case
// digits, a leading "./", blank lines and comments ("#") are accepted: they do
// not change which sum belongs to which file. What would is an error of type
// *[LineError]: a duplicate name, an absolute path or one that leaves the
// directory, an escaped name, an algorithm that is broken or not known.
func ParseList(name string, data []byte) ([]ListEntry, error) {
	switch {
	case len(data) > MaxSize:
		return nil, fmt.Errorf("%s: expected at most %d bytes, got %d", name, MaxSize, len(data))
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return nil, &LineError{name, 1, errors.New("is UTF-16; expected UTF-8")}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var out []ListEntry
	seen := map[string]int{}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
		if strings.TrimSpace(text) == "" || strings.HasPrefix(text, "#") {
			continue
		}
		e, err := parseListLine(text)
		if err != nil {
			return nil, &LineError{name, n, err}
		}
		if first, ok := seen[e.Name]; ok {
			return nil, &LineError{name, n, fmt.Errorf("duplicate name %s, first on line %d", e.Name, first)}
		}
		seen[e.Name] = n
		if len(out) == MaxEntries {
			return nil, &LineError{name, n, fmt.Errorf("expected at most %d files", MaxEntries)}
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: is empty; expected a line for each file", name)
	}
	return out, nil
}

func parseListLine(line string) (ListEntry, error) {
	switch {
	case !utf8.ValidString(line):
		return ListEntry{}, errors.New("is not valid UTF-8")
	case strings.HasPrefix(line, "-----BEGIN PGP"):
		return ListEntry{}, errors.New("is PGP-signed text; expected the list without its PGP signature")
	case strings.HasPrefix(line, `\`):
		return ListEntry{}, errors.New("begins with a backslash: coreutils escaped the name in it, and escaped names are not read")
	case strings.HasPrefix(line, "<"):
		return ListEntry{}, errors.New("is HTML or XML; expected a list of sums")
	}
	if m := tagged().FindStringSubmatch(line); m != nil {
		algorithm, ok := taggedNames[strings.ToUpper(m[1])]
		if !ok {
			return ListEntry{}, fmt.Errorf("has a sum of the algorithm %s; expected SHA256, SHA384 or SHA512", m[1])
		}
		if want := 2 * sizes[algorithm]; len(m[3]) != want {
			return ListEntry{}, fmt.Errorf("expected %d hexadecimal digits for %s, got %d", want, algorithm, len(m[3]))
		}
		return newListEntry(m[2], algorithm, m[3])
	}
	digits := len(line) - len(strings.TrimLeft(line, "0123456789abcdefABCDEF"))
	rest := line[digits:]
	var algorithm Algorithm
	for a, size := range sizes {
		if digits == 2*size {
			algorithm = a
		}
	}
	if algorithm == "" {
		if other, ok := otherSums[digits]; ok && (rest == "" || rest[0] == ' ') {
			return ListEntry{}, fmt.Errorf("has a sum of %d hexadecimal digits (%s); expected SHA-256, SHA-384 or SHA-512", digits, other)
		}
		return ListEntry{}, errors.New("is not a sum and a name; expected HEX, two spaces, NAME or SHA256 (NAME) = HEX")
	}
	if rest == "" {
		return ListEntry{}, errors.New("has a sum and no file name")
	}
	// "  " for text mode, " *" for binary mode; one space is what coreutils calls
	// BSD reversed. Other marks (shasum's "^" and "?") change what is hashed.
	file, ok := strings.CutPrefix(rest, " ")
	if !ok {
		return ListEntry{}, fmt.Errorf("expected two spaces between sum and name, got %q", rest[:1])
	}
	if strings.HasPrefix(file, "^") || strings.HasPrefix(file, "?") {
		return ListEntry{}, fmt.Errorf("has the marker %q before the name: the sum is not of the file's bytes alone", file[:1])
	}
	if strings.HasPrefix(file, " ") || strings.HasPrefix(file, "*") {
		file = file[1:]
	}
	return newListEntry(file, algorithm, line[:digits])
}

func newListEntry(name string, algorithm Algorithm, digits string) (ListEntry, error) {
	name = strings.TrimPrefix(name, "./")
	if err := listedName(name); err != nil {
		return ListEntry{}, fmt.Errorf("file name %q: %w", name, err)
	}
	sum, err := hex.DecodeString(digits)
	if err != nil {
		return ListEntry{}, err
	}
	return ListEntry{Name: name, Algorithm: algorithm, Sum: sum}, nil
}

// listedName is [ValidName] for each element of a path.
func listedName(name string) error {
	switch {
	case len(name) > maxPath:
		return fmt.Errorf("is %d bytes long, expected at most %d", len(name), maxPath)
	case strings.HasPrefix(name, "/"):
		return errors.New("is absolute, expected a path below the directory of the release")
	case name != "" && !fs.ValidPath(name):
		return errors.New("is not a path below the directory of the release")
	}
	for element := range strings.SplitSeq(name, "/") {
		if err := nameFault(element); err != nil {
			return err
		}
	}
	return nil
}
