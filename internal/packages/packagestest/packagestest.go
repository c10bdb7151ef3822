// Package packagestest makes packages for tests.
package packagestest

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// Package is a *packages.Package. Naming that would keep its own tests from using this
// one.
type Package interface {
	Job(out io.Writer) (tarball.Job, error)
	Finish(ctx context.Context, made tarball.Result, payload tarball.Content) (*tarball.Stream, error)
}

// Tree is what an image has below /app: files, directories, links, odd modes.
func Tree(t testing.TB) tarball.Tree {
	t.Helper()
	file := func(name string, mode uint32, content string) tarball.Entry {
		return tarball.Entry{Name: name, Type: tarball.Regular, Mode: mode, Content: tarball.BytesContent([]byte(content))}
	}
	dir := func(name string) tarball.Entry { return tarball.Entry{Name: name, Type: tarball.Dir, Mode: 0o755} }
	tree, err := tarball.NewTree([]tarball.Entry{
		file("tool", 0o755, "#!/bin/sh\necho tool 1.0.0\n"+strings.Repeat("# filler\n", 20_000)), file("LICENSE", 0o644, "MIT\n"), dir("man"), file("man/tool.1", 0o644, ".TH TOOL 1\n"),
		dir("docs"), file("docs/a", 0o640, "a\n"), dir("docs/more"), file("docs/more/empty", 0o644, ""),
		{Name: "docs/link", Type: tarball.Symlink, Link: "a"}, {Name: "docs/again", Type: tarball.Hardlink, Link: "docs/a"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// Record is a package of all that Tree has.
func Record(f release.PackageFormat, recipe string) release.RecordPackage {
	return release.RecordPackage{
		Format: f, Asset: "tool." + string(f), Recipe: recipe, Name: "tool", Maintainer: "A B <a@example.org>",
		Description: "a tool\nThat does things.\n\nAnd more.", Section: "utils", Licence: "MIT", Homepage: "https://example.org", Depends: []string{"sh", "cat"},
		Files: []release.PackageFile{{Src: "tool", Dest: "/usr/bin/tool"}, {Src: "man", Dest: "/usr/share/man/man1"}, {Src: "docs", Dest: "/usr/share/doc/tool"}, {Src: "LICENSE", Dest: "/usr/share/doc/tool/copyright"}},
	}
}

// Make gives a package's file, and what became of its payload.
func Make(t testing.TB, p Package) (tarball.Result, []byte) {
	t.Helper()
	var payload, file bytes.Buffer
	job, err := p.Job(&payload)
	if err != nil {
		t.Fatal(err)
	}
	made, err := tarball.Pack(t.Context(), []tarball.Job{job}, tarball.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Finish(t.Context(), made[0], tarball.BytesContent(payload.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	return made[0], file.Bytes()
}
