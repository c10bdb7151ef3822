package verify_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"facerec/internal/verify"
)

// hostile is a report whose every text tries to be something else.
func hostile() verify.Report {
	class := verify.Differs
	const evil = "<script>alert(1)</script> | `x` %0A::error::y\n# z"
	return verify.Report{
		Schema: verify.ReportSchema, Verdict: "differs", ExitCode: 3, Project: evil, Version: evil, Expected: []string{evil}, Unchecked: []string{evil},
		Results: []verify.Result{{
			Cell: evil, Link: verify.LinkTarball, Subject: evil, Status: verify.Fail, Class: &class,
			Detail: evil, Expected: evil, Got: evil, Differences: []string{evil},
		}},
	}
}

func TestRenderingEscapes(t *testing.T) {
	r := hostile()
	page, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(page), "<script") {
		t.Errorf("HTML: markup came through:\n%s", page)
	}
	if md := r.Markdown(); strings.Contains(md, "<script") || strings.Contains(md, "\n# z") || regexp.MustCompile("[^\\\\]`x").MatchString(md) {
		t.Errorf("markdown: markup came through:\n%s", md)
	}
	if lines := strings.Split(strings.TrimSuffix(r.Annotations(), "\n"), "\n"); len(lines) != 1 || !strings.Contains(lines[0], "%250A") {
		t.Errorf("annotations: a command came through:\n%s", r.Annotations())
	}
}

// TestHTMLStandsAlone wants nothing in the page that a browser would fetch.
func TestHTMLStandsAlone(t *testing.T) {
	page, err := newSmall(t).verify(t).HTML()
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`(?i)\b(src|href|action)\s*=|url\(|@import|<script|<link|<img|<iframe`).Find(page); found != nil {
		t.Errorf("the page has %q", found)
	}
}

// TestSARIFIsWhole holds what the format wants of every result: a rule that is
// there, a kind and level that go together, a message, a location.
func TestSARIFIsWhole(t *testing.T) {
	s := newSmall(t)
	delete(s.dist, sbom)
	s.put(assetA, []byte("x"))
	doc, err := s.verify(t).SARIF()
	if err != nil {
		t.Fatal(err)
	}
	var log struct {
		Version string `json:"version"`
		Schema  string `json:"$schema"`
		Runs    []struct {
			Tool struct {
				Driver struct {
					Rules []struct {
						ID string `json:"id"`
					} `json:"rules"`
				} `json:"driver"`
			} `json:"tool"`
			Results []struct {
				RuleID      string
				RuleIndex   int
				Kind, Level string
				Message     struct{ Text string }
				Locations   []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
					}
				}
			} `json:"results"`
		} `json:"runs"`
	}
	if err := json.Unmarshal(doc, &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || log.Schema == "" || len(log.Runs) != 1 {
		t.Fatalf("got %s", doc)
	}
	kinds := map[string]bool{}
	for _, r := range log.Runs[0].Results {
		kinds[r.Kind], kinds[r.Kind+" of "+r.RuleID] = true, true
		if r.RuleIndex >= len(log.Runs[0].Tool.Driver.Rules) || log.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("result of rule %s at %d", r.RuleID, r.RuleIndex)
		}
		// SARIF 2.1.0, 3.27.10: the level of anything but a failure is "none".
		if (r.Kind == "fail") != (r.Level == "error") || r.Kind != "fail" && r.Level != "none" || r.Message.Text == "" || len(r.Locations) != 1 || r.Locations[0].PhysicalLocation.ArtifactLocation.URI == "" {
			t.Errorf("result %+v", r)
		}
	}
	for _, k := range []string{"pass", "fail", "open"} {
		if !kinds[k] {
			t.Errorf("no result of kind %s", k)
		}
	}
	if !kinds["fail of "+verify.LinkTarball] {
		t.Error("the spoiled tarball is not a failure")
	}
}
