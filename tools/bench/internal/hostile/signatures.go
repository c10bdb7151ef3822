package hostile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// certificate signs itself and has n names.
func certificate(n int) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	for i := range n {
		c.DNSNames = append(c.DNSNames, fmt.Sprintf("%d.example", i))
		c.PermittedDNSDomains = append(c.PermittedDNSDomains, fmt.Sprintf("%d.example", i))
	}
	return x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
}

// signatureInputs are hostile bundles and trusted roots. Many begin as a good
// bundle, so that they come far.
func signatureInputs() []Input {
	deep := strings.Repeat("[", 450_000)
	entry := `{"logIndex":"1","logId":{"keyId":"` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `"},"kindVersion":{"kind":"hashedrekord","version":"0.0.1"},"integratedTime":"1","canonicalizedBody":"%s","inclusionProof":{"logIndex":"1","rootHash":"","treeSize":"2","hashes":[%s],"checkpoint":{"envelope":"%s"}}}`
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	var out []Input
	const signer, root = " --key OURS/k.pub --unsafe-no-transparency-log", " --certificate-identity https://example.org/a --certificate-oidc-issuer https://example.org"
	calls := []string{"verify-blob OURS/dist/checksums.txt --bundle b.json" + signer, "verify-blob OURS/dist/checksums.txt --bundle b.json" + root, "verify dist --offline" + signer, "verify-image oci-layout:image:1.0.0" + signer, "verify-image oci-layout:image:1.0.0" + root}
	bundle := func(name string, make func(d *Dir, good map[string]any) string) {
		out = append(out, Input{Name: "bundle: " + name, Calls: calls, Build: func(d *Dir) {
			var good map[string]any
			d.own("dist/checksums.txt.sigstore.json", &good)
			if d.Err != nil {
				return
			}
			data := []byte(make(d, good))
			d.File("b.json", data)
			d.CopyOwn("dist", "dist")
			d.File("dist/checksums.txt.sigstore.json", data)
			d.signed("image", data, 1)
		}})
	}
	with := func(name, field, raw string) {
		bundle(name, func(d *Dir, good map[string]any) string {
			material, _ := good["verificationMaterial"].(map[string]any)
			if material == nil {
				material = map[string]any{}
			}
			if field == "x509CertificateChain" || field == "certificate" {
				delete(material, "publicKey")
			}
			material[field] = json.RawMessage(raw)
			good["verificationMaterial"] = material
			b, err := json.Marshal(good)
			d.Err = err
			return string(b)
		})
	}
	bundle("nested 150,000 deep", func(*Dir, map[string]any) string { return `{"mediaType":` + deep[:150_000] })
	bundle("40,000 keys", func(*Dir, map[string]any) string { return "{" + many(20_000, ",", numbered(`"k%d":1`)) + "}" })
	bundle("a string of 300 kB", func(*Dir, map[string]any) string { return `{"mediaType":"` + strings.Repeat("a", 300*kB) + `"}` })
	bundle("100,000 empty lines of JSON", func(*Dir, map[string]any) string { return strings.Repeat("{}\n", 100_000) })
	bundle("a list of 100,000 attestations", func(*Dir, map[string]any) string {
		return `{"attestations":[` + many(100_000, ",", same("{}")) + "]}"
	})
	bundle("100 lines of good bundles of another file", func(d *Dir, good map[string]any) string {
		good["messageSignature"] = map[string]any{"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": b64(strings.Repeat("0", 32))}, "signature": b64(strings.Repeat("0", 70))}
		b, err := json.Marshal(good)
		d.Err = err
		return strings.Repeat(string(b)+"\n", 100)
	})
	with("100,000 empty log entries", "tlogEntries", "["+many(100_000, ",", same("{}"))+"]")
	with("300 log entries", "tlogEntries", "["+many(300, ",", same(fmt.Sprintf(entry, b64("{}"), "", "")))+"]")
	with("a log entry with 6,000 hashes", "tlogEntries", "["+fmt.Sprintf(entry, b64("{}"), many(6_000, ",", same(`"`+b64(strings.Repeat("0", 32))+`"`)), "")+"]")
	with("a log entry's body nested 100,000 deep", "tlogEntries", "["+fmt.Sprintf(entry, b64(`{"apiVersion":"0.0.1","kind":"hashedrekord","spec":`+deep[:100_000]), "", "")+"]")
	with("a log entry's body of 60,000 keys", "tlogEntries", "["+fmt.Sprintf(entry, b64(`{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{`+many(15_000, ",", numbered(`"k%d":{}`))+"}}"), "", "")+"]")
	with("a checkpoint of 10,000 signatures", "tlogEntries", "["+fmt.Sprintf(entry, b64("{}"), "", `a\n2\n`+b64(strings.Repeat("0", 32))+`\n\n`+many(4_000, "", same(`— a `+b64(strings.Repeat("0", 40))+`\n`)))+"]")
	with("100,000 empty certificates", "x509CertificateChain", `{"certificates":[`+many(100_000, ",", same("{}"))+"]}")
	with("1,000 timestamps", "timestampVerificationData", `{"rfc3161Timestamps":[`+many(1_000, ",", same(`{"signedTimestamp":"`+b64(strings.Repeat("0", 150))+`"}`))+"]}")
	with("a timestamp of 200 kB of lists in lists", "timestampVerificationData", `{"rfc3161Timestamps":[{"signedTimestamp":"`+b64(strings.Repeat("\x30\x80", 100_000))+`"}]}`)
	for _, n := range []int{4_000} {
		bundle(fmt.Sprintf("a certificate with %d names and constraints", n), func(d *Dir, good map[string]any) string {
			der, err := certificate(n)
			if d.Err = err; err != nil {
				return ""
			}
			good["verificationMaterial"] = map[string]any{"x509CertificateChain": map[string]any{"certificates": []any{map[string]any{"rawBytes": der}}}}
			b, err := json.Marshal(good)
			d.Err = err
			return string(b)
		})
	}
	bundle("an envelope with 100,000 signatures", func(*Dir, map[string]any) string {
		return `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"a"}},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[` + many(100_000, ",", same("{}")) + "]}}"
	})
	for _, k := range []struct{ name, statement string }{
		{"a statement nested 200,000 deep", `{"_type":"https://in-toto.io/Statement/v1","predicate":` + deep[:200_000]},
		{"a statement with 3,000 subjects", `{"_type":"https://in-toto.io/Statement/v1","subject":[` + many(2_000, ",", same(`{"name":"a","digest":{"sha256":"`+strings.Repeat("0", 64)+`"}}`)) + `]}`},
		{"a statement with 80,000 empty subjects", `{"_type":"https://in-toto.io/Statement/v1","subject":[` + many(80_000, ",", same(`{}`)) + `]}`},
	} {
		bundle(k.name, func(*Dir, map[string]any) string {
			return `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"a"}},"dsseEnvelope":{"payload":"` + b64(k.statement) + `","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"` + b64("0") + `"}]}}`
		})
	}
	for _, k := range []struct{ name, text string }{
		{"nested 450,000 deep", `{"mediaType":` + deep},
		{"300,000 empty logs", `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[` + many(300_000, ",", same("{}")) + `]}`},
		{"300,000 empty authorities", `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","certificateAuthorities":[` + many(300_000, ",", same("{}")) + `]}`},
		{"an authority of 300,000 empty certificates", `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","certificateAuthorities":[{"certChain":{"certificates":[` + many(300_000, ",", same("{}")) + `]}}]}`},
		{"300,000 lines", strings.Repeat("{}\n", 300_000)},
	} {
		out = append(out, Input{Name: "trusted root: " + k.name, Build: func(d *Dir) { d.File("root.json", []byte(k.text)) },
			Calls: []string{"verify-blob OURS/dist/checksums.txt --bundle OURS/dist/checksums.txt.sigstore.json --trusted-root root.json" + root, "trust show --trusted-root root.json"}})
	}
	out = append(out, Input{Name: "key: 900 kB", Build: func(d *Dir) {
		d.File("k.pub", []byte("-----BEGIN PUBLIC KEY-----\n"+strings.Repeat("QUFB\n", 180_000)+"-----END PUBLIC KEY-----\n"))
	}, Calls: []string{"verify-blob OURS/dist/checksums.txt --bundle OURS/dist/checksums.txt.sigstore.json --key k.pub", "sign OURS/dist --key k.pub"}})
	return out
}

// signed writes a layout whose image has n referrers, each with the bundle.
func (d *Dir) signed(layout string, bundle []byte, n int) {
	layers := []layer{good(0)}
	image := d.manifest(layout, config(layers, ""), layers, "")
	list := []string{strings.TrimSuffix(image, "}") + tagged("1.0.0") + "}"}
	const media = "application/vnd.dev.sigstore.bundle.v0.3+json"
	l := d.stored(layout, media, bundle, "")
	empty := d.stored(layout, "application/vnd.oci.empty.v1+json", []byte("{}"), "")
	m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":%s,"layers":[%s],"subject":%s}`, mediaManifest, media, empty, many(n, ",", same(l)), image)
	list = append(list, d.stored(layout, mediaManifest, []byte(m), fmt.Sprintf(`,"artifactType":%q`, media)))
	d.top(layout, list...)
}
