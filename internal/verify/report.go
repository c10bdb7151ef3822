package verify

import (
	"cmp"
	"slices"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// ReportSchema is the first field of a report's JSON form: the version of its
// form.
const ReportSchema = "releaser.verify/v1"

// Status is how a step ended.
type Status string

// The three ways. A skip is never a pass: it makes the report incomplete.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	Skip Status = "skip"
)

// The links of the chain. The first are of the release as a whole, the others of
// each cell, in the chain's order.
const (
	LinkBundle    = "bundle"       // the signature over checksums.txt
	LinkChecksums = "checksums"    // checksums.txt can be read
	LinkRecord    = "release.json" // as signed, and readable
	LinkFile      = "file"         // any other file that checksums.txt names
	LinkFolder    = "folder"       // nothing else lies there that looks like the release's

	// LinkProvenance is of releases that have the file: the statement about where
	// the tarballs come from is signed by the same and says what release.json says.
	LinkProvenance = "provenance"

	// LinkKit is of releases in a kit: the kit is whole and undamaged. See
	// [Input.Before].
	LinkKit = "kit"

	// LinkRecord is of each cell too: release.json and checksums.txt agree on it.

	LinkTarball   = "tarball"         // the file is as signed
	LinkIndex     = "index"           // the image index has the platform's manifest
	LinkSignature = "image-signature" // what is attached to the image signs it; only if asked for
	LinkManifest  = "manifest"        // the platform manifest and its configuration are as their digests say
	LinkLayers    = "layers"          // every layer is as its digest and diff ID say, and they hold the directory
	LinkEntries   = "entries"         // the tarball holds what release.json says
	LinkRebuilt   = "rebuilt"         // the directory, packed again, is the tarball

	// LinkRebuilders is there only if it was asked for: enough of the rebuilders whom
	// the caller lists got these bytes. Of the release as a whole it has what was
	// considered, refused, and above all who got other bytes.
	LinkRebuilders = "rebuilders"

	// Of releases that have packages, once for each.

	LinkPackage    = "package"    // the file is as signed, and release.json and checksums.txt agree
	LinkRepackaged = "repackaged" // the package, made again of the directory, is the file
)

// The links of a rebuild from source, see [Report.WithRebuild].
const (
	LinkSource  = "source"  // of the release: the sources are those that it names
	LinkBuilt   = "built"   // the cell could be built
	LinkProgram = "program" // the files in the image's directory are those that release.json lists
	LinkTar     = "tar"     // the tar stream in the tarball is the same
)

// rebuildChain are the links of one cell from the sources to the tarball and packages.
var rebuildChain = []string{LinkBundle, LinkChecksums, LinkTarball, LinkRecord, LinkSource, LinkBuilt, LinkProgram, LinkLayers, LinkManifest, LinkIndex, LinkTar, LinkRebuilt, LinkRepackaged}

// chain are the links of one cell from the signature to the bytes, those that it
// shares with the others among them.
var chain = []string{LinkBundle, LinkChecksums, LinkTarball, LinkRecord, LinkIndex, LinkSignature, LinkManifest, LinkLayers, LinkEntries, LinkRebuilt, LinkRebuilders}

// packageLinks come after the chain of a cell, and rest on its layers alone.
var packageLinks = []string{LinkPackage, LinkRepackaged}

// Result is one link of the chain, looked at.
type Result struct {
	Dist string `json:"dist,omitempty"` // which of several that were asked for; see [Join]

	Cell    string `json:"cell,omitempty"` // "dlib19/linux/arm/v7"; "" for the release as a whole
	Link    string `json:"link"`           // one of the Link constants
	Subject string `json:"subject"`        // the file or image
	Status  Status `json:"status"`
	Class   *Class `json:"class,omitempty"` // of a failure or skip

	// Detail is what was seen, why it failed, or why it was skipped.
	Detail string `json:"detail,omitempty"`

	Field    string `json:"field,omitempty"`
	Expected string `json:"expected,omitempty"`
	Got      string `json:"got,omitempty"`

	Notes []string `json:"notes,omitempty"` // what is worth knowing and decides nothing

	Grade       *tarball.Grade `json:"grade,omitempty"`       // of rebuilt bytes; nil for every other link
	Causes      []string       `json:"causes,omitempty"`      // what explains a difference in bytes, the most telling first
	Differences []string       `json:"differences,omitempty"` // which entry, which field; the first few

	Output []string `json:"output,omitempty"` // of [LinkBuilt]: the last lines of a build that failed

	Rebuilders []Said `json:"rebuilders,omitempty"` // of [LinkRebuilders], each that is listed
}

// Report is what a verification came to. It is a value: text, JSON and exit code
// are functions of it.
type Report struct {
	Schema   string          `json:"schema"`
	Verified bool            `json:"verified"`
	Verdict  string          `json:"verdict"` // "verified", or the class that decided
	ExitCode int             `json:"exit_code"`
	Project  string          `json:"project,omitempty"`
	Version  release.Version `json:"version,omitempty"`
	Expected []string        `json:"expected_signers"`

	ExpectedProject string          `json:"expected_project,omitempty"`
	ExpectedVersion release.Version `json:"expected_version,omitempty"`

	Checksums string `json:"checksums,omitempty"` // the list that files alone were compared with, see [List]

	TrustRoot *TrustOrigin `json:"trust_root,omitempty"`
	Signature *Signature   `json:"signature,omitempty"` // only if it is good
	Unchecked []string     `json:"unchecked,omitempty"` // what was not checked, in words
	Releases  []Named      `json:"releases,omitempty"`  // if several were asked for
	Chains    []Chain      `json:"chains"`              // one for each cell, in the report's order
	Results   []Result     `json:"steps"`

	Released Released `json:"-"` // what the signature vouches for

	Statements release.Digest `json:"-"` // of the signed rebuilds that were considered, as [Statements]

	rebuilt bool // the links are those of a rebuild
}

// Released is what a good signature vouches for. It is empty if the signature is not
// good, or if the release is not the one that was expected.
type Released struct {
	Checksums  release.Digest  // of checksums.txt
	Record     *release.Record // nil: release.json cannot be used
	Provenance []byte          // the statement, nil if the release has none that holds
}

// Chain is what a cell rests on, link by link.
type Chain struct {
	Dist        string         `json:"dist,omitempty"`
	Cell        string         `json:"cell"`
	FirstBroken string         `json:"first_broken,omitempty"` // the first link that failed, or else that was skipped
	Grade       *tarball.Grade `json:"grade,omitempty"`
	Links       []LinkState    `json:"links"`
}

// LinkState is how one link of a chain ended.
type LinkState struct {
	Link   string `json:"link"`
	Status Status `json:"status"`

	word string // for people
}

// severity is the order in which classes decide; see the package comment.
var severity = []Class{Untrusted, Differs, Failed, Incomplete}

// finish puts the steps of each cell together, in the order in which cells and
// steps were met, and fills in the verdict.
func (r *Report) finish() {
	r.Schema = ReportSchema
	place := map[owner]int{}
	for i, o := range r.owners() {
		place[o] = i
	}
	first := func(s Result) int {
		if s.isNo() {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(r.Results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(place[a.owner()], place[b.owner()]), cmp.Compare(first(a), first(b)))
	})
	r.Chains = r.chains()
	for _, class := range severity {
		if slices.ContainsFunc(r.Results, func(s Result) bool { return s.Class != nil && *s.Class == class }) {
			r.Verified, r.Verdict, r.ExitCode = false, class.String(), class.ExitCode()
			return
		}
	}
	r.Verified, r.Verdict, r.ExitCode = true, "verified", 0
}

// owner is whom a step is about: a release as a whole if the cell is empty.
type owner struct{ dist, cell string }

func (s Result) owner() owner { return owner{s.Dist, s.Cell} }

// isNo reports whether the step is that a listed rebuilder got other bytes, which
// comes before all else.
func (s Result) isNo() bool {
	return s.Link == LinkRebuilders && s.Cell == "" && s.Class != nil && *s.Class == Differs
}

// where names the owner for people.
func (s Result) where() string { return s.owner().String() }

func (o owner) String() string {
	if o.dist == "" {
		return or(o.cell, "release")
	}
	return o.dist + ": " + or(o.cell, "release")
}

// owners gives every release as it was met, and behind each its cells.
func (r Report) owners() []owner {
	var dists []string
	cells := map[string][]owner{}
	seen := map[owner]bool{}
	for _, s := range r.Results {
		if _, ok := cells[s.Dist]; !ok {
			dists = append(dists, s.Dist)
			cells[s.Dist] = []owner{{s.Dist, ""}}
			seen[owner{s.Dist, ""}] = true
		}
		if o := s.owner(); !seen[o] {
			seen[o] = true
			cells[s.Dist] = append(cells[s.Dist], o)
		}
	}
	var out []owner
	for _, d := range dists {
		out = append(out, cells[d]...)
	}
	return out
}

// byLink finds the step of each owner and link; of several of the same link, a
// failure comes first, then a skip.
func (r Report) byLink() map[owner]map[string]Result {
	out := map[owner]map[string]Result{}
	for _, s := range r.Results {
		links := out[s.owner()]
		if links == nil {
			links = map[string]Result{}
			out[s.owner()] = links
		}
		if have, ok := links[s.Link]; !ok || have.Status != Fail && (s.Status == Fail || have.Status == Pass && s.Status == Skip) {
			links[s.Link] = s
		}
	}
	return out
}

// chains says of each cell how its links ended.
func (r Report) chains() []Chain {
	out := []Chain{}
	steps := r.byLink()
	for _, o := range r.owners() {
		if o.cell == "" {
			continue
		}
		c := Chain{Dist: o.dist, Cell: o.cell}
		broken := map[Status]string{}
		own, shared := steps[o], steps[owner{o.dist, ""}]
		for _, link := range r.order() {
			s, ok := own[link]
			// What release.json says of a cell rests on release.json itself.
			if all, sharedToo := shared[link]; sharedToo && link != LinkRebuilders && (!ok || all.Status == Fail) {
				s, ok = all, true
			}
			if !ok {
				continue
			}
			c.Links = append(c.Links, LinkState{link, s.Status, s.word()})
			if broken[s.Status] == "" {
				broken[s.Status] = link
			}
			if s.Grade != nil && link == LinkRebuilt {
				c.Grade = s.Grade
			}
		}
		c.FirstBroken = or(broken[Fail], broken[Skip])
		out = append(out, c)
	}
	return out
}

// order is that of the links of a cell.
func (r Report) order() []string {
	if r.rebuilt {
		return rebuildChain
	}
	return slices.Concat(chain, packageLinks)
}

// WithRebuild puts what a rebuild from source found in the place of what compares
// tarballs with images that exist.
func (r Report) WithRebuild(found []Result) Report {
	r.rebuilt = true
	r.Results = slices.DeleteFunc(slices.Clone(r.Results), Result.ComparesImage)
	r.Results = append(r.Results, found...)
	r.finish()
	return r
}

// ComparesImage reports whether a step is about an image that exists, or compares a
// tarball or package with it.
func (s Result) ComparesImage() bool {
	return slices.Contains(chain[slices.Index(chain, LinkIndex):], s.Link) || s.Link == LinkRepackaged
}

// Broken gives the first step that did not pass of the release and of each
// cell, in the report's order.
func (r Report) Broken() []Result {
	var out []Result
	seen := map[owner]bool{}
	for _, status := range []Status{Fail, Skip} {
		for _, s := range r.Results {
			if s.Status == status && !seen[s.owner()] {
				seen[s.owner()] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// Cells names the cells in the report, in order.
func (r Report) Cells() []string {
	var out []string
	seen := map[string]bool{}
	for _, o := range r.owners() {
		if o.cell != "" && !seen[o.cell] {
			seen[o.cell] = true
			out = append(out, o.cell)
		}
	}
	return out
}

// JSON is the report as one document with a line feed at its end.
func (r Report) JSON() ([]byte, error) {
	return text.JSON(r)
}
