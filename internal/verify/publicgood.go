package verify

import (
	_ "embed"
	"time"
)

//go:embed roots/public-good.json
var publicGood []byte

// Carried says where a trusted root that the program carries came from. See
// roots/README.md.
type Carried struct {
	Source  string    // package and version
	SHA256  string    // of the file
	TUFRoot int       // version of the TUF root that vouched for it
	Until   time.Time // how long that root was good for
}

// publicGoodOrigin is the table of roots/README.md.
var publicGoodOrigin = Carried{
	Source:  "@sigstore/tuf 4.0.2",
	SHA256:  "6494e21ea73fa7ee769f85f57d5a3e6a08725eae1e38c755fc3517c9e6bc0b66",
	TUFRoot: 14,
	Until:   time.Date(2026, 6, 22, 13, 27, 1, 0, time.UTC),
}

// PublicGood is the trusted root of the public Sigstore instance as the program
// carries it, and where it came from. It is as old as it is: callers show its
// date, and people who can should give a newer file.
func PublicGood() (*TrustedRoot, Carried, error) {
	tr, err := ParseTrustedRoot(publicGood)
	return tr, publicGoodOrigin, err
}
