package house

import (
	"os"
	"strings"
	"testing"

	"facerec/internal/release"
)

// TestOwnConfig checks the names of what this repository releases: users have them
// in scripts.
func TestOwnConfig(t *testing.T) {
	data, err := os.ReadFile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := release.Parse("config.json", data)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, cell := range c.Cells() {
		got = append(got, c.AssetName("1.0.0", cell)+" "+c.Prefix("1.0.0", cell))
	}
	want := []string{
		"facerec_1.0.0_linux_amd64.tar.gz facerec-1.0.0",
		"facerec_1.0.0_linux_arm64.tar.gz facerec-1.0.0",
		"facerec_1.0.0_linux_armv7.tar.gz facerec-1.0.0",
		"facerec_1.0.0_linux_amd64-dlib19.tar.gz facerec-1.0.0-dlib19",
		"facerec_1.0.0_linux_arm64-dlib19.tar.gz facerec-1.0.0-dlib19",
		"facerec_1.0.0_linux_armv7-dlib19.tar.gz facerec-1.0.0-dlib19",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("expected\n%s\ngot\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
}
