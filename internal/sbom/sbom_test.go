package sbom

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what SPDX 2.3 demands
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

var update = flag.Bool("update", false, "write the golden files")

const testConfig = `{
  "project_name": "tool", "build_cmd": "true", "epoch": 1700000000,
  "artifacts": [{"src": "tool", "dest": "/app/tool"}],
  "lineages": [{"name": "lib2"}, {"name": "lib1", "suffix": "-lib1"}],
  "platforms": ["linux/amd64", "linux/arm/v7"],
  "image": {"repository": "example.org/acme/tool", "labels": {"org.opencontainers.image.licenses": "MIT"}}
}`

const testInputs = `{
  "schema": "facerec/inputs/v1", "go": "go1.26.8",
  "modules": [{"path": "example.org/Bind/lib", "version": "v0.1.0", "sum": "h1:abc="}],
  "compilers": [
    {"platform": "linux/amd64", "packages": [{"name": "gcc-12", "version": "12.2.0-14"}, {"name": "libc6-dev", "version": "2.36-9"}]},
    {"platform": "linux/amd64", "host": "arm64", "packages": [{"name": "gcc-12-x86-64-linux-gnu", "version": "12.2.0-14cross1"}]},
    {"platform": "linux/arm/v7", "packages": [{"name": "gcc-12-arm-linux-gnueabihf", "version": "12.2.0-14cross1"}]}
  ],
  "wants": [],
  "pins": [
    {"use": "lib1", "kind": "deb", "suite": "old", "name": "liba-dev", "arch": "amd64", "version": "1:1.0-1", "file": "a.deb", "size": 1, "sha256": "1111111111111111111111111111111111111111111111111111111111111111"},
    {"use": "lib1", "kind": "deb", "suite": "old", "name": "liba-dev", "arch": "armhf", "version": "1:1.0-1", "file": "b.deb", "size": 1, "sha256": "2222222222222222222222222222222222222222222222222222222222222222"},
    {"use": "lib2", "kind": "deb", "suite": "new", "name": "liba-dev", "arch": "amd64", "version": "2.0-1", "file": "c.deb", "size": 1, "sha256": "3333333333333333333333333333333333333333333333333333333333333333"},
    {"use": "models", "kind": "source", "suite": "old", "name": "liba", "version": "1.0-1", "file": "models.tar", "size": 1, "sha256": "4444444444444444444444444444444444444444444444444444444444444444"}
  ]
}`

func modelsLock() string {
	return `{"schema": "facerec/models/v1", "models": [
	  {"name": "net.dat", "sha256": "` + release.DigestBytes([]byte("weights")).Hex() + `", "licence": "CC0-1.0", "author": "A. Author"},
	  {"name": "far.dat", "sha256": "` + strings.Repeat("5", 64) + `", "licence": "CC0-1.0"}
	]}`
}

func testSubject(t testing.TB, cell string) Subject {
	t.Helper()
	conf, err := release.Parse("config.json", []byte(testConfig))
	if err != nil {
		t.Fatal(err)
	}
	cells, err := conf.Select(cell)
	if err != nil || len(cells) != 1 {
		t.Fatal(cells, err)
	}
	reg := func(name, body string) tarball.Entry {
		return tarball.Entry{Name: name, Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent([]byte(body))}
	}
	tree, err := tarball.NewTree([]tarball.Entry{
		reg("LICENSE", "MIT\n"), reg("net.dat", "weights"), reg("a<b> ü", "odd"), reg("a<b>_ü", "odd too"), reg("empty", ""), reg("fake", "\x7fELF and no more"),
		{Name: "d", Type: tarball.Dir, Mode: 0o755}, {Name: "d/link", Type: tarball.Symlink, Mode: 0o777, Link: "../LICENSE"},
		{Name: "d/hard", Type: tarball.Hardlink, Link: "LICENSE"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var locks Locks
	if err := locks.Read("inputs", []byte(testInputs)); err != nil {
		t.Fatal(err)
	}
	if err := locks.Read("models", []byte(modelsLock())); err != nil {
		t.Fatal(err)
	}
	hex := func(s string) release.Digest { return release.DigestBytes([]byte(s)) }
	return Subject{Config: conf, Version: "1.2.3", Cell: cells[0], Tree: tree, Locks: locks, Record: release.RecordCell{
		Lineage: cells[0].Lineage.Name, Platform: cells[0].Platform, Asset: conf.AssetName("1.2.3", cells[0]),
		Image: "127.0.0.1:5000/acme/tool:1.2.3", IndexDigest: hex("index"), ManifestDigest: hex("manifest"),
		Prefix: conf.Prefix("1.2.3", cells[0]), Recipe: "gnu-gzip-6",
		TarSHA256: release.HexDigest{Digest: hex("tar")}, FileSHA256: release.HexDigest{Digest: hex("file")},
	}}
}

func write(t testing.TB, s Subject) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	for _, cell := range []string{"lib1/linux/amd64", "lib2/linux/arm/v7"} {
		s := testSubject(t, cell)
		got := write(t, s)
		name := filepath.Join("testdata", release.SBOMFile(s.Record.Asset))
		if *update {
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from the golden file: see what changed with -update", name)
		}
		if !bytes.Equal(got, write(t, testSubject(t, cell))) {
			t.Error("written again, it differs")
		}
	}
}

// Files and what contains them are written without encoding/json, as it writes them.
func TestLinesAreAsEncoded(t *testing.T) {
	n := 0
	for line := range strings.Lines(string(write(t, testSubject(t, "lib1/linux/amd64")))) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), ",")
		var v any
		switch {
		case strings.HasPrefix(line, `{"SPDXID":"SPDXRef-File-`):
			v = &spdxFile{}
		case strings.HasPrefix(line, `{"spdxElementId":`):
			v = &relationship{}
		default:
			continue
		}
		n++
		if err := json.Unmarshal([]byte(line), v); err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		enc := json.NewEncoder(&again)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil || again.String() != line+"\n" {
			t.Errorf("got  %s\nwant %s%v", line, again.String(), err)
		}
	}
	if n < 20 {
		t.Errorf("only %d lines were compared", n)
	}
}

// Where the image was fetched from this time has no part in the document; what
// it is has.
func TestWhatCounts(t *testing.T) {
	s := testSubject(t, "lib1/linux/amd64")
	first := write(t, s)
	s.Record.Image = "oci-layout:elsewhere:1.2.3"
	if !bytes.Equal(first, write(t, s)) {
		t.Error("the place of the image changes the document")
	}
	s.Record.ManifestDigest = release.DigestBytes([]byte("another"))
	var a, b document
	for raw, d := range map[*document][]byte{&a: first, &b: write(t, s)} {
		if err := json.Unmarshal(d, raw); err != nil {
			t.Fatal(err)
		}
	}
	if a.Namespace == b.Namespace {
		t.Error("two documents have one namespace")
	}
}

var (
	idShape      = regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`)
	purlShape    = regexp.MustCompile(`^pkg:[a-z]+/[A-Za-z0-9._~:%/-]+@[A-Za-z0-9._~:%-]+(\?[a-z]+=[A-Za-z0-9._~:%-]+(&[a-z]+=[A-Za-z0-9._~:%-]+)*)?$`)
	purposes     = []string{"APPLICATION", "ARCHIVE", "CONTAINER", "FILE", "LIBRARY", "SOURCE"}
	relations    = []string{"BUILD_TOOL_OF", "CONTAINS", "COPY_OF", "DEPENDS_ON", "DESCRIBES", "GENERATED_FROM", "RUNTIME_DEPENDENCY_OF", "STATIC_LINK"}
	checksumSize = map[string]int{"SHA1": 40, "SHA256": 64}
)

// The rules of SPDX 2.3 that a document can break, read from its JSON.
func TestSpecification(t *testing.T) {
	for _, cell := range []string{"lib1/linux/amd64", "lib2/linux/arm/v7"} {
		var d document
		dec := json.NewDecoder(bytes.NewReader(write(t, testSubject(t, cell))))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&d); err != nil {
			t.Fatal(err)
		}
		if d.SPDXVersion != "SPDX-2.3" || d.DataLicense != "CC0-1.0" || d.SPDXID != "SPDXRef-DOCUMENT" || d.Creation.Created != "2023-11-14T22:13:20Z" {
			t.Errorf("head: %+v", d.Creation)
		}
		if strings.Contains(d.Namespace, "#") || !strings.HasPrefix(d.Namespace, "https://") {
			t.Errorf("namespace %q", d.Namespace)
		}
		ids := map[string]bool{idDocument: true}
		identify := func(id string) {
			if !idShape.MatchString(id) || ids[id] {
				t.Errorf("identifier %q is malformed or stands twice", id)
			}
			ids[id] = true
		}
		sums := func(what string, list []spdxChecksum, need ...string) {
			for _, s := range list {
				if len(s.Value) != checksumSize[s.Algorithm] {
					t.Errorf("%s: checksum %+v", what, s)
				}
				need = slices.DeleteFunc(need, func(n string) bool { return n == s.Algorithm })
			}
			if len(need) > 0 {
				t.Errorf("%s has no %v", what, need)
			}
		}
		for _, p := range d.Packages {
			identify(p.SPDXID)
			sums(p.Name, p.Checksums)
			if p.Name == "" || p.Download == "" || p.Concluded == "" || p.Declared == "" || p.Copyright == "" || !slices.Contains(purposes, p.Purpose) {
				t.Errorf("package %+v", p)
			}
			if p.FilesAnalyzed != (p.Verification != nil) {
				t.Errorf("package %s: verification code and filesAnalyzed do not agree", p.Name)
			}
			for _, r := range p.Refs {
				if r.Category != "PACKAGE-MANAGER" || r.Type != "purl" || !purlShape.MatchString(r.Locator) {
					t.Errorf("package %s: %+v", p.Name, r)
				}
			}
			for _, a := range p.Annotations {
				if a.Type != "OTHER" || a.Annotator != "Tool: releaser" || a.Date != d.Creation.Created || a.Comment == "" {
					t.Errorf("package %s: %+v", p.Name, a)
				}
			}
		}
		var all []string
		for _, f := range d.Files {
			identify(f.SPDXID)
			sums(f.Name, f.Checksums, "SHA1", "SHA256")
			if !strings.HasPrefix(f.Name, "./tool-1.2.3") {
				t.Errorf("file %q", f.Name)
			}
			all = append(all, f.Checksums[0].Value)
		}
		for _, r := range d.Relationships {
			if !ids[r.From] || !ids[r.To] || !slices.Contains(relations, r.Type) {
				t.Errorf("relationship %+v", r)
			}
		}
		slices.Sort(all)
		sum := sha1.Sum([]byte(strings.Join(all, ""))) //nolint:gosec // see the import
		i := slices.IndexFunc(d.Packages, func(p spdxPackage) bool { return p.SPDXID == idRelease })
		if got := d.Packages[i].Verification.Value; got != hex.EncodeToString(sum[:]) {
			t.Errorf("verification code %s", got)
		}
		if len(d.Files) != 7 { // six files and a hard link
			t.Errorf("%d files", len(d.Files))
		}
	}
}

// Each cell has the pins that it is made from, and no other's.
func TestPinsOfTheCell(t *testing.T) {
	for cell, want := range map[string][2]string{
		"lib1/linux/amd64":  {"liba-dev@1%3A1.0-1?arch=amd64&distro=old gcc-12@12.2.0-14 1111", "armhf 2222 3333 arm-linux"},
		"lib1/linux/arm/v7": {"liba-dev@1%3A1.0-1?arch=armhf&distro=old gcc-12-arm-linux-gnueabihf@12.2.0-14cross1 2222", "1111 3333"},
		"lib2/linux/amd64":  {"liba-dev@2.0-1?arch=amd64&distro=new 3333", "1111 2222"},
		"lib2/linux/arm/v7": {"gcc-12-arm", "liba-dev 1111 2222 3333"},
	} {
		text := strings.ReplaceAll(string(write(t, testSubject(t, cell))), "@1:1.0", "@1%3A1.0")
		for _, w := range append(strings.Fields(want[0]), "pkg:golang/example.org/Bind/lib@v0.1.0", "4444", `"licenseConcluded":"CC0-1.0"`, "pkg:generic/go@1.26.8") {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %s", cell, w)
			}
		}
		for _, w := range strings.Fields(want[1]) {
			if strings.Contains(text, w) {
				t.Errorf("%s: has %s", cell, w)
			}
		}
	}
}

// What a compiler's packages put into the program is no tool.
func TestCompilerLibraries(t *testing.T) {
	var d document
	if err := json.Unmarshal(write(t, testSubject(t, "lib1/linux/amd64")), &d); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range d.Relationships {
		for _, name := range []string{"SPDXRef-Tool-gcc-12-", "SPDXRef-Tool-libc6-dev-"} {
			if strings.HasPrefix(r.From, name) || strings.HasPrefix(r.To, name) {
				got[name] += r.Type
			}
		}
	}
	if got["SPDXRef-Tool-gcc-12-"] != "BUILD_TOOL_OF" || got["SPDXRef-Tool-libc6-dev-"] != "DEPENDS_ON" {
		t.Errorf("got %v", got)
	}
}

// A Go program's modules are those that the go command lists.
func TestGoModules(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command to compare with")
	}
	listed, err := exec.Command(goTool, "version", "-m", self).Output()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	s := testSubject(t, "lib1/linux/amd64")
	if s.Tree, err = tarball.NewTree([]tarball.Entry{{Name: "prog", Type: tarball.Regular, Mode: 0o755, Content: tarball.BytesContent(raw)}}); err != nil {
		t.Fatal(err)
	}
	s.Locks = Locks{}
	var d document
	if err := json.Unmarshal(write(t, s), &d); err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, p := range d.Packages {
		have[p.Name+"@"+p.Version] = true
	}
	deps := 0
	for line := range strings.Lines(string(listed)) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "dep" {
			deps++
			if !have[f[1]+"@"+f[2]] {
				t.Errorf("no %s@%s", f[1], f[2])
			}
		}
	}
	links := 0
	for _, r := range d.Relationships {
		if r.Type == "STATIC_LINK" {
			links++
		}
	}
	if links != deps+1 { // and the standard library
		t.Errorf("%d modules are linked, want %d", links, deps+1)
	}
	if d.Files[0].Types[0] != "BINARY" {
		t.Errorf("types %v", d.Files[0].Types)
	}
}

func TestLockRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                                "unexpected end",
		`{}`:                              `schema "" is not known`,
		`{"schema": "facerec/inputs/v2"}`: "expected facerec/inputs/v1 or facerec/models/v1",
		`{"schema": 1}`:                   "cannot unmarshal",
		`{"schema": "facerec/inputs/v1", "pins": [{"name": "x"}]}`:                                    "expected name, version and sha256",
		`{"schema": "facerec/inputs/v1", "pins": [{"name": "x", "version": "1", "sha256": "SHORT"}]}`: "hexadecimal",
		`{"schema": "facerec/models/v1", "models": [{"name": "x"}]}`:                                  "expected name and sha256",
	} {
		var l Locks
		if err := l.Read("x.json", []byte(text)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.json") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The project's own lock files can be read.
func TestOwnLocks(t *testing.T) {
	var l Locks
	for _, name := range []string{"../../inputs.lock.json", "../../models/models.lock.json"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Read(name, raw); err != nil {
			t.Error(err)
		}
	}
	if len(l.Pins) == 0 || len(l.Models) == 0 || len(l.Compilers) == 0 || l.Go == "" {
		t.Errorf("%d pins, %d models, %d compilers, go %q", len(l.Pins), len(l.Models), len(l.Compilers), l.Go)
	}
}

func FuzzLock(f *testing.F) {
	f.Add([]byte(testInputs))
	f.Add([]byte(modelsLock()))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := testSubject(t, "lib1/linux/amd64")
		s.Locks = Locks{}
		if s.Locks.Read("f", data) != nil {
			return
		}
		raw := write(t, s)
		var d document
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Packages {
			if !idShape.MatchString(p.SPDXID) {
				t.Errorf("identifier %q", p.SPDXID)
			}
		}
	})
}
