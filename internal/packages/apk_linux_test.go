package packages

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// TestAPKInstalls has a real apk make a repository of our packages, and install from it.
func TestAPKInstalls(t *testing.T) {
	apk, err := exec.LookPath("apk")
	if err != nil {
		t.Skip("no apk: Debian has no apk-tools")
	}
	if os.Getuid() != 0 {
		t.Skip("installing packages needs root")
	}
	dir, root := t.TempDir(), t.TempDir()
	repository := filepath.Join(dir, "x86_64")
	if err := os.Mkdir(repository, 0o755); err != nil {
		t.Fatal(err)
	}
	var files []string
	put := func(r release.RecordPackage, v release.Version) *Package {
		t.Helper()
		p, _, file := makePackage(t, r, v, aTree(t))
		name := filepath.Join(repository, r.Name+"-"+p.version+".apk")
		if err := os.WriteFile(name, file, 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
		return p
	}
	for _, needed := range aRecord(release.APK).Depends {
		r := aRecord(release.APK)
		r.Name, r.Depends, r.Files = needed, nil, []release.PackageFile{{Src: "tool", Dest: "/usr/bin/" + needed}}
		put(r, "1.0.0")
	}
	put(aRecord(release.APK), "1.0.0-rc.1") // which is older
	p := put(aRecord(release.APK), "1.0.0")
	run(t, apk, append([]string{"index", "--allow-untrusted", "--output", filepath.Join(repository, "APKINDEX.tar.gz")}, files...)...)
	run(t, apk, append([]string{"verify", "--allow-untrusted"}, files...)...)
	run(t, apk, "--root", root, "--initdb", "--arch", "x86_64", "--repositories-file", os.DevNull, "--repository", dir, "--no-cache", "--no-network", "--allow-untrusted", "add", p.record.Name)
	if out := run(t, apk, "--root", root, "audit", "--system"); out != "" {
		t.Errorf("apk audit: %s", out)
	}
	noted, err := os.ReadFile(filepath.Join(root, "lib/apk/db/installed"))
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := os.ReadFile(installedByAPK)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(noted), string(recorded)) {
		t.Errorf("apk noted\n%s\nexpected in it\n%s", noted, recorded)
	}
	for _, e := range p.tree.Entries() {
		at := filepath.Join(root, e.Name)
		i, err := os.Lstat(at)
		if err != nil {
			t.Error(err)
			continue
		}
		if owner := i.Sys().(*syscall.Stat_t); owner.Uid != 0 || owner.Gid != 0 {
			t.Errorf("%s: owner %d:%d", e.Name, owner.Uid, owner.Gid)
		}
		if i.Mode().Perm() != fs.FileMode(e.Mode).Perm() {
			t.Errorf("%s: expected mode %04o, got %04o", e.Name, e.Mode, i.Mode().Perm())
		}
		switch e.Type {
		case tarball.Regular:
			if content, err := os.ReadFile(at); err != nil || release.DigestBytes(content) != e.Content.Digest() {
				t.Errorf("%s: other bytes, %v", e.Name, err)
			}
		case tarball.Symlink:
			if to, err := os.Readlink(at); err != nil || to != e.Link {
				t.Errorf("%s: leads to %q, %v", e.Name, to, err)
			}
		}
	}
}
