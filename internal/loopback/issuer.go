package loopback

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Audience is the audience of every token, the one Fulcio expects.
const Audience = "sigstore"

// tokenLife is how long a token is valid.
const tokenLife = 10 * time.Minute

// Issuer is an OpenID Connect issuer that vouches for whomever it is told to. It
// plays two: one that knows people by their mail addresses, and one that knows
// workflows as GitHub Actions does.
type Issuer struct {
	// Mail and Actions are the two issuers' URLs, as they come to stand in
	// certificates.
	Mail, Actions string

	key    *rsa.PrivateKey
	keyID  string
	server *http.Server
}

// NewIssuer starts the issuer.
func NewIssuer() (*Issuer, error) {
	// RS256 with 2048 bits: what cosign and Fulcio accept from anybody.
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	base := "http://" + l.Addr().String()
	sum := sha256.Sum256(key.N.Bytes())
	i := &Issuer{Mail: base + "/mail", Actions: base + "/actions", key: key, keyID: fmt.Sprintf("%x", sum[:8])}
	mux := http.NewServeMux()
	for _, url := range []string{i.Mail, i.Actions} {
		path := strings.TrimPrefix(url, base)
		mux.HandleFunc("GET "+path+"/.well-known/openid-configuration", answerJSON(map[string]any{
			"issuer": url, "jwks_uri": base + "/keys", "authorization_endpoint": url + "/auth", "token_endpoint": url + "/token",
			"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
		}))
	}
	exponent := binary.BigEndian.AppendUint32(nil, uint32(key.E))
	mux.HandleFunc("GET /keys", answerJSON(map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": i.keyID,
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(exponent[1:]),
	}}}))
	// The runner's own endpoint: who has a token for it gets one for the workflow
	// that the first token names.
	mux.HandleFunc("GET /runner", i.runner)
	i.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = i.server.Serve(l) }()
	return i, nil
}

// Close stops the issuer.
func (i *Issuer) Close() { _ = i.server.Close() }

// workflow is an identity as Fulcio gives it to a GitHub workflow.
var workflow = regexp.MustCompile(`^https://github\.com/(([^/@]+)/[^/@]+)/([^@]+)@(.+)$`)

// URL is the issuer that vouches for an identity: Actions for a workflow, Mail
// for everybody else.
func (i *Issuer) URL(identity string) string {
	if workflow.MatchString(identity) {
		return i.Actions
	}
	return i.Mail
}

// Token makes an identity token, as a JWT. The identity is a mail address, or a
// workflow: https://github.com/OWNER/REPOSITORY/PATH@REF.
func (i *Issuer) Token(identity string) (string, error) {
	now := time.Now()
	claims := map[string]any{
		"iss": i.URL(identity), "aud": Audience, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(tokenLife).Unix(),
	}
	if m := workflow.FindStringSubmatch(identity); m != nil {
		repository, owner, path, ref := m[1], m[2], m[3], m[4]
		const commit = "0123456789abcdef0123456789abcdef01234567"
		for k, v := range map[string]string{
			"sub": "repo:" + repository + ":ref:" + ref, "job_workflow_ref": repository + "/" + path + "@" + ref,
			"workflow_ref": repository + "/" + path + "@" + ref, "sha": commit, "job_workflow_sha": commit, "workflow_sha": commit,
			"event_name": "push", "repository": repository, "workflow": "release", "ref": ref, "runner_environment": "github-hosted",
			"repository_id": "1", "repository_owner": owner, "repository_owner_id": "2", "repository_visibility": "public",
			"run_id": "3", "run_attempt": "1",
		} {
			claims[k] = v
		}
	} else if strings.Count(identity, "@") == 1 && !strings.Contains(identity, "/") {
		claims["sub"], claims["email"], claims["email_verified"] = identity, identity, true
	} else {
		return "", fmt.Errorf("issuer: identity %q: expected a mail address or https://github.com/OWNER/REPOSITORY/PATH@REF", identity)
	}
	return i.sign(claims)
}

func (i *Issuer) sign(claims map[string]any) (string, error) {
	head, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": i.keyID})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

// Runner gives what a job finds in ACTIONS_ID_TOKEN_REQUEST_URL and
// ACTIONS_ID_TOKEN_REQUEST_TOKEN on a runner that works for the identity.
func (i *Issuer) Runner(identity string) (requestURL, requestToken string) {
	return strings.TrimSuffix(i.Mail, "/mail") + "/runner?api-version=2.0", base64.RawURLEncoding.EncodeToString([]byte(identity))
}

func (i *Issuer) runner(w http.ResponseWriter, r *http.Request) {
	raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	identity, err := base64.RawURLEncoding.DecodeString(raw)
	if !ok || err != nil || r.URL.Query().Get("audience") != Audience {
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	token, err := i.Token(string(identity))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answerJSON(map[string]any{"count": len(token), "value": token})(w, r)
}

func answerJSON(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}
