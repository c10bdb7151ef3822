package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

// Key is a private key that somebody keeps. It signs as Sigstore's logs want
// it: ECDSA and RSA over the SHA-2 that belongs to their size, Ed25519 over a
// SHA-512 of the data (Ed25519ph).
type Key struct {
	private crypto.Signer
	public  []byte // PKIX, DER
	details signature.AlgorithmDetails
}

// GenerateKey makes an ECDSA P-256 key, the kind every Sigstore client knows.
func GenerateKey() (*Key, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return newKey(k)
}

func newKey(private crypto.Signer) (*Key, error) {
	details, err := signature.GetDefaultAlgorithmDetails(private.Public(), options.WithED25519ph())
	if err != nil {
		return nil, fmt.Errorf("key: %T cannot sign a release: expected ECDSA P-256, P-384 or P-521, RSA of 2048, 3072 or 4096 bits, or Ed25519", private.Public())
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return &Key{private: private, public: public, details: details}, nil
}

// maxKeyFile is the largest private key, in bytes of PEM, that ParseKey reads;
// RSA of 4096 bits takes 3.3 kB.
const maxKeyFile = 64 << 10

// ErrPassword says that a key is encrypted and that no password was given.
var ErrPassword = errors.New("key: is encrypted; expected its password")

// ParseKey reads a private key from PEM: PKCS#8, SEC 1 (EC), PKCS#1 (RSA), or
// the encrypted form of cosign. The password is used for the last alone; an
// encrypted key without one is [ErrPassword].
func ParseKey(data, password []byte) (*Key, error) {
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("key: expected at most %d bytes of PEM, got %d", maxKeyFile, len(data))
	}
	block, rest := pem.Decode(data)
	if block == nil {
		return nil, errors.New("key: is not PEM; expected a private key that begins with -----BEGIN")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("key: more data follows the first PEM block; expected one private key and nothing else")
	}
	der := block.Bytes
	var parsed any
	var err error
	switch block.Type {
	case "ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY":
		if len(password) == 0 {
			return nil, ErrPassword
		}
		if der, err = encrypted.Decrypt(der, password); err != nil {
			return nil, errors.New("key: cannot be decrypted; the password is wrong, or the file is damaged")
		}
		parsed, err = x509.ParsePKCS8PrivateKey(der)
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(der)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(der)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(der)
	case "PUBLIC KEY", "CERTIFICATE":
		return nil, fmt.Errorf("key: is a %s; expected the private key that belongs to it", block.Type)
	default:
		return nil, fmt.Errorf("key: PEM block %q: expected PRIVATE KEY, EC PRIVATE KEY, RSA PRIVATE KEY or ENCRYPTED SIGSTORE PRIVATE KEY", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("key: %s: %w", block.Type, err)
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key: %T cannot sign", parsed)
	}
	return newKey(private)
}

// PrivatePEM writes the key as PKCS#8, unencrypted: for a file of mode 0600.
func (k *Key) PrivatePEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// PublicPEM writes the public half (PKIX), as verifiers want it.
func (k *Key) PublicPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.public})
}

// Hint is how a bundle names the key: the SHA-256 of the public key's DER, in
// base64. It helps to find a key and proves nothing.
func (k *Key) Hint() string {
	sum := sha256.Sum256(k.public)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// keypair makes a Key what sigstore-go signs with.
type keypair struct{ *Key }

func (k keypair) GetHashAlgorithm() protocommon.HashAlgorithm { return k.details.GetProtoHashType() }
func (k keypair) GetSigningAlgorithm() protocommon.PublicKeyDetails {
	return k.details.GetSignatureAlgorithm()
}
func (k keypair) GetHint() []byte                  { return []byte(k.Hint()) }
func (k keypair) GetPublicKey() crypto.PublicKey   { return k.private.Public() }
func (k keypair) GetPublicKeyPem() (string, error) { return string(k.PublicPEM()), nil }

func (k keypair) GetKeyAlgorithm() string {
	switch k.details.GetKeyType() {
	case signature.ECDSA:
		return "ECDSA"
	case signature.RSA:
		return "RSA"
	case signature.ED25519:
		return "ED25519"
	}
	return ""
}

// SignData signs the digest of data and gives both. Every algorithm that newKey
// lets in is one that signs a digest.
func (k keypair) SignData(_ context.Context, data []byte) (sig, digest []byte, err error) {
	h := k.details.GetHashType()
	hasher := h.New()
	hasher.Write(data)
	digest = hasher.Sum(nil)
	sig, err = k.private.Sign(rand.Reader, digest, h)
	if err != nil {
		return nil, nil, fmt.Errorf("key: %w", err)
	}
	return sig, digest, nil
}
