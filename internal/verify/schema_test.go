package verify_test

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"facerec/internal/release"
	"facerec/internal/verify"
)

// reportSchema is the published one, whose fields others rely on.
var reportSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	return jsonschema.NewCompiler().Compile("../../docs/verify-report.schema.json")
})

func validate(t *testing.T, r verify.Report) {
	t.Helper()
	schema, err := reportSchema()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("%v\n%s", err, raw)
	}
}

// TestReportsSatisfyTheSchema holds reports of every verdict to the published
// schema, and sees it refuse what is none.
func TestReportsSatisfyTheSchema(t *testing.T) {
	good, bad, short, down, unsigned := newSmall(t), newSmall(t), newSmall(t), newSmall(t), newSmall(t)
	bad.put(assetA, []byte("x"))
	delete(short.dist, sbom)
	down.images.layers = os.ErrClosed
	delete(unsigned.dist, release.BundleFile)
	var all []verify.Report
	verdicts := map[string]bool{}
	for _, s := range []*small{good, bad, short, down, unsigned} {
		r := s.verify(t)
		validate(t, r)
		all, verdicts[r.Verdict] = append(all, r), true
	}
	if len(verdicts) != 5 {
		t.Errorf("only the verdicts %v were seen", verdicts)
	}
	validate(t, verify.Join([]string{"a", "b", "c", "d", "e"}, all))
	schema, err := reportSchema()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{}`, `{"schema": "releaser.verify/v1"}`, `[]`} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(doc) == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}

// TestTrustRootIsReported puts roots of every origin into a report: it satisfies the
// schema, and every other form names the root.
func TestTrustRootIsReported(t *testing.T) {
	carried, origin, err := verify.PublicGood()
	if err != nil {
		t.Fatal(err)
	}
	kept := origin
	kept.From, kept.Source = verify.FromUpdate, "https://mirror.example"
	for _, o := range []verify.TrustOrigin{origin, kept, {From: verify.FromFile, Source: "trusted_root.json"}} {
		for _, now := range []time.Time{origin.Fetched, origin.Until.AddDate(0, 1, 0)} {
			s := newSmall(t)
			if s.policy.Root, err = carried.From(o, now); err != nil {
				t.Fatal(err)
			}
			r := s.verify(t)
			validate(t, r)
			page, err := r.HTML()
			if err != nil {
				t.Fatal(err)
			}
			sarif, err := r.SARIF()
			if err != nil {
				t.Fatal(err)
			}
			if r.TrustRoot.From != o.From || r.TrustRoot.Stale != (o.From != verify.FromFile && now.After(o.Until)) {
				t.Errorf("got %+v", r.TrustRoot)
			}
			want := r.TrustRoot.SHA256.String()
			for form, text := range map[string]string{"text": r.Text(), "html": string(page), "sarif": string(sarif), "markdown": r.Markdown()} {
				if !strings.Contains(text, want) {
					t.Errorf("%s does not name the root %s", form, want)
				}
			}
		}
	}
}
