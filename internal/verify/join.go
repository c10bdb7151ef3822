package verify

import "slices"

// Named is what one of several releases came to, under the name by which it was
// asked for.
type Named struct {
	Dist      string     `json:"dist"`
	Verdict   string     `json:"verdict"`
	ExitCode  int        `json:"exit_code"`
	Project   string     `json:"project,omitempty"`
	Version   string     `json:"version,omitempty"`
	Signature *Signature `json:"signature,omitempty"`
	Cells     int        `json:"cells"`
}

// Join makes one report of several, named each. The worst verdict is that of
// all. A single report is handed back as it is.
func Join(names []string, reports []Report) Report {
	if len(reports) == 1 {
		return reports[0]
	}
	all := Report{Expected: []string{}}
	for i, r := range reports {
		all.Releases = append(all.Releases, Named{
			Dist: names[i], Verdict: r.Verdict, ExitCode: r.ExitCode, Project: r.Project, Version: string(r.Version), Signature: r.Signature, Cells: len(r.Chains),
		})
		all.Expected = union(all.Expected, r.Expected)
		all.Unchecked = union(all.Unchecked, r.Unchecked)
		if all.TrustRoot == nil {
			all.TrustRoot = r.TrustRoot // one run, one root
		}
		for _, s := range r.Results {
			s.Dist = names[i]
			all.Results = append(all.Results, s)
		}
	}
	all.finish()
	return all
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}
