package batch

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"facerec/internal/release"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// lineSchema is the published one, which others rely on.
func lineSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../../docs/verify-list.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestLinesSatisfyTheSchema has lines of every code, made of reports and of errors,
// and their summary; the schema refuses what is none.
func TestLinesSatisfyTheSchema(t *testing.T) {
	schema := lineSchema(t)
	validate := func(v any) error {
		raw, err := text.JSONLine(v)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(raw, []byte("\n")) != 1 {
			t.Errorf("not one line: %q", raw)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(doc)
	}
	digest := release.DigestBytes([]byte("x"))
	good := verify.Report{Verdict: "verified", Project: "p", Version: "1.0.0", Signature: &verify.Signature{Key: digest.String()}, Chains: make([]verify.Chain, 2)}
	bad := verify.Report{Verdict: "differs", ExitCode: 3}
	for i := range 20 {
		class := verify.Differs
		bad.Results = append(bad.Results, verify.Result{Cell: strings.Repeat("c", i+1), Link: verify.LinkTarball, Subject: "f", Status: verify.Fail, Class: &class, Detail: "a\u202eb", Expected: "1", Got: "2"})
	}
	s := Summary{Schema: SummarySchema, Verdicts: map[string]int{}}
	lines := []Line{ReportLine("a", good, &digest), ReportLine("b", bad, &digest)}
	for code := 1; code <= 5; code++ {
		lines = append(lines, ErrorLine("c\nd", code, text.WithHint(errors.New("not\x1b[2J good"), "do %s", "that")))
	}
	for _, l := range lines {
		if err := validate(l); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
		if shown := l.Text(); strings.ContainsAny(shown, "\n\x1b\u202e") {
			t.Errorf("shown as %q", shown)
		}
		s.add(l)
	}
	if err := validate(s); err != nil {
		t.Error(err)
	}
	for _, c := range [][3]string{ // the name is said once
		{"d/none", "d/none not found", "usage       d/none: not found"},
		{"./d", "d: d is a named pipe", "usage       ./d: d is a named pipe"},
		{"d", "d: expected more", "usage       d: expected more"},
		{"d", "d2 not found", "usage       d: d2 not found"},
		{"::error::x", "::error::x not found", `usage       "::error::x": not found`},
		{"a\u202eb", "a\u202eb not found", `usage       "a\u202eb": not found`},
		{"", "no name", `usage       "": no name`},
	} {
		if got := ErrorLine(c[0], 2, errors.New(c[1])).Text(); got != c[2] {
			t.Errorf("%q, %q: got %q, expected %q", c[0], c[1], got, c[2])
		}
	}
	parts := verify.Report{Verdict: "untrusted", ExitCode: 4, Chains: make([]verify.Chain, 3), Releases: []verify.Named{
		{Dist: "k: a", Verdict: "verified", Project: "p", Version: "1.0.0", Cells: 2, Signature: &verify.Signature{Key: digest.String()}}, {Dist: "k: b", Verdict: "untrusted", ExitCode: 4, Cells: 1}},
		Results: []verify.Result{{Dist: "k: b", Link: verify.LinkBundle, Subject: "f", Status: verify.Fail, Class: new(verify.Untrusted), Detail: "no"}}}
	l := ReportLine("k", parts, &digest)
	if err := validate(l); err != nil || l.Text() != "untrusted   k: k: b: bundle: f: no" || len(l.Releases) != 2 {
		t.Errorf("got %+v, %v", l, err)
	}
	parts.Verdict, parts.ExitCode, parts.Results = "verified", 0, nil
	l = ReportLine("k", parts, &digest)
	if err := validate(l); err != nil || l.Text() != "verified    k: 3 cells of 2 releases, signed by key "+digest.String() {
		t.Errorf("got %q, %v", l.Text(), err)
	}
	if n := len(lines[1].Causes); n != maxCauses+1 {
		t.Errorf("expected %d causes and the number of the rest, got %d", maxCauses, n)
	}
	if got, want := s.Text(), "7 releases: 1 verified, 1 incomplete, 1 usage, 1 error, 2 differs, 1 untrusted (exit code 4)"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
	for _, none := range []any{Line{}, Summary{}, map[string]string{}, []string{}, line(Item{Name: "x"}, 3), line(Item{Name: "x"}, 0)} {
		if validate(none) == nil {
			t.Errorf("%+v was accepted", none)
		}
	}
}
