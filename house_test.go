// Package house holds the code base to its own plan: which room may import
// which. Arrows run downwards only:
//
//	cmd → {oci, sign, trust, verify, publish, dlib} → {tarball, checksum, models, app} → {release, inflate}
package house

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms lists, for every package of the module, the packages of the module
// that it may import.
var rooms = map[string][]string{
	"internal/text":       {},
	"internal/atomicfile": {},
	"internal/release":    {"internal/text"},
	"internal/inflate":    {},
	"internal/tarball":    {"internal/inflate", "internal/release", "internal/text"},
	"internal/checksum":   {"internal/release", "internal/text"},
	"models":              {},
	"internal/models":     {"models"},
	"internal/app":        {"internal/text", "internal/atomicfile"},
	"internal/oci":        {"internal/inflate", "internal/release", "internal/tarball", "internal/text", "internal/atomicfile"},
	"internal/sbom":       {"internal/release", "internal/tarball", "internal/text"},
	"internal/sign":       {"internal/release", "internal/checksum", "internal/text"},
	"internal/verify":     {"internal/release", "internal/tarball", "internal/checksum", "internal/text", "internal/atomicfile"},
	"internal/trust":      {"internal/release", "internal/text", "internal/atomicfile"},
	"internal/dlib":       {"internal/app", "internal/app/picture"},
	"toolchain":           {},
	"internal/inputs":     {"internal/models", "models", "toolchain"},
	"internal/measure":    {},
	"internal/loopback":   {},
	"internal/benchset":   {"internal/loopback", "internal/measure"},
	"cmd/releaser":        {"internal/text", "internal/atomicfile", "internal/release", "internal/tarball", "internal/checksum", "internal/oci", "internal/sbom", "internal/sign", "internal/trust", "internal/verify"},
	"cmd/facerec":         {"internal/app", "internal/app/picture", "internal/atomicfile", "internal/dlib", "internal/models", "internal/text", "models"},
	"tools/inputs":        {"internal/inputs", "internal/release", "internal/models", "models", "toolchain"},
	"tools/container":     {"internal/inputs", "internal/release"},
	"tools/demo":          {"internal/release", "internal/loopback"},
	"tools/bench":         {"internal/release", "internal/loopback", "internal/measure"},
	"tools/reprotest":     {"internal/release"},
	"tools/gates":         {"internal/loopback", "internal/release", "internal/text"},
	"tools/trusted-root":  {"internal/trust", "internal/verify"},
	"tools/bench-archive": {"internal/benchset", "internal/measure"},
	"tools/bench-verify":  {"internal/benchset", "internal/loopback", "internal/measure"},
	"tools/bench-facerec": {"internal/measure"},
}

// only names the sole importers of what must stay behind one door.
var only = map[string][]string{
	"github.com/google/go-containerregistry": {"internal/oci", "internal/loopback"},
	"github.com/sigstore/sigstore-go":        {"internal/sign", "internal/trust", "internal/verify", "internal/loopback"},
	"github.com/theupdateframework/go-tuf":   {"internal/trust", "internal/loopback"},
	"github.com/Kagami/go-face":              {"internal/dlib"},
}

// thirdParty lists the outside modules that a room near the ground may import;
// rooms that are not listed may import any.
var thirdParty = map[string][]string{
	"internal/text":       {},
	"internal/atomicfile": {},
	"internal/release":    {},
	"internal/inflate":    {},
	"internal/tarball":    {"golang.org/x/sync"},
	"internal/checksum":   {},
	"internal/sbom":       {},
	"internal/models":     {},
	"internal/app":        {"golang.org/x/image"},
}

func TestArrowsRunDownwards(t *testing.T) {
	out, err := exec.Command("go", "list", "-tags", "dlib", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		room := strings.TrimPrefix(fields[0], "facerec/")
		if room == "facerec" {
			continue
		}
		base := room
		for _, parent := range []string{"internal/app/", "internal/dlib/", "internal/tarball/", "internal/loopback/"} { // a room's own test kits
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
