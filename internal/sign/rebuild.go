package sign

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"facerec/internal/release"
)

// Rebuild is what a rebuilder says of subjects that all passed or all failed.
type Rebuild struct {
	Project string
	Version release.Version
	Passed  bool

	Subjects []Input // of the release, under the digests that it names

	Verifier     string    // URI of who rebuilt
	Time         time.Time // of the comparison
	Attestations []Input   // bundles that the release was verified by

	// Outcome is all that was compared, and where. Verifiers may leave it unread.
	Outcome json.RawMessage
}

// RebuildStatement is a verification summary of SLSA, version 1, whose policy is
// [release.RebuildPolicy]; docs/adr/0011 says why. The outcome stands in an
// extension field that is called like the policy.
func RebuildStatement(r Rebuild) ([]byte, error) {
	switch {
	case len(r.Subjects) == 0:
		return nil, errors.New("sign: nothing was rebuilt: a statement needs subjects")
	case r.Verifier == "":
		return nil, errors.New("sign: no rebuilder was named")
	}
	st := statement{Type: statementType, PredicateType: release.PredicateSummary}
	for _, s := range r.Subjects {
		st.Subject = append(st.Subject, subject{s.Name, map[string]string{"sha256": s.Digest.Hex()}})
	}
	p := summary{
		Verifier: builderID{r.Verifier}, Time: r.Time.UTC().Format(time.RFC3339), Resource: release.PackageURL(r.Project, r.Version),
		Policy: rule{release.RebuildPolicy}, Attestations: []material{}, Result: release.RebuildPassed, Levels: []string{"REBUILT"}, Outcome: r.Outcome,
	}
	if !r.Passed {
		p.Result, p.Levels = release.RebuildFailed, []string{release.RebuildFailed}
	}
	for _, a := range r.Attestations {
		p.Attestations = append(p.Attestations, materialOf("", a.Name, a.Digest))
	}
	st.Predicate = p
	text, err := json.Marshal(st)
	if err != nil {
		return nil, fmt.Errorf("sign: rebuild: %w", err)
	}
	return text, nil
}

// The parts of a verification summary, in the order in which they are written.
type (
	summary struct {
		Verifier     builderID       `json:"verifier"`
		Time         string          `json:"timeVerified"`
		Resource     string          `json:"resourceUri"`
		Policy       rule            `json:"policy"`
		Attestations []material      `json:"inputAttestations"`
		Result       string          `json:"verificationResult"`
		Levels       []string        `json:"verifiedLevels"`
		Outcome      json.RawMessage `json:"urn:facerec:releaser:rebuild:1,omitempty"` // as release.RebuildPolicy
	}
	rule struct {
		URI string `json:"uri"`
	}
)
