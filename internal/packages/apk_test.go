package packages

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what apk notes
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// installedByAPK is what apk-tools wrote when it installed the golden package.
const installedByAPK = "testdata/apk-installed.txt"

// TestInstalledByAPK holds the package to what apk-tools noted of it: its checksum,
// its metadata, and every directory, file, mode and digest.
func TestInstalledByAPK(t *testing.T) {
	r := aRecord(release.APK)
	p, _, file := makePackage(t, r, "1.0.0", aTree(t))
	segments, err := controlSegments(bytes.NewReader(file), int64(len(file)))
	if err != nil || len(segments) != 1 {
		t.Fatalf("%v, %v", segments, err)
	}
	short := func(sum []byte) string { return "Q1" + base64.StdEncoding.EncodeToString(sum) }
	control := sha1.Sum(file[:segments[0].end]) //nolint:gosec // the format's
	first, _ := p.summary()
	var want strings.Builder
	fmt.Fprintf(&want, "C:%s\nP:%s\nV:1.0.0-r0\nA:x86_64\nS:%d\nI:%d\nT:%s\nU:%s\nL:%s\no:%s\nm:%s\nD:%s\n", short(control[:]), r.Name,
		len(file), p.installedSize(), first, r.Homepage, r.Licence, r.Name, r.Maintainer, strings.Join(r.Depends, " "))
	dir := ""
	for _, e := range byDirectory(p.tree.Entries()) {
		if d := path.Dir(e.Name); e.Type != tarball.Dir && d != dir {
			t.Fatalf("%s comes after the directory %s", e.Name, dir)
		}
		if e.Type == tarball.Dir {
			dir = e.Name
			fmt.Fprintf(&want, "F:%s\n", dir)
			continue
		}
		mode := e.Mode
		fmt.Fprintf(&want, "R:%s\n", path.Base(e.Name))
		if mode != 0o644 { // the one that it takes for granted
			fmt.Fprintf(&want, "a:0:0:%o\n", mode)
		}
		sum, err := apk{}.checksum(e)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := hex.DecodeString(sum)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&want, "Z:%s\n", short(raw))
	}
	got, err := os.ReadFile(installedByAPK)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String()+"\n" {
		t.Errorf("apk-tools noted\n%s\nexpected\n%s", got, &want)
	}
}

// byDirectory has the files of each directory right behind it, as apk notes them.
func byDirectory(all []tarball.Entry) (out []tarball.Entry) {
	for _, d := range all {
		if d.Type != tarball.Dir {
			continue
		}
		out = append(out, d)
		for _, e := range all {
			if e.Type != tarball.Dir && path.Dir(e.Name) == d.Name {
				out = append(out, e)
			}
		}
	}
	return out
}
