// Package models knows which model files facerec needs, and whether those in a
// directory are the pinned ones.
//
// The pins stand in models/models.lock.json: for each file its name, size in
// bytes, SHA-256, licence, origin and what needs it. The same text is compiled
// into the program (see Pinned), so that a lock file that was changed together
// with the models deceives nobody.
package models

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	modelpins "facerec/models"

	"facerec/internal/text"
)

// Schema is the first field of models.lock.json.
const Schema = "facerec/models/v1"

// Lock is models.lock.json.
type Lock struct {
	Schema string   `json:"schema"`
	Models []Model  `json:"models"` // sorted by name
	Origin []Origin `json:"origins"`
}

// Model pins one file.
type Model struct {
	Name     string `json:"name"`
	Size     int64  `json:"size"`   // bytes
	SHA256   string `json:"sha256"` // lower-case hexadecimal
	Licence  string `json:"licence"`
	Author   string `json:"author"`
	NeededBy string `json:"needed_by"`
}

// Origin is a place that serves the models.
type Origin struct {
	Name string `json:"name"` // what --from takes
	What string `json:"what"` // what it is, for people
	URL  string `json:"url,omitempty"`
}

var (
	hexSum   = text.Pattern(`^[0-9a-f]{64}$`)
	bareName = text.Pattern(`^[A-Za-z0-9_][A-Za-z0-9._+-]*$`)
)

// Parse reads models.lock.json. Unknown keys, a name that is not a bare file
// name, a malformed hash, a size that is not positive, names out of order or
// twice, and an empty list are errors.
func Parse(b []byte) (Lock, error) {
	var l Lock
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return Lock{}, fmt.Errorf("models lock: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Lock{}, fmt.Errorf("models lock: something follows the JSON document")
	}
	if l.Schema != Schema {
		return Lock{}, fmt.Errorf("models lock: schema %q, expected %q", l.Schema, Schema)
	}
	if len(l.Models) == 0 {
		return Lock{}, fmt.Errorf("models lock: no models")
	}
	last := ""
	for _, m := range l.Models {
		switch {
		case !bareName().MatchString(m.Name):
			return Lock{}, fmt.Errorf("models lock: name %q, expected a bare file name", m.Name)
		case m.Name <= last:
			return Lock{}, fmt.Errorf("models lock: %s follows %s, expected names sorted and each once", m.Name, last)
		case m.Size <= 0:
			return Lock{}, fmt.Errorf("models lock: %s has size %d, expected its size in bytes", m.Name, m.Size)
		case !hexSum().MatchString(m.SHA256):
			return Lock{}, fmt.Errorf("models lock: %s has sha256 %q, expected 64 lower-case hexadecimal digits", m.Name, m.SHA256)
		}
		last = m.Name
	}
	return l, nil
}

// Pinned is the lock compiled into the program.
func Pinned() Lock {
	l, err := Parse(modelpins.LockJSON)
	if err != nil { // a test parses it too
		panic(err)
	}
	return l
}

// Find gives the pin of a file name.
func (l Lock) Find(name string) (Model, bool) {
	for _, m := range l.Models {
		if m.Name == name {
			return m, true
		}
	}
	return Model{}, false
}

// FindOrigin gives the origin of a name, or an error that lists them.
func (l Lock) FindOrigin(name string) (Origin, error) {
	var known []string
	for _, o := range l.Origin {
		if o.Name == name {
			return o, nil
		}
		known = append(known, o.Name)
	}
	return Origin{}, fmt.Errorf("origin %q unknown, expected one of %s", name, strings.Join(known, ", "))
}
