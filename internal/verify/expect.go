package verify

import (
	"encoding/json"
	"fmt"
	"io"

	"facerec/internal/release"
	"facerec/internal/text"
)

// Expectation is which release the caller wants. It is what protects against an
// older release that was signed just as well, so it never comes from the release.
type Expectation struct {
	Project string          // "" accepts any
	Version release.Version // "" accepts any

	// FromRelease is set if an identity in the policy was completed with the
	// version that the release itself claims. The report says so.
	FromRelease bool
}

// check compares a record with what is expected.
func (e Expectation) check(r release.Record) error {
	switch {
	case e.Project != "" && e.Project != r.Project:
		return &Error{Class: Untrusted, Field: "project", Expected: text.ShowASCII(e.Project), Got: text.ShowASCII(r.Project)}
	case e.Version != "" && e.Version != r.Version:
		return &Error{Class: Untrusted, Field: "version", Expected: string(e.Version), Got: text.Show(string(r.Version))}
	}
	return nil
}

// note is what the report says about an expectation that the release completed.
func (e Expectation) note(v release.Version) string {
	return fmt.Sprintf("the version in the expected identity, %s, is the one that the release claims: an older signed release would pass; use --version to require one", text.Show(string(v)))
}

// maxClaim is how much of an unsigned release.json is read for [ClaimedVersion],
// in bytes: the version is its third field.
const maxClaim = 64 << 10

// ClaimedVersion reads the version that a release.json claims, "" if it claims
// none that can be read. Nobody has vouched for it.
func ClaimedVersion(r io.Reader) release.Version {
	dec := json.NewDecoder(io.LimitReader(r, maxClaim))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return ""
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return ""
		}
		value, err := dec.Token()
		if err != nil {
			return ""
		}
		s, ok := value.(string)
		if name == "version" && ok {
			v, err := release.ParseVersion(s)
			if err != nil {
				return ""
			}
			return v
		}
		if _, nested := value.(json.Delim); nested {
			return ""
		}
	}
	return ""
}
