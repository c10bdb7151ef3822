package loopback

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	ct "github.com/google/certificate-transparency-go"
	"github.com/google/certificate-transparency-go/tls"
)

// ctLog answers Fulcio's add-pre-chain (RFC 6962, section 4.2) with a signed
// certificate timestamp. It keeps no tree: what it signs is its promise, and that
// is all a bundle carries of it.
type ctLog struct {
	url    string
	key    *ecdsa.PrivateKey
	public []byte // PKIX, DER
	server *http.Server
}

func newCTLog() (*ctLog, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certificate log: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("certificate log: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("certificate log: %w", err)
	}
	c := &ctLog{url: "http://" + l.Addr().String() + "/log", key: key, public: public}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /log/ct/v1/add-pre-chain", c.add)
	c.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = c.server.Serve(l) }()
	return c, nil
}

func (c *ctLog) close() { _ = c.server.Close() }

// id is the log's: the SHA-256 of its public key.
func (c *ctLog) id() [sha256.Size]byte { return sha256.Sum256(c.public) }

func (c *ctLog) add(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sct, err := c.timestamp(body, uint64(time.Now().UnixMilli()))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answerJSON(sct)(w, r)
}

func (c *ctLog) timestamp(body []byte, millis uint64) (*ct.AddChainResponse, error) {
	var req ct.AddChainRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, err
	}
	var chain []ct.ASN1Cert
	for _, der := range req.Chain {
		chain = append(chain, ct.ASN1Cert{Data: der})
	}
	leaf, err := ct.MerkleTreeLeafFromRawChain(chain, ct.PrecertLogEntryType, millis)
	if err != nil {
		return nil, err
	}
	input, err := ct.SerializeSCTSignatureInput(ct.SignedCertificateTimestamp{SCTVersion: ct.V1, Timestamp: millis}, ct.LogEntry{Leaf: *leaf})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(input)
	sig, err := ecdsa.SignASN1(rand.Reader, c.key, sum[:])
	if err != nil {
		return nil, err
	}
	signature, err := tls.Marshal(tls.DigitallySigned{
		Algorithm: tls.SignatureAndHashAlgorithm{Hash: tls.SHA256, Signature: tls.ECDSA}, Signature: sig,
	})
	if err != nil {
		return nil, err
	}
	id := c.id()
	return &ct.AddChainResponse{
		SCTVersion: ct.V1, ID: id[:], Timestamp: millis,
		Extensions: base64.StdEncoding.EncodeToString(nil), Signature: signature,
	}, nil
}
