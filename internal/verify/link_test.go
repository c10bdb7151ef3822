package verify

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"

	"facerec/internal/release"
)

// realLink is a link and the key of a worker of rebuilderd.
func realLink(t testing.TB) (link []byte, key *PublicKey) {
	t.Helper()
	link, err := os.ReadFile("testdata/rebuilderd/x.rebuild.link")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/rebuilderd/worker.pub")
	if err != nil {
		t.Fatal(err)
	}
	if key, err = ParsePublicKey(raw); err != nil {
		t.Fatal(err)
	}
	return link, key
}

// linkKey makes a key from a seed.
func linkKey(t testing.TB, seed byte) (ed25519.PrivateKey, *PublicKey) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	public, err := ParsePublicKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// LinkOf signs what a worker would sign, after edit has changed it.
func LinkOf(t testing.TB, key ed25519.PrivateKey, artifact, content string, edit func(signed map[string]any)) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(content))
	hashes := func() map[string]any {
		return map[string]any{artifact: map[string]any{"sha256": hex.EncodeToString(sum[:])}}
	}
	signed := map[string]any{
		"_type": "link", "name": rebuildStep + artifact, "products": hashes(), "materials": hashes(),
		"environment": nil, "byproducts": map[string]any{}, "command": []any{},
	}
	if edit != nil {
		edit(signed)
	}
	canonical, err := cjson.EncodeCanonical(signed)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(map[string]any{
		"signed":     signed,
		"signatures": []any{map[string]any{"keyid": "any", "sig": hex.EncodeToString(ed25519.Sign(key, canonical))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestLinkOfRebuilderd(t *testing.T) {
	raw, key := realLink(t)
	links, err := ParseLinks(raw)
	if err != nil || len(links) != 1 {
		t.Fatalf("%d links, %v", len(links), err)
	}
	l := links[0]
	if err := l.Verify(key); err != nil {
		t.Error(err)
	}
	if want := release.DigestBytes([]byte("hi\n")); l.Artifact != "x_1.0.tar.gz" || l.Digest != want {
		t.Errorf("got %s %s, expected x_1.0.tar.gz %s", l.Artifact, l.Digest, want)
	}
	_, other := linkKey(t, 1)
	if err := l.Verify(other); err == nil || !strings.Contains(err.Error(), other.Fingerprint().String()) {
		t.Errorf("with another key: %v", err)
	}
}

// TestLinkForged changes each signed value of a real link: whatever can still be
// read is signed by nobody.
func TestLinkForged(t *testing.T) {
	raw, key := realLink(t)
	for _, c := range []struct{ name, from, to, fault string }{
		{"artifact", "x_1.0.tar.gz", "y_1.0.tar.gz", "no signature"},
		{"digest", "98ea6e4f", "98ea6e40", "no signature"},
		{"sha512", "d78abb05", "d78abb00", "no signature"},
		{"command", `"command":[]`, `"command":["make"]`, "no signature"},
		{"byproducts", `"byproducts":{}`, `"byproducts":{"return-value":0}`, "no signature"},
		{"signature", `"sig":"8f`, `"sig":"8e`, "no signature"},
		{"signature cut", `"sig":"8f`, `"sig":"`, "expected 64 bytes"},
		{"no signature", `"signatures":[{`, `"signatures":[],"other":[{`, "expected 1 to 8, got 0"},
		{"name added", `"signed":{`, `"signed":{"more":1,`, "no signature"},
		{"name duplicate", `"signed":{`, `"signed":{"_type":"link",`, "duplicate name"},
		{"signed duplicate", `{"signatures"`, `{"signed":{"_type":"link"},"signatures"`, "duplicate name"},
		{"step", `"rebuild x_1.0.tar.gz"`, `"build x_1.0.tar.gz"`, "name: expected"},
		{"type", `"_type":"link"`, `"_type":"layout"`, "_type: expected link"},
		{"spelling", `"products"`, `"Products"`, "products: expected"},
		{"a number", `"command":[]`, `"command":[1.5]`, "floating point"},
	} {
		t.Run(c.name, func(t *testing.T) {
			forged := strings.ReplaceAll(string(raw), c.from, c.to)
			if forged == string(raw) {
				t.Fatal("nothing changed")
			}
			links, err := ParseLinks([]byte(forged))
			if err == nil {
				err = links[0].Verify(key)
			}
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("expected %q, got %v", c.fault, err)
			}
		})
	}
}

// TestLinkContents has links that are signed well and do not say what they must.
func TestLinkContents(t *testing.T) {
	private, public := linkKey(t, 1)
	other := func(content string) map[string]any {
		sum := sha256.Sum256([]byte(content))
		return map[string]any{"sha256": hex.EncodeToString(sum[:])}
	}
	for _, c := range []struct {
		name  string
		edit  func(map[string]any)
		fault string
	}{
		{"good", nil, ""},
		{"wrong product digest", func(s map[string]any) { s["products"] = map[string]any{"a.tar.gz": other("b")} }, "materials: sha256"},
		{"other artifact", func(s map[string]any) { s["products"] = map[string]any{"b.tar.gz": other("a")} }, "products: expected"},
		{"two products", func(s map[string]any) { s["products"].(map[string]any)["b.tar.gz"] = other("b") }, "got 2 products"},
		{"no product", func(s map[string]any) { delete(s, "products") }, "got 0 products"},
		{"no material", func(s map[string]any) { s["materials"] = map[string]any{} }, "materials: sha256"},
		{"short digest", func(s map[string]any) {
			short := map[string]any{"a.tar.gz": map[string]any{"sha256": "abcd"}}
			s["products"], s["materials"] = short, short
		}, "products: sha256"},
		{"no SHA-256", func(s map[string]any) {
			weak := map[string]any{"a.tar.gz": map[string]any{"sha1": "abcd"}}
			s["products"], s["materials"] = weak, weak
		}, "products: sha256"},
		{"no artifact", func(s map[string]any) { s["name"] = "rebuild " }, "name: expected"},
		{"not an object", func(s map[string]any) { s["products"] = []any{"a.tar.gz"} }, "products: expected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			links, err := ParseLinks(LinkOf(t, private, "a.tar.gz", "a", c.edit))
			if err == nil {
				err = links[0].Verify(public)
			}
			if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("expected %q, got %v", c.fault, err)
			}
		})
	}
}

func TestLinkFile(t *testing.T) {
	private, _ := linkKey(t, 1)
	one := string(LinkOf(t, private, "a.tar.gz", "a", nil))
	many := strings.Repeat(one+"\n", 3)
	for _, c := range []struct{ name, file, fault string }{
		{"one", one, ""},
		{"three", many, ""},
		{"empty", "", "link 1"},
		{"blank", " \n", "link 1"},
		{"not JSON", "hello", "link 1"},
		{"null", "null", "_type"},
		{"cut", many[:len(many)-10], "link 3"},
		{"something behind", one + "\nx", "link 2"},
		{"too deep", strings.Repeat("[", 100), "nested more than 16"},
		{"too many values", "[" + strings.Repeat("1,", maxLinkValues) + "1]", "values"},
		{"too large", strings.Repeat(" ", maxLinkFile+1), "at most"},
		{"too many links", strings.Repeat(one, maxLinks+1), "at most 1000 links"},
		{"too many signatures", strings.Replace(one, `"signatures":[`, `"signatures":[`+strings.Repeat(`{},`, 8), 1), "expected 1 to 8, got 9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			links, err := ParseLinks([]byte(c.file))
			if c.fault == "" && (err != nil || len(links) == 0) || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("expected %q, got %v", c.fault, err)
			}
		})
	}
}

// TestLinkKeyKind wants a key of another kind to be refused by name.
func TestLinkKeyKind(t *testing.T) {
	raw, _ := realLink(t)
	links, err := ParseLinks(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := links[0].Verify(&PublicKey{key: "else"}); err == nil || !strings.Contains(err.Error(), "Ed25519") {
		t.Errorf("got %v", err)
	}
}

// FuzzParseLinks wants what is accepted to be complete and to be signed over the
// same values: a link that is written anew from them still verifies.
func FuzzParseLinks(f *testing.F) {
	raw, key := realLink(f)
	private, _ := linkKey(f, 1)
	f.Add(raw)
	f.Add(LinkOf(f, private, "a.tar.gz", "a", nil))
	f.Add(append(raw, raw...))
	f.Add([]byte(`{"signatures":[{"sig":"00"}],"signed":{"_type":"link","name":"rebuild a"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		links, err := ParseLinks(data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("an error of several lines: %q", err)
			}
			return
		}
		for _, l := range links {
			if l.Artifact == "" || len(l.signatures) == 0 {
				t.Errorf("incomplete: %+v", l)
			}
			again := fmt.Sprintf(`{"signed":%s,"signatures":[{"sig":"%x"}]}`, l.signed, l.signatures[0])
			if same, err := ParseLinks([]byte(again)); err == nil && (same[0].Digest != l.Digest || same[0].Artifact != l.Artifact) {
				t.Errorf("canonical JSON says %s %s, the file %s %s", same[0].Artifact, same[0].Digest, l.Artifact, l.Digest)
			}
			if l.Verify(key) == nil && l.Artifact != "x_1.0.tar.gz" {
				t.Errorf("forged for %q", l.Artifact)
			}
		}
	})
}
