package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"facerec/internal/tarball"
	"facerec/internal/text"
)

// maxBundles is how many bundles of one file are tried. Each may need the whole
// artifact to be hashed.
const maxBundles = 100

// candidate is one of the bundles of a file.
type candidate struct {
	name string // where it is in the file, "" if the file is the bundle
	data []byte // a bundle, or what is in the place of one
}

// candidates finds the bundles in a file: one bundle; one of cosign before version
// 3; several, a line each (what "gh attestation download" writes); a list, or an
// object with a list "attestations", whose members are bundles or have one in
// "bundle" (the APIs of GitHub and npm) or "attestation.bundle" (what "gh
// attestation verify --format json" writes). Errors are of type *[Error].
func candidates(data []byte, a Artifact) ([]candidate, error) {
	if len(data) > MaxBundle {
		return nil, notBundle("at most %d bytes", MaxBundle, "%d", len(data))
	}
	if err := checkValues(data); err != nil {
		return nil, &Error{Class: Untrusted, Check: CheckBundle, Err: err}
	}
	members, what, err := membersOf(data)
	switch {
	case err != nil:
		return nil, &Error{Class: Failed, Check: CheckBundle, Err: err}
	case members == nil:
		converted, err := modern(data, a)
		return []candidate{{data: converted}}, err
	case len(members) == 0:
		return nil, &Error{Class: Failed, Check: CheckBundle, Err: errors.New("expected a Sigstore bundle, got an empty list")}
	case len(members) > maxBundles:
		return nil, &Error{Class: Failed, Check: CheckBundle, Err: fmt.Errorf("expected at most %d bundles, got %d", maxBundles, len(members))}
	}
	var out []candidate
	for i, m := range members {
		name := fmt.Sprintf("%s %d", what, i+1)
		if m, err = modern(m, a); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, candidate{name, m})
	}
	return out, nil
}

func notBundle(want string, limit int, got string, n int) error {
	return &Error{Class: Failed, Check: CheckBundle, Err: fmt.Errorf("expected "+want+", got "+got, limit, n)}
}

// membersOf splits a file with several bundles. It gives nil for any other.
func membersOf(data []byte) (members []json.RawMessage, what string, err error) {
	if !json.Valid(data) {
		for line := range bytes.Lines(data) {
			line = bytes.TrimSpace(line)
			if len(line) == 0 {
				continue
			}
			if line[0] != '{' || !json.Valid(line) {
				return nil, "", nil
			}
			members = append(members, line)
		}
		if len(members) < 2 {
			return nil, "", nil
		}
		return members, "line", nil
	}
	list := data
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) == nil && object != nil {
		var ok bool
		if list, ok = object["attestations"]; !ok {
			return nil, "", nil
		}
	}
	var all []json.RawMessage
	if err := json.Unmarshal(list, &all); err != nil || all == nil {
		return nil, "", nil // it is not a list
	}
	members = []json.RawMessage{}
	for i, m := range all {
		b, err := innerBundle(m)
		if err != nil {
			return nil, "", fmt.Errorf("attestation %d: %w", i+1, err)
		}
		members = append(members, b)
	}
	return members, "attestation", nil
}

// innerBundle is the bundle of a member of a list.
func innerBundle(member []byte) ([]byte, error) {
	for range 2 {
		var m struct {
			MediaType   string          `json:"mediaType"`
			Bundle      json.RawMessage `json:"bundle"`
			BundleURL   string          `json:"bundle_url"`
			Attestation json.RawMessage `json:"attestation"`
		}
		if err := json.Unmarshal(member, &m); err != nil {
			return nil, errors.New("expected an object with a bundle")
		}
		switch none := len(m.Bundle) == 0 || string(m.Bundle) == "null"; {
		case m.MediaType != "":
			return member, nil
		case !none:
			return m.Bundle, nil
		case m.BundleURL != "":
			return nil, fmt.Errorf("has no bundle, only its address: download it from %s", text.Line(m.BundleURL, maxErrorText))
		case len(m.Attestation) == 0:
			return nil, errors.New("has no bundle")
		}
		member = m.Attestation
	}
	return nil, errors.New("has no bundle")
}

// modern converts a bundle of cosign before version 3 to one of version 0.1, and
// gives anything else as it is. The artifact is read where no log entry names it.
func modern(data []byte, a Artifact) ([]byte, error) {
	var old struct {
		MediaType       string          `json:"mediaType"`
		Base64Signature *string         `json:"base64Signature"`
		Cert            string          `json:"cert"`
		RekorBundle     json.RawMessage `json:"rekorBundle"`
	}
	if err := json.Unmarshal(data, &old); err != nil || old.Base64Signature == nil || old.MediaType != "" {
		return data, nil //nolint:nilerr // not an old bundle: as it is
	}
	entry := old.RekorBundle
	if string(entry) == "null" {
		entry = nil
	}
	parts := Parts{Signature: []byte(*old.Base64Signature), Certificate: []byte(old.Cert), LogEntry: entry}
	if entry == nil {
		var err error
		if parts.Artifact, err = a.SHA256(); err != nil {
			return nil, err
		}
	}
	b, err := parts.Bundle()
	if err != nil {
		return nil, &Error{Class: Failed, Check: CheckBundle, Field: "in the format of cosign before version 3", Err: err}
	}
	return b, nil
}

// otherKind names a file that is not meant to be a bundle, "" for one that may be
// a bundle, if a damaged one.
func otherKind(data []byte) string {
	if kind := tarball.Sniff(data[:min(len(data), tarball.SniffLength)]); kind != "" && kind != "JSON" {
		return kind
	}
	trimmed := bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	switch {
	case len(trimmed) == 0:
		return "an empty file"
	case looksLikeSignature(trimmed):
		return "a signature alone: pass it with --signature"
	case trimmed[0] == '[':
		return "a JSON list"
	case trimmed[0] != '{' && json.Valid(trimmed):
		return "a JSON value that is not an object"
	case trimmed[0] != '{':
		return "a file that is not JSON"
	}
	var fields map[string]json.RawMessage
	if checkValues(data) != nil || json.Unmarshal(data, &fields) != nil {
		return ""
	}
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { _, ok := fields[n]; return !ok })
	}
	var mediaType string
	_ = json.Unmarshal(fields["mediaType"], &mediaType) // "" if it is not a string
	switch {
	case has("verificationMaterial"), has("messageSignature"), has("dsseEnvelope"):
		return ""
	case strings.HasPrefix(mediaType, "application/vnd.dev.sigstore.bundle"):
		return "one that holds neither a signature nor verificationMaterial: fetch it again"
	case strings.HasPrefix(mediaType, "application/vnd.dev.sigstore.trustedroot") || has("certificateAuthorities"):
		return "a trusted root: pass it with --trusted-root"
	case mediaType != "":
		return "a document of type " + text.Line(mediaType, maxErrorText)
	case has("payload", "payloadType", "signatures"):
		return "a DSSE envelope without verification material"
	}
	return "a JSON object without mediaType and verificationMaterial"
}

// looksLikeSignature reports whether a file is what cosign writes with
// --output-signature: base64 and nothing else.
func looksLikeSignature(data []byte) bool {
	raw, err := base64.StdEncoding.DecodeString(string(data))
	return err == nil && len(raw) >= 32 && len(raw) <= maxSignature
}

// Blob checks that one of the bundles in a file is a signature of the artifact
// that satisfies the policy. Where there are several, or several trusted roots,
// one that holds is enough; [Signature.Refused] and the error list the others.
// The artifact must then be an [io.Seeker], as files are. Errors are of type
// *[Error], of class [Failed] for a file that is not a bundle.
func Blob(bundle []byte, a Artifact, p Policy) (Signature, error) {
	all, err := candidates(bundle, a)
	if err != nil {
		return Signature{}, err
	}
	return p.first(all, a, anyHint)
}

// blob checks a file that is one bundle.
func blob(bundle []byte, a Artifact, p Policy, hint hintRule) (Signature, error) {
	return p.first([]candidate{{data: bundle}}, a, hint)
}

// first tries every bundle against every root.
func (p Policy) first(all []candidate, a Artifact, hint hintRule) (Signature, error) {
	var refused []*Error
	tried := false
	for _, c := range all {
		b, err := parseBundle(c.data)
		if err != nil {
			refused = append(refused, refusal(c.name, err))
			continue
		}
		for i, root := range p.Root.each() {
			if tried {
				if err := a.rewind(); err != nil {
					return Signature{}, err
				}
			}
			tried = true
			q := p
			q.Root = root
			s, err := q.check(b, a, hint)
			if err == nil {
				for _, r := range refused {
					s.Refused = append(s.Refused, r.Error())
				}
				return s, nil
			}
			name := c.name
			if root != nil && len(p.Root.each()) > 1 {
				name = strings.TrimPrefix(fmt.Sprintf("%s with root %d", name, i+1), " ")
			}
			e := refusal(name, err)
			if e.Field == "artifact" && e.Class == Failed { // it will not be read any better
				return Signature{}, e
			}
			refused = append(refused, e)
		}
	}
	if len(refused) == 1 {
		return Signature{}, refused[0]
	}
	// The one that came farthest says the most about what is wrong.
	worst := slices.MaxFunc(refused, func(a, b *Error) int { return slices.Index(steps, a.Check) - slices.Index(steps, b.Check) })
	e := &Error{Class: Failed, Check: worst.Check, Err: fmt.Errorf("none of %d holds", len(refused))}
	for _, r := range refused {
		if r.Class == Untrusted {
			e.Class = Untrusted
		}
		e.Refused = append(e.Refused, r.Error())
	}
	return Signature{}, e
}

// refusal is an error with the name of the bundle that it is about.
func refusal(name string, err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Class: Untrusted, Check: CheckBundle, Err: err}
	}
	named := *e
	named.About = name
	return &named
}

// rewind makes the artifact readable once more.
func (a Artifact) rewind() error {
	if a.data == nil {
		return nil
	}
	s, ok := a.data.(io.Seeker)
	if !ok {
		return &Error{Class: Failed, Check: CheckSignature, Field: "artifact", Err: errors.New("can be read only once, and there is more than one bundle or trusted root")}
	}
	if _, err := s.Seek(0, io.SeekStart); err != nil {
		return &Error{Class: Failed, Check: CheckSignature, Field: "artifact", Err: err}
	}
	return nil
}
