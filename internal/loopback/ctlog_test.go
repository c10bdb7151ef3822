package loopback

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	ct "github.com/google/certificate-transparency-go"
	ctx509 "github.com/google/certificate-transparency-go/x509"
	"github.com/google/certificate-transparency-go/x509util"
	"github.com/sigstore/sigstore-go/pkg/sign"
	formatsnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

// TestCertificateLogKeepsATree has Fulcio issue certificates, and finds each in the
// log's tree, at the index that its timestamp promises, below a signed checkpoint.
func TestCertificateLogKeepsATree(t *testing.T) {
	needTools(t, SigstoreTools()...)
	dir := t.TempDir()
	s, err := NewSigstore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	authority, err := os.ReadFile(filepath.Join(dir, fulcioChain))
	if err != nil {
		t.Fatal(err)
	}
	issuers, err := x509util.CertificatesFromPEM(authority)
	if err != nil {
		t.Fatal(err)
	}
	leaves := map[uint64][sha256.Size]byte{}
	for i := range 3 {
		der := certificate(t, s, fmt.Sprintf("person-%d@example.com", i))
		index, hash := promised(t, der, issuers[0])
		leaves[index] = hash
	}
	size, root, hashes := checkedTree(t, s.Certificates)
	if size != 3 || len(leaves) != 3 {
		t.Fatalf("expected 3 certificates, got %d promises and a tree of %d", len(leaves), size)
	}
	for index, hash := range leaves {
		if index >= size || !bytes.Equal(hashes[index], hash[:]) {
			t.Errorf("index %d of the tree is not the certificate that was promised there", index)
		}
	}
	hashes[1][0] ^= 1
	if bytes.Equal(treeRoot(t, hashes), root) {
		t.Error("another leaf gives the same root")
	}
}

// certificate has Fulcio issue one.
func certificate(t *testing.T, s *Sigstore, mail string) []byte {
	t.Helper()
	token, err := s.Token(mail)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := sign.NewFulcio(&sign.FulcioOptions{BaseURL: s.Fulcio}).GetCertificate(t.Context(), pair, &sign.CertificateProviderOptions{IDToken: token})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// promised is the place in the tree and the leaf that a certificate's embedded
// timestamp promises. The place is in the extension leaf_index of the static
// certificate transparency API: type 0, length 5, a 40-bit number.
func promised(t *testing.T, der []byte, issuer *ctx509.Certificate) (uint64, [sha256.Size]byte) {
	t.Helper()
	scts, err := x509util.ParseSCTsFromCertificate(der)
	if err != nil || len(scts) != 1 {
		t.Fatalf("expected one timestamp, got %d, %v", len(scts), err)
	}
	cert, err := ctx509.ParseCertificate(der)
	if ctx509.IsFatal(err) {
		t.Fatal(err)
	}
	leaf, err := ct.MerkleTreeLeafForEmbeddedSCT([]*ctx509.Certificate{cert, issuer}, scts[0].Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	leaf.TimestampedEntry.Extensions = scts[0].Extensions
	hash, err := ct.LeafHashForLeaf(leaf)
	if err != nil {
		t.Fatal(err)
	}
	e := scts[0].Extensions
	if len(e) != 8 || e[0] != 0 || e[1] != 0 || e[2] != 5 {
		t.Fatalf("extensions of the timestamp: got %x", e)
	}
	var index uint64
	for _, b := range e[3:] {
		index = index<<8 | uint64(b)
	}
	return index, hash
}

// checkedTree reads the log's checkpoint and its leaf hashes, which fit into one
// tile, and checks the one against the log's key and the other.
func checkedTree(t *testing.T, l *CertificateLog) (size uint64, root []byte, hashes [][]byte) {
	t.Helper()
	vkey, err := formatsnote.RFC6962VerifierString("https://"+l.Origin, l.Key)
	if err != nil {
		t.Fatal(err)
	}
	v, err := formatsnote.NewRFC6962Verifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(l.Dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(raw, note.VerifierList(v))
	if err != nil {
		t.Fatalf("checkpoint: %v\n%s", err, raw)
	}
	lines := strings.Split(n.Text, "\n")
	if lines[0] != l.Origin {
		t.Errorf("origin: expected %s, got %s", l.Origin, lines[0])
	}
	if size, err = strconv.ParseUint(lines[1], 10, 64); err != nil {
		t.Fatal(err)
	}
	tile, err := os.ReadFile(filepath.Join(l.Dir, "tile", "0", fmt.Sprintf("000.p/%d", size)))
	if err != nil {
		t.Fatal(err)
	}
	for h := range slices.Chunk(tile, sha256.Size) {
		hashes = append(hashes, bytes.Clone(h))
	}
	root = treeRoot(t, hashes)
	if uint64(len(hashes)) != size || lines[2] != base64.StdEncoding.EncodeToString(root) {
		t.Errorf("the tiles have %d leaves below %s; the checkpoint says %d, %s", len(hashes), base64.StdEncoding.EncodeToString(root), size, lines[2])
	}
	return size, root, hashes
}

func treeRoot(t *testing.T, hashes [][]byte) []byte {
	t.Helper()
	r := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for _, h := range hashes {
		if err := r.Append(h, nil); err != nil {
			t.Fatal(err)
		}
	}
	root, err := r.GetRootHash(nil)
	if err != nil {
		t.Fatal(err)
	}
	return root
}
