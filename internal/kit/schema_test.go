package kit

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"facerec/internal/release"
)

// TestManifestSatisfiesTheSchema holds kit.json of a kit with every kind of file to the
// published schema, and sees it refuse what is none.
func TestManifestSatisfiesTheSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/kit.schema.json")
	must(t, err)

	dir, images := releaseIn(t, "1.0.0", 1, 10)
	must(t, os.WriteFile(filepath.Join(dir, "a.rebuild.sigstore.json"), bundleAbout(t, "", release.DigestBytes(bytes.Repeat([]byte{1}, 10))), 0o600))
	in := input(t, images, dir)
	in.Sources = t.TempDir()
	must(t, os.WriteFile(filepath.Join(in.Sources, "config.json"), []byte("config"), 0o600))
	kit := create(t, in)
	k, err := Open(bytes.NewReader(kit), int64(len(kit)))
	must(t, err)
	must(t, check(t, kit, onDisk(t, kit)))
	roles := map[string]bool{}
	for _, f := range k.Manifest.Files {
		roles[f.Role] = true
	}
	if len(roles) != 12 { // all but RoleAsset
		t.Errorf("the kit has files of %d roles, expected 12: %v", len(roles), roles)
	}
	good := string(k.manifest)
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"the manifest":    {good, true},
		"a role":          {strings.Replace(good, `"role": "blob"`, `"role": "glob"`, 1), false},
		"a field more":    {strings.Replace(good, `"role": "blob"`, `"role": "blob", "more": 1`, 1), false},
		"another version": {strings.Replace(good, Schema, "releaser.kit/v2", 1), false},
		"a field less":    {strings.Replace(good, `"in_kit": true`, `"in": true`, 1), false},
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(c.text))
		must(t, err)
		if err := schema.Validate(doc); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
