package verify_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/verify"
)

// legacy is the bundle of a message as cosign before version 3 writes it.
func legacy(t *testing.T, f *forger, bundle map[string]any) map[string]any {
	t.Helper()
	entry := bundle["verificationMaterial"].(map[string]any)["tlogEntries"].([]any)[0].(map[string]any)
	return map[string]any{
		"base64Signature": bundle["messageSignature"].(map[string]any)["signature"],
		"cert":            f.pem(),
		"rekorBundle": map[string]any{
			"SignedEntryTimestamp": entry["inclusionPromise"].(map[string]any)["signedEntryTimestamp"],
			"Payload": map[string]any{
				"body": entry["canonicalizedBody"], "integratedTime": logTime.Unix(), "logIndex": 0, "logID": hex.EncodeToString(f.id()),
			},
		},
	}
}

const v03 = "application/vnd.dev.sigstore.bundle.v0.3+json"

// TestSeveralBundles: of the bundles of a file one that holds is enough, in every
// form that others write them in, and each refusal is listed.
func TestSeveralBundles(t *testing.T) {
	f := newForger(t)
	good, bad := f.message(v03, sums, true, true), f.message(v03, "other", true, true)
	old, badOld := legacy(t, f, good), legacy(t, f, bad)
	line := func(all ...any) []byte {
		var b bytes.Buffer
		for _, v := range all {
			b.Write(marshal(t, v))
			b.WriteByte('\n')
		}
		return b.Bytes()
	}
	member := func(v any) map[string]any { return map[string]any{"bundle": v, "predicateType": "x"} }
	for _, c := range []struct {
		name    string
		file    []byte
		refused int
		want    string // in the error; "" if one holds
	}{
		{"one", line(good), 0, ""},
		{"lines, second good", line(bad, good), 1, ""},
		{"lines, first good", line(good, bad), 0, ""},
		{"lines, DOS and blank", bytes.ReplaceAll(line(bad, good), []byte("\n"), []byte("\r\n\r\n")), 1, ""},
		{"lines, none good", line(bad, bad), 2, "line 2: signature: "},
		{"GitHub's API", line(map[string]any{"attestations": []any{member(bad), member(good)}}), 1, ""},
		{"GitHub's API, none good", line(map[string]any{"attestations": []any{member(bad), member(bad)}}), 2, "attestation 1: signature: "},
		{"list of members", line([]any{member(bad), member(good)}), 1, ""},
		{"list of bundles", line([]any{bad, good}), 1, ""},
		{"gh verify's output", line([]any{map[string]any{"attestation": map[string]any{"bundle": good}, "verificationResult": map[string]any{}}}), 0, ""},
		{"cosign 2", line(old), 0, ""},
		{"cosign 2, of another file", line(badOld), 1, "signature"},
		{"cosign 2 and 3", line(badOld, good), 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := verify.Blob(c.file, verify.Data(strings.NewReader(sums)), f.policy)
			var e *verify.Error
			switch {
			case c.want == "" && (err != nil || len(s.Refused) != c.refused):
				t.Errorf("got %v, %q, want %d refusals", err, s.Refused, c.refused)
			case c.want != "" && (!errors.As(err, &e) || e.Class != verify.Untrusted || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")):
				t.Errorf("got %v, want %q", err, c.want)
			case c.want != "" && c.refused > 1 && len(e.Refused) != c.refused:
				t.Errorf("got %q, want %d refusals", e.Refused, c.refused)
			}
		})
	}
	if _, err := verify.BlobOfRelease(line(bad, good), verify.Data(strings.NewReader(sums)), f.policy); err == nil {
		t.Error("a release's bundle may be several")
	}
	many := bytes.Repeat(line(bad), 101)
	if _, err := verify.Blob(many, verify.Data(strings.NewReader(sums)), f.policy); err == nil || !strings.Contains(err.Error(), "at most 100 bundles") {
		t.Errorf("got %v", err)
	}
	var once onceReader = []byte(sums)
	if _, err := verify.Blob(line(bad, good), verify.Data(&once), f.policy); err == nil || !strings.Contains(err.Error(), "read only once") {
		t.Errorf("got %v", err)
	}
}

type onceReader []byte

func (r *onceReader) Read(p []byte) (int, error) {
	if len(*r) == 0 {
		return 0, io.EOF
	}
	n := copy(p, *r)
	*r = (*r)[n:]
	return n, nil
}

// TestParts: a signature in separate files, in the forms in which cosign 2 writes
// them and Rekor gives the entry.
func TestParts(t *testing.T) {
	f := newForger(t)
	bundle := f.message(v03, sums, true, true)
	old := legacy(t, f, bundle)
	sig := bundle["messageSignature"].(map[string]any)["signature"].([]byte)
	text := []byte(base64.StdEncoding.EncodeToString(sig) + "\n")
	payload := old["rekorBundle"].(map[string]any)
	entry := payload["Payload"].(map[string]any)
	api := map[string]any{"body": entry["body"], "integratedTime": entry["integratedTime"], "logIndex": 0, "logID": entry["logID"],
		"verification": map[string]any{"signedEntryTimestamp": payload["SignedEntryTimestamp"], "inclusionProof": map[string]any{}}}
	cosigns, reKors := marshal(t, payload), marshal(t, map[string]any{"24296fb2": api})
	alone := f.policy
	alone.UnsafeNoTransparencyLog, alone.Protocol = true, false
	for _, c := range []struct {
		name   string
		parts  verify.Parts
		policy verify.Policy
		want   string
	}{
		{"signature", verify.Parts{Signature: text}, alone, ""},
		{"binary signature", verify.Parts{Signature: sig}, alone, ""},
		{"key in the certificate's place", verify.Parts{Signature: text, Certificate: f.pem()}, alone, ""},
		{"no log entry", verify.Parts{Signature: text}, f.policy, "transparency log: entries: expected at least 1, got none"},
		{"cosign's log entry", verify.Parts{Signature: text, LogEntry: cosigns}, f.policy, ""},
		{"Rekor's log entry", verify.Parts{Signature: text, LogEntry: reKors}, f.policy, ""},
		{"another's signature", verify.Parts{Signature: signASN1(t, newForger(t).signer, []byte(sums))}, alone, "signature"},
		{"empty signature", verify.Parts{}, alone, "signature: is empty"},
		{"PGP", verify.Parts{Signature: []byte("-----BEGIN PGP SIGNATURE-----\n")}, alone, "PGP"},
		{"minisign", verify.Parts{Signature: []byte("untrusted comment: x\n")}, alone, "minisign"},
		{"bundle as signature", verify.Parts{Signature: []byte("{}")}, alone, "--bundle"},
		{"huge signature", verify.Parts{Signature: bytes.Repeat([]byte("A"), 1<<20)}, alone, "at most"},
		{"not a certificate", verify.Parts{Signature: text, Certificate: []byte("x")}, alone, "certificate: expected PEM"},
		{"private key as certificate", verify.Parts{Signature: text, Certificate: []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}, alone, `got "PRIVATE KEY"`},
		{"two log entries", verify.Parts{Signature: text, LogEntry: []byte(`{"a":{},"b":{}}`)}, alone, "expected one entry"},
		{"deep log entry", verify.Parts{Signature: text, LogEntry: bytes.Repeat([]byte("["), 1000)}, alone, "deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.parts.Artifact = release.DigestBytes([]byte(sums))
			b, err := c.parts.Bundle()
			if err == nil {
				_, err = verify.Blob(b, verify.Data(strings.NewReader(sums)), c.policy)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestSeveralRoots: of the roots in one file each is tried alone.
func TestSeveralRoots(t *testing.T) {
	f, other := newForger(t), newForger(t)
	valid := map[string]any{"start": "2026-01-01T00:00:00Z"}
	mine, others := marshal(t, f.root(valid)), marshal(t, other.root(valid))
	bundle := marshal(t, f.message(v03, sums, true, true))
	join := func(lines ...[]byte) []byte { return append(bytes.Join(lines, []byte("\n")), '\n') }
	for _, c := range []struct {
		name    string
		file    []byte
		refused int
		want    string
	}{
		{"mine alone", join(mine), 0, ""},
		{"mine first", join(mine, others), 0, ""},
		{"mine second", join(others, mine), 1, ""},
		{"neither", join(others, others), 0, "with root 2: transparency log"},
		{"second broken", join(mine, []byte("{}")), 0, "line 2"},
		{"too many", bytes.Repeat(join(mine), 11), 0, "at most 10 roots"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := f.policy
			var err error
			var s verify.Signature
			if p.Root, err = verify.ParseTrustedRoot(c.file); err == nil {
				s, err = verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p)
			}
			if c.want == "" && (err != nil || len(s.Refused) != c.refused) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, %q, want %q", err, s.Refused, c.want)
			}
		})
	}
	both, err := verify.ParseTrustedRoot(join(mine, others))
	if err != nil || len(both.Contents()) != 2 {
		t.Errorf("got %v, %v, want both logs", both.Contents(), err)
	}
}

// TestGitHubPrivate: a certificate and a timestamp are enough where the caller
// says so by name, and only by the root of an instance without a log.
func TestGitHubPrivate(t *testing.T) {
	bundle, p := signKeyless(t, job, sums)
	bundle = editJSON(t, bundle, func(m map[string]any) {
		delete(m["verificationMaterial"].(map[string]any), "tlogEntries")
	})
	raw, err := os.ReadFile(shared.s.TrustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	private := editJSON(t, raw, func(m map[string]any) {
		delete(m, "tlogs")
		delete(m, "ctlogs")
	})
	compact := func(b []byte) []byte {
		var out bytes.Buffer
		if err := json.Compact(&out, b); err != nil {
			t.Fatal(err)
		}
		return append(out.Bytes(), '\n')
	}
	both := append(compact(raw), compact(private)...)
	noTime := editJSON(t, bundle, func(m map[string]any) {
		delete(m["verificationMaterial"].(map[string]any), "timestampVerificationData")
	})
	other := []verify.CertificateIdentity{{SAN: ann, Issuer: p.Identities[0].Issuer}}
	for _, c := range []struct {
		name   string
		bundle []byte
		root   []byte
		asked  bool
		ids    []verify.CertificateIdentity
		step   string // "" if it holds
	}{
		{"asked for", bundle, private, true, p.Identities, ""},
		{"asked for, with two roots", bundle, both, true, p.Identities, ""},
		{"not asked for", bundle, private, false, p.Identities, verify.CheckLog},
		{"root with a log", bundle, raw, true, p.Identities, verify.CheckTrustRoot},
		{"no timestamp", noTime, private, true, p.Identities, verify.CheckTimestamp},
		{"another identity", bundle, private, true, other, verify.CheckIdentity},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr, err := verify.ParseTrustedRoot(c.root)
			if err != nil {
				t.Fatal(err)
			}
			s, err := verify.Blob(c.bundle, verify.Data(strings.NewReader(sums)), verify.Policy{Root: tr, Identities: c.ids, GitHubPrivate: c.asked})
			var e *verify.Error
			switch {
			case c.step == "" && (err != nil || s.SCT || len(s.Unchecked) != 1 || !strings.Contains(s.Unchecked[0], "GitHub's private instance")):
				t.Errorf("got %+v, %v", s, err)
			case c.step != "" && (!errors.As(err, &e) || e.Check != c.step):
				t.Errorf("got %v, want a refusal at the %s", err, c.step)
			}
		})
	}
	k := newForger(t)
	k.policy.GitHubPrivate, k.policy.Protocol = true, false
	if _, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), k.policy); err == nil {
		t.Error("a managed key was accepted")
	}
}
