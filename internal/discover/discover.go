package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"facerec/internal/release"
	"facerec/internal/text"
)

// World is what finders ask. An error of any method means that the finder could
// not look.
type World interface {
	// Document returns what a URL names, at most limit bytes. The error is
	// [fs.ErrNotExist] if the host says that there is nothing.
	Document(ctx context.Context, url string, limit int64) ([]byte, error)

	// Tags lists the tags of an image repository, REGISTRY/NAME.
	Tags(ctx context.Context, repository string) ([]string, error)

	// Digest returns the digest that a tag of an image repository names.
	Digest(ctx context.Context, repository, tag string) (release.Digest, error)
}

// Project says where pins are and where to look.
type Project struct {
	Files   fs.FS    // the directory of config.json
	Inputs  []string // lock files in it
	Proxy   string   // GOPROXY, a list of module proxies; may be empty
	Private string   // GONOPROXY: patterns of modules that no proxy is asked for
	Archive string   // URL of a Debian archive; may be empty
	Suites  []string // Debian suites that are looked at besides those of the pins
}

// Pin is something that a project pins.
type Pin struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	In      []string `json:"in"` // the files that say so
}

// Finding is something that upstream has and no pin names.
type Finding struct {
	Finder string   `json:"finder"`
	Name   string   `json:"name"`
	Found  string   `json:"found"`            // version or tag
	Digest string   `json:"digest,omitempty"` // of an image
	Where  []string `json:"where"`            // suites, a registry, a proxy
	Pinned []string `json:"pinned"`           // versions or tags
	In     []string `json:"in"`               // the files that pin it
}

// Title names a finding, and nothing else has the same title. What is pinned is
// not in it: it changes while the finding does not.
func (f Finding) Title() string {
	found := f.Found
	if f.Digest != "" && slices.Contains(f.Pinned, f.Found) { // the tag moved
		found += " at " + f.Digest
	}
	return text.Line(fmt.Sprintf("%s: %s %s", f.Finder, f.Name, found), 250)
}

// Body is what an issue about a finding says, in Markdown.
func (f Finding) Body() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Upstream has a version that is not pinned here.\n\n| | |\n|---|---|\n")
	for _, row := range [][2]string{
		{"name", f.Name}, {"found", f.Found}, {"digest", f.Digest}, {"where", strings.Join(f.Where, ", ")},
		{"pinned", strings.Join(f.Pinned, ", ")}, {"pinned in", strings.Join(f.In, ", ")},
	} {
		if row[1] != "" {
			fmt.Fprintf(&b, "| %s | `%s` |\n", row[0], strings.NewReplacer("`", "'", "|", "/").Replace(text.Line(row[1], 500)))
		}
	}
	b.WriteString("\nNothing about it was verified. Close this issue if the pin stays; `releaser discover` does not open it again.\n")
	return b.String()
}

// Failure is something that could not be looked at.
type Failure struct {
	Finder string `json:"finder"`
	Name   string `json:"name"` // what, as far as known
	Reason string `json:"reason"`
}

// Result is what one finder saw.
type Result struct {
	Finder   string    `json:"finder"`
	Pins     []Pin     `json:"pins"` // that were looked at
	New      []Finding `json:"new"`
	Failures []Failure `json:"not_looked_at"`
}

// Finder looks for one kind of pin.
type Finder struct {
	Name, Doc string
	look      func(ctx context.Context, s *search) Result
}

// Finders are all there are, in the order in which they run.
var Finders = []Finder{
	{"go", "Go releases after the one that a lock file or go.mod names", lookGo},
	{"modules", "releases of the Go modules in lock files, else of go.mod's direct requirements", lookModules},
	{"images", "newer tags of the Dockerfile's base images, and tags that moved", lookImages},
	{"packages", "newer versions of pinned Debian packages, in their suites and newer ones", lookPackages},
	{"compilers", "newer versions of pinned compilers, by source package", lookCompilers},
}

// Names are the finders' names.
func Names() []string {
	var out []string
	for _, f := range Finders {
		out = append(out, f.Name)
	}
	return out
}

// Look runs the finders with these names, all if there are none. The error is
// about the project's own files.
func Look(ctx context.Context, p Project, w World, names []string) ([]Result, error) {
	s := &search{Project: p, world: w}
	if err := s.readPins(); err != nil {
		return nil, err
	}
	out := []Result{}
	for _, f := range Finders {
		if len(names) > 0 && !slices.Contains(names, f.Name) {
			continue
		}
		r := f.look(ctx, s)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out = append(out, r.sorted(f.Name))
	}
	return out, nil
}

// search is one run.
type search struct {
	Project
	world World
	pins  pins
	debs  debs
}

func (r Result) sorted(finder string) Result {
	r.Finder = finder
	for i := range r.New {
		r.New[i].Finder = finder
	}
	for i := range r.Failures {
		r.Failures[i].Finder = finder
	}
	if r.Pins == nil {
		r.Pins = []Pin{}
	}
	if r.New == nil {
		r.New = []Finding{}
	}
	if r.Failures == nil {
		r.Failures = []Failure{}
	}
	slices.SortStableFunc(r.New, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Found, b.Found))
	})
	slices.SortStableFunc(r.Failures, func(a, b Failure) int { return cmp.Compare(a.Name, b.Name) })
	return r
}

func (r *Result) fail(name string, err error) {
	reason := err.Error()
	if errors.Is(err, fs.ErrNotExist) && !strings.Contains(reason, "not found") {
		reason += ": not found"
	}
	r.Failures = append(r.Failures, Failure{Name: name, Reason: text.Line(reason, 500)})
}
