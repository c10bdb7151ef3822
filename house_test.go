// Package house checks the code base against its own plan: which room may
// import which. Arrows run downwards only; docs/architecture.md draws them.
package house

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ground holds the rooms that every other may import.
var ground = []string{"internal/text", "internal/atomicfile"}

// plan lists, for every package of the module, the packages of the module that
// it may import besides the ground. It is text, so that a new line moves no
// other.
const plan = `
internal/text:
internal/text/texttest:
internal/atomicfile:
internal/executable:
internal/cache:
internal/retry:
internal/release:
internal/sums:
internal/dial:
internal/inflate:
internal/tarball: internal/inflate internal/release internal/sums
internal/checksum: internal/release
models:
internal/models: models
internal/app:
internal/oci: internal/dial internal/inflate internal/release internal/retry internal/tarball
internal/oci/layer: internal/oci internal/inflate internal/release internal/sums internal/tarball
internal/oci/build: internal/oci internal/executable internal/release internal/tarball
internal/oci/check: internal/oci internal/oci/layer internal/executable internal/release internal/tarball
internal/oci/ocitest: internal/tarball
internal/packages/packagestest: internal/release internal/tarball
internal/sbom: internal/release internal/tarball
internal/sign: internal/release internal/checksum
internal/packages: internal/release internal/tarball
internal/verify: internal/release internal/tarball internal/checksum internal/packages
internal/pack: internal/packages internal/oci internal/oci/layer internal/oci/build internal/sbom internal/verify internal/release internal/tarball internal/checksum
internal/batch: internal/release internal/tarball internal/verify
internal/attest: internal/rebuild internal/pack internal/sign internal/verify internal/oci internal/checksum internal/release
internal/trust: internal/release
internal/rebuild: internal/pack internal/executable internal/oci internal/tarball internal/verify internal/release
internal/publish: internal/dial internal/release internal/retry internal/checksum
internal/kit: internal/oci internal/publish internal/verify internal/checksum internal/release internal/tarball
internal/steps: internal/attest internal/publish internal/pack internal/oci internal/oci/layer internal/oci/check internal/sign internal/verify internal/tarball internal/release internal/retry
internal/discover: internal/release internal/sbom
internal/dlib: internal/app internal/app/picture
internal/heif: internal/app/picture
toolchain:
internal/inputs: internal/executable internal/release internal/models models toolchain
internal/loopback: internal/inputs
cmd/facerec: internal/app internal/app/picture internal/app/xmp internal/cache internal/dlib internal/heif internal/models models
cmd/releaser: internal/kit internal/batch internal/rebuild internal/steps internal/attest internal/pack internal/packages internal/release internal/tarball internal/checksum internal/oci internal/oci/layer internal/oci/build internal/oci/check internal/publish internal/discover internal/retry internal/sbom internal/sign internal/trust internal/verify
tools/inputs: internal/inputs internal/release internal/models models toolchain
tools/container: internal/inputs internal/release internal/tarball internal/oci internal/oci/build
tools/demo: internal/release internal/loopback
tools/bench: internal/release internal/tarball internal/sbom internal/loopback internal/loopback/farm
tools/reprotest: internal/release
tools/loopback-tool: internal/loopback
tools/native: internal/inputs toolchain
tools/gates: internal/loopback internal/release
tools/dist: internal/atomicfile internal/release internal/loopback
tools/cross:
tools/skips:
tools/cipass: internal/release
tools/cleanup: internal/retry
tools/schedule:
tools/tag: internal/release
tools/workflows: internal/loopback internal/release
tools/install:
tools/trusted-root: internal/release internal/trust internal/verify
`

// rooms reads the plan.
func rooms(t *testing.T) map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(strings.TrimSpace(plan)) {
		room, below, found := strings.Cut(strings.TrimSpace(line), ":")
		if _, twice := out[room]; twice || !found {
			t.Fatalf("plan: expected one line ROOM: IMPORTS… for each room, got %q", line)
		}
		out[room] = append(strings.Fields(below), ground...)
	}
	return out
}

// only names the sole importers of what must stay behind one door.
var only = map[string][]string{
	"github.com/google/go-containerregistry": {"internal/oci", "internal/oci/build", "internal/oci/ocitest", "internal/loopback"},
	"github.com/sigstore/sigstore-go":        {"internal/sign", "internal/trust", "internal/verify", "internal/loopback"},
	"github.com/theupdateframework/go-tuf":   {"internal/trust", "internal/loopback"},
	"github.com/google/go-github":            {"internal/publish", "tools/cleanup"},
	"github.com/Kagami/go-face":              {"internal/dlib"},
	"github.com/gen2brain":                   {"internal/heif"},
	"github.com/tetratelabs/wazero":          {"internal/heif"},
}

// thirdParty lists the outside modules that a room near the ground may import;
// rooms that are not listed may import any.
var thirdParty = map[string][]string{
	"internal/text":       {},
	"internal/atomicfile": {"golang.org/x/text/unicode/norm", "golang.org/x/sys/unix"},
	"internal/release":    {},
	"internal/sums":       {},
	"internal/retry":      {},
	"internal/inflate":    {},
	"internal/tarball":    {"golang.org/x/sync", "github.com/klauspost/compress/zstd", "github.com/therootcompany/xz"},
	"internal/checksum":   {},
	"internal/packages":   {},
	"internal/sbom":       {},
	"internal/cache":      {},
	"internal/models":     {},
	"internal/app":        {"golang.org/x/image", "golang.org/x/text"},
}

func TestArrowsRunDownwards(t *testing.T) {
	out, err := exec.Command("go", "list", "-tags", "dlib,nodynamic", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	rooms := rooms(t)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		room := strings.TrimPrefix(fields[0], "facerec/")
		if room == "facerec" {
			continue
		}
		base := room
		for _, parent := range []string{"internal/app/", "internal/dlib/", "internal/tarball/", "internal/loopback/", "internal/executable/", "tools/bench/"} { // a room's own test kits
			if strings.HasPrefix(room, parent) {
				base = strings.TrimSuffix(parent, "/")
			}
		}
		allowed, known := rooms[base]
		if !known {
			t.Errorf("%s is a room without a place in the house: add it to rooms, or put its code elsewhere", room)
			continue
		}
		for _, imported := range fields[1:] {
			if below, ours := strings.CutPrefix(imported, "facerec/"); ours {
				if below != base && !strings.HasPrefix(below, base+"/") && !slices.Contains(allowed, below) {
					t.Errorf("%s imports %s: it may import only %v", room, below, allowed)
				}
				continue
			}
			for module, doors := range only {
				if strings.HasPrefix(imported, module) && !slices.Contains(doors, base) {
					t.Errorf("%s imports %s, which only %v may", room, imported, doors)
				}
			}
			if list, limited := thirdParty[base]; limited && strings.Contains(strings.Split(imported, "/")[0], ".") {
				if !slices.ContainsFunc(list, func(m string) bool { return strings.HasPrefix(imported, m) }) {
					t.Errorf("%s imports %s: outside the standard library it may import only %v", room, imported, list)
				}
			}
		}
	}
}

// TestClock checks that only cmd asks what time it is: a signature's time is its
// timestamp's, so a wrong clock changes no verdict.
func TestClock(t *testing.T) {
	asks := regexp.MustCompile(`\btime\.(Now|Since|Until)\b`)
	read := 0
	err := filepath.WalkDir("internal", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(filepath.ToSlash(path), "internal/loopback/") {
			return err
		}
		raw, err := os.ReadFile(path)
		if read++; asks.Match(raw) {
			t.Errorf("%s asks for the time: take it as an argument", path)
		}
		return err
	})
	if err != nil || read < 100 {
		t.Errorf("%d files read, %v", read, err)
	}
}
