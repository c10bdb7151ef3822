package tarball

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"facerec/internal/release"
)

// CompareJob is one archive that exists, and the tree that it is claimed to be.
type CompareJob struct {
	Name   string
	Tree   Tree
	Prefix string
	Recipe Recipe
	Have   io.ReaderAt // the file
	Size   int64       // its bytes
}

// Verdict is what came of a comparison.
type Verdict struct {
	Name string
	// Grade is how the file compares with what the tree makes. It is SameTar at
	// best, which says nothing about the compression.
	Grade Grade
	// Rebuilt is what the tree makes, without File and FileSize, and with
	// nothing but TarSize where the tar streams differ.
	Rebuilt Result
	// Report explains a difference: A is the file, B the tree. It is nil where
	// the tar streams are the same.
	Report *Difference
}

// explain fills in the grade and the report of a file that differs.
func (j CompareJob) explain(ctx context.Context, l ArchiveLimits, v *Verdict) error {
	tree, err := TreeSource("rebuilt", j.Tree, j.Prefix)
	if err != nil {
		return fmt.Errorf("%s: %w", j.Name, err)
	}
	tree.Made = false // its compression matters
	r, err := DiffSources(ctx, FileSource(j.Name, j.Have, j.Size), tree, l)
	if err != nil {
		return err
	}
	// The tree's side is the tar stream; there is no file of it.
	r.B.File, r.B.FileSize = "", 0
	r.Grade = max(r.Grade, SameTar) // a file that is a bare tar stream is not what the recipe makes
	v.Grade, v.Report = r.Grade, &r
	return nil
}

// CompareFast inflates every file and compares the tar stream with the one
// that the tree makes. It does not prove that the file is what the recipe
// makes: a verdict is never better than SameTar. It is for those who only care
// for what is unpacked.
func CompareFast(ctx context.Context, jobs []CompareJob, o Options, l ArchiveLimits) ([]Verdict, error) {
	o = o.filled()
	verdicts := make([]Verdict, len(jobs))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(o.Workers)
	for i, j := range jobs {
		g.Go(func() error {
			v, err := j.fast(gctx, o, l)
			verdicts[i] = v
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return verdicts, nil
}

func (j CompareJob) fast(ctx context.Context, o Options, l ArchiveLimits) (Verdict, error) {
	v := Verdict{Name: j.Name, Grade: SameTar, Rebuilt: Result{Name: j.Name}}
	if _, err := ParseRecipe(string(j.Recipe)); err != nil {
		return v, fmt.Errorf("%s: %w", j.Name, err)
	}
	s, err := newTarStream(j.Tree, j.Prefix)
	if err != nil {
		return v, fmt.Errorf("%s: %w", j.Name, err)
	}
	v.Rebuilt.TarSize = s.total
	file := &ioErrors{r: io.NewSectionReader(j.Have, 0, j.Size)}
	same := false
	if in, err := newInflater(file); err == nil {
		if v.Rebuilt.Tar, same, err = sameStream(ctx, in, s, j.Name, o); err != nil {
			return v, fmt.Errorf("%s: %w", j.Name, err)
		}
		in.release()
		same = same && in.gz != nil && in.trailing == 0 && in.facts.Members == 1
	}
	if file.err != nil {
		return v, fmt.Errorf("%s: %w", j.Name, file.err)
	}
	if same {
		return v, nil
	}
	return v, j.explain(ctx, l, &v)
}

// sameStream compares in, to its end, with s. The inflater compares by itself what it
// expects to read.
func sameStream(ctx context.Context, in *inflater, s *tarStream, name string, o Options) (release.Digest, bool, error) {
	const step = 128 << 10
	got := make([]byte, step)
	var want []byte
	in.expect(s)
	h := sha256.New()
	for off := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return release.Digest{}, false, err
		}
		n, errIn := in.Read(got)
		if int64(n) > s.total-off {
			return release.Digest{}, false, nil
		}
		if !in.asExpected() {
			// No gzip file, its second member, or bytes that differ, here or later.
			if want == nil {
				want = make([]byte, step)
			}
			if err := readFull(s, want[:n], off); err != nil {
				return release.Digest{}, false, err
			}
			if !bytes.Equal(got[:n], want[:n]) {
				return release.Digest{}, false, nil
			}
		}
		h.Write(got[:n])
		off += int64(n)
		if o.Progress != nil {
			o.Progress(name, off, s.total)
		}
		switch {
		case errIn == nil:
		case errors.Is(errIn, io.EOF) && off == s.total:
			return release.DigestOf([sha256.Size]byte(h.Sum(nil))), true, nil
		default:
			return release.Digest{}, false, nil
		}
	}
}

// ioErrors keeps a reader's own error apart from what is made of it.
type ioErrors struct {
	r   io.Reader
	err error
}

func (f *ioErrors) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}
