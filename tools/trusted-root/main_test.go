package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/trust"
	"facerec/internal/verify"
)

const emptyRoot = `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`

// fakeNPM puts a program called npm first in the path, which answers as npm does
// with a package that has these seeds.
func fakeNPM(t *testing.T, seeds, integrity string) {
	t.Helper()
	var tgz bytes.Buffer
	zw := gzip.NewWriter(&tgz)
	tw := tar.NewWriter(zw)
	if err := tw.WriteHeader(&tar.Header{Name: "package/seeds.json", Mode: 0o644, Size: int64(len(seeds))}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write([]byte(seeds)); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	if integrity == "" {
		sum := sha512.Sum512(tgz.Bytes())
		integrity = "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
	}
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nset -e\ncd '%s'\nif [ $1 = pack ]; then cp p.tgz \"$5/p.tgz\"; cat pack.json; else cat time.json; fi\n", dir)
	for name, text := range map[string]string{
		"npm": script, "p.tgz": tgz.String(), "time.json": `{"9.9.9": "2026-11-05T00:19:12.345000+00:00"}`,
		"pack.json": fmt.Sprintf(`[{"version":"9.9.9","integrity":%q,"filename":"p.tgz"}]`, integrity),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func seedsOf(t *testing.T, mirror string, tufRoot int, target string) string {
	t.Helper()
	root := fmt.Sprintf(`{"signed":{"version":%d,"expires":"2028-01-01T00:00:00Z"}}`, tufRoot)
	b, err := json.Marshal(map[string]any{mirror: map[string]any{"root.json": []byte(root), "targets": map[string][]byte{"trusted_root.json": []byte(target)}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// copyOfCarried is a directory with the two files as they are committed.
func copyOfCarried(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../internal/verify/roots")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRenew(t *testing.T) {
	dir := copyOfCarried(t)
	fakeNPM(t, seedsOf(t, trust.PublicGood, 99, emptyRoot), "")
	var out, errs bytes.Buffer
	if err := run(t.Context(), []string{"--dir", dir}, &out, &errs); err != nil {
		t.Fatal(err)
	}
	c, err := readRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	if string(c.data) != emptyRoot || c.record.Version != "9.9.9" || c.record.TUFRoot.Version != 99 || c.record.Published.Year() != 2026 {
		t.Errorf("got %+v", c.record)
	}
	for _, want := range []string{"+ package    @sigstore/tuf 9.9.9\n", "+ TUF root   99, until 2028-01-01T00:00:00Z\n", "\n- " + verify.KindAuthority} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s, want %q in it", out.String(), want)
		}
	}
	out.Reset()
	if err := run(t.Context(), []string{"--dir", dir}, &out, &errs); err != nil || strings.ContainsAny(out.String(), "+") || strings.Contains(out.String(), "\n-") {
		t.Errorf("again: got %v\n%s, want no difference", err, out.String())
	}
}

// TestRenewRefuses leaves the committed files as they are.
func TestRenewRefuses(t *testing.T) {
	for name, c := range map[string]struct{ seeds, integrity, want string }{
		"another package": {seedsOf(t, trust.PublicGood, 99, emptyRoot), "sha512-AAAA", "integrity: expected sha512-AAAA"},
		"older":           {seedsOf(t, trust.PublicGood, 3, emptyRoot), "", "older than"},
		"another mirror":  {seedsOf(t, "https://mirror.example", 99, emptyRoot), "", "has no root.json"},
		"no trusted root": {seedsOf(t, trust.PublicGood, 99, "{}"), "", "trust root"},
		"no JSON":         {"x", "", "seeds.json"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyOfCarried(t)
			before, err := readRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			fakeNPM(t, c.seeds, c.integrity)
			var out bytes.Buffer
			if err := run(t.Context(), []string{"--dir", dir}, &out, &out); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			after, err := readRoot(dir)
			if err != nil || !bytes.Equal(before.data, after.data) || before.record != after.record {
				t.Errorf("the files have changed: %+v, %v", after.record, err)
			}
			if left, err := filepath.Glob(filepath.Join(dir, ".trusted-root-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
