package sign

import (
	"fmt"
	"net/url"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	sgsign "github.com/sigstore/sigstore-go/pkg/sign"

	"facerec/internal/release"
)

// Services are the parts of a Sigstore that a signature is made with. The zero
// value is none at all, which only a managed key can do with.
type Services struct {
	Fulcio      string   // certificate authority, base URL; for keyless signing
	Rekor       []Log    // transparency logs; the signature goes into each
	Timestamper []string // RFC 3161 timestamp authorities, full URLs; each is asked
}

// Log is one transparency log.
type Log struct {
	URL     string // base URL
	Version uint32 // of its interface: 1 (Rekor) or 2 (Rekor on tiles)
}

// maxSigningConfig is the largest signing configuration, in bytes.
const maxSigningConfig = 1 << 20

// ParseServices reads Sigstore's signing_config.json (media type
// application/vnd.dev.sigstore.signingconfig.v0.2+json) and picks the services
// that are valid at the given time, as its selectors say.
func ParseServices(data []byte, at time.Time) (Services, error) {
	s, err := parseServices(data, at)
	if err != nil {
		return Services{}, fmt.Errorf("signing configuration: %w", err)
	}
	return s, nil
}

func parseServices(data []byte, at time.Time) (Services, error) {
	if len(data) > maxSigningConfig {
		return Services{}, fmt.Errorf("expected at most %d bytes, got %d", maxSigningConfig, len(data))
	}
	config, err := root.NewSigningConfigFromJSON(data)
	if err != nil {
		return Services{}, oneLine(err)
	}
	var s Services
	if urls := config.FulcioCertificateAuthorityURLs(); len(urls) > 0 {
		ca, err := root.SelectService(urls, sgsign.FulcioAPIVersions, at)
		if err != nil {
			return Services{}, fmt.Errorf("certificate authority: %w", err)
		}
		s.Fulcio = ca.URL
	}
	if urls := config.RekorLogURLs(); len(urls) > 0 {
		logs, err := root.SelectServices(urls, config.RekorLogURLsConfig(), sgsign.RekorAPIVersions, at)
		if err != nil {
			return Services{}, fmt.Errorf("transparency log: %w", err)
		}
		for _, l := range logs {
			s.Rekor = append(s.Rekor, Log{URL: l.URL, Version: l.MajorAPIVersion})
		}
	}
	if urls := config.TimestampAuthorityURLs(); len(urls) > 0 {
		tsas, err := root.SelectServices(urls, config.TimestampAuthorityURLsConfig(), sgsign.TimestampAuthorityAPIVersions, at)
		if err != nil {
			return Services{}, fmt.Errorf("timestamp authority: %w", err)
		}
		for _, t := range tsas {
			s.Timestamper = append(s.Timestamper, t.URL)
		}
	}
	return s, s.check()
}

// check refuses URLs that would send a token or a signature in the clear to
// somebody else's machine.
func (s Services) check() error {
	if s.Fulcio != "" {
		if err := checkURL("certificate authority", s.Fulcio); err != nil {
			return err
		}
	}
	for _, l := range s.Rekor {
		if err := checkURL("transparency log", l.URL); err != nil {
			return err
		}
		if l.Version != 1 && l.Version != 2 {
			return fmt.Errorf("transparency log %s: expected interface version 1 or 2, got %d", l.URL, l.Version)
		}
	}
	for _, t := range s.Timestamper {
		if err := checkURL("timestamp authority", t); err != nil {
			return err
		}
	}
	return nil
}

func checkURL(what, raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	switch {
	case u.Host == "":
		return fmt.Errorf("%s %q: expected an absolute URL", what, raw)
	case u.Scheme == "https", u.Scheme == "http" && release.Loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%s %q: expected https (plain http only on loopback)", what, raw)
}
