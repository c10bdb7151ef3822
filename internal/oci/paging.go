package oci

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Registries hand out long lists in pages, each with a header Link to the next
// (OCI distribution specification 1.1, "Listing tags" and "Listing referrers").
// Where it leads is the registry's word alone: another host, a circle and a list
// without end are refused.

const (
	maxPages = 100    // of one list
	maxTags  = 50_000 // of one repository
)

// errLastPage ends a list before its end.
var errLastPage = errors.New("last page")

// pages calls each with every page of a list and the media type that it came as.
func (s *session) pages(ctx context.Context, first *url.URL, accept string, each func(raw []byte, contentType string) error) error {
	seen := map[string]bool{}
	for at := first; at != nil; {
		if seen[at.String()] {
			return fmt.Errorf("the list goes in a circle: page %d is one that was there before", len(seen)+1)
		}
		if len(seen) == maxPages {
			return fmt.Errorf("the list has more than %d pages: refused", maxPages)
		}
		seen[at.String()] = true
		header, raw, err := s.document(ctx, at, accept, http.StatusOK)
		if err != nil {
			return err
		}
		err = each(raw, contentType(header))
		if errors.Is(err, errLastPage) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("page %d of the list: %w", len(seen), err)
		}
		if at, err = nextPage(at, header.Values("Link")); err != nil {
			return err
		}
	}
	return nil
}

// contentType is the media type that an answer gives, "" if it gives none.
func contentType(h http.Header) string {
	mediaType, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return mediaType
}

// nextPage follows a page's Link, or gives nil after the last. The scheme stays
// what it was: registries behind a proxy often do not know their own.
func nextPage(at *url.URL, links []string) (*url.URL, error) {
	for _, header := range links {
		target, ok, err := nextLink(header)
		if err != nil {
			return nil, fmt.Errorf("link to the next page %q: %w", header, err)
		}
		if !ok {
			continue
		}
		to, err := at.Parse(target)
		if err != nil {
			return nil, fmt.Errorf("link to the next page: %w", err)
		}
		if to.Host != at.Host || to.User != nil || to.Scheme != "http" && to.Scheme != "https" {
			return nil, fmt.Errorf("link to the next page: expected one at %s, got %q: refused", at.Host, to.Redacted())
		}
		to.Scheme, to.Fragment = at.Scheme, ""
		return to, nil
	}
	return nil, nil
}

// nextLink finds the target with rel="next" in a header Link (RFC 8288,
// section 3: <TARGET>; NAME=VALUE; NAME="VALUE", <TARGET>; …).
func nextLink(header string) (target string, ok bool, err error) {
	for rest := strings.TrimSpace(header); rest != ""; {
		if rest[0] == ',' { // empty elements of a list are allowed
			rest = strings.TrimSpace(rest[1:])
			continue
		}
		end := strings.IndexByte(rest, '>')
		if rest[0] != '<' || end < 0 {
			return "", false, errors.New("expected <TARGET>")
		}
		target, rest = rest[1:end], strings.TrimSpace(rest[end+1:])
		next := false
		for rest != "" && rest[0] == ';' {
			var name, value string
			if name, value, rest, err = linkParam(rest[1:]); err != nil {
				return "", false, err
			}
			if strings.EqualFold(name, "rel") && slices.ContainsFunc(strings.Fields(value), func(r string) bool { return strings.EqualFold(r, "next") }) {
				next = true
			}
		}
		if next && target != "" {
			return target, true, nil
		}
		if rest != "" && rest[0] != ',' {
			return "", false, errors.New("expected ';' or ',' behind a link")
		}
	}
	return "", false, nil
}

// linkParam reads NAME, NAME=TOKEN or NAME="STRING" and what is behind it.
func linkParam(s string) (name, value, rest string, err error) {
	i := strings.IndexAny(s, "=;,")
	if i < 0 || s[i] != '=' {
		if i < 0 {
			i = len(s)
		}
		return strings.TrimSpace(s[:i]), "", s[i:], nil
	}
	name, rest = strings.TrimSpace(s[:i]), strings.TrimSpace(s[i+1:])
	if !strings.HasPrefix(rest, `"`) {
		i := strings.IndexAny(rest, ";,")
		if i < 0 {
			i = len(rest)
		}
		return name, strings.TrimSpace(rest[:i]), rest[i:], nil
	}
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			return name, b.String(), strings.TrimSpace(rest[i+1:]), nil
		case c == '\\' && i+1 < len(rest):
			i++
			b.WriteByte(rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", "", errors.New("a quoted value does not end")
}

// Tags lists the tags of a repository or layout, sorted.
func Tags(ctx context.Context, ref Ref, access Access) ([]string, error) {
	src, err := Open(ctx, ref, access)
	if err != nil {
		return nil, err
	}
	switch s := src.(type) {
	case *remoteSource:
		tags, err := s.tags(ctx)
		if err != nil {
			err = s.explain("tags of "+s.repo.Name(), err)
		}
		return tags, err
	case *layoutSource:
		return s.tags(), nil
	}
	return nil, fmt.Errorf("%s: a docker archive has no list of tags", ref)
}

func (s *session) tags(ctx context.Context) ([]string, error) {
	var all []string
	err := s.pages(ctx, s.url("tags", "list"), "application/json", func(raw []byte, _ string) error {
		var page struct {
			Tags []string `json:"tags"`
		}
		if err := decode(raw, &page); err != nil {
			return err
		}
		for _, t := range page.Tags {
			if !tagShape().MatchString(t) {
				return fmt.Errorf("%q is not a tag", t)
			}
		}
		if all = append(all, page.Tags...); len(all) > maxTags {
			return fmt.Errorf("more than %d tags: refused", maxTags)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// withTags adds to the error about a tag that is missing which ones are.
func withTags(ctx context.Context, src Source, err error) error {
	s, remote := src.(*remoteSource)
	var nf *NotFoundError
	if !remote || s.ref.Tag == "" || !errors.As(err, &nf) {
		return err
	}
	tags, terr := s.tags(ctx)
	tags = slices.DeleteFunc(tags, func(t string) bool { return strings.HasPrefix(t, "sha256-") }) // what is attached to images
	if terr != nil || len(tags) == 0 {
		return err // the usual hint is as good
	}
	hint := "the repository has the tags " + strings.Join(tags[max(0, len(tags)-10):], ", ")
	if n := len(tags) - 10; n > 0 {
		hint += fmt.Sprintf(" and %d more", n)
	}
	return &NotFoundError{What: nf.What, Hint: hint}
}
