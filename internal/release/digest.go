package release

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Digest is a SHA-256 digest. The zero value is not a digest; it prints as the
// empty string and equals no digest of any bytes.
//
// Only sha256 is known: it is the one algorithm every registry, every
// checksums.txt and every Sigstore bundle in this program shares.
type Digest struct {
	sum [sha256.Size]byte
	set bool
}

// DigestOf wraps a finished SHA-256 sum.
func DigestOf(sum [sha256.Size]byte) Digest { return Digest{sum: sum, set: true} }

// DigestBytes hashes b.
func DigestBytes(b []byte) Digest { return DigestOf(sha256.Sum256(b)) }

// ParseDigest reads "sha256:" followed by 64 lower-case hexadecimal digits,
// the form of the OCI image specification.
func ParseDigest(s string) (Digest, error) {
	rest, ok := strings.CutPrefix(s, "sha256:")
	if !ok {
		return Digest{}, fmt.Errorf("digest %q: expected the form sha256:HEX", s)
	}
	d, err := ParseHex(rest)
	if err != nil {
		return Digest{}, fmt.Errorf("digest %q: %w", s, err)
	}
	return d, nil
}

// ParseHex reads 64 lower-case hexadecimal digits, the form of checksums.txt.
func ParseHex(s string) (Digest, error) {
	if len(s) != 2*sha256.Size {
		return Digest{}, fmt.Errorf("expected %d hexadecimal digits, got %d characters", 2*sha256.Size, len(s))
	}
	if strings.ToLower(s) != s {
		return Digest{}, fmt.Errorf("hexadecimal digits must be lower case")
	}
	var d Digest
	if _, err := hex.Decode(d.sum[:], []byte(s)); err != nil {
		return Digest{}, fmt.Errorf("not hexadecimal: %w", err)
	}
	d.set = true
	return d, nil
}

// String gives "sha256:HEX", or "" for the zero value.
func (d Digest) String() string {
	if !d.set {
		return ""
	}
	return "sha256:" + d.Hex()
}

// Hex gives the 64 digits alone, or "" for the zero value.
func (d Digest) Hex() string {
	if !d.set {
		return ""
	}
	return hex.EncodeToString(d.sum[:])
}

// Bytes gives the 32 bytes of the sum.
func (d Digest) Bytes() [sha256.Size]byte { return d.sum }

// IsZero says that no digest was set.
func (d Digest) IsZero() bool { return !d.set }

// MarshalText writes the OCI form; a zero digest is an error, so that none
// slips into a file that others rely on.
func (d Digest) MarshalText() ([]byte, error) {
	if !d.set {
		return nil, fmt.Errorf("cannot write an unset digest")
	}
	return []byte(d.String()), nil
}

// UnmarshalText is ParseDigest.
func (d *Digest) UnmarshalText(b []byte) error {
	p, err := ParseDigest(string(b))
	if err != nil {
		return err
	}
	*d = p
	return nil
}
