package loopback

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
)

// Sigstore is a running Sigstore, and what clients need to know of it.
type Sigstore struct {
	*Issuer // Token, URL, Runner

	Fulcio      string // base URL
	Rekor       string // base URL of the log, version 2 of its interface
	OldRekor    string // base URL of another, version 1, for signers of old
	Timestamper string // full URL for timestamp queries

	Certificates *CertificateLog

	TrustedRoot   string // path of trusted_root.json
	SigningConfig string // path of signing_config.json

	closers []func()
}

// logHost is the log's name: checkpoints carry it as their origin, and verifiers
// take it from the host of the log's URL.
const logHost = "127.0.0.1"

// SigstoreTools are the programs that NewSigstore needs.
func SigstoreTools() []string {
	return []string{"fulcio", "tesseract", "rekor-server", "timestamp-server"}
}

// NewSigstore starts a Sigstore whose keys and logs lie in dir, which must exist
// and is best empty. What was started is stopped again if a part does not come
// up; the error then ends in what that part said last.
func NewSigstore(ctx context.Context, dir string) (*Sigstore, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Sigstore{TrustedRoot: filepath.Join(dir, "trusted_root.json"), SigningConfig: filepath.Join(dir, "signing_config.json")}
	if err := s.start(ctx, dir); err != nil {
		s.Close()
		return nil, fmt.Errorf("sigstore on loopback: %w", err)
	}
	return s, nil
}

// Close stops all of it.
func (s *Sigstore) Close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

func (s *Sigstore) start(ctx context.Context, dir string) error {
	programs := map[string]string{}
	for _, name := range SigstoreTools() {
		path, err := Tool(ctx, name)
		if err != nil {
			return err
		}
		programs[name] = path
	}
	issuer, err := NewIssuer()
	if err != nil {
		return err
	}
	s.Issuer = issuer
	s.closers = append(s.closers, issuer.Close)
	chain, err := newAuthority(filepath.Join(dir, fulcioChain), filepath.Join(dir, fulcioKey))
	if err != nil {
		return err
	}
	if s.Certificates, err = s.startCertificateLog(ctx, dir, programs["tesseract"], chain[len(chain)-1]); err != nil {
		return err
	}
	old, err := newOldLog()
	if err != nil {
		return err
	}
	s.closers = append(s.closers, old.close)
	s.OldRekor = old.url

	if err := s.startFulcio(ctx, dir, programs["fulcio"]); err != nil {
		return err
	}
	logKey, err := s.startRekor(ctx, dir, programs["rekor-server"])
	if err != nil {
		return err
	}
	timestampers, err := s.startTimestamper(ctx, dir, programs["timestamp-server"])
	if err != nil {
		return err
	}
	if err := s.writeTrustedRoot(chain, timestampers, logKey, old); err != nil {
		return err
	}
	return s.writeSigningConfig()
}

// The files of the certificate authority, in the directory of the Sigstore.
const (
	fulcioChain = "fulcio.pem"
	fulcioKey   = "fulcio.key"
)

func (s *Sigstore) startFulcio(ctx context.Context, dir, program string) error {
	chainFile, keyFile, config := filepath.Join(dir, fulcioChain), filepath.Join(dir, fulcioKey), filepath.Join(dir, "fulcio.json")
	issuers, err := json.MarshalIndent(map[string]any{"OIDCIssuers": map[string]any{
		s.Mail:    map[string]string{"IssuerURL": s.Mail, "ClientID": Audience, "Type": "email"},
		s.Actions: map[string]string{"IssuerURL": s.Actions, "ClientID": Audience, "Type": "github-workflow"},
	}}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(config, issuers, 0o644); err != nil {
		return err
	}
	c, ports, err := startOnPorts(ctx, 3, func(p []int) (*child, error) {
		return start(ctx, dir, "fulcio", answers(loopbackURL(p[0])+"/api/v2/trustBundle"), program, "serve",
			"--host=127.0.0.1", "--port="+strconv.Itoa(p[0]), "--grpc-host=127.0.0.1", "--grpc-port="+strconv.Itoa(p[1]), "--metrics-port="+strconv.Itoa(p[2]),
			"--legacy-unix-domain-socket="+filepath.Join(dir, "fulcio.sock"),
			"--ca=fileca", "--fileca-cert="+chainFile, "--fileca-key="+keyFile, "--fileca-key-passwd=none", "--fileca-watch=false",
			"--config-path="+config, "--ct-log-url="+s.Certificates.URL)
	})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, c.Close)
	s.Fulcio = loopbackURL(ports[0])
	return nil
}

func (s *Sigstore) startRekor(ctx context.Context, dir, program string) (ed25519.PublicKey, error) {
	keyFile, storage := filepath.Join(dir, "rekor.key"), filepath.Join(dir, "rekor")
	key, err := newLogKey(keyFile)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(storage, 0o755); err != nil {
		return nil, err
	}
	c, ports, err := startOnPorts(ctx, 3, func(p []int) (*child, error) {
		return start(ctx, dir, "rekor", answers(loopbackURL(p[0])+"/healthz"), program, "serve",
			"--http-address=127.0.0.1", "--http-port="+strconv.Itoa(p[0]), "--grpc-address=127.0.0.1", "--grpc-port="+strconv.Itoa(p[1]), "--http-metrics-port="+strconv.Itoa(p[2]),
			"--hostname="+logHost, "--storage-dir="+storage, "--signer-filepath="+keyFile,
			"--batch-max-age=20ms", "--checkpoint-interval=100ms")
	})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, c.Close)
	s.Rekor = loopbackURL(ports[0])
	return key, nil
}

func (s *Sigstore) startTimestamper(ctx context.Context, dir, program string) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	c, ports, err := startOnPorts(ctx, 1, func(p []int) (*child, error) {
		return start(ctx, dir, "timestamper", func(ctx context.Context) (err error) {
			chain, err = fetchChain(ctx, loopbackURL(p[0])+"/api/v1/timestamp/certchain")
			return err
		}, program, "serve", "--host=127.0.0.1", "--port="+strconv.Itoa(p[0]), "--timestamp-signer=memory", "--disable-ntp-monitoring")
	})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, c.Close)
	s.Timestamper = loopbackURL(ports[0]) + "/api/v1/timestamp"
	return chain, nil
}

func fetchChain(ctx context.Context, url string) ([]*x509.Certificate, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	chain, err := cryptoutils.UnmarshalCertificatesFromPEM(text)
	if err == nil && len(chain) < 2 {
		err = errors.New("expected a leaf and a root in the timestamp authority's chain")
	}
	return chain, err
}

func (s *Sigstore) writeTrustedRoot(fulcio, tsa []*x509.Certificate, logKey ed25519.PublicKey, old *oldLog) error {
	from := time.Now().Add(-time.Hour)
	_, logID, err := note.KeyHash(logHost, logKey)
	if err != nil {
		return err
	}
	logs := func(url string, id []byte, key crypto.PublicKey) map[string]*root.TransparencyLog {
		return map[string]*root.TransparencyLog{hex.EncodeToString(id): {
			BaseURL: url, ID: id, ValidityPeriodStart: from, HashFunc: crypto.SHA256, PublicKey: key, SignatureHashFunc: crypto.SHA256,
		}}
	}
	oldID := old.id()
	rekor := logs(s.Rekor, logID, logKey)
	maps.Copy(rekor, logs(old.url, oldID[:], old.key.Public()))
	tr, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{
			Root: fulcio[len(fulcio)-1], Intermediates: fulcio[:len(fulcio)-1], ValidityPeriodStart: from, URI: s.Fulcio,
		}},
		logs(s.Certificates.URL, s.Certificates.id[:], s.Certificates.Key),
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{
			Leaf: tsa[0], Intermediates: tsa[1 : len(tsa)-1], Root: tsa[len(tsa)-1], ValidityPeriodStart: from, URI: s.Timestamper,
		}},
		rekor)
	if err != nil {
		return err
	}
	return writeJSON(s.TrustedRoot, tr)
}

func (s *Sigstore) writeSigningConfig() error {
	service := func(url string, version uint32) root.Service {
		return root.Service{URL: url, MajorAPIVersion: version, Operator: "loopback", ValidityPeriodStart: time.Now().Add(-time.Hour)}
	}
	anyOne := root.ServiceConfiguration{Selector: prototrustroot.ServiceSelector_ANY}
	sc, err := root.NewSigningConfig(root.SigningConfigMediaType02,
		[]root.Service{service(s.Fulcio, 1)}, []root.Service{service(s.Mail, 1), service(s.Actions, 1)},
		[]root.Service{service(s.Rekor, 2)}, anyOne, []root.Service{service(s.Timestamper, 1)}, anyOne)
	if err != nil {
		return err
	}
	return writeJSON(s.SigningConfig, sc)
}

func writeJSON(path string, v json.Marshaler) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
