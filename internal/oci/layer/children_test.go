package layer

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// TestChildren does the same to children and to a map, with names that come in order
// and otherwise.
func TestChildren(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		name := func() string { return strconv.Itoa(random.IntN(40)) }
		got, want := new(children), map[string]*Dirent{}
		put := func(base string) {
			e := &Entry{Name: "some/where/" + base}
			d := &Dirent{Inode: &Inode{Entry: e}, by: e}
			got.put(d)
			want[base] = d
		}
		if seed%2 == 0 {
			for i := range 20 {
				put(strconv.Itoa(10 + i))
			}
		}
		for range random.IntN(200) {
			switch base := name(); random.IntN(8) {
			case 0, 1:
				got.remove(base)
				delete(want, base)
			case 2:
				if all := got.sorted(); len(all) != len(want) {
					t.Fatalf("seed %d: %d names, expected %d", seed, len(all), len(want))
				}
			case 3:
				if random.IntN(4) > 0 {
					continue
				}
				got.removeIf(func(d *Dirent) bool { return d.base() > base })
				maps.DeleteFunc(want, func(other string, _ *Dirent) bool { return other > base })
				if got.empty() != (len(want) == 0) {
					t.Fatalf("seed %d: empty: %t, expected %d names", seed, got.empty(), len(want))
				}
			default:
				put(base)
			}
			if base := name(); got.find(base) != want[base] {
				t.Fatalf("seed %d: %s: found %p, expected %p", seed, base, got.find(base), want[base])
			}
		}
		var names []string
		for _, d := range got.sorted() {
			names = append(names, d.base())
			if d != want[d.base()] {
				t.Fatalf("seed %d: %s is another", seed, d.base())
			}
		}
		if expected := slices.Sorted(maps.Keys(want)); !slices.Equal(names, expected) {
			t.Fatalf("seed %d: got %q, expected %q", seed, names, expected)
		}
	}
	if (*children)(nil).find("a") != nil || (*children)(nil).sorted() != nil {
		t.Error("what is not a directory has names")
	}
}
