package loopback

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// ctLogOrigin is the certificate log's name in its checkpoints.
const ctLogOrigin = logHost + "/certificates"

// CertificateLog is a running certificate transparency log: TesseraCT, which keeps
// its Merkle tree as tiles in a directory (https://c2sp.org/static-ct-api). Fulcio
// asks it for the signed certificate timestamp of each certificate, and gets one
// when the certificate is in the tree.
type CertificateLog struct {
	URL    string // base URL of RFC 6962's interface
	Dir    string // the tiles and the checkpoint
	Origin string // the name in the checkpoint
	Key    *ecdsa.PublicKey

	id [sha256.Size]byte // SHA-256 of the public key (RFC 6962, section 3.2)
}

// startCertificateLog starts a log that takes certificates below one root.
func (s *Sigstore) startCertificateLog(ctx context.Context, dir, program string, root *x509.Certificate) (*CertificateLog, error) {
	rootFile, keyFile := filepath.Join(dir, "certificate-log-root.pem"), filepath.Join(dir, "certificate-log.key")
	if err := os.WriteFile(rootFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), 0o644); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	l := &CertificateLog{Dir: filepath.Join(dir, "certificate-log"), Origin: ctLogOrigin, Key: &key.PublicKey, id: sha256.Sum256(public)}
	c, ports, err := startOnPorts(ctx, 1, func(p []int) (*child, error) {
		return start(ctx, dir, "certificate-log", answers(loopbackURL(p[0])+"/ct/v1/get-roots"), program,
			"--http_endpoint=127.0.0.1:"+strconv.Itoa(p[0]), "--origin="+l.Origin, "--private_key="+keyFile,
			"--roots_pem_file="+rootFile, "--storage_dir="+l.Dir,
			"--batch_max_age=20ms", "--checkpoint_interval=100ms")
	})
	if err != nil {
		return nil, fmt.Errorf("certificate log: %w", err)
	}
	s.closers = append(s.closers, c.Close)
	l.URL = loopbackURL(ports[0])
	return l, nil
}
