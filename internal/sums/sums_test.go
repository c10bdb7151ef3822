package sums

import (
	"crypto/sha256"
	"hash"
	"math/rand/v2"
	"testing"
)

func text(r *rand.ChaCha8, n int) []byte {
	p := make([]byte, n)
	_, _ = r.Read(p)
	return p
}

func check(t *testing.T, what string, h hash.Hash, want []byte) {
	t.Helper()
	if got, want := [sha256.Size]byte(h.Sum(nil)), sha256.Sum256(want); got != want {
		t.Errorf("%s: expected %x, got %x", what, want, got)
	}
}

func TestWriteBoth(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	sizes := []int{0, 1, 63, 64, 65, 4095, 4096, 4097, 4159, 4160, 5000, 8191, 65536, 100_003}
	for _, begun := range []int{0, 1, 55, 63, 64, 100} { // bytes that a has had before
		for _, n := range sizes {
			for _, m := range sizes {
				p, q := text(r, begun+n), text(r, m+10)
				a, b := sha256.New(), sha256.New()
				a.Write(p[:begun])
				WriteBoth(a, p[begun:], b, q[:m])
				check(t, "the first", a, p)
				check(t, "the second", b, q[:m])
				b.Write(q[m:]) // goes on as if nothing had been
				check(t, "the second, later", b, q)
			}
		}
	}
}

func TestBehind(t *testing.T) {
	r := rand.NewChaCha8([32]byte{2})
	b := NewBehind()
	for _, sizes := range [][]int{{}, {0}, {1, 2, 3}, {BehindBytes}, {BehindBytes + 1}, {BehindBytes - 1, 2}, {512, 65536, 65536, 40000, 512, 3 * BehindBytes}} {
		b.Reset()
		var all []byte
		for _, n := range sizes {
			p := text(r, n)
			if k, err := b.Write(p); k != n || err != nil {
				t.Fatal(k, err)
			}
			all = append(all, p...)
			h := sha256.New()
			b.Along(h, p)
			check(t, "what came along", h, p)
		}
		if got, want := b.Sum256(), sha256.Sum256(all); got != want {
			t.Errorf("%v: expected %x, got %x", sizes, want, got)
		}
		if got, want := b.Sum256(), sha256.Sum256(all); got != want {
			t.Errorf("%v, once more: expected %x, got %x", sizes, want, got)
		}
	}
	h := sha256.New()
	(*Behind)(nil).Along(h, []byte("alone"))
	check(t, "alone", h, []byte("alone"))
}

func FuzzWriteBoth(f *testing.F) {
	f.Add([]byte("a"), []byte("b"), 0, 0)
	f.Add(make([]byte, 5000), make([]byte, 9000), 1, 4999)
	f.Fuzz(func(t *testing.T, p, q []byte, i, j int) {
		i, j = max(0, min(i, len(p))), max(0, min(j, len(q)))
		a, b := sha256.New(), sha256.New()
		a.Write(p[:i])
		b.Write(q[:j])
		WriteBoth(a, p[i:], b, q[j:])
		check(t, "the first", a, p)
		check(t, "the second", b, q)
	})
}

// BenchmarkBoth has two sums made in one call, and one after the other.
func BenchmarkBoth(b *testing.B) {
	p, q := make([]byte, 64<<10), make([]byte, 64<<10)
	x, y := sha256.New(), sha256.New()
	for _, c := range []struct {
		name  string
		write func()
	}{
		{"together", func() { WriteBoth(x, p, y, q) }},
		{"in turn", func() { x.Write(p); y.Write(q) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(p) + len(q)))
			for b.Loop() {
				c.write()
			}
		})
	}
}
