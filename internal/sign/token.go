package sign

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Audience is what Sigstore's certificate authorities expect in a token.
const Audience = "sigstore"

// maxToken is the longest token, in bytes, that is taken from anybody; those of
// GitHub Actions have 2 kB.
const maxToken = 64 << 10

// AmbientToken asks GitHub Actions for an identity token. requestURL and
// requestToken are what the runner hands to jobs with the permission
// "id-token: write", as ACTIONS_ID_TOKEN_REQUEST_URL and
// ACTIONS_ID_TOKEN_REQUEST_TOKEN. Neither of the tokens appears in an error.
func AmbientToken(ctx context.Context, client *http.Client, requestURL, requestToken, audience string) (string, error) {
	token, err := ambientToken(ctx, client, requestURL, requestToken, audience)
	if err != nil {
		return "", fmt.Errorf("identity token of GitHub Actions: %w", err)
	}
	return token, nil
}

func ambientToken(ctx context.Context, client *http.Client, requestURL, requestToken, audience string) (string, error) {
	if requestURL == "" || requestToken == "" {
		return "", errors.New(`the runner offers none; the workflow needs "permissions: id-token: write"`)
	}
	if err := checkURL("request URL", requestURL); err != nil {
		return "", err
	}
	u, err := url.Parse(requestURL)
	if err != nil {
		return "", err
	}
	q := u.Query()
	q.Set("audience", audience)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+requestToken)
	req.Header.Set("Accept", "application/json; api-version=2.0")
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("expected status 200, got %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxToken+1))
	if err != nil {
		return "", err
	}
	var answer struct {
		Value string `json:"value"`
	}
	if len(body) > maxToken || json.Unmarshal(body, &answer) != nil {
		return "", errors.New(`the answer is not what was expected; expected JSON with a "value"`)
	}
	return ParseToken([]byte(answer.Value))
}

// ParseToken takes the white space off an identity token, as files have it at
// the end, and checks that it looks like a JWT. It says nothing of whether
// anybody will accept it.
func ParseToken(data []byte) (string, error) {
	if len(data) > maxToken {
		return "", fmt.Errorf("identity token: expected at most %d bytes, got %d", maxToken, len(data))
	}
	token := strings.TrimSpace(string(data))
	if strings.Count(token, ".") != 2 || strings.ContainsFunc(token, func(r rune) bool { return r <= 0x20 || r >= 0x7f }) {
		return "", errors.New("identity token: is not a JWT; expected three parts with dots between them")
	}
	return token, nil
}

// CheckToken reports whether a token that [ParseToken] took can be used now, so that
// one that has run out is told before anything is sent anywhere. Whether it is
// genuine is the certificate authority's to say. No claim but times is in an error.
func CheckToken(token string, now time.Time) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("identity token: is not a JWT; expected three parts with dots between them")
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return errors.New("identity token: its second part is not base64url; expected a JWT")
	}
	var claims struct {
		Expires   float64 `json:"exp"` // RFC 7519, section 2: seconds, may have a fraction
		NotBefore float64 `json:"nbf"`
	}
	if err := json.Unmarshal(raw, &claims); err != nil {
		return errors.New("identity token: its claims cannot be read; expected JSON with times in seconds")
	}
	if at := unixSeconds(claims.Expires); claims.Expires != 0 && !now.Before(at) {
		return fmt.Errorf("identity token: ran out at %s, %s ago; get a new one", at.Format(time.RFC3339), now.Sub(at).Round(time.Second))
	}
	if at := unixSeconds(claims.NotBefore); at.After(now.Add(maxSkew)) {
		return fmt.Errorf("identity token: is not valid before %s, in %s; is this machine's clock right?", at.Format(time.RFC3339), at.Sub(now).Round(time.Second))
	}
	return nil
}

// maxSkew is how far an issuer's clock may be ahead.
const maxSkew = 5 * time.Minute

func unixSeconds(s float64) time.Time { return time.Unix(int64(s), 0).UTC() }
