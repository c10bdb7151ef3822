package sbom

// The part of SPDX 2.3's JSON form that is written here, field by field in the
// order in which it is encoded. Names and meanings are those of the
// specification's clauses 6 (document), 7 (package), 8 (file), 11
// (relationship) and 12 (annotation).

type document struct {
	SPDXVersion   string         `json:"spdxVersion"`
	DataLicense   string         `json:"dataLicense"`
	SPDXID        string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	Creation      creationInfo   `json:"creationInfo"`
	Packages      []spdxPackage  `json:"packages"`
	Files         []spdxFile     `json:"files,omitempty"`
	Relationships []relationship `json:"relationships"`
}

type creationInfo struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	SPDXID        string            `json:"SPDXID"`
	Name          string            `json:"name"`
	Version       string            `json:"versionInfo,omitempty"`
	FileName      string            `json:"packageFileName,omitempty"`
	Supplier      string            `json:"supplier,omitempty"`
	Download      string            `json:"downloadLocation"`
	FilesAnalyzed bool              `json:"filesAnalyzed"`
	Verification  *verificationCode `json:"packageVerificationCode,omitempty"`
	Checksums     []spdxChecksum    `json:"checksums,omitempty"`
	Concluded     string            `json:"licenseConcluded"`
	Declared      string            `json:"licenseDeclared"`
	Copyright     string            `json:"copyrightText"`
	Purpose       string            `json:"primaryPackagePurpose,omitempty"`
	Comment       string            `json:"comment,omitempty"`
	Refs          []externalRef     `json:"externalRefs,omitempty"`
	Annotations   []annotation      `json:"annotations,omitempty"`
}

type verificationCode struct {
	Value string `json:"packageVerificationCodeValue"`
}

type spdxChecksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type externalRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type annotation struct {
	Date      string `json:"annotationDate"`
	Type      string `json:"annotationType"`
	Annotator string `json:"annotator"`
	Comment   string `json:"comment"`
}

type spdxFile struct {
	SPDXID    string         `json:"SPDXID"`
	Name      string         `json:"fileName"`
	Types     []string       `json:"fileTypes,omitempty"`
	Checksums []spdxChecksum `json:"checksums"`
	Concluded string         `json:"licenseConcluded"`
	InFile    []string       `json:"licenseInfoInFiles,omitempty"`
	Copyright string         `json:"copyrightText"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

// What SPDX says where nothing is known, and what there is none of.
const (
	noAssertion = "NOASSERTION"
	toolName    = "Tool: releaser"
)
