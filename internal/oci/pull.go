package oci

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"facerec/internal/release"
)

// defaultPulls is how many blobs are fetched at a time.
const defaultPulls = 4

// PullJob is one image to be pulled, and the tag that it gets in the layout, if
// any.
type PullJob struct {
	From Ref
	Tag  string
}

// Pull copies what references name into one new layout directory dir, manifests
// as the bytes they are, every blob checked, and with each what is attached to it.
// The caller moves dir to its place.
func Pull(ctx context.Context, jobs []PullJob, dir string, o TransferOptions) ([]Pushed, error) {
	w, err := NewLayoutWriter(dir)
	if err != nil {
		return nil, err
	}
	p := &puller{w: w, o: o, sizes: map[release.Digest]int64{}, blobs: map[release.Digest]bool{}, tops: map[string]bool{}}
	var out []Pushed
	for _, j := range jobs {
		got, err := p.pull(ctx, j)
		if err != nil {
			return nil, err
		}
		out = append(out, got)
		if o.Moved != nil {
			o.Moved(got)
		}
	}
	return out, w.Finish()
}

func (p *puller) pull(ctx context.Context, j PullJob) (Pushed, error) {
	src, err := Open(ctx, j.From, p.o.Access)
	if err != nil {
		return Pushed{}, err
	}
	top, err := src.Resolve(ctx)
	if err != nil {
		return Pushed{}, withTags(ctx, src, err)
	}
	if err := p.copy(ctx, src, top); err != nil {
		return Pushed{}, err
	}
	if p.first(top.Digest, j.Tag) {
		p.w.Top(top, j.Tag)
	}
	pulled := Pushed{Ref: j.From.At(top.Digest).String(), Digest: top.Digest}
	if p.o.ImagesOnly || j.From.Kind == DockerArchive { // which has nothing next to it
		return pulled, nil
	}
	subjects, err := below(ctx, src, top)
	if err != nil {
		return Pushed{}, err
	}
	pulled.Referrers, err = p.pullReferrers(ctx, j.From, subjects)
	return pulled, err
}

// first reports whether something is not yet on top under a tag, and notes that it is.
func (p *puller) first(d release.Digest, tag string) bool {
	key := tag + "@" + d.String()
	if p.tops[key] {
		return false
	}
	p.tops[key] = true
	return true
}

// puller copies manifests and blobs into a layout, each once.
type puller struct {
	w     *LayoutWriter
	o     TransferOptions
	sizes map[release.Digest]int64 // of manifests, in bytes
	blobs map[release.Digest]bool
	tops  map[string]bool // by tag and digest

	done, total atomic.Int64 // bytes of blobs
}

// copy reads all manifests first, so that it is known how much is to come.
func (p *puller) copy(ctx context.Context, src Source, top Descriptor) error {
	var blobs []Descriptor
	err := visit(ctx, src, top, func(d Descriptor) error {
		if !p.blobs[d.Digest] {
			p.blobs[d.Digest] = true
			blobs = append(blobs, d)
			p.total.Add(max(d.Size, 0))
		}
		return nil
	}, func(d Descriptor, raw []byte) error {
		if _, ok := p.sizes[d.Digest]; ok {
			return nil
		}
		p.sizes[d.Digest] = int64(len(raw))
		_, err := p.w.Bytes(d.MediaType, raw)
		return err
	})
	if err != nil {
		return err
	}
	jobs := p.o.Jobs
	if jobs <= 0 {
		jobs = defaultPulls
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for _, d := range blobs {
		g.Go(func() error { return p.blob(gctx, src, d) })
	}
	return g.Wait()
}

func (p *puller) blob(ctx context.Context, src Source, d Descriptor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return readBlob(ctx, src, d, func(r io.Reader) error {
		got, err := p.w.Blob(func(to io.Writer) error {
			_, err := io.Copy(io.MultiWriter(to, p), r)
			return err
		})
		if err == nil && got.Digest != d.Digest {
			err = fmt.Errorf("blob %s came as %s", d.Digest, got.Digest)
		}
		return err
	})
}

// Write counts.
func (p *puller) Write(b []byte) (int, error) {
	done := p.done.Add(int64(len(b)))
	if p.o.Progress != nil {
		p.o.Progress(done, p.total.Load())
	}
	return len(b), nil
}
