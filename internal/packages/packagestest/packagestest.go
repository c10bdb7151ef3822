// Package packagestest makes packages for tests.
package packagestest

import (
	"bytes"
	"context"
	"io"
	"testing"

	"facerec/internal/tarball"
)

// Package is a *packages.Package. Naming that would keep its own tests from using this
// one.
type Package interface {
	Job(out io.Writer) (tarball.Job, error)
	Finish(ctx context.Context, made tarball.Result, payload tarball.Content) (*tarball.Stream, error)
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
