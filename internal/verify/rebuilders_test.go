package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// side is somebody who signs: how a file of rebuilders lists them, and how they do.
type side struct {
	name  string
	entry string // the kind's part of the entry, JSON
	sign  func(t *testing.T, statement []byte) []byte
}

func keyed(t *testing.T, name string, k *sign.Key) side {
	t.Helper()
	entry, err := json.Marshal(map[string]any{"pem": string(k.PublicPEM()), "unsafe_no_transparency_log": true})
	if err != nil {
		t.Fatal(err)
	}
	return side{name, `"key": ` + string(entry), func(t *testing.T, statement []byte) []byte {
		t.Helper()
		return signStatement(t, statement, sign.Signer{Key: k})
	}}
}

// keyless signs with a certificate of the real Sigstore, whose subject is a mail
// address or the URI of a workflow.
func keyless(t *testing.T, name, san string) side {
	t.Helper()
	s, _, services := realSigstore(t)
	return side{name, fmt.Sprintf(`"keyless": {"issuer": %q, "san": %q}`, s.URL(san), san), func(t *testing.T, statement []byte) []byte {
		t.Helper()
		return onceSigned(t, san, statement, func() []byte {
			token, err := s.Token(san)
			if err != nil {
				t.Fatal(err)
			}
			return signStatement(t, statement, sign.Signer{Token: token, Services: services})
		})
	}}
}

// signedOnce are the bundles of the real Sigstore by who signed what: each takes a
// second.
var signedOnce struct {
	sync.Mutex
	bundles map[string]func() []byte
}

func onceSigned(t *testing.T, who string, data []byte, sign func() []byte) []byte {
	t.Helper()
	key := who + " " + string(data)
	signedOnce.Lock()
	if signedOnce.bundles == nil {
		signedOnce.bundles = map[string]func() []byte{}
	}
	if signedOnce.bundles[key] == nil {
		signedOnce.bundles[key] = sync.OnceValue(sign)
	}
	get := signedOnce.bundles[key]
	signedOnce.Unlock()
	bundle := get()
	if bundle == nil {
		t.Fatal("was not signed")
	}
	return bundle
}

// testTime is when everything was rebuilt.
var testTime = time.Now().Truncate(time.Second)

func signStatement(t *testing.T, statement []byte, by sign.Signer) []byte {
	t.Helper()
	b, err := sign.Statement(t.Context(), statement, by, func([]byte, []byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// arena is a release, its signer, three rebuilders who are listed and one who is not.
type arena struct {
	*small
	self, ann, bob, carl, dave side
	root                       *verify.TrustedRoot
}

func newArena(t *testing.T, real bool) *arena {
	t.Helper()
	a := &arena{small: newSmall(t)}
	if !real {
		a.self = keyed(t, "self", a.key)
		a.ann, a.bob, a.carl, a.dave = keyed(t, "ann", newKey(t)), keyed(t, "bob", newKey(t)), keyed(t, "carl", newKey(t)), keyed(t, "dave", newKey(t))
		return a
	}
	// The release is signed keylessly too.
	s, tr, _ := realSigstore(t)
	a.root, a.policy = tr, verify.Policy{Root: tr, Identities: []verify.CertificateIdentity{{SAN: job, Issuer: s.Actions}}}
	list := a.dist[release.ChecksumsFile].Data
	a.put(release.BundleFile, onceSigned(t, job, list, func() []byte {
		bundle, _ := signKeyless(t, job, string(list))
		return bundle
	}))
	a.self = keyless(t, "self", job)
	a.ann, a.bob = keyless(t, "ann", ann), keyless(t, "bob", "bob@example.com")
	a.carl = keyless(t, "carl", "https://github.com/carl/rebuilds/.github/workflows/rebuild.yml@refs/heads/main")
	a.dave = keyless(t, "dave", "dave@example.com")
	return a
}

// says is a good statement about both tarballs.
func (a *arena) says() sign.Rebuild {
	r := sign.Rebuild{Project: "facerec", Version: "1.2.3", Passed: true, Verifier: "mailto:x@example.com", Time: testTime}
	for _, c := range a.record.Cells {
		r.Subjects = append(r.Subjects, sign.Input{Name: c.Asset, Digest: c.FileSHA256.Digest},
			sign.Input{Name: strings.TrimSuffix(c.Asset, ".gz"), Digest: c.TarSHA256.Digest}, sign.Input{Name: c.Image, Digest: c.ManifestDigest})
	}
	r.Subjects = append(r.Subjects, sign.Input{Name: "index", Digest: testIndex})
	return r
}

// attests puts a statement next to the release, signed by a side.
func (a *arena) attests(t *testing.T, by side, edit ...func(r *sign.Rebuild)) {
	t.Helper()
	a.put(by.name+".rebuild.sigstore.json", a.bundle(t, by, edit...))
}

func (a *arena) bundle(t *testing.T, by side, edit ...func(r *sign.Rebuild)) []byte {
	t.Helper()
	r := a.says()
	for _, e := range edit {
		e(&r)
	}
	statement, err := sign.RebuildStatement(r)
	if err != nil {
		t.Fatal(err)
	}
	return by.sign(t, statement)
}

// list is a file that lists some sides and requires two of them.
func (a *arena) list(t *testing.T, sides ...side) *verify.Rebuilders {
	t.Helper()
	r, err := verify.ParseRebuilders("r.json", []byte(listOf(sides...)), 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Root = a.root
	return &r
}

func listOf(sides ...side) string {
	var entries []string
	for _, s := range sides {
		entries = append(entries, fmt.Sprintf(`{"name": %q, %s}`, s.name, s.entry))
	}
	return `{"rebuilders": [` + strings.Join(entries, ",\n") + `]}`
}

func (a *arena) threeOf(t *testing.T) *verify.Rebuilders { return a.list(t, a.ann, a.bob, a.carl) }

func failedRebuild(r *sign.Rebuild) { r.Passed = false }

// only keeps the subjects that are called so.
func only(names ...string) func(r *sign.Rebuild) {
	return func(r *sign.Rebuild) {
		r.Subjects = slices.DeleteFunc(r.Subjects, func(s sign.Input) bool { return !slices.Contains(names, s.Name) })
	}
}

type rebuilderCase struct {
	name string
	make func(t *testing.T, a *arena) *verify.Rebuilders
	exit int
	want string // in the text of the report
}

// rebuilderCases are what lies next to the release, whom the caller lists, and what
// comes of it.
var rebuilderCases = []rebuilderCase{
	{"enough", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob)
		return a.threeOf(t)
	}, 0, "2 of 2 required: ann and bob"},
	{"too few", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		return a.threeOf(t)
	}, 5, "1 of 2 required: ann; missing: bob and carl"},
	{"a stranger does not count", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.dave)
		return a.threeOf(t)
	}, 5, "a rebuilder that r.json lists"},
	{"nor does a stranger's no", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob)
		a.attests(t, a.dave, failedRebuild)
		return a.threeOf(t)
	}, 0, "2 of 2 required"},
	{"forged", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.put("bob.rebuild.sigstore.json", forge(t, a.bundle(t, a.bob)))
		return a.threeOf(t)
	}, 4, "refused as the rebuild of bob: "},
	{"forged, and enough others", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.carl)
		a.put("bob.rebuild.sigstore.json", forge(t, a.bundle(t, a.bob)))
		return a.threeOf(t)
	}, 0, "bob.rebuild.sigstore.json does not count: "},
	{"another's under a listed name", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.put("bob.rebuild.sigstore.json", a.bundle(t, a.dave))
		return a.threeOf(t)
	}, 4, "refused as the rebuild of bob: identity: signer"},
	{"replayed from another version", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob, func(r *sign.Rebuild) {
			r.Version = "1.2.2"
			for i := range r.Subjects {
				r.Subjects[i].Digest = release.DigestBytes([]byte{byte(i)})
			}
		})
		return a.threeOf(t)
	}, 4, "expected pkg:generic/facerec@1.2.3"},
	{"replayed from another project", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob, func(r *sign.Rebuild) { r.Project = "other" })
		return a.threeOf(t)
	}, 4, "got      pkg:generic/other@1.2.3"},
	{"expired", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob, func(r *sign.Rebuild) { r.Time = testTime.AddDate(0, 0, -31) })
		r := a.threeOf(t)
		r.Within, r.Now = 30*24*time.Hour, testTime.Add(time.Hour)
		return r
	}, 4, "refused as the rebuild of bob: rebuild: time of the rebuild"},
	{"old, and nobody minds", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob, func(r *sign.Rebuild) { r.Time = testTime.AddDate(-9, 0, 0) })
		return a.threeOf(t)
	}, 0, "2 of 2 required"},
	{"the same twice", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.put("again.rebuild.sigstore.json", a.bundle(t, a.ann))
		return a.threeOf(t)
	}, 5, "1 of 2 required: ann; missing: bob and carl"},
	{"the release's signer", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.self)
		return a.list(t, a.ann, a.self)
	}, 4, "refused as the rebuild of self: rebuild: signer: signed the release itself"},
	{"another predicate type", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		statement, err := sign.ProvenanceStatement(a.record, nil, "urn:x")
		if err != nil {
			t.Fatal(err)
		}
		a.put("bob.rebuild.sigstore.json", a.bob.sign(t, statement))
		return a.threeOf(t)
	}, 4, "got      https://slsa.dev/provenance/v1"},
	{"a summary of something else", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		statement, err := sign.RebuildStatement(a.says())
		if err != nil {
			t.Fatal(err)
		}
		a.put("bob.rebuild.sigstore.json", a.bob.sign(t, bytes.Replace(statement, []byte(`"uri":"urn:facerec:releaser:rebuild:1"`), []byte(`"uri":"https://example.com/virus-scan"`), 1)))
		return a.threeOf(t)
	}, 4, "got      https://example.com/virus-scan"},
	{"no subject", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob, func(r *sign.Rebuild) { r.Subjects = []sign.Input{{Name: "x", Digest: release.DigestBytes(nil)}} })
		return a.threeOf(t)
	}, 4, "expected one of the tarballs"},
	{"wrong digest", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob, func(r *sign.Rebuild) { r.Subjects[0].Digest = release.DigestBytes(nil) })
		return a.threeOf(t)
	}, 4, "got      " + release.DigestBytes(nil).Hex()},
	{"one tarball of two", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob, only(assetA))
		return a.threeOf(t)
	}, 5, "1 of 2 required: ann; missing: bob and carl"},
	{"a tar stream is not a tarball", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob, only(strings.TrimSuffix(assetA, ".gz"), strings.TrimSuffix(assetB, ".gz")))
		return a.threeOf(t)
	}, 5, "1 of 2 required: ann; missing: bob and carl"},
	{"a no", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob)
		a.attests(t, a.carl, failedRebuild, only(assetB))
		return a.threeOf(t)
	}, 3, "rebuilt differently: carl.rebuild.sigstore.json: carl rebuilt " + assetB + " and got other bytes"},
	{"a no about a manifest", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob)
		a.attests(t, a.carl, failedRebuild, func(r *sign.Rebuild) { r.Subjects = r.Subjects[2:3] })
		return a.threeOf(t)
	}, 3, "carl rebuilt " + assetA + " and got other bytes"},
	{"a no about the index", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob)
		a.attests(t, a.carl, failedRebuild, only("index"))
		return a.threeOf(t)
	}, 3, "carl rebuilt " + assetA + " and " + assetB + " and got other bytes"},
	{"a no that is ignored", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob)
		a.attests(t, a.carl, failedRebuild)
		r := a.threeOf(t)
		r.IgnoreFailed = true
		return r
	}, 0, "note: carl says that the rebuild differs (carl.rebuild.sigstore.json): ignored"},
	{"yes and no by one", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.bob)
		a.put("bob-later.rebuild.sigstore.json", a.bundle(t, a.bob, failedRebuild))
		r := a.threeOf(t)
		r.IgnoreFailed = true
		return r
	}, 5, "1 of 2 required: ann; other bytes: bob; missing: carl"},
	{"not a bundle", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.put("bob.rebuild.sigstore.json", []byte("hello"))
		return a.threeOf(t)
	}, 4, "expected a Sigstore bundle, got a file that is not JSON"},
	{"not a bundle, and of nobody listed", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.put("zed.rebuild.sigstore.json", []byte("hello"))
		return a.threeOf(t)
	}, 5, "zed.rebuild.sigstore.json does not count"},
	{"a signature over a tarball", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.put("bob.rebuild.sigstore.json", a.dist[release.BundleFile].Data)
		return a.threeOf(t)
	}, 4, "got a signature over a file"},
	{"referrers and files of the caller", func(t *testing.T, a *arena) *verify.Rebuilders {
		layer := func(place string, data []byte) verify.SignatureLayer {
			return verify.SignatureLayer{Place: place, MediaType: sign.BundleMediaType, Read: func(context.Context) ([]byte, error) { return data, nil }}
		}
		statement, err := sign.ImageStatement(testIndex, sign.PredicateImage, json.RawMessage("{}"))
		if err != nil {
			t.Fatal(err)
		}
		a.images.beside = []verify.SignatureLayer{layer("referrer 1", a.bundle(t, a.ann)), layer("referrer 2", a.self.sign(t, statement)), layer("referrer 3", a.ann.sign(t, statement))}
		r := a.threeOf(t)
		r.Given = []verify.SignatureLayer{layer("bob", a.bundle(t, a.bob))}
		return r
	}, 0, "2 of 2 required: ann and bob"},
}

// identityCases are those of identities, which keys do not have.
var identityCases = []rebuilderCase{
	{"two patterns for one signer", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		a.attests(t, a.carl)
		pattern := func(name, re string) side {
			return side{name: name, entry: strings.Replace(strings.Replace(a.carl.entry, `"san"`, `"san_regexp"`, 1), "https://github.com/carl/rebuilds/.github/workflows/rebuild.yml@refs/heads/main", re, 1)}
		}
		return a.list(t, a.ann, pattern("one", `https://github\\.com/carl/.*`), pattern("two", `https://github\\.com/carl/rebuilds/.*`))
	}, 4, "lists this signer as both one and two"},
	{"a workflow of the signer at another tag", func(t *testing.T, a *arena) *verify.Rebuilders {
		a.attests(t, a.ann)
		other := keyless(t, "other", strings.Replace(job, "v1.0.0", "v0.9.0", 1))
		a.attests(t, other)
		return a.list(t, a.ann, other)
	}, 4, "refused as the rebuild of other: rebuild: signer: signed the release itself"},
}

// forge changes the signature's last byte, and leaves everything else.
func forge(t *testing.T, bundle []byte) []byte {
	t.Helper()
	return editJSON(t, bundle, func(m map[string]any) {
		s := m["dsseEnvelope"].(map[string]any)["signatures"].([]any)[0].(map[string]any)
		sig := []byte(s["sig"].(string))
		for i := range sig[:8] {
			sig[10+i] = 'A'
		}
		s["sig"] = string(sig)
	})
}

func testRebuilders(t *testing.T, real bool) {
	cases := rebuilderCases
	if real {
		cases = slices.Concat(cases, identityCases)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if real {
				t.Parallel() // most of the time is waiting for a log
			}
			a := newArena(t, real)
			r := c.make(t, a)
			var steps []verify.Result
			got := a.verify(t, func(in *verify.Input) {
				in.Rebuilders, in.Progress = r, func(s verify.Result) { steps = append(steps, s) }
			})
			out := got.Text()
			if got.ExitCode != c.exit || !strings.Contains(out, c.want) {
				t.Fatalf("exit code %d, expected %d and %q in\n%s", got.ExitCode, c.exit, c.want, out)
			}
			validate(t, got)
			for _, s := range got.Results {
				if s.Link == verify.LinkRebuilders && s.Cell != "" && len(s.Rebuilders) == 0 || s.Link != verify.LinkRebuilders && s.Status != verify.Pass {
					t.Errorf("got %+v", s)
				}
			}
			for _, ch := range got.Chains {
				if last := ch.Links[len(ch.Links)-1]; last.Link != verify.LinkRebuilders || (last.Status == verify.Pass) != (c.exit == 0) && c.exit != 3 && c.name != "one tarball of two" {
					t.Errorf("%s: got %+v", ch.Cell, last)
				}
			}
			if first := got.Results[0]; (first.Link == verify.LinkRebuilders) != (c.exit == 3) {
				t.Errorf("the first step is %+v", first)
			}
			if c.exit == 3 && (!strings.HasPrefix(got.Summary(), "rebuilt differently: ") || steps[len(steps)-1].Link != verify.LinkRebuilt) {
				t.Errorf("the no is not the first of\n%s", got.Summary())
			}
		})
	}
}

func TestRebuilders(t *testing.T) { testRebuilders(t, false) }

// TestRebuildersWithCertificates is the same with a real Sigstore's certificates,
// log entries and timestamps.
func TestRebuildersWithCertificates(t *testing.T) {
	realSigstore(t)
	testRebuilders(t, true)
}

// TestRebuildersSchema holds files to the published schema that the program accepts,
// and sees both refuse the others.
func TestRebuildersSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/rebuilders.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	key := keyed(t, "ann", newKey(t))
	const keyless = `"keyless": {"issuer": "https://login.example", "san": "a@example.com"}`
	for text, good := range map[string]bool{
		listOf(key): true,
		listOf(key, side{name: "bob", entry: keyless}):                                   true,
		`{"$schema": "x", "require": 1, "rebuilders": [{"name": "a", ` + keyless + `}]}`: true,
		`{"require": 0, "rebuilders": [{"name": "a", ` + keyless + `}]}`:                 false,
		`{"rebuilders": []}`:                                                              false,
		`{"rebuilders": [{"name": "a"}]}`:                                                 false,
		`{"rebuilders": [{"name": "a b", ` + keyless + `}]}`:                              false,
		`{"rebuilders": [{"name": "a", "nick": "b", ` + keyless + `}]}`:                   false,
		`{"rebuilders": [{"name": "a", ` + keyless + `, ` + key.entry + `}]}`:             false,
		`{"rebuilders": [{"name": "a", "keyless": {"issuer": "https://login.example"}}]}`: false,
		`{"rebuilders": [{"name": "a", "key": {"file": "a.pub", "pem": "x"}}]}`:           false,
		`{"rebuilders": [{"name": "a", "key": {}}]}`:                                      false,
		listOf(key, farmed("farm", 1, 2)):                                                 true,
		`{"rebuilders": [{"name": "a", "rebuilderd": {}}]}`:                               false,
		`{"rebuilders": [{"name": "a", "rebuilderd": {"keys": []}}]}`:                     false,
		`{"rebuilders": [{"name": "a", "rebuilderd": {"keys": ["aGk="]}}]}`:               false,
		`{"rebuilders": [{"name": "a", "rebuilderd": {"keys": [7]}}]}`:                    false,
		listOf(farmed("farm", 1, 1)):                                                      false,
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); (err == nil) != good {
			t.Errorf("schema: %v of %s", err, text)
		}
		if _, err := verify.ParseRebuilders("r.json", []byte(text), 0, func(string) ([]byte, error) { return nil, nil }); (err == nil) != good {
			t.Errorf("program: %v of %s", err, text)
		}
	}
}

// TestNoRebuilders holds that without a file of rebuilders nothing changes: what they
// sign is part of a release, and nobody is told to ask.
func TestNoRebuilders(t *testing.T) {
	a := newArena(t, false)
	before := a.verify(t).Text()
	a.attests(t, a.ann)
	a.attests(t, a.bob, failedRebuild)
	if after := a.verify(t).Text(); after != before {
		t.Errorf("got\n%s\nexpected\n%s", after, before)
	}
	a.put("eve.rebuild.sigstore.json", a.dist[assetA].Data)
	if after := a.verify(t); after.ExitCode != 5 || !strings.Contains(after.Text(), "eve.rebuild.sigstore.json: checksums.txt does not name it") {
		t.Errorf("an archive passes for a rebuild:\n%s", after.Text())
	}
}

// TestManyRebuildStatements has more statements than are read: what is left could be
// a no, and the report is incomplete.
func TestManyRebuildStatements(t *testing.T) {
	a := newArena(t, false)
	a.attests(t, a.ann)
	a.attests(t, a.bob)
	for i := range verify.MaxSignatureLayers {
		data := fmt.Appendf(nil, "{\"n\": %d}", i)
		a.images.beside = append(a.images.beside, verify.SignatureLayer{Place: "referrer", MediaType: sign.BundleMediaType, Read: func(context.Context) ([]byte, error) { return data, nil }})
	}
	verified := func() verify.Report {
		return a.verify(t, func(in *verify.Input) { in.Rebuilders = a.threeOf(t) })
	}
	if r := verified(); r.ExitCode != 5 || !strings.Contains(r.Text(), "only the first 1000 signatures and attestations were checked") {
		t.Errorf("got %d:\n%s", r.ExitCode, r.Summary())
	}
	a.images.beside = a.images.beside[:verify.MaxSignatureLayers-2]
	if r := verified(); r.ExitCode != 0 {
		t.Errorf("got %d:\n%s", r.ExitCode, r.Summary())
	}
	// The same of bytes.
	large := bytes.Repeat([]byte(" "), verify.MaxBundle)
	a.images.beside = nil
	for i := range byte(6) {
		a.images.beside = append(a.images.beside, verify.SignatureLayer{Place: "referrer", MediaType: sign.BundleMediaType, Read: func(context.Context) ([]byte, error) {
			return append(bytes.Clone(large[1:]), '0'+i), nil
		}})
	}
	if r := verified(); r.ExitCode != 5 || !strings.Contains(r.Text(), "bytes of signatures and attestations were checked") {
		t.Errorf("got %d:\n%s", r.ExitCode, r.Summary())
	}
	// One that cannot be read is named, and decides nothing if there are enough.
	a.images.beside = []verify.SignatureLayer{{Place: "referrer 7", MediaType: sign.BundleMediaType, Read: func(context.Context) ([]byte, error) { return nil, os.ErrClosed }}}
	if r := verified(); r.ExitCode != 0 || !strings.Contains(r.Text(), "referrer 7: "+os.ErrClosed.Error()) {
		t.Errorf("got %d:\n%s", r.ExitCode, r.Summary())
	}
}

// TestStatements has a digest of what rebuilders have signed that is the one of the
// report, and another one whenever that may decide something else.
func TestStatements(t *testing.T) {
	a := newArena(t, false)
	a.attests(t, a.ann)
	now, within := testTime.Add(time.Hour), 24*time.Hour
	seen := map[release.Digest]string{}
	look := func(what string, isNew bool) {
		t.Helper()
		in := a.input()
		in.Rebuilders = a.threeOf(t)
		in.Rebuilders.Now, in.Rebuilders.Within = now, within
		d, err := verify.Statements(t.Context(), in)
		if err != nil || d.IsZero() {
			t.Fatalf("%s: got %s, %v", what, d, err)
		}
		if _, known := seen[d]; known == isNew {
			t.Errorf("%s: got the digest of %q", what, seen[d])
		}
		seen[d] = what
		if r := a.verify(t, func(i *verify.Input) { i.Rebuilders = in.Rebuilders }); r.Statements != d {
			t.Errorf("%s: the report considered %s, expected %s", what, r.Statements, d)
		}
	}
	look("ann", true)
	now = now.Add(time.Hour)
	look("later", false)
	now = now.Add(30 * time.Hour)
	look("too late", true)
	now = now.Add(time.Hour)
	look("still too late", false)
	within = 0
	look("however old", false)
	a.attests(t, a.bob, failedRebuild)
	look("a no", true)
	carl := a.bundle(t, a.carl)
	a.images.beside = []verify.SignatureLayer{{Place: "referrer", MediaType: sign.BundleMediaType, Read: func(context.Context) ([]byte, error) { return carl, nil }}}
	look("a referrer", true)
	a.images.beside[0].Read = func(context.Context) ([]byte, error) { return nil, os.ErrClosed }
	look("a registry that fails", true)
	a.images.beside = nil
	look("as before", false)

	// What is asked for, too.
	digests := map[release.Digest]bool{}
	for i, list := range []string{listOf(a.ann, a.bob), listOf(a.ann, a.bob), listOf(a.ann, a.carl)} {
		for require := 1; require <= 2; require++ {
			r, err := verify.ParseRebuilders("file", []byte(list), require, nil)
			if err != nil {
				t.Fatal(err)
			}
			before := r.Digest()
			if digests[before] != (i == 1) {
				t.Errorf("list %d, %d required: %s", i, require, before)
			}
			digests[before] = true
			r.Now = now
			if r.Digest() != before {
				t.Error("the time is in the digest")
			}
			if r.IgnoreFailed = true; r.Digest() == before {
				t.Error("whether a no is ignored is not in the digest")
			}
			if r.IgnoreFailed, r.Within = false, time.Hour; r.Digest() == before {
				t.Error("the age is not in the digest")
			}
		}
	}

	// Nothing says which images to look at: there is no digest.
	delete(a.dist, release.RecordFile)
	in := a.input()
	in.Rebuilders = a.threeOf(t)
	if d, err := verify.Statements(t.Context(), in); err != nil || !d.IsZero() {
		t.Errorf("without release.json: got %s, %v", d, err)
	}
}

// FuzzRebuildStatement puts anything in the place of a signed rebuild. Nothing but
// what a listed rebuilder signed counts.
func FuzzRebuildStatement(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}]}}`))
	f.Add([]byte(`{"signed":{"_type":"link","name":"rebuild x","products":{},"materials":{}},"signatures":[]}`))
	var a *arena
	f.Fuzz(func(t *testing.T, data []byte) {
		if a == nil {
			a = newArena(t, false)
		}
		a.put("ann.rebuild.sigstore.json", data)
		r := a.verify(t, func(in *verify.Input) {
			in.Rebuilders, in.Images = a.list(t, a.ann, a.bob), verify.WithoutImages("not needed")
		})
		for _, s := range r.Results {
			if s.Link == verify.LinkRebuilders && s.Cell != "" && s.Rebuilders[0].Says == verify.SaysSame {
				t.Errorf("counts: %s", data)
			}
		}
	})
}

func TestRebuildersFileIsRefused(t *testing.T) {
	k := newKey(t)
	ann, bob := keyed(t, "ann", k), keyed(t, "bob", k)
	keyless := func(name, issuer, san string) side {
		return side{name: name, entry: fmt.Sprintf(`"keyless": {"issuer": %q, %s}`, issuer, san)}
	}
	const i = "https://login.example"
	for _, c := range []struct{ name, text, want string }{
		{"one key, two names", listOf(ann, bob), "r.json:2:24: rebuilders[1]: is the identity of ann too"},
		{"one identity, two names", listOf(keyless("ann", i, `"san": "a@example.com"`), keyless("bob", i, `"san": "a@example.com"`)), "r.json:2:28: rebuilders[1]: is the identity of ann too"},
		{"one workflow, two tags", listOf(keyless("ann", i, `"san": "https://f.example/a/b@v1"`), keyless("bob", i, `"san": "https://f.example/a/b@v2"`)), "is the identity of ann too"},
		{"a pattern that has another's identity", listOf(keyless("ann", i, `"san": "a@example.com"`), keyless("bob", i, `"san_regexp": ".*@example\\.com"`)), "is the identity of ann too"},
		{"one pattern twice", listOf(keyless("ann", i, `"san_regexp": ".*@example\\.com"`), keyless("bob", i, `"san_regexp": ".*@example\\.com"`)), "is the identity of ann too"},
		{"loose pattern", listOf(keyless("ann", i, `"san_regexp": ".*acme.*"`)), "r.json:1:44: rebuilders[0]: identity: subject alternative name: pattern \".*acme.*\" also matches strangers"},
		{"one worker, two names", listOf(farmed("ann", 1, 2), farmed("bob", 3, 2)), "r.json:2:31: rebuilders[1]: is the identity of ann too"},
		{"one worker, a signer's key too", listOf(keyed(t, "ann", edKey(t, 2)), farmed("bob", 3, 2)), "rebuilders[1]: is the identity of ann too"},
		{"a worker twice", listOf(farmed("ann", 2, 2)), "rebuilders[0].rebuilderd.keys[1]: duplicate key"},
		{"no worker", listOf(side{name: "ann", entry: `"rebuilderd": {"keys": []}`}), "rebuilders[0].rebuilderd.keys: expected at least one key"},
		{"not a worker's key", listOf(side{name: "ann", entry: `"rebuilderd": {"keys": ["aGk="]}`}), "rebuilders[0]: key \"aGk=\": expected 32 bytes in base64"},
		{"not a key", listOf(side{name: "ann", entry: `"key": {"pem": "x"}`}), "r.json:1:40: rebuilders[0]: trust root: public key: is not PEM"},
		{"no key file", listOf(side{name: "ann", entry: `"key": {"file": "x.pub"}`}), "r.json:1:40: rebuilders[0]: x.pub is not there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := verify.ParseRebuilders("r.json", []byte(c.text), 0, func(name string) ([]byte, error) { return nil, errors.New(name + " is not there") })
			if _, ok := errors.AsType[*release.Problems](err); !ok || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, expected %s", err, c.want)
			}
		})
	}
	// Patterns of different issuers, hosts and owners are different parties.
	good := listOf(keyless("a", i, `"san": "a@example.com"`), keyless("b", "https://other.example", `"san": "a@example.com"`), keyless("c", i, `"san_regexp": ".*@b\\.example\\.com"`), ann)
	r, err := verify.ParseRebuilders("r.json", []byte(good), 4, nil)
	if err != nil || !r.NeedsRoot() {
		t.Errorf("got %v", err)
	}
}
