// Package hostile builds inputs that are small and want to be expensive: below
// [MaxSize] bytes, made to take as much memory or time as they can from whoever
// reads them. Each is built anew, by code; none is kept in the repository.
package hostile

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// MaxSize is the aim's size of an input, in bytes: what is larger may cost more.
const MaxSize = 1_000_000

// Input is one hostile input and the calls that read it.
type Input struct {
	Name  string     // for the table
	Build func(*Dir) // writes it

	// Calls are command lines without the program's name, run in the input's
	// directory. REGISTRY stands for the host of Serve's registry, OURS for the
	// directory of the caller's own files.
	Calls []string

	// Serve, if set, answers for a registry on loopback whose repositories are all
	// hostile.
	Serve func(*Dir) http.Handler

	// Limit is the limit that the costliest call must meet, as PACKAGE.NAME, and
	// Says what its message must contain. An input without stays within all limits,
	// or is refused for its form.
	Limit, Says string
}

// Dir is a directory that an input is written into. The first error is kept, and
// everything after it does nothing.
type Dir struct {
	Path string
	Own  string // the caller's own files: a release, its key, its configuration
	Err  error
}

// own reads one of the caller's JSON documents.
func (d *Dir) own(name string, into any) {
	if d.Err != nil {
		return
	}
	var raw []byte
	if raw, d.Err = os.ReadFile(filepath.Join(d.Own, name)); d.Err == nil {
		d.Err = json.Unmarshal(raw, into)
	}
}

// File writes a file, and the directories that it is in.
func (d *Dir) File(name string, data []byte) {
	if d.Err != nil {
		return
	}
	at := filepath.Join(d.Path, filepath.FromSlash(name))
	if d.Err = os.MkdirAll(filepath.Dir(at), 0o755); d.Err == nil {
		d.Err = os.WriteFile(at, data, 0o644)
	}
}

// Size is that of the largest input in the directory: each file or directory is
// one, and calls read one at a time.
func (d *Dir) Size() (int64, error) {
	list, err := os.ReadDir(d.Path)
	if err != nil {
		return 0, err
	}
	var most int64
	for _, e := range list {
		var n int64
		err := filepath.Walk(filepath.Join(d.Path, e.Name()), func(_ string, fi os.FileInfo, err error) error {
			if err == nil && fi.Mode().IsRegular() {
				n += fi.Size()
			}
			return err
		})
		if err != nil {
			return 0, err
		}
		most = max(most, n)
	}
	return most, nil
}

// All are the inputs of releaser.
func All() []Input {
	var all []Input
	for _, group := range [][]Input{tarInputs(), compressedInputs(), packageInputs(), imageInputs(), archiveInputs(), programInputs(), documentInputs(), signatureInputs(), kitInputs(), registryInputs()} {
		all = append(all, group...)
	}
	return all
}

// many joins n pieces.
func many(n int, separator string, piece func(i int) string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(piece(i))
	}
	return b.String()
}

// same is a piece that is always the same.
func same(s string) func(int) string { return func(int) string { return s } }

// numbered is a piece with its number in it.
func numbered(format string) func(int) string {
	return func(i int) string { return fmt.Sprintf(format, i) }
}
