package inputs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/text"
)

// archiveWith makes an unsigned Debian archive with one package and gives its
// address and the package's file.
func archiveWith(t *testing.T, dir, version string) (uri, file string) {
	t.Helper()
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.RemoveAll(dir))
	tree := filepath.Join(dir, "tree")
	must(os.MkdirAll(filepath.Join(tree, "DEBIAN"), 0o755))
	must(os.MkdirAll(filepath.Join(dir, "dists/bookworm/main/binary-amd64"), 0o755))
	control := "Package: small\nVersion: " + version + "\nArchitecture: amd64\nMaintainer: nobody <nobody@localhost>\nDescription: a test\n"
	must(os.WriteFile(filepath.Join(tree, "DEBIAN/control"), []byte(control), 0o644))
	must(os.WriteFile(filepath.Join(tree, "content"), []byte("of "+version), 0o644))
	name := "small_" + version + "_amd64.deb"
	file = filepath.Join(dir, name)
	_, err := output(exec.Command("dpkg-deb", "--build", "--root-owner-group", tree, file))
	must(err)
	sum, size, err := hashFile(file)
	must(err)
	packages := control + fmt.Sprintf("Filename: %s\nSize: %d\nSHA256: %s\n\n", name, size, sum)
	must(os.WriteFile(filepath.Join(dir, "dists/bookworm/main/binary-amd64/Packages"), []byte(packages), 0o644))
	release := fmt.Sprintf("Suite: bookworm\nCodename: bookworm\nArchitectures: amd64\nComponents: main\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n %x %d main/binary-amd64/Packages\n", sha256.Sum256([]byte(packages)), len(packages))
	must(os.WriteFile(filepath.Join(dir, "dists/bookworm/Release"), []byte(release), 0o644))
	return "file://" + dir, file
}

// TestApt fetches with the real apt client out of an archive on disk: what is
// pinned, what the suite has moved past, and what is not the pinned file.
func TestApt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "archive")
	uri, file := archiveWith(t, dir, "1.0")
	sum, size, err := hashFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pin := Pin{Use: "u", Kind: "deb", Suite: "bookworm", Name: "small", Arch: "amd64", Version: "1.0", File: filepath.Base(file), Size: size, SHA256: sum}
	s := &Store{Dir: t.TempDir(), Mirror: uri, trusted: "yes", Say: t.Logf}
	deb, err := s.Get(t.Context(), pin)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if err := unpackDeb(t.Context(), deb, out); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(out, "content")); err != nil || string(b) != "of 1.0" {
		t.Errorf("%q, %v", b, err)
	}

	wrong := pin
	wrong.SHA256 = strings.Repeat("0", 64)
	var hash *WrongHash
	if _, err := s.Get(t.Context(), wrong); !errors.As(err, &hash) || hash.Got != sum || !strings.Contains(text.Hint(err), "relock") {
		t.Errorf("another hash: %v", err)
	}
	if _, there := s.cached(wrong.SHA256); there {
		t.Error("the wrong file is in the cache")
	}

	// The suite moves on: the pin is gone, and only a new pin helps.
	archiveWith(t, dir, "1.1")
	if _, err := s.Get(t.Context(), pin); err != nil {
		t.Errorf("the cache does not outlive the archive: %v", err)
	}
	s.Dir = t.TempDir()
	_, err = s.Get(t.Context(), pin)
	if err == nil || !strings.Contains(err.Error(), "small 1.0") || !strings.Contains(err.Error(), "moved on to 1.1") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a suite that moved on: %v", err)
	}
	want := Want{Use: "u", Kind: "deb", Suite: "bookworm", Name: "small", Arch: []string{"amd64"}}
	now, err := s.pinNow(t.Context(), want, "amd64", pin)
	if err != nil {
		t.Fatal(err)
	}
	if now.Version != "1.1" || now.File != "small_1.1_amd64.deb" || now.SHA256 == sum {
		t.Errorf("relocked to %+v", now)
	}
	if _, err := s.Get(t.Context(), now); err != nil {
		t.Error(err)
	}
	noLeftovers(t, s.Dir)

	// Without the test's own exception, apt refuses the unsigned archive.
	unsigned := &Store{Dir: t.TempDir(), Mirror: uri, Say: t.Logf}
	if _, err := unsigned.Get(t.Context(), now); err == nil || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("an unsigned archive: %v", err)
	}
}

// TestUnpack unpacks a package in the version that the suite has, with the real apt
// client and nothing installed.
func TestUnpack(t *testing.T) {
	uri, _ := archiveWith(t, filepath.Join(t.TempDir(), "archive"), "1.0")
	s := &Store{Dir: t.TempDir(), Mirror: uri, trusted: "yes"}
	for _, name := range []string{"small", "small=1.0"} {
		out := t.TempDir()
		if err := s.Unpack(t.Context(), "bookworm", []string{name}, out); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(out, "content")); err != nil || string(b) != "of 1.0" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for _, name := range []string{"small=2.0", "large"} {
		out := t.TempDir()
		if err := s.Unpack(t.Context(), "bookworm", []string{name}, out); err == nil || !strings.Contains(err.Error(), "packages of bookworm") {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := os.ReadDir(out); len(left) > 0 {
			t.Errorf("%s: unpacked %v", name, left)
		}
	}
	noLeftovers(t, s.Dir)
}
