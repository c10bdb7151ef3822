package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"facerec/internal/text"
)

// vexFile says which vulnerabilities are accepted and why: an OpenVEX 0.2.0
// document, so that scanners of users can read it too. OpenVEX has no expiry:
// here every statement's status_notes ends with "until YYYY-MM-DD", its last day.
const vexFile = "vex.openvex.json"

type vexDocument struct {
	Context    string         `json:"@context"`
	ID         string         `json:"@id"`
	Author     string         `json:"author"`
	Timestamp  time.Time      `json:"timestamp"`
	Version    int            `json:"version"`
	Statements []vexStatement `json:"statements"`
}

type vexStatement struct {
	Vulnerability struct {
		Name    string   `json:"name"`
		Aliases []string `json:"aliases,omitempty"`
	} `json:"vulnerability"`
	Products []struct {
		ID string `json:"@id"`
	} `json:"products"`
	Status        string `json:"status"`
	Justification string `json:"justification,omitempty"`
	Impact        string `json:"impact_statement,omitempty"`
	Action        string `json:"action_statement,omitempty"`
	Notes         string `json:"status_notes"`

	until time.Time
}

var untilDay = regexp.MustCompile(`\buntil (\d{4}-\d{2}-\d{2})$`)

// justifications are OpenVEX's.
var justifications = []string{"component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
	"vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist"}

func readVEX(file string) ([]vexStatement, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var doc vexDocument
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%s: %w", vexFile, err)
	}
	for i := range doc.Statements {
		if err := doc.Statements[i].complete(); err != nil {
			return nil, fmt.Errorf("%s: statement %d: %w", vexFile, i+1, err)
		}
	}
	return doc.Statements, nil
}

// complete checks that a statement says what, why and until when.
func (s *vexStatement) complete() error {
	if s.Vulnerability.Name == "" || len(s.Products) == 0 {
		return fmt.Errorf("expected a vulnerability's name and at least one product")
	}
	switch s.Status {
	case "not_affected":
		if !slices.Contains(justifications, s.Justification) {
			return fmt.Errorf("expected a justification, one of %v, got %s", justifications, text.Quote(s.Justification))
		}
	case "affected":
		if s.Action == "" {
			return fmt.Errorf("expected an action_statement: what users can do")
		}
	default:
		return fmt.Errorf("expected the status not_affected or affected, got %s", text.Quote(s.Status))
	}
	m := untilDay.FindStringSubmatch(s.Notes)
	if m == nil {
		return fmt.Errorf("expected status_notes that end with \"until YYYY-MM-DD\", got %s", text.Quote(s.Notes))
	}
	day, err := time.Parse(time.DateOnly, m[1])
	if err != nil {
		return fmt.Errorf("status_notes: %w", err)
	}
	s.until = day.AddDate(0, 0, 1) // the day itself is included
	return nil
}

// vulnerability is what a scanner found.
type vulnerability struct {
	ids     []string // the name and its aliases
	purl    string   // without qualifiers
	version string
	where   []string // documents or programs
}

func (v vulnerability) String() string {
	return fmt.Sprintf("%s in %s@%s (%s)", text.Show(v.ids[0]), text.Show(v.purl), text.Show(v.version), text.List(v.where, 3))
}

// covers reports whether a statement is about a finding. A product without a
// version is about all of them.
func (s vexStatement) covers(v vulnerability) bool {
	names := append([]string{s.Vulnerability.Name}, s.Vulnerability.Aliases...)
	if !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(v.ids, n) }) {
		return false
	}
	for _, p := range s.Products {
		if p.ID == v.purl || p.ID == v.purl+"@"+v.version {
			return true
		}
	}
	return false
}

// judge returns what is not accepted: findings without a statement, and
// statements that have expired.
func judge(all []vulnerability, accepted []vexStatement, today time.Time) (wrong []string, spared int) {
	for _, v := range all {
		i := slices.IndexFunc(accepted, func(s vexStatement) bool { return s.covers(v) })
		switch {
		case i < 0:
			wrong = append(wrong, v.String())
		case !today.Before(accepted[i].until):
			wrong = append(wrong, v.String()+": accepted "+text.Show(accepted[i].Notes)+", which is over")
		default:
			spared++
		}
	}
	return wrong, spared
}
