package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"facerec/internal/loopback"
	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/verify"
)

// signing is a place where real cosigns sign real images: a Sigstore, two
// versions of cosign, a key, and an image of two platforms.
type signing struct {
	*loopback.Sigstore
	dir    string
	layout string
	key    string // without .key and .pub
}

const signerMail = "ann@example.com"

// needTools skips where a tool is not built yet: building takes minutes, and
// BUILD_COSIGN=1 asks for it.
func needTools(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if !loopback.Built(name) && os.Getenv("BUILD_COSIGN") == "" {
			t.Skipf("%s is not built yet; BUILD_COSIGN=1 builds it, in minutes", name)
		}
	}
}

// shared is one such place for all tests of this package: it is made by the first
// that needs it and stopped by TestMain.
var shared struct {
	once sync.Once
	s    *signing
	err  error
}

func newSigning(t *testing.T) *signing {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a Sigstore and signs with it")
	}
	needTools(t, append(loopback.SigstoreTools(), "registry", "cosign")...)
	shared.once.Do(func() { shared.s, shared.err = startSigning() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.s
}

func stopSigning() {
	if shared.s != nil && shared.s.Sigstore != nil {
		shared.s.Close()
	}
	if shared.s != nil {
		_ = os.RemoveAll(shared.s.dir)
	}
}

func startSigning() (s *signing, err error) {
	s = &signing{}
	if s.dir, err = os.MkdirTemp("", "signing-"); err != nil {
		return s, err
	}
	sigstore := filepath.Join(s.dir, "sigstore")
	if err := os.Mkdir(sigstore, 0o700); err != nil {
		return s, err
	}
	if s.Sigstore, err = loopback.NewSigstore(context.Background(), sigstore); err != nil {
		return s, err
	}
	for name, text := range map[string]string{
		"config.json": `{"project_name": "tool", "version": "1.0.0", "build_cmd": "echo $RELEASER_PLATFORM >tool-$(echo $RELEASER_PLATFORM | tr / -)",
			"artifacts": [{"src": "tool-{os}-{arch}", "dest": "/app/tool"}], "image": {"repository": "127.0.0.1:1/tool"},
			"lineages": [{"name": "one"}], "platforms": ["linux/amd64", "linux/arm64"]}`,
		"sbom.json": `{"SPDXID": "SPDXRef-DOCUMENT", "spdxVersion": "SPDX-2.3"}`,
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return s, err
		}
	}
	s.layout, s.key = filepath.Join(s.dir, "oci"), filepath.Join(s.dir, "cosign")
	var out bytes.Buffer
	if code := run(context.Background(), []string{"--config", filepath.Join(s.dir, "config.json"), "build", "--out", s.layout}, strings.NewReader(""), &out, &out); code != 0 {
		return s, fmt.Errorf("build: exit code %d: %s", code, out.String())
	}
	if out, err := s.runCosign(context.Background(), "cosign", "generate-key-pair", "--output-key-prefix", s.key); err != nil {
		return s, fmt.Errorf("generate-key-pair: %w: %s", err, out)
	}
	return s, os.Setenv("RELEASER_KEY_PASSWORD", "secret")
}

func (s *signing) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// releaser runs the program in this process and gives all it prints.
func (s *signing) releaser(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if code := run(context.Background(), args, strings.NewReader(""), &out, &out); code != want {
		t.Errorf("releaser %s exits with %d, want %d:\n%s", strings.Join(args, " "), code, want, out.String())
	}
	return out.String()
}

func (s *signing) runCosign(ctx context.Context, name string, args ...string) (string, error) {
	program, err := loopback.Tool(ctx, name)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "COSIGN_PASSWORD=secret"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *signing) cosign(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := s.runCosign(t.Context(), name, args...); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// v3 are the flags that tell cosign 3 of our Sigstore.
func (s *signing) v3(verb string, args ...string) []string {
	return append([]string{verb, "--yes", "--signing-config", s.SigningConfig, "--trusted-root", s.TrustedRoot}, args...)
}

func (s *signing) token(t *testing.T) string {
	t.Helper()
	token, err := s.Token(signerMail)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (s *signing) tokenFile(t *testing.T) string {
	t.Helper()
	return s.write(t, "token-"+strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()), s.token(t))
}

// push puts the image into a repository of its own and gives it by digest.
func (s *signing) push(t *testing.T, registry, name string) oci.Ref {
	t.Helper()
	to, err := oci.ParseRef(registry + "/test/" + name + ":1")
	if err != nil {
		t.Fatal(err)
	}
	from, err := oci.ParseLayout(s.layout)
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := oci.Push(t.Context(), from.WithTag("1.0.0"), to, oci.TransferOptions{Access: oci.Access{Named: []string{"127.0.0.1"}}})
	if err != nil {
		t.Fatal(err)
	}
	return to.At(pushed[0].Digest)
}

func (s *signing) keyless() []string {
	return []string{"--trusted-root", s.TrustedRoot, "--certificate-identity", signerMail, "--certificate-oidc-issuer", s.Mail}
}

func (s *signing) keyed() []string {
	return []string{"--trusted-root", s.TrustedRoot, "--key", s.key + ".pub"}
}

// verify runs verify-image and wants an exit code and some of the text.
func (s *signing) verify(t *testing.T, code int, ref oci.Ref, trust []string, want ...string) {
	t.Helper()
	out := s.releaser(t, code, append([]string{"-q", "verify-image", ref.String()}, trust...)...)
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("%s: want %q in\n%s", ref, w, out)
		}
	}
}

func with(flags []string, more ...string) []string {
	return append(flags[:len(flags):len(flags)], more...)
}

// twoRegistries starts one with the referrers API and one without, in whose place
// the fallback tag stands.
func twoRegistries(t *testing.T) (*loopback.InProcess, *loopback.Registry) {
	t.Helper()
	api, err := loopback.NewInProcess(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	tags, err := loopback.NewRegistry(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tags.Close)
	return api, tags
}

// TestImagesSignedByCosign3 signs and attests with the real cosign 3 in a registry
// with the referrers API and in one without.
func TestImagesSignedByCosign3(t *testing.T) {
	t.Parallel() // they wait for the log most of the time
	s := newSigning(t)
	api, tags := twoRegistries(t)
	for _, r := range []struct{ name, addr, place string }{
		{"referrers API", api.Addr, "signature at referrer sha256:"},
		{"fallback tag", tags.Addr, "signature at tag sha256-"},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			// Nothing yet.
			image := s.push(t, r.addr, "signed")
			s.verify(t, 4, image, s.keyless(), "FAIL  image", "expected one attached to the image", "got      none")

			s.cosign(t, "cosign", s.v3("sign", "--identity-token", s.token(t), image.String())...)
			s.verify(t, 0, image, s.keyless(), "ok    image", r.place, "linux/amd64", "covered by the signature of the index", "signed by "+signerMail)
			s.verify(t, 0, image.WithTag("1"), s.keyless(), "verified: "+image.String())
			s.verify(t, 4, image, with(s.keyless(), "--all-platforms"), "FAIL  linux/arm64")
			other := s.keyless()
			other[3] = "bob@example.com"
			s.verify(t, 4, image, other, "expected bob@example.com", "got      "+signerMail)
			s.verify(t, 4, image, s.keyed(), "identity: signer", "got      a certificate of "+signerMail)

			// Described, not signed: by the same person, with a good statement.
			described := s.push(t, r.addr, "described")
			attest := s.v3("attest", "--key", s.key+".key", "--type", "spdxjson", "--predicate", "sbom.json")
			s.cosign(t, "cosign", with(attest, described.String())...)
			s.verify(t, 4, described, s.keyed(), "predicate type", "https://spdx.dev/Document, which describes the image and does not sign it")
			s.verify(t, 4, described, with(s.keyed(), "--attestation-type", "spdxjson"), "does not sign it")

			// Both.
			s.cosign(t, "cosign", s.v3("sign", "--recursive", "--key", s.key+".key", described.String())...)
			s.verify(t, 0, described, with(s.keyed(), "--all-platforms"), "ok    linux/arm64")
			s.verify(t, 0, described, with(s.keyed(), "--attestation-type", "spdx"), "attestation https://spdx.dev/Document")
			s.verify(t, 4, described, with(s.keyed(), "--attestation-type", "slsaprovenance"), "attestation: slsaprovenance", "expected https://slsa.dev/provenance/v1 or", "got      https://spdx.dev/Document")

			// A good signature of one image, put beside another.
			stranger := s.push(t, r.addr, "stranger")
			platform := s.platform(t, stranger)
			s.misplace(t, r.addr, image, platform)
			s.verify(t, 4, platform, s.keyless(), "sha256 of the artifact", "expected "+image.Digest.String(), "got      "+platform.Digest.String())
		})
	}
}

// platform is the first manifest of an index.
func (s *signing) platform(t *testing.T, index oci.Ref) oci.Ref {
	t.Helper()
	ix, err := oci.ReadIndex(t.Context(), index, oci.Access{Named: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	return index.At(ix.Manifests[0].Digest)
}

// misplace takes what stands beside one image and puts it beside another, with
// the other as its subject.
func (s *signing) misplace(t *testing.T, registry string, from, to oci.Ref) {
	t.Helper()
	found, problems, err := oci.Referrers(t.Context(), from, from.Digest, oci.Access{Named: []string{"127.0.0.1"}})
	if err != nil || len(problems) > 0 || len(found) == 0 {
		t.Fatalf("%d attachments, %v, %v", len(found), problems, err)
	}
	repository := func(r oci.Ref) string {
		return "http://" + registry + "/v2/" + strings.TrimPrefix(r.Name, registry+"/")
	}
	raw := get(t, repository(from)+"/manifests/"+found[0].Digest.String())
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	subject := m["subject"].(map[string]any)
	subject["digest"] = to.Digest.String()
	subject["mediaType"] = "application/vnd.oci.image.manifest.v1+json"
	subject["size"] = len(get(t, repository(to)+"/manifests/"+to.Digest.String()))
	for _, l := range append(m["layers"].([]any), m["config"]) {
		digest := l.(map[string]any)["digest"].(string)
		send(t, http.MethodPost, repository(to)+"/blobs/uploads/?mount="+digest+"&from="+strings.TrimPrefix(from.Name, registry+"/"), "", nil)
		// Mounting is an offer that a registry may decline.
		put(t, repository(to), digest, get(t, repository(from)+"/blobs/"+digest))
	}
	moved, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	digest := release.DigestBytes(moved)
	send(t, http.MethodPut, repository(to)+"/manifests/"+digest.String(), "application/vnd.oci.image.manifest.v1+json", moved)
	list, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []any{
		// The list says nothing of the type, as some registries do.
		map[string]any{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": len(moved)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	send(t, http.MethodPut, repository(to)+"/manifests/sha256-"+to.Digest.Hex(), "application/vnd.oci.image.index.v1+json", list)
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	return send(t, http.MethodGet, url, "", nil)
}

func send(t *testing.T, method, url, mediaType string, body []byte) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	req.Header.Set("Accept", "*/*, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 400 {
		t.Fatalf("%s %s: %s %v\n%s", method, url, resp.Status, err, out)
	}
	return out
}

// put uploads a blob in one piece.
func put(t *testing.T, repository, digest string, data []byte) {
	t.Helper()
	resp, err := http.Post(repository+"/blobs/uploads/", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	at, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	q := at.Query()
	q.Set("digest", digest)
	at.RawQuery = q.Encode()
	send(t, http.MethodPut, at.String(), "application/octet-stream", data)
}

// TestImagesSignedByCosign2 reads the .sig and .att tags of the real cosign 2.
func TestImagesSignedByCosign2(t *testing.T) {
	t.Parallel() // they wait for the log most of the time
	needTools(t, "cosign-v2")
	s := newSigning(t)
	tags, err := loopback.NewRegistry(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer tags.Close()
	noLog := with([]string{"--key", s.key + ".pub"}, "--unsafe-no-transparency-log")

	image := s.push(t, tags.Addr, "signed")
	s.cosign(t, "cosign-v2", "sign", "--yes", "--tlog-upload=false", "--key", s.key+".key", image.String())
	s.verify(t, 0, image, noLog, "signature at tag sha256-"+image.Digest.Hex()+".sig", "note: no transparency log was checked")
	s.verify(t, 4, image, s.keyed(), "transparency log: entries", "got      none")

	// Beside a referrer of another kind, both count.
	s.cosign(t, "cosign", s.v3("attest", "--key", s.key+".key", "--type", "slsaprovenance1", "--predicate", s.write(t, "p.json", `{"buildDefinition": {"buildType": "x", "externalParameters": {}, "resolvedDependencies": []}, "runDetails": {"builder": {"id": "y"}}}`), image.String())...)
	s.verify(t, 0, image, with(noLog, "--attestation-type", "slsaprovenance"), ".sig", "attestation https://slsa.dev/provenance/v1")

	// An attestation in the .att tag, no signature of it; then both.
	described := s.push(t, tags.Addr, "described")
	s.cosign(t, "cosign-v2", "attest", "--yes", "--tlog-upload=false", "--key", s.key+".key", "--type", "spdxjson", "--predicate", "sbom.json", described.String())
	s.verify(t, 4, described, noLog, "does not sign it")
	s.cosign(t, "cosign-v2", "sign", "--yes", "--tlog-upload=false", "--recursive", "--key", s.key+".key", described.String())
	s.verify(t, 0, described, with(noLog, "--attestation-type", "spdxjson", "--all-platforms"), "attestation https://spdx.dev/Document at tag sha256-"+described.Digest.Hex()+".att")

	// The tag of one image under the name of another: the signature is good, and
	// about something else.
	platform := s.platform(t, image)
	base := "http://" + tags.Addr + "/v2/test/signed/manifests/sha256-"
	send(t, http.MethodPut, base+platform.Digest.Hex()+".sig", "application/vnd.oci.image.manifest.v1+json", get(t, base+image.Digest.Hex()+".sig"))
	s.verify(t, 4, platform, noLog, "critical.image.docker-manifest-digest", "expected "+platform.Digest.String(), "got      "+image.Digest.String())
}

// TestKeylessImagesOfCosign2 has the real cosign 2 sign and attest with a
// certificate, in a log of version 1, with and without a timestamp.
func TestKeylessImagesOfCosign2(t *testing.T) {
	t.Parallel() // they wait for the log most of the time
	needTools(t, "cosign-v2")
	s := newSigning(t)
	api, err := loopback.NewInProcess(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	image := s.push(t, api.Addr, "old")
	services := []string{"--yes", "--fulcio-url", s.Fulcio, "--rekor-url", s.OldRekor, "--insecure-skip-verify", "--identity-token", s.token(t)}
	s.cosign(t, "cosign-v2", with(append([]string{"sign"}, services...), image.String())...)
	s.verify(t, 0, image, s.keyless(), ".sig", ", entry ", " of "+s.OldRekor, "by the transparency log")
	other := s.keyless()
	other[3] = "bob@example.com"
	s.verify(t, 4, image, other, "expected bob@example.com", "got      "+signerMail)

	s.cosign(t, "cosign-v2", with(append([]string{"attest", "--type", "spdxjson", "--predicate", "sbom.json"}, services...), image.String())...)
	s.verify(t, 0, image, with(s.keyless(), "--attestation-type", "spdxjson"), "attestation https://spdx.dev/Document at tag sha256-")

	// What the log signed is what holds the time of signing in place.
	base := "http://" + strings.Replace(image.Name, "/", "/v2/", 1) + "/manifests/sha256-" + image.Digest.Hex() + ".sig"
	good := get(t, base)
	for _, field := range []string{"integratedTime", "logIndex", "SignedEntryTimestamp", "body"} {
		bad := spoilEntry(t, good, field)
		send(t, http.MethodPut, base, "application/vnd.oci.image.manifest.v1+json", bad)
		s.verify(t, 4, image, s.keyless(), "FAIL  image", "refused: tag sha256-")
	}
	send(t, http.MethodPut, base, "application/vnd.oci.image.manifest.v1+json", good)

	stamped := s.push(t, api.Addr, "stamped")
	s.cosign(t, "cosign-v2", with(append([]string{"sign", "--timestamp-server-url", s.Timestamper}, services...), stamped.String())...)
	s.verify(t, 0, stamped, s.keyless(), "by the timestamp authority", "by the transparency log")
}

// spoilEntry changes one field of the log entry in a manifest's annotations.
func spoilEntry(t *testing.T, manifest []byte, field string) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	annotations := m["layers"].([]any)[0].(map[string]any)["annotations"].(map[string]any)
	var entry map[string]any
	dec := json.NewDecoder(strings.NewReader(annotations["dev.sigstore.cosign/bundle"].(string)))
	dec.UseNumber()
	if err := dec.Decode(&entry); err != nil {
		t.Fatal(err)
	}
	at := entry
	if field != "SignedEntryTimestamp" {
		at = entry["Payload"].(map[string]any)
	}
	switch v := at[field].(type) {
	case json.Number:
		at[field] = json.Number("1" + v.String())
	case string:
		middle := len(v)/2 - 1 // a letter of base64 for another
		letter := "A"
		if v[middle] == 'A' {
			letter = "B"
		}
		at[field] = v[:middle] + letter + v[middle+1:]
	default:
		t.Fatalf("no field %s in %s", field, annotations["dev.sigstore.cosign/bundle"])
	}
	text, err := json.Marshal(entry)
	if err != nil {
		t.Fatal(err)
	}
	annotations["dev.sigstore.cosign/bundle"] = string(text)
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestReportOfAnImage holds the document to its schema's name and the exit code.
func TestReportOfAnImage(t *testing.T) {
	r := verify.Image(t.Context(), verify.ImageInput{Ref: "127.0.0.1:1/tool", Subjects: []verify.ImageSubject{{Digest: release.DigestBytes(nil)}}})
	doc, err := r.JSON()
	if err != nil || !bytes.HasPrefix(doc, []byte("{\n  \"schema\": \"releaser.verify-image/v1\",")) || r.Verified || r.ExitCode != exitUntrusted {
		t.Errorf("got %d, %v:\n%s", r.ExitCode, err, doc)
	}
}
