package oci

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

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
// A foreign layer that is missing stays where its URLs say: see [Pushed.Left].
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
	told := map[release.Digest]bool{}
	for i := range out {
		out[i].Left = slices.DeleteFunc(out[i].Left, func(l LeftLayer) bool { return p.blobs[l.Digest] }) // another image brought it
		for _, l := range out[i].Left {
			if !told[l.Digest] {
				told[l.Digest] = true
				o.left([]LeftLayer{l})
			}
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
	left, err := p.copy(ctx, src, top)
	if err != nil {
		return Pushed{}, err
	}
	if p.first(top.Digest, j.Tag) {
		p.w.Top(top, j.Tag)
	}
	pulled := Pushed{Ref: j.From.At(top.Digest).String(), Digest: top.Digest, Left: left}
	if p.o.ImagesOnly || j.From.Kind == DockerArchive { // which has nothing next to it
		return pulled, nil
	}
	subjects, err := below(ctx, src, top)
	if err != nil {
		return Pushed{}, err
	}
	err = p.pullReferrers(ctx, j.From, subjects, &pulled)
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

	mu          sync.Mutex // of these, and so that Progress hears of them in order
	done, total int64      // bytes of blobs
}

// copy reads all manifests first, so that it is known how much is to come. It
// lists the foreign layers that are missing.
func (p *puller) copy(ctx context.Context, src Source, top Descriptor) ([]LeftLayer, error) {
	var blobs []blobUse
	at := map[release.Digest]int{} // in blobs
	err := visit(ctx, src, top, func(b blobUse) error {
		i, twice := at[b.Digest]
		switch {
		case twice && b.url == "":
			blobs[i].url = "" // one manifest needs it
		case !twice && !p.blobs[b.Digest]:
			p.blobs[b.Digest] = true
			at[b.Digest] = len(blobs)
			blobs = append(blobs, b)
			p.move(0, max(b.Size, 0))
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
		return nil, err
	}
	jobs := p.o.Jobs
	if jobs <= 0 {
		jobs = defaultPulls
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	missing := make([]bool, len(blobs))
	for i, b := range blobs {
		g.Go(func() error {
			err := p.blob(gctx, src, b.Descriptor)
			if b.url != "" && IsNotFound(err) {
				missing[i], err = true, nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var left []LeftLayer
	for i, b := range blobs {
		if missing[i] {
			delete(p.blobs, b.Digest) // another image may have it from a better place
			p.move(0, -max(b.Size, 0))
			left = append(left, LeftLayer{b.Digest, b.url})
		}
	}
	return left, nil
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
	p.move(int64(len(b)), 0)
	return len(b), nil
}

// move counts bytes that came and bytes that are to come.
func (p *puller) move(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total = p.done+done, p.total+total
	if done != 0 && p.o.Progress != nil {
		p.o.Progress(p.done, p.total)
	}
}
