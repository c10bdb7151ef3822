package tarball

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
)

// Source is an archive that can be read from its beginning as often as needed.
type Source struct {
	Name   string
	Open   func() (io.ReadCloser, error)
	Layers *LayerMap // nil for what was not made from an image

	// Made is set where there is no file: the archive is what would be made of an
	// image or a directory. It is identical to any file with the same tar stream.
	Made bool
}

// FileSource is the archive in the first size bytes of r.
func FileSource(name string, r io.ReaderAt, size int64) Source {
	return Source{Name: name, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(r, 0, size)), nil
	}}
}

// TreeSource is the tar archive that would be made of a tree, not compressed; see
// the package comment for its bytes.
func TreeSource(name string, t Tree, prefix string) (Source, error) {
	s, err := newTarStream(t, prefix)
	if err != nil {
		return Source{}, err
	}
	src := FileSource(name, s, s.total)
	src.Made = true
	return src, nil
}

// maxLocated is for how many contents DiffSources looks for the first byte
// that differs.
const maxLocated = 1000

// maxPasses is how often both archives are read again for that: once if the
// contents that differ are in the same order in both.
const maxPasses = 3

// DiffSources reads both archives, at the same time, compares them as [Diff]
// does, and reads those whose contents differ once more to find the first
// bytes that do (for the first 1,000 of them; where the archives have them in
// another order, for those that a few passes meet). Memory grows with the number
// of entries, not with their sizes.
func DiffSources(ctx context.Context, a, b Source, l ArchiveLimits) (Difference, error) {
	var x [2]*Listing
	g, gctx := errgroup.WithContext(ctx)
	for i, s := range []Source{a, b} {
		g.Go(func() (err error) {
			x[i], err = s.index(gctx, l)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return Difference{}, err
	}
	r := Diff(x[0], x[1])
	r.A.Name, r.B.Name = a.Name, b.Name
	if (a.Made || b.Made) && r.Grade == SameTar && len(x[0].Problems)+len(x[1].Problems) == 0 {
		r.Grade, r.Causes = Identical, nil
	}
	if a.Made != b.Made {
		r.sayMade(map[bool]string{true: "a", false: "b"}[a.Made])
	}
	r.attribute(x[0], x[1], [2]*LayerMap{a.Layers, b.Layers})
	if err := locate(ctx, a, b, l, &r); err != nil {
		return Difference{}, err
	}
	return r, nil
}

// sayMade adds to causes that a side that is not an archive has neither owners nor times.
func (r *Difference) sayMade(side string) {
	for i, c := range r.Causes {
		switch c.Kind {
		case CauseOwner:
			r.Causes[i].Detail += "; " + side + " is not an archive: everything in it counts as owned by 0:0"
		case CauseTime:
			r.Causes[i].Detail += "; " + side + " is not an archive: everything in it counts as of time 0"
		}
	}
}

func (s Source) index(ctx context.Context, l ArchiveLimits) (*Listing, error) {
	r, err := s.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	x, err := List(ctxReader{ctx, r}, l)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return x, nil
}

// ctxReader fails once its context is done.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// errStop ends a walk before the end of the archive.
var errStop = errors.New("seen enough")

// locate fills in the offsets. Two walks hand each other the files in question
// in A's order; where B has them in another order, B is walked again from the
// beginning.
func locate(ctx context.Context, a, b Source, l ArchiveLimits, r *Difference) error {
	type spot struct {
		a, b  int
		field *FieldDiff
	}
	var spots []spot
	for i := range r.Entries {
		e := &r.Entries[i]
		for k := range e.Fields {
			f := &e.Fields[k]
			if f.Field == "content" && f.A != "" && f.B != "" && len(spots) < maxLocated {
				spots = append(spots, spot{e.a, e.b, f})
			}
		}
	}
	for pass := 0; len(spots) > 0 && pass < maxPasses; pass++ {
		// One pass takes the spots that rise in both archives.
		var now, later []spot
		for _, s := range spots {
			if len(now) == 0 || s.b > now[len(now)-1].b {
				now = append(now, s)
			} else {
				later = append(later, s)
			}
		}
		spots = later
		type pair struct{ a, b *io.PipeReader }
		read := make([]pair, len(now))
		writeA, writeB := make([]*io.PipeWriter, len(now)), make([]*io.PipeWriter, len(now))
		for i := range now {
			read[i].a, writeA[i] = io.Pipe()
			read[i].b, writeB[i] = io.Pipe()
		}
		var g errgroup.Group
		g.Go(func() error { return hand(ctx, a, l, writeA, func(k int) int { return now[k].a }) })
		g.Go(func() error { return hand(ctx, b, l, writeB, func(k int) int { return now[k].b }) })
		for i, s := range now {
			if off, ok := firstDifference(read[i].a, read[i].b); ok {
				s.field.Offset = &off
			}
			_, _ = read[i].a.Close(), read[i].b.Close() // the walks go on to the next
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// hand walks along s and writes the content of entry want(k) to pipe k, for
// every k in order. A reader that has seen enough closes its pipe.
func hand(ctx context.Context, s Source, l ArchiveLimits, pipes []*io.PipeWriter, want func(k int) int) error {
	k := 0
	defer func() {
		for ; k < len(pipes); k++ {
			_ = pipes[k].Close() // never fails
		}
	}()
	in, err := s.Open()
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	err = walk(ctxReader{ctx, in}, l, &Listing{}, func(i int, content io.Reader) error {
		for k < len(pipes) && want(k) < i {
			_ = pipes[k].Close() // a hard link has no content of its own
			k++
		}
		if k == len(pipes) {
			return errStop
		}
		if want(k) > i {
			return nil
		}
		_, err := io.Copy(pipes[k], content)
		if errors.Is(err, io.ErrClosedPipe) {
			err = nil
		}
		_ = pipes[k].CloseWithError(err)
		if k++; k == len(pipes) {
			return errStop
		}
		return err
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	if err = errors.Join(err, in.Close()); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	return nil
}

// firstDifference compares what two readers give, to the first byte that
// differs or is missing on one side.
func firstDifference(a, b io.Reader) (int64, bool) {
	bufA, bufB := make([]byte, 64<<10), make([]byte, 64<<10)
	off := int64(0)
	for {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		for i := range min(n, m) {
			if bufA[i] != bufB[i] {
				return off + int64(i), true
			}
		}
		if n != m {
			return off + int64(min(n, m)), true
		}
		off += int64(n)
		if errA != nil || errB != nil {
			return 0, false
		}
	}
}
