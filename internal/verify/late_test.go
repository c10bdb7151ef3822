package verify_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"facerec/internal/tarball"
	"facerec/internal/verify"
)

// TestLateFiles has tarballs compared while the image is made into one, which is
// when nobody watches, and hashed before: the report must be the same.
func TestLateFiles(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		edit func(s *small, in *verify.Input)
		code int
	}{
		{"as signed", func(*small, *verify.Input) {}, 0},
		{"cut short", func(s *small, _ *verify.Input) { f := s.dist[assetB]; f.Data = f.Data[:len(f.Data)-1] }, 3},
		{"empty", func(s *small, _ *verify.Input) { s.dist[assetB].Data = nil }, 3},
		{"a byte more", func(s *small, _ *verify.Input) { s.dist[assetB].Data = append(slices.Clone(s.dist[assetB].Data), 0) }, 3},
		{"another last byte", func(s *small, _ *verify.Input) {
			f := slices.Clone(s.dist[assetB].Data)
			f[len(f)-1] ^= 1
			s.dist[assetB].Data = f
		}, 3},
		{"missing", func(s *small, _ *verify.Input) { delete(s.dist, assetB) }, 5},
		{"another image", func(s *small, _ *verify.Input) {
			s.images.trees[s.record.Cells[1].ManifestDigest] = s.images.trees[s.record.Cells[0].ManifestDigest]
		}, 3},
		{"no image", func(s *small, _ *verify.Input) { s.images.err = boom }, 1},
		{"no layers", func(s *small, _ *verify.Input) { s.images.layers = boom }, 1},
		{"not packed", func(_ *small, in *verify.Input) {
			in.Packer = func(context.Context, []tarball.Job, tarball.Options) ([]tarball.Result, error) { return nil, boom }
		}, 1},
		{"packed twice", func(_ *small, in *verify.Input) { // as batch does when others fail
			in.Packer = func(ctx context.Context, jobs []tarball.Job, o tarball.Options) ([]tarball.Result, error) {
				if _, err := tarball.Pack(ctx, jobs, o); err != nil {
					return nil, err
				}
				return tarball.Pack(ctx, jobs, o)
			}
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSmall(t)
			edit := func(in *verify.Input) { c.edit(s, in) }
			late := s.verify(t, edit)
			s = newSmall(t)
			watched := 0
			before := s.verify(t, edit, func(in *verify.Input) { in.Progress = func(verify.Result) { watched++ } })
			if late.ExitCode != c.code || watched == 0 {
				t.Errorf("exit code %d, expected %d:\n%s", late.ExitCode, c.code, late.Text())
			}
			for i, r := range late.Results {
				if r.Subject == "" {
					t.Errorf("result %d says nothing", i+1)
				}
			}
			// What is about no cell names the key, which is another in each run.
			if got, want := outcomes(late), outcomes(before); !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, expected %v", got, want)
			}
		})
	}
}

func outcomes(r verify.Report) (out []verify.Result) {
	for _, s := range r.Results {
		if s.Cell != "" {
			out = append(out, s)
		}
	}
	return out
}
