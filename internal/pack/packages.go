package pack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"

	"facerec/internal/atomicfile"
	"facerec/internal/packages"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

// layOut lays out the packages that the configuration asks for.
func (c *cell) layOut(in *Input) error {
	for _, p := range in.Config.PackagesOf(c.cell) {
		r, err := p.Record(in.Version, c.cell)
		if err != nil {
			return fmt.Errorf("%s package: %w", p.Format, err)
		}
		c.record.Packages = append(c.record.Packages, r)
	}
	slices.SortFunc(c.record.Packages, func(a, b release.RecordPackage) int { return cmp.Compare(a.Asset, b.Asset) })
	for _, r := range c.record.Packages {
		k, err := packages.New(r, in.Version, c.cell.Platform, c.tree)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Asset, err)
		}
		c.packages = append(c.packages, k)
	}
	return nil
}

// payloads are the compressed contents of packages, on their way into a spool.
type payloads struct {
	jobs  []tarball.Job
	which []payload
	pipes []*io.PipeWriter
	all   sync.WaitGroup
}

type payload struct {
	record  *release.RecordPackage
	pkg     *packages.Package
	content tarball.Content
	err     error
}

func newPayloads(cells []cell, spool *tarball.Spool) (*payloads, error) {
	p := &payloads{}
	for i := range cells {
		for k, pkg := range cells[i].packages {
			p.which = append(p.which, payload{record: &cells[i].record.Packages[k], pkg: pkg})
		}
	}
	for i := range p.which {
		r, w := io.Pipe()
		job, err := p.which[i].pkg.Job(w)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", p.which[i].record.Asset, err), p.end(err))
		}
		p.jobs, p.pipes = append(p.jobs, job), append(p.pipes, w)
		p.all.Go(func() {
			p.which[i].content, p.which[i].err = spool.Add(r)
			_ = r.CloseWithError(p.which[i].err) // never fails
		})
	}
	return p, nil
}

// end closes the pipes and waits for what is in them. err is what the work came to.
func (p *payloads) end(err error) error {
	for _, w := range p.pipes {
		_ = w.CloseWithError(err) // never fails
	}
	p.all.Wait()
	for _, x := range p.which {
		if err == nil && x.err != nil {
			return fmt.Errorf("%s: %w", x.record.Asset, x.err)
		}
	}
	return nil
}

// write puts the packages around their payloads.
func (p *payloads) write(ctx context.Context, dir string, made []tarball.Result) error {
	for i, x := range p.which {
		s, err := x.pkg.Finish(ctx, made[i], x.content)
		if err != nil {
			return fmt.Errorf("%s: %w", x.record.Asset, err)
		}
		h := release.NewHasher()
		err = atomicfile.Write(filepath.Join(dir, x.record.Asset), 0o644, func(w io.Writer) error {
			_, err := s.WriteTo(io.MultiWriter(w, h))
			return err
		})
		if err != nil {
			return err
		}
		x.record.FileSHA256, x.record.FileSize = release.HexDigest{Digest: h.Digest()}, s.Size()
	}
	return nil
}
