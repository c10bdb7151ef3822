package oci

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"facerec/internal/release"
	"facerec/internal/text"
)

// Kind is where a reference points.
type Kind uint8

// The kinds of reference.
const (
	Registry Kind = iota
	Layout
	DockerArchive
	OCIArchive
)

var schemes = map[Kind]string{Layout: "oci-layout:", DockerArchive: "docker-archive:", OCIArchive: "oci-archive:"}

const layoutScheme = "oci-layout:"

// Ref names an index, a manifest, or (without tag and digest) a repository or
// a whole layout.
type Ref struct {
	Kind   Kind
	Name   string // REGISTRY/REPOSITORY, or the path of the layout or archive
	Tag    string // in a layout or archive it can be a full image name
	Digest release.Digest
}

// tagShape is the OCI distribution specification's grammar of a tag.
var tagShape = text.Pattern(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// nameShape is a full image name with its tag, as layouts and archives have it.
var nameShape = text.Pattern(`^([A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]+)?/)?([a-z0-9][a-z0-9._-]*/)*[a-z0-9][a-z0-9._-]*:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// ParseRef reads a reference. A registry must be named: there is no default.
func ParseRef(s string) (Ref, error) {
	var r Ref
	rest := s
	for kind, scheme := range schemes {
		if after, ok := strings.CutPrefix(s, scheme); ok {
			r.Kind, rest = kind, after
		}
	}
	if strings.Contains(rest, "://") && r.Kind == Registry {
		return Ref{}, fmt.Errorf("reference %q: expected REGISTRY/REPOSITORY[:TAG] without a scheme", s)
	}
	if before, digest, ok := strings.Cut(rest, "@"); ok && (r.Kind == Registry || strings.HasPrefix(digest, "sha256:")) {
		d, err := release.ParseDigest(digest)
		if err != nil {
			return Ref{}, fmt.Errorf("reference %q: %w", s, err)
		}
		r.Digest, rest = d, before
	}
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		if !tagShape().MatchString(rest[i+1:]) {
			return Ref{}, fmt.Errorf("reference %q: %q is not a tag: expected letters, digits, '.', '_' or '-', at most 128", s, rest[i+1:])
		}
		if r.Kind != Registry {
			for j := range i { // a full image name
				if rest[j] == ':' && nameShape().MatchString(rest[j+1:]) {
					i = j
					break
				}
			}
		}
		rest, r.Tag = rest[:i], rest[i+1:]
	}
	r.Name = rest
	if r.Name == "" {
		return Ref{}, fmt.Errorf("reference %q names nothing: expected REGISTRY/REPOSITORY[:TAG][@DIGEST], oci-layout:DIR[:NAME][@DIGEST], oci-archive:FILE[:NAME][@DIGEST] or docker-archive:FILE[:NAME:TAG][@DIGEST]", s)
	}
	if r.Kind == Registry {
		host, _, ok := strings.Cut(r.Name, "/")
		if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
			return Ref{}, fmt.Errorf("reference %q names no registry: expected REGISTRY/REPOSITORY[:TAG], with a dot or a port in REGISTRY, or oci-layout:DIR", s)
		}
		if _, err := name.NewRepository(r.Name, name.StrictValidation); err != nil {
			return Ref{}, fmt.Errorf("reference %q: %w", s, err)
		}
	}
	return r, nil
}

// ParseImageName reads a name as a Dockerfile has it: one that names no registry is
// in the one that container engines take it from.
func ParseImageName(s string) (Ref, error) {
	tag, err := name.NewTag(s)
	if err != nil {
		return Ref{}, fmt.Errorf("image name %q: %w", s, err)
	}
	return Ref{Name: tag.Context().Name(), Tag: tag.TagStr()}, nil
}

// ParseLayout reads the LAYOUT argument of push and pull: a directory, with or
// without the scheme.
func ParseLayout(s string) (Ref, error) {
	for kind, scheme := range schemes {
		if kind != Layout && strings.HasPrefix(s, scheme) {
			return Ref{}, fmt.Errorf("layout %q: expected a directory or oci-layout:DIR", s)
		}
	}
	if !strings.HasPrefix(s, layoutScheme) {
		s = layoutScheme + s
	}
	return ParseRef(s)
}

// String gives the form that ParseRef reads.
func (r Ref) String() string {
	var b strings.Builder
	b.WriteString(schemes[r.Kind])
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
