package tarball

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/iotest"

	"facerec/internal/release"
)

func TestSpool(t *testing.T) {
	tmp := t.TempDir()
	s, err := NewSpool(tmp)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("the spool has a name: %v %v", left, err)
	}
	r := rand.New(rand.NewPCG(13, 14))
	var wg sync.WaitGroup
	sizes := []int{0, 1, spoolExtent - 1, spoolExtent, spoolExtent + 1, 3*spoolExtent + 17}
	data := make([][]byte, len(sizes))
	got := make([][2]Content, len(sizes))
	for i, n := range sizes {
		data[i] = kinds[0].make(r, n)
	}
	for i := range sizes {
		for k := range 2 {
			wg.Go(func() {
				c, err := s.Add(iotest.HalfReader(bytes.NewReader(data[i])))
				if err != nil {
					t.Error(err)
				}
				got[i][k] = c
			})
		}
	}
	wg.Wait()
	for i := range sizes {
		for _, c := range got[i] {
			b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()+5))
			if err != nil || !bytes.Equal(b, data[i]) || c.Digest() != release.DigestBytes(data[i]) {
				t.Errorf("%d bytes: got %d, %v, digest %s", sizes[i], len(b), err, c.Digest())
			}
		}
		if got[i][0] != got[i][1] {
			t.Errorf("%d bytes: kept twice", sizes[i])
		}
		if len(data[i]) > spoolExtent { // across extents, and beyond the end
			b := make([]byte, 20)
			if _, err := got[i][0].ReadAt(b[:2], spoolExtent-1); err != nil || !bytes.Equal(b[:2], data[i][spoolExtent-1:][:2]) {
				t.Errorf("across extents: %v", err)
			}
			if n, err := got[i][0].ReadAt(b, int64(sizes[i]-7)); n != 7 || !errors.Is(err, io.EOF) {
				t.Errorf("beyond the end: %d, %v", n, err)
			}
		}
	}

	before := s.Size()
	for i := range sizes {
		if _, err := s.Add(bytes.NewReader(data[i])); err != nil {
			t.Fatal(err)
		}
	}
	boom := errors.New("boom")
	if _, err := s.Add(io.MultiReader(bytes.NewReader(data[5]), failing{boom})); !errors.Is(err, boom) {
		t.Errorf("got %v, want the reader's error", err)
	}
	if after := s.Size(); after > before+3*spoolExtent {
		t.Errorf("duplicates took space: %d, then %d", before, after)
	}
	// What failed and what was known gives its space back to what is new.
	fresh := slices.Clone(data[5])
	fresh[0] ^= 1
	size := s.Size()
	c, err := s.Add(bytes.NewReader(fresh))
	if err != nil {
		t.Fatal(err)
	}
	if s.Size() > size+spoolExtent {
		t.Errorf("freed space was not used: %d, then %d", size, s.Size())
	}
	b := make([]byte, len(fresh))
	if _, err := c.ReadAt(b, 0); err != nil || !bytes.Equal(b, fresh) {
		t.Errorf("content in freed space: %v", err)
	}
}

// TestSpoolOfSmallContents: many small ones among large ones, read in any order by
// several while more are added.
func TestSpoolOfSmallContents(t *testing.T) {
	s, err := NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(15, uint64(i)))
			var added []Content
			var data [][]byte
			for range 1500 {
				n := r.IntN(2000)
				switch r.IntN(100) {
				case 0:
					n = spoolExtent + r.IntN(100)
				case 1, 2, 3:
					n = spoolSmall - 2 + r.IntN(4)
				}
				b := kinds[r.IntN(2)].make(r, n) // of zeros many are the same
				c, err := s.Add(bytes.NewReader(b))
				if err != nil {
					t.Error(err)
					return
				}
				added, data = append(added, c), append(data, b)
				k := r.IntN(len(added))
				got := make([]byte, len(data[k]))
				if n, err := added[k].ReadAt(got, 0); n != len(got) || err != nil || !bytes.Equal(got, data[k]) {
					t.Errorf("%d bytes: read %d, %v", len(got), n, err)
					return
				}
			}
			for k, c := range added {
				from := r.IntN(len(data[k]) + 1)
				got := make([]byte, len(data[k])-from)
				if _, err := c.ReadAt(got, int64(from)); err != nil || !bytes.Equal(got, data[k][from:]) {
					t.Errorf("%d bytes from %d: %v", len(got), from, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
