package loopback

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// TUF is a TUF repository with consistent snapshots, as Sigstore publishes its
// trusted root in one. Its metadata is real and signed; the fields can be changed,
// well or badly, and Publish signs what they then say.
type TUF struct {
	URL string

	Root      *metadata.Metadata[metadata.RootType]
	Targets   *metadata.Metadata[metadata.TargetsType]
	Snapshot  *metadata.Metadata[metadata.SnapshotType]
	Timestamp *metadata.Metadata[metadata.TimestampType]

	keys   map[string][]ed25519.PrivateKey // by role; the last signs
	past   []ed25519.PrivateKey            // of the root: the version before must vouch for the next
	server *http.Server

	mu    sync.Mutex
	files map[string][]byte // by path below URL
	asked []string
	front func(w http.ResponseWriter, path string) (done bool)
}

// NewTUF starts a repository that is good until expires and has nothing in it
// yet: Put and Publish come next.
func NewTUF(expires time.Time) (*TUF, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("tuf: %w", err)
	}
	r := &TUF{
		URL: "http://" + l.Addr().String(), keys: map[string][]ed25519.PrivateKey{}, files: map[string][]byte{},
		Root: metadata.Root(expires), Targets: metadata.Targets(expires), Snapshot: metadata.Snapshot(expires), Timestamp: metadata.Timestamp(expires),
	}
	for _, role := range []string{metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
		if err := r.AddKey(role); err != nil {
			_ = l.Close()
			return nil, err
		}
	}
	r.server = &http.Server{Handler: http.HandlerFunc(r.serve), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = r.server.Serve(l) }()
	return r, nil
}

// Close stops it.
func (r *TUF) Close() { _ = r.server.Close() }

// AddKey gives a role another key, in the root that is published next.
func (r *TUF) AddKey(role string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("tuf: %w", err)
	}
	key, err := metadata.KeyFromPublicKey(public)
	if err != nil {
		return fmt.Errorf("tuf: %w", err)
	}
	r.keys[role] = append(r.keys[role], private)
	return r.Root.Signed.AddKey(key, role)
}

// DropKey takes a role's oldest key away from the root that is published next.
func (r *TUF) DropKey(role string) error {
	key, err := metadata.KeyFromPublicKey(r.keys[role][0].Public())
	if err != nil {
		return fmt.Errorf("tuf: %w", err)
	}
	if role == metadata.ROOT {
		r.past = append(r.past, r.keys[role][0])
	}
	r.keys[role] = r.keys[role][1:]
	id, err := key.ID()
	if err != nil {
		return fmt.Errorf("tuf: %w", err)
	}
	return r.Root.Signed.RevokeKey(id, role)
}

// Put makes data a target, in the metadata that is published next.
func (r *TUF) Put(name string, data []byte) error {
	f, err := metadata.TargetFile().FromBytes(name, data, "sha256")
	if err != nil {
		return fmt.Errorf("tuf: %w", err)
	}
	r.Targets.Signed.Targets[name] = f
	r.Serve("targets/"+f.Hashes["sha256"].String()+"."+name, data)
	return nil
}

// PublishRoot signs the root as a new version.
func (r *TUF) PublishRoot() ([]byte, error) {
	path := fmt.Sprintf("%d.root.json", r.Root.Signed.Version)
	r.mu.Lock()
	_, taken := r.files[path]
	r.mu.Unlock()
	if taken {
		r.Root.Signed.Version++
	}
	path = fmt.Sprintf("%d.root.json", r.Root.Signed.Version)
	r.Root.ClearSignatures()
	for _, key := range slices.Concat(r.past, r.keys[metadata.ROOT]) {
		if err := signMetadata(r.Root, key); err != nil {
			return nil, err
		}
	}
	b, err := r.Root.ToBytes(false)
	if err != nil {
		return nil, err
	}
	r.Serve(path, b)
	return b, nil
}

// Publish signs targets, snapshot and timestamp with the versions that they have:
// the caller counts them up, or does not.
func (r *TUF) Publish() error {
	last := func(role string) ed25519.PrivateKey { return r.keys[role][len(r.keys[role])-1] }
	r.Snapshot.Signed.Meta["targets.json"] = metadata.MetaFile(r.Targets.Signed.Version)
	r.Timestamp.Signed.Meta["snapshot.json"] = metadata.MetaFile(r.Snapshot.Signed.Version)
	if err := publish(r, r.Targets, last(metadata.TARGETS), fmt.Sprintf("%d.targets.json", r.Targets.Signed.Version)); err != nil {
		return err
	}
	if err := publish(r, r.Snapshot, last(metadata.SNAPSHOT), fmt.Sprintf("%d.snapshot.json", r.Snapshot.Signed.Version)); err != nil {
		return err
	}
	return publish(r, r.Timestamp, last(metadata.TIMESTAMP), "timestamp.json")
}

// Next counts up targets, snapshot and timestamp and publishes them.
func (r *TUF) Next() error {
	r.Targets.Signed.Version++
	r.Snapshot.Signed.Version++
	r.Timestamp.Signed.Version++
	return r.Publish()
}

func publish[T metadata.Roles](r *TUF, m *metadata.Metadata[T], key ed25519.PrivateKey, path string) error {
	m.ClearSignatures()
	if err := signMetadata(m, key); err != nil {
		return err
	}
	b, err := m.ToBytes(false)
	if err != nil {
		return fmt.Errorf("tuf: %w", err)
	}
	r.Serve(path, b)
	return nil
}

func signMetadata[T metadata.Roles](m *metadata.Metadata[T], key ed25519.PrivateKey) error {
	signer, err := signature.LoadSigner(key, crypto.Hash(0))
	if err != nil {
		return fmt.Errorf("tuf: %w", err)
	}
	if _, err := m.Sign(signer); err != nil {
		return fmt.Errorf("tuf: %w", err)
	}
	return nil
}

// Serve puts any bytes at a path, whether or not anybody signed them.
func (r *TUF) Serve(path string, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files[path] = data
}

// Files gives what is served, by path.
func (r *TUF) Files() map[string][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string][]byte{}
	for path, data := range r.files {
		out[path] = data
	}
	return out
}

// Front asks f before each answer; where it says that it is done, that was all.
// nil takes it away.
func (r *TUF) Front(f func(w http.ResponseWriter, path string) (done bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.front = f
}

// Asked gives the paths that were asked for since it was called last.
func (r *TUF) Asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.asked
	r.asked = nil
	return out
}

func (r *TUF) serve(w http.ResponseWriter, req *http.Request) {
	path := strings.TrimPrefix(req.URL.Path, "/")
	r.mu.Lock()
	data, ok := r.files[path]
	r.asked = append(r.asked, path)
	front := r.front
	r.mu.Unlock()
	if front != nil && front(w, path) {
		return
	}
	if !ok {
		http.NotFound(w, req)
		return
	}
	_, _ = w.Write(data)
}
