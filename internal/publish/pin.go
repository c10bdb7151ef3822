package publish

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
	"facerec/internal/text"
)

// PinFile is the usual name of a file of pins.
const PinFile = "releaser.trust.json"

const (
	pinSchema = "releaser.trust/v1"
	maxPins   = 1 << 20 // bytes
)

// Pin says who signs the releases of a page. A project publishes it once, users
// keep it, and from then on no page can change it.
type Pin struct {
	Page    string `json:"page"`
	Project string `json:"project"`
	Issuer  string `json:"issuer"` // OIDC issuer
	SAN     string `json:"san"`    // subject alternative name; {tag} and {version} are the release's
}

// Digest identifies a pin, so that it can be compared with one that was got in
// another way.
func (p Pin) Digest() release.Digest {
	raw, err := json.Marshal(p)
	if err != nil {
		panic(err) // four strings
	}
	return release.DigestBytes(raw)
}

// Identity is who must have signed a version.
func (p Pin) Identity(v release.Version) (issuer, san string) {
	return p.Issuer, strings.NewReplacer("{tag}", v.Tag(), "{version}", string(v)).Replace(p.SAN)
}

// PinOf makes a pin of what a release says about its signer, for a person to
// judge.
func PinOf(page string, r release.Record) (Pin, bool) {
	if r.Signer == nil {
		return Pin{}, false
	}
	san := strings.ReplaceAll(r.Signer.Identity, r.Version.Tag(), "{tag}")
	return Pin{page, r.Project, r.Signer.Issuer, strings.ReplaceAll(san, string(r.Version), "{version}")}, true
}

type pinDocument struct {
	Schema string `json:"schema"`
	Pins   []Pin  `json:"pins"` // sorted by page
}

// ReadPins reads a file of pins. One that does not exist is empty.
func ReadPins(file string) ([]Pin, error) {
	raw, err := atomicfile.ReadFile(file, maxPins)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	pins, err := parsePins(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return pins, nil
}

func parsePins(raw []byte) ([]Pin, error) {
	var d pinDocument
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("expected %s: %w", pinSchema, err)
	}
	if d.Schema != pinSchema {
		return nil, fmt.Errorf("expected schema %s, got %s", pinSchema, text.Show(d.Schema))
	}
	for i, p := range d.Pins {
		if p.Page == "" || p.Project == "" || p.Issuer == "" || p.SAN == "" {
			return nil, fmt.Errorf("pin %d: expected page, project, issuer and san", i+1)
		}
		if slices.ContainsFunc(d.Pins[:i], func(q Pin) bool { return q.Page == p.Page }) {
			return nil, fmt.Errorf("duplicate pin for %s", text.Show(p.Page))
		}
	}
	return d.Pins, nil
}

// FindPin returns the pin of a page.
func FindPin(pins []Pin, page string) (Pin, bool) {
	i := slices.IndexFunc(pins, func(p Pin) bool { return p.Page == page })
	if i < 0 {
		return Pin{}, false
	}
	return pins[i], true
}

// WritePins writes a file of pins.
func WritePins(file string, pins []Pin) error {
	sorted := slices.Clone(pins)
	slices.SortFunc(sorted, func(a, b Pin) int { return strings.Compare(a.Page, b.Page) })
	raw, err := text.JSON(pinDocument{pinSchema, sorted})
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(file, 0o644, raw)
}
