package verify

import (
	"cmp"
	"encoding/json"
	"slices"

	"facerec/internal/release"
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

// Grade says how close rebuilt bytes came to the released ones.
type Grade string

// The grades, best first. Only the first is a pass.
const (
	Identical   Grade = "identical"            // the same file
	SameTar     Grade = "same tar, other gzip" // the same tar stream, compressed otherwise
	SameContent Grade = "same content"         // the same entries with the same bytes, in another tar stream
	Different   Grade = "differs"              // other entries or other bytes
)

// The links of the chain, in their order. The first five are of the release,
// the others of each cell.
const (
	LinkBundle    = "bundle"       // the signature over checksums.txt
	LinkChecksums = "checksums"    // checksums.txt can be read
	LinkRecord    = "release.json" // as signed, and readable
	LinkFile      = "file"         // any other file that checksums.txt names
	LinkFolder    = "folder"       // nothing else lies there that looks like the release's

	// LinkProvenance is of releases that have the file: the statement about where
	// the tarballs come from is signed by the same and says what release.json says.
	LinkProvenance = "provenance"

	LinkTarball  = "tarball"  // the file is as signed
	LinkPromise  = "promise"  // release.json and checksums.txt agree on the cell
	LinkContents = "contents" // the tarball holds what release.json says
	LinkIndex    = "index"    // the image index has the platform's manifest
	LinkImage    = "image"    // manifest and layers are as their digests say, and hold the folder
	LinkRebuilt  = "rebuilt"  // the folder, packed again, is the tarball
)

// Step is one link of the chain, looked at.
type Step struct {
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

	Grade       Grade    `json:"grade,omitempty"`       // of rebuilt bytes
	Differences []string `json:"differences,omitempty"` // which entry, which field; the first few
}

// Report is what a verification came to. It is a value: text, JSON and exit code
// are functions of it.
type Report struct {
	Schema    string          `json:"schema"`
	Verified  bool            `json:"verified"`
	Verdict   string          `json:"verdict"` // "verified", or the class that decided
	ExitCode  int             `json:"exit_code"`
	Project   string          `json:"project,omitempty"`
	Version   release.Version `json:"version,omitempty"`
	Expected  []string        `json:"expected_signers"`
	TrustRoot *Origin         `json:"trust_root,omitempty"`
	Signature *Signature      `json:"signature,omitempty"` // only if it is good
	Unchecked []string        `json:"unchecked,omitempty"` // what the caller waived, in words
	Steps     []Step          `json:"steps"`
}

// severity is the order in which classes decide; see the package comment.
var severity = []Class{Untrusted, Differs, Failed, Incomplete}

// finish puts the steps of each cell together, in the order in which cells and
// steps were met, and fills in the verdict.
func (r *Report) finish() {
	r.Schema = ReportSchema
	place := map[string]int{"": -1}
	for i, cell := range r.Cells() {
		place[cell] = i
	}
	slices.SortStableFunc(r.Steps, func(a, b Step) int { return cmp.Compare(place[a.Cell], place[b.Cell]) })
	for _, class := range severity {
		if slices.ContainsFunc(r.Steps, func(s Step) bool { return s.Class != nil && *s.Class == class }) {
			r.Verified, r.Verdict, r.ExitCode = false, class.String(), class.ExitCode()
			return
		}
	}
	r.Verified, r.Verdict, r.ExitCode = true, "verified", 0
}

// Broken gives the first step that did not pass of the release and of each
// cell, in the report's order.
func (r Report) Broken() []Step {
	var out []Step
	seen := map[string]bool{}
	for _, status := range []Status{Fail, Skip} {
		for _, s := range r.Steps {
			if s.Status == status && !seen[s.Cell] {
				seen[s.Cell] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// Cells names the cells in the report, in order.
func (r Report) Cells() []string {
	var out []string
	for _, s := range r.Steps {
		if s.Cell != "" && !slices.Contains(out, s.Cell) {
			out = append(out, s.Cell)
		}
	}
	return out
}

// JSON is the report as one document with a line feed at its end.
func (r Report) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}
