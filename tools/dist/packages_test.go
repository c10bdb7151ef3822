package main

import (
	"crypto/sha1" //nolint:gosec // what apk compares with
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"facerec/internal/inputs"
	"facerec/internal/release"
)

// TestPackagesInstall installs releaser's own packages: the .deb in a root file
// system of Debian that mmdebstrap makes, the .rpm with rpm --root. Every installed file
// is the image's, and the installed program runs there and verifies the release that it
// came from. There is no apk for Debian: that package is taken apart with tar, gzip and
// sha256sum, and installed only where there is one.
func TestPackagesInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("builds releaser and makes a root file system (-short)")
	}
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("installing packages into a root file system needs Linux and root")
	}
	for _, tool := range []string{"mmdebstrap", "rpm", "rpm2cpio", "tar", "gzip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s: make packages PACKAGES=test", tool)
		}
	}
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	host := filepath.Join(dir, "releaser")
	do(t, top, "go", "build", "-o", host, "./cmd/releaser")
	src := sources(t, top, filepath.Join(dir, "src"))
	cells := release.HostPlatform().String()
	do(t, src, host, "-q", "--config", "releaser.json", "build", "--cells", cells, "--out", "oci")
	do(t, src, host, "-q", "--config", "releaser.json", "pack", "--cells", cells, "--image", "oci-layout:oci", "--out", "dist")
	do(t, src, host, "-q", "keygen", "k")
	do(t, src, host, "-q", "sign", "dist", "--key", "k.key")
	asset := func(suffix string) string {
		found, err := filepath.Glob(filepath.Join(src, "dist", "*"+suffix))
		if err != nil || len(found) != 1 {
			t.Fatalf("expected one %s, got %q, %v", suffix, found, err)
		}
		return found[0]
	}
	// same compares what was installed with what the tarball has of the image.
	image := filepath.Join(dir, "image")
	if err := os.Mkdir(image, 0o755); err != nil {
		t.Fatal(err)
	}
	do(t, image, "tar", "--same-owner", "-xpzf", asset(".tar.gz"), "--strip-components=1")
	same := func(t *testing.T, root string, format release.PackageFormat) {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join(src, "dist", "release.json"))
		if err != nil {
			t.Fatal(err)
		}
		record, err := release.ParseRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		packages := record.Cells[0].Packages
		i := slices.IndexFunc(packages, func(p release.RecordPackage) bool { return p.Format == format })
		if i < 0 {
			t.Fatalf("release.json has no %s", format)
		}
		compared := 0
		for _, f := range packages[i].Files {
			from := filepath.Join(image, f.Src)
			err := filepath.WalkDir(from, func(at string, _ fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				compared++
				to := filepath.Join(root, f.Dest, strings.TrimPrefix(at, from))
				if a, b := inode(t, at), inode(t, to); a != b {
					t.Errorf("%s: expected %s, got %s", to, a, b)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if compared < 40 {
			t.Errorf("%d files compared", compared)
		}
	}
	// verified runs the installed program in root, over the release that it is of.
	verified := func(t *testing.T, root string) {
		t.Helper()
		for _, name := range []string{"dist", "oci", "k.pub"} {
			do(t, src, "cp", "-r", name, filepath.Join(root, "tmp"))
		}
		if text := do(t, dir, "chroot", root, "/usr/bin/releaser", "version"); !strings.HasPrefix(text, "releaser 0.1.0 (") {
			t.Errorf("the installed program says %q", text)
		}
		text := do(t, dir, "chroot", root, "/usr/bin/releaser", "-q", "verify", "/tmp/dist", "--image", "oci-layout:/tmp/oci", "--key", "/tmp/k.pub", "--unsafe-no-transparency-log")
		if !strings.Contains(text, "\nverified: 1 cell of releaser 0.1.0") || strings.Count(text, "  repackaged  ") != 3 {
			t.Errorf("the installed program does not verify its release:\n%s", text)
		}
	}
	// installed looks for what a person expects besides the program.
	installed := func(t *testing.T, root, zsh string) {
		t.Helper()
		for name, says := range map[string]string{
			"usr/share/man/man1/releaser-verify.1":              ".TH",
			"usr/share/bash-completion/completions/releaser":    "complete",
			zsh + "/_releaser":                                  "#compdef releaser",
			"usr/share/fish/vendor_completions.d/releaser.fish": "complete",
			"usr/share/doc/releaser/copyright":                  "MIT License",
			"usr/share/doc/releaser/LICENCES.md":                "github.com/spf13/cobra",
			"usr/share/doc/releaser/docs/packagers.md":          "# For packagers",
		} {
			b, err := os.ReadFile(filepath.Join(root, name))
			if err != nil || !strings.Contains(string(b), says) {
				t.Errorf("%s: expected %q in it: %v", name, says, err)
			}
		}
	}

	t.Run("deb", func(t *testing.T) {
		root := filepath.Join(t.TempDir(), "debian")
		entry, err := (&inputs.Store{Say: t.Logf}).DebianSources("bookworm")
		if err != nil {
			t.Skipf("no archive to make a root file system from: %v", err)
		}
		list := filepath.Join(dir, "debian.sources")
		if err := os.WriteFile(list, []byte(entry), 0o600); err != nil {
			t.Fatal(err)
		}
		do(t, dir, "mmdebstrap", "--quiet", "--variant=essential", "--mode=root", "bookworm", root, list)
		do(t, src, "cp", asset(".deb"), filepath.Join(root, "tmp", "releaser.deb"))
		do(t, dir, "chroot", root, "dpkg", "-i", "/tmp/releaser.deb")
		if out := do(t, dir, "chroot", root, "dpkg", "--verify", "releaser"); out != "" {
			t.Errorf("dpkg --verify: %s", out)
		}
		if out := do(t, dir, "chroot", root, "dpkg-query", "-W", "-f", "${Package} ${Version} ${Status}", "releaser"); out != "releaser 0.1.0 install ok installed" {
			t.Errorf("dpkg-query: %s", out)
		}
		installed(t, root, "usr/share/zsh/vendor-completions")
		same(t, root, release.Deb)
		do(t, dir, "chroot", root, "bash", "-n", "/usr/share/bash-completion/completions/releaser")
		verified(t, root)
		do(t, dir, "chroot", root, "dpkg", "--purge", "releaser")
		if left := do(t, root, "find", "usr", "-name", "*releaser*"); left != "" {
			t.Errorf("left behind: %s", left)
		}
	})

	t.Run("rpm", func(t *testing.T) {
		root := filepath.Join(t.TempDir(), "root")
		if err := os.MkdirAll(filepath.Join(root, "tmp"), 0o755); err != nil {
			t.Fatal(err)
		}
		rpm := func(args ...string) string { return do(t, dir, "rpm", append([]string{"--root", root}, args...)...) }
		file := asset(".rpm")
		if out := do(t, dir, "rpm", "--checksig", "--nosignature", file); !strings.HasSuffix(out, ": digests OK\n") {
			t.Errorf("rpm --checksig: %s", out)
		}
		if out := do(t, dir, "rpm", "-qp", "--scripts", file); out != "" {
			t.Errorf("the package has scripts: %s", out)
		}
		rpm("--initdb")
		rpm("--install", file)
		if out := rpm("--verify", "releaser"); out != "" {
			t.Errorf("rpm --verify: %s", out)
		}
		if out := rpm("-q", "releaser"); !strings.HasPrefix(out, "releaser-0.1.0-1.") {
			t.Errorf("rpm -q: %s", out)
		}
		installed(t, root, "usr/share/zsh/site-functions")
		same(t, root, release.RPM)
		verified(t, root)
		rpm("--erase", "releaser")
		if left := do(t, root, "find", "usr", "-name", "*releaser*"); left != "" {
			t.Errorf("left behind: %s", left)
		}
	})

	t.Run("apk", func(t *testing.T) {
		root := filepath.Join(t.TempDir(), "root")
		if err := os.MkdirAll(filepath.Join(root, "tmp"), 0o755); err != nil {
			t.Fatal(err)
		}
		// Two gzip members, of which tar reads one archive.
		do(t, root, "sh", "-c", "gzip -dc "+asset(".apk")+" | tar --warning=no-unknown-keyword -x")
		info, err := os.ReadFile(filepath.Join(root, ".PKGINFO"))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"pkgname = releaser\n", "pkgver = 0.1.0-r0\n", "license = MIT\n"} {
			if !strings.Contains(string(info), line) {
				t.Errorf("expected %q in .PKGINFO:\n%s", line, info)
			}
		}
		_, datahash, _ := strings.Cut(strings.TrimSpace(string(info)), "datahash = ")
		file, err := os.ReadFile(asset(".apk"))
		if err != nil {
			t.Fatal(err)
		}
		data := strings.Index(string(file[1:]), "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03") + 1
		if got := release.DigestBytes(file[data:]).Hex(); got != datahash {
			t.Errorf("datahash: expected %s, got %s", datahash, got)
		}
		program, err := os.ReadFile(filepath.Join(root, "usr/bin/releaser"))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha1.Sum(program) //nolint:gosec // the format's
		list := do(t, root, "sh", "-c", "gzip -dc "+asset(".apk")+" | grep -a -c 'APK-TOOLS.checksum.SHA1="+hex.EncodeToString(sum[:])+"'")
		if strings.TrimSpace(list) != "1" {
			t.Errorf("the program's SHA-1 is not in its extended header")
		}
		installed(t, root, "usr/share/zsh/site-functions")
		same(t, root, release.APK)
		verified(t, root)
	})

	t.Run("apk installs", func(t *testing.T) {
		if _, err := exec.LookPath("apk"); err != nil {
			t.Skip("no apk: Debian has no apk-tools")
		}
		root := t.TempDir()
		if err := os.Mkdir(filepath.Join(root, "tmp"), 0o755); err != nil {
			t.Fatal(err)
		}
		arch, err := release.PackageArch(release.APK, release.HostPlatform())
		if err != nil {
			t.Fatal(err)
		}
		apk := func(args ...string) string {
			return do(t, dir, "apk", append([]string{"--root", root, "--repositories-file", os.DevNull, "--no-network"}, args...)...)
		}
		apk("--initdb", "--arch", arch, "--allow-untrusted", "add", asset(".apk"))
		if out := apk("audit", "--system"); out != "" {
			t.Errorf("apk audit: %s", out)
		}
		installed(t, root, "usr/share/zsh/site-functions")
		same(t, root, release.APK)
		verified(t, root)
		apk("del", "releaser")
		if left := do(t, root, "find", ".", "-name", "*releaser*", "-not", "-path", "./tmp/*"); left != "" {
			t.Errorf("left behind: %s", left)
		}
	})
}

// inode is what an installed file has: type, mode, owner, and bytes or target.
func inode(t *testing.T, name string) string {
	t.Helper()
	i, err := os.Lstat(name)
	if err != nil {
		t.Error(err)
		return "nothing"
	}
	what := ""
	switch {
	case i.Mode().IsRegular():
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		what = release.DigestBytes(content).Hex()
	case i.Mode()&fs.ModeSymlink != 0:
		if what, err = os.Readlink(name); err != nil {
			t.Fatal(err)
		}
	}
	return strings.TrimSpace(do(t, filepath.Dir(name), "stat", "-c", "%A %u:%g", name)) + " " + what
}
