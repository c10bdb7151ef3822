package loopback

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	"github.com/go-openapi/runtime"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/types"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"         // what cosign 2 sends
	_ "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1" // signatures
	_ "github.com/sigstore/rekor/pkg/types/intoto/v0.0.2"       // attestations
)

// oldLog answers Rekor's interface of version 1 as far as a signer needs it: an
// entry comes in, is read and put into its canonical form by Rekor's own code, and
// goes out with a signed entry timestamp. It keeps no tree: that promise is all
// that the signatures of the time carry of the log. The released server wants a
// database behind it.
type oldLog struct {
	url    string
	key    *ecdsa.PrivateKey
	public []byte // PKIX, DER
	server *http.Server

	mu   sync.Mutex
	next int64
}

func newOldLog() (*oldLog, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("old log: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("old log: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("old log: %w", err)
	}
	o := &oldLog{url: "http://" + l.Addr().String(), key: key, public: public}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/log/entries", o.add)
	o.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = o.server.Serve(l) }()
	return o, nil
}

func (o *oldLog) close() { _ = o.server.Close() }

// id is the log's: the SHA-256 of its public key.
func (o *oldLog) id() [sha256.Size]byte { return sha256.Sum256(o.public) }

func (o *oldLog) add(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, entry, err := o.enter(r.Context(), body, time.Now().Unix())
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"code": http.StatusBadRequest, "message": err.Error()})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/api/v1/log/entries/"+id)
	w.Header().Set("ETag", id)
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{id: entry})
}

// enter reads a proposed entry and gives its name and what the log answers.
func (o *oldLog) enter(ctx context.Context, proposed []byte, at int64) (string, map[string]any, error) {
	p, err := models.UnmarshalProposedEntry(bytes.NewReader(proposed), runtime.JSONConsumer())
	if err != nil {
		return "", nil, err
	}
	e, err := types.CreateVersionedEntry(p)
	if err != nil {
		return "", nil, err
	}
	canonical, err := types.CanonicalizeEntry(ctx, e)
	if err != nil {
		return "", nil, err
	}
	o.mu.Lock()
	index := o.next
	o.next++
	o.mu.Unlock()
	logID := o.id()
	entry := map[string]any{
		"body": base64.StdEncoding.EncodeToString(canonical), "integratedTime": at, "logIndex": index, "logID": hex.EncodeToString(logID[:]),
	}
	signed, err := o.sign(entry)
	if err != nil {
		return "", nil, err
	}
	entry["verification"] = map[string]any{"signedEntryTimestamp": base64.StdEncoding.EncodeToString(signed)}
	leaf := sha256.Sum256(append([]byte{0}, canonical...)) // RFC 6962, section 2.1
	return hex.EncodeToString(leaf[:]), entry, nil
}

// sign signs the canonical JSON (RFC 8785) of an entry.
func (o *oldLog) sign(entry map[string]any) ([]byte, error) {
	text, err := json.Marshal(entry)
	if err != nil {
		return nil, err
	}
	if text, err = jsoncanonicalizer.Transform(text); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return ecdsa.SignASN1(rand.Reader, o.key, sum[:])
}
