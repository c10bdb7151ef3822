package oci

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"facerec/internal/release"
)

// Kind is where a reference points.
type Kind uint8

// The kinds of reference.
const (
	Registry Kind = iota
	Layout
	DockerArchive
)

const (
	layoutScheme  = "oci-layout:"
	archiveScheme = "docker-archive:"
)

// Ref names an index, a manifest, or (without tag and digest) a repository or
// a whole layout.
type Ref struct {
	Kind   Kind
	Name   string // REGISTRY/REPOSITORY, or the path of the layout or archive
	Tag    string
	Digest release.Digest
}

// tagShape is the OCI distribution specification's grammar of a tag.
var tagShape = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// ParseRef reads a reference. A registry must be named: there is no default.
func ParseRef(s string) (Ref, error) {
	var r Ref
	rest := s
	switch {
	case strings.HasPrefix(s, archiveScheme):
		r.Kind, r.Name = DockerArchive, strings.TrimPrefix(s, archiveScheme)
		if r.Name == "" {
			return Ref{}, fmt.Errorf("reference %q: want docker-archive:FILE", s)
		}
		return r, nil
	case strings.HasPrefix(s, layoutScheme):
		r.Kind, rest = Layout, strings.TrimPrefix(s, layoutScheme)
	}
	if strings.Contains(rest, "://") && r.Kind == Registry {
		return Ref{}, fmt.Errorf("reference %q: leave the scheme out: want REGISTRY/REPOSITORY[:TAG]", s)
	}
	if before, digest, ok := strings.Cut(rest, "@"); ok && (r.Kind == Registry || strings.HasPrefix(digest, "sha256:")) {
		d, err := release.ParseDigest(digest)
		if err != nil {
			return Ref{}, fmt.Errorf("reference %q: %w", s, err)
		}
		r.Digest, rest = d, before
	}
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		if !tagShape.MatchString(rest[i+1:]) {
			return Ref{}, fmt.Errorf("reference %q: %q is not a tag: want letters, digits, '.', '_' or '-', at most 128", s, rest[i+1:])
		}
		rest, r.Tag = rest[:i], rest[i+1:]
	}
	r.Name = rest
	if r.Name == "" {
		return Ref{}, fmt.Errorf("reference %q names nothing: want REGISTRY/REPOSITORY[:TAG][@DIGEST], oci-layout:DIR[:TAG][@DIGEST] or docker-archive:FILE", s)
	}
	if r.Kind == Registry {
		host, _, ok := strings.Cut(r.Name, "/")
		if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
			return Ref{}, fmt.Errorf("reference %q names no registry: want REGISTRY/REPOSITORY[:TAG], with a dot or a port in REGISTRY, or oci-layout:DIR", s)
		}
		if _, err := name.NewRepository(r.Name, name.StrictValidation); err != nil {
			return Ref{}, fmt.Errorf("reference %q: %w", s, err)
		}
	}
	return r, nil
}

// ParseLayout reads the LAYOUT argument of push and pull: a folder, with or
// without the scheme.
func ParseLayout(s string) (Ref, error) {
	if strings.HasPrefix(s, archiveScheme) {
		return Ref{}, fmt.Errorf("layout %q: a docker-archive cannot hold an index: want a folder or oci-layout:DIR", s)
	}
	if !strings.HasPrefix(s, layoutScheme) {
		s = layoutScheme + s
	}
	return ParseRef(s)
}

// String gives the form that ParseRef reads.
func (r Ref) String() string {
	var b strings.Builder
	switch r.Kind {
	case Layout:
		b.WriteString(layoutScheme)
	case DockerArchive:
		b.WriteString(archiveScheme)
	}
	b.WriteString(r.Name)
	if r.Tag != "" {
		b.WriteString(":" + r.Tag)
	}
	if !r.Digest.IsZero() {
		b.WriteString("@" + r.Digest.String())
	}
	return b.String()
}

// At is the same place pinned to a digest, its tag dropped.
func (r Ref) At(d release.Digest) Ref {
	r.Tag, r.Digest = "", d
	return r
}

// WithTag is the same place under a tag, its digest dropped.
func (r Ref) WithTag(tag string) Ref {
	r.Tag, r.Digest = tag, release.Digest{}
	return r
}
