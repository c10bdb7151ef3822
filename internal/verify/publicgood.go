package verify

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"facerec/internal/release"
)

//go:embed roots/public-good.json
var publicGood []byte

//go:embed roots/public-good.origin.json
var publicGoodOrigin []byte

// CarriedOrigin is the record that lies next to a root that the program carries,
// as roots/README.md describes it. Its fields are in the order of the file.
type CarriedOrigin struct {
	Package   string         `json:"package"`
	Version   string         `json:"version"`
	Integrity string         `json:"integrity"` // of the package, as npm writes it: "sha512-" and base64
	Published time.Time      `json:"published"` // the package's version, by the registry
	Target    string         `json:"target"`    // in the package's seeds.json
	SHA256    release.Digest `json:"sha256"`    // of the target

	// What roots/public-good.tuf shows to have vouched for the target.
	TUFRoot    CarriedTUF `json:"tuf_root"`
	TUFTargets CarriedTUF `json:"tuf_targets"`
}

// CarriedTUF is a file of TUF metadata.
type CarriedTUF struct {
	Version int64     `json:"version"`
	Expires time.Time `json:"expires"`
}

// PublicGood is the trusted root of the public Sigstore instance as the program
// carries it, and where it came from. It is as old as it is: callers compare it with
// their clock with [TrustedRoot.From].
func PublicGood() (*TrustedRoot, TrustOrigin, error) {
	var c CarriedOrigin
	if err := json.Unmarshal(publicGoodOrigin, &c); err != nil {
		return nil, TrustOrigin{}, fmt.Errorf("roots/public-good.origin.json: %w", err)
	}
	tr, err := ParseTrustedRoot(publicGood)
	return tr, TrustOrigin{From: FromProgram, Source: c.Package + " " + c.Version, Fetched: c.Published, TUFRoot: c.TUFRoot.Version, Until: c.TUFRoot.Expires}, err
}
