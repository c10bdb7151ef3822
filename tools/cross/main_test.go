package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// project is a module with one package in these files.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.org/p\n\ngo 1.26\n"
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCheck(t *testing.T) {
	dir := project(t, map[string]string{
		"a.go":      "package p\n\nimport \"syscall\"\n\nvar flock = syscall.Flock\n",
		"big.go":    "package p\n\nvar big int = 1 << 40\n",
		"a_test.go": "package p\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) { t.Logf(\"%d\", \"text\"); _ = flock }\n",
	})
	for target, want := range map[string][]string{
		"linux/amd64":   {`a_test.go:5:36: (*testing.common).Logf format %d has arg "text" of wrong type string (printf)`},
		"linux/386":     {"big.go:3:15: cannot use 1 << 40 (untyped int constant 1099511627776) as int value in variable declaration (overflows)"},
		"windows/amd64": {"a.go:5:21: undefined: syscall.Flock"},
	} {
		found, err := check(dir, target, []string{"./..."})
		for i := range found {
			found[i] = strings.TrimPrefix(found[i], dir+string(filepath.Separator))
		}
		if err != nil || !slices.Equal(found, want) {
			t.Errorf("%s: got %q, %v, expected %q", target, found, err, want)
		}
	}
	for _, target := range []string{"linux", "linux/none"} {
		if found, err := check(dir, target, []string{"./..."}); err == nil && len(found) == 0 {
			t.Errorf("%s: expected an error", target)
		}
	}
}

func TestReport(t *testing.T) {
	var b strings.Builder
	report(&b, "linux/386", nil)
	report(&b, "windows/amd64", []string{"a.go:1:1: wrong"})
	if want := "cross: linux/386: ok\ncross: windows/amd64: a.go:1:1: wrong\n"; b.String() != want {
		t.Errorf("got %q, expected %q", b.String(), want)
	}
}
