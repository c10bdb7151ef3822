package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"facerec/internal/release"
	"facerec/internal/text"
)

// KeptSchema is the first field of the file that a [Kept] is stored in.
const KeptSchema = "releaser.kept-root/v1"

// maxKept is the largest file that is read, in bytes: root and
// signing configuration in base64, and a little.
const maxKept = 3 * maxTarget

// Kept is a trusted root as it was fetched, and what vouched for it.
type Kept struct {
	Mirror   string     // base URL
	Anchor   string     // "public-good", or the digest of the root.json that was begun with
	Fetched  time.Time  // UTC, in whole seconds
	Metadata []Metadata // root, targets, snapshot, timestamp
	Root     []byte     // trusted_root.json

	// SigningConfig names the services to sign with (signing_config.json), if the
	// repository has it.
	SigningConfig []byte
}

// Metadata is one file of TUF metadata.
type Metadata struct {
	Role    string    `json:"role"`
	Version int64     `json:"version"`
	Expires time.Time `json:"expires"` // UTC
}

var roles = [...]string{"root", "targets", "snapshot", "timestamp"}

// PublicGood reports whether it is the public-good instance's, by whichever mirror.
func (k Kept) PublicGood() bool { return k.Anchor == "public-good" }

// TUFRoot is the version of the TUF root.
func (k Kept) TUFRoot() int64 { return k.Metadata[0].Version }

// Until is how long those who signed the root stand by it: to the earlier of the
// expiries of root and targets.
func (k Kept) Until() time.Time {
	if k.Metadata[1].Expires.Before(k.Metadata[0].Expires) {
		return k.Metadata[1].Expires
	}
	return k.Metadata[0].Expires
}

// keptFile is the form on disk. The root is in it byte for byte, so that one
// rename stores all or nothing.
type keptFile struct {
	Schema   string         `json:"schema"`
	Mirror   string         `json:"mirror"`
	Anchor   string         `json:"anchor"`
	Fetched  time.Time      `json:"fetched"`
	Metadata []Metadata     `json:"metadata"`
	SHA256   release.Digest `json:"sha256"`
	Root     []byte         `json:"trusted_root"`

	// Of this no hash is needed: what signs by it verifies by the root.
	SigningConfig []byte `json:"signing_config,omitempty"`
}

// Format is the file to store. [ParseKept] reads it.
func (k Kept) Format() ([]byte, error) {
	b, err := json.MarshalIndent(keptFile{KeptSchema, k.Mirror, k.Anchor, k.Fetched, k.Metadata, release.DigestBytes(k.Root), k.Root, k.SigningConfig}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("kept root: %w", err)
	}
	return append(b, '\n'), nil
}

// ParseKept reads what Format wrote, and compares the root with its hash.
func ParseKept(data []byte) (Kept, error) {
	k, err := parseKept(data)
	if err != nil {
		return Kept{}, fmt.Errorf("kept root: %s", text.Line(err.Error(), maxErrorText))
	}
	return k, nil
}

func parseKept(data []byte) (Kept, error) {
	if len(data) > maxKept {
		return Kept{}, fmt.Errorf("expected at most %d bytes, got %d", maxKept, len(data))
	}
	var f keptFile
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return Kept{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Kept{}, errors.New("more data follows the document")
	}
	if f.Schema != KeptSchema {
		return Kept{}, fmt.Errorf("schema: expected %s, got %q", KeptSchema, f.Schema)
	}
	if got := release.DigestBytes(f.Root); got != f.SHA256 {
		return Kept{}, fmt.Errorf("trusted_root: expected %s, got %s", f.SHA256, got)
	}
	k := Kept{Mirror: f.Mirror, Anchor: f.Anchor, Fetched: f.Fetched, Metadata: f.Metadata, Root: f.Root, SigningConfig: f.SigningConfig}
	return k, k.check()
}

func (k Kept) check() error {
	if len(k.Metadata) != len(roles) {
		return fmt.Errorf("metadata: expected %s, got %d of them", strings.Join(roles[:], ", "), len(k.Metadata))
	}
	for i, m := range k.Metadata {
		if m.Role != roles[i] || m.Version < 1 || m.Expires.IsZero() {
			return fmt.Errorf("metadata %d: expected %s with version and expiry, got %q, %d, %s", i+1, roles[i], m.Role, m.Version, m.Expires.Format(time.RFC3339))
		}
	}
	if k.Mirror == "" || k.Anchor == "" || k.Fetched.IsZero() || len(k.Root) == 0 {
		return errors.New("mirror, anchor, fetched and trusted_root: expected all four, none empty")
	}
	return nil
}
