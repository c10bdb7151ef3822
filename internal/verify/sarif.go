package verify

import (
	"encoding/json"
	"path"
	"slices"
)

// sarifRules are the links of the chain as SARIF rules, in the chain's order.
var sarifRules = []struct{ id, text string }{
	{LinkBundle, "checksums.txt is signed by the expected signer"},
	{LinkChecksums, "checksums.txt can be read"},
	{LinkRecord, "release.json is as signed, can be read, and agrees with checksums.txt on each tarball"},
	{LinkFile, "every file that checksums.txt names is as signed"},
	{LinkFolder, "nothing else in the directory looks like a part of the release"},
	{LinkProvenance, "the provenance, if there is one, says what release.json says"},
	{LinkTarball, "each tarball is as signed"},
	{LinkIndex, "the image index has the platform's manifest"},
	{LinkSignature, "a signature attached to the image holds"},
	{LinkManifest, "the platform manifest and its configuration are as their digests say"},
	{LinkLayers, "every layer is as its digest and diff ID say"},
	{LinkEntries, "each tarball holds what release.json says"},
	{LinkRebuilt, "the directory in the image, packed again, gives the tarball"},
	{LinkRebuilders, "enough of the listed rebuilders got these bytes, and none of them others"},
	{LinkPackage, "each package is as signed, and release.json agrees with checksums.txt on it"},
	{LinkRepackaged, "the package, made again of the directory in the image, is the file"},
	{LinkKit, "the kit that the release is in is whole and undamaged"},
}

// rebuildRules follow them in the report of a rebuild.
var rebuildRules = []struct{ id, text string }{
	{LinkSource, "the sources of a rebuild are those that the release names"},
	{LinkBuilt, "the cell could be built from the sources"},
	{LinkProgram, "the sources give the files that release.json lists"},
	{LinkTar, "the sources give the tar stream that release.json names"},
}

type (
	sarifText struct {
		Text string `json:"text"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifPhysical struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
	sarifLocation struct {
		PhysicalLocation *sarifPhysical `json:"physicalLocation,omitempty"`
		LogicalLocations []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Kind      string          `json:"kind"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool `json:"executionSuccessful"`
		ExitCode            int  `json:"exitCode"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		Properties  *sarifProperties  `json:"properties,omitempty"`
	}
	sarifProperties struct { // names are the producer's own (SARIF 2.1.0, 3.8)
		TrustRoot *TrustOrigin `json:"trustRoot"`
	}
	sarifLog struct {
		Version string     `json:"version"`
		Schema  string     `json:"$schema"`
		Runs    []sarifRun `json:"runs"`
	}
)

// ofImage reports whether the subject is an image, not a file.
func (s Result) ofImage() bool {
	return slices.Contains([]string{LinkIndex, LinkSignature, LinkManifest, LinkLayers}, s.Link)
}

// path is the subject with the directory that it was asked for by.
func (s Result) path() string {
	if s.Dist == "" || s.ofImage() || s.Subject == s.Dist {
		return s.Subject
	}
	return path.Join(s.Dist, s.Subject)
}

// SARIF is the report as a log of the Static Analysis Results Interchange Format,
// version 2.1.0 (OASIS), with a line feed at its end. Every step is a result:
// "pass", "fail" with level error, or "open" with level none for what could not
// be looked at.
func (r Report) SARIF() ([]byte, error) {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{Name: "releaser"}},
		// Whether the tool ran, not whether what it looked at was good.
		Invocations: []sarifInvocation{{ExecutionSuccessful: r.ExitCode != Failed.ExitCode(), ExitCode: r.ExitCode}},
		Results:     []sarifResult{},
	}
	if r.TrustRoot != nil {
		run.Properties = &sarifProperties{r.TrustRoot}
	}
	index := map[string]int{}
	rules := sarifRules
	if r.rebuilt {
		rules = slices.Concat(rules, rebuildRules)
	}
	for i, rule := range rules {
		index[rule.id] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{rule.id, sarifText{rule.text}})
	}
	steps := r.byLink()
	for _, s := range r.Results {
		result := sarifResult{RuleID: s.Link, RuleIndex: index[s.Link], Kind: "pass", Level: "none", Message: sarifText{s.Subject + ": " + s.explain()}}
		switch s.Status {
		case Fail:
			result.Kind, result.Level = "fail", "error"
		case Skip:
			result.Kind = "open"
		case Pass:
		}
		where := sarifLocation{}
		// Readers of the format want a file for everything: for an image it is the
		// tarball that is made of it.
		file := s
		if s.ofImage() {
			where.LogicalLocations = append(where.LogicalLocations, sarifLogical{s.Subject})
			file = steps[s.owner()][LinkTarball]
		}
		where.PhysicalLocation = &sarifPhysical{sarifArtifact{pathURI(file.path())}}
		if s.Cell != "" {
			where.LogicalLocations = append(where.LogicalLocations, sarifLogical{s.Cell})
		}
		result.Locations = []sarifLocation{where}
		run.Results = append(run.Results, result)
	}
	b, err := json.MarshalIndent(sarifLog{"2.1.0", "https://json.schemastore.org/sarif-2.1.0.json", []sarifRun{run}}, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}
