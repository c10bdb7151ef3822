package tarball

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// manyEntries are a few blocks of entries of all types.
func manyEntries() []Entry {
	var all []Entry
	for d := range 9 {
		dir := fmt.Sprintf("d%d", d)
		all = append(all, Entry{Name: dir, Type: Dir, Mode: 0o755})
		for i := range 300 {
			e := Entry{Name: fmt.Sprintf("%s/f%03d", dir, i), Type: Regular, Mode: 0o644, Content: BytesContent(bytes.Repeat([]byte{byte(i)}, i%7*200))}
			switch i % 50 {
			case 7:
				e = Entry{Name: e.Name, Type: Symlink, Mode: 0o777, Link: "elsewhere"}
			case 9: // a group of two, and of three across directories
				e = Entry{Name: e.Name, Type: Hardlink, Link: dir + "/f000"}
			case 11:
				e = Entry{Name: e.Name, Type: Hardlink, Link: "d0/f001"}
			}
			all = append(all, e)
		}
	}
	return all
}

// TestTreeOfManyEntries: the order in which they come does not matter, and each is
// found where it is.
func TestTreeOfManyEntries(t *testing.T) {
	sorted, err := NewTree(manyEntries())
	if err != nil {
		t.Fatal(err)
	}
	shuffled := manyEntries()
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	tree, err := NewTree(shuffled)
	if err != nil {
		t.Fatal(err)
	}
	got, want := tree.Entries(), sorted.Entries()
	if len(got) <= 2*nodesTogether || !reflect.DeepEqual(got, want) {
		t.Fatalf("%d entries, expected the %d of the sorted list", len(got), len(want))
	}
	links := 0
	for i, e := range got {
		at, ok := tree.Index(e.Name)
		if found, _ := tree.Lookup(e.Name); !ok || at != i || !reflect.DeepEqual(found, e) || !reflect.DeepEqual(tree.At(i), e) {
			t.Fatalf("%s: found at %d: %+v", e.Name, at, found)
		}
		if e.Type == Hardlink {
			links++
			if first, _ := tree.Lookup(e.Link); first.Type != Regular || first.Mode != e.Mode {
				t.Errorf("%s: its first name is %+v", e.Name, first)
			}
		}
	}
	if links != 9*6+8*6+6 {
		t.Errorf("%d hard links", links)
	}
	half, err := tree.Filter(nil, []string{"d0", "d1/f000"})
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := half.Lookup("d1/f009"); e.Type != Regular || e.Content == nil {
		t.Errorf("the first name that is left is %+v", e)
	}
	if e, _ := half.Lookup("d8/f011"); e.Type != Hardlink || e.Link != "d1/f011" {
		t.Errorf("a later name is %+v", e)
	}
	more, err := half.Add(Entry{Name: "a", Type: Regular, Content: BytesContent(nil)}, Entry{Name: "z", Type: Symlink, Link: "a"})
	if err != nil || more.Len() != half.Len()+2 || more.At(0).Name != "a" || more.At(more.Len()-1).Link != "a" {
		t.Errorf("with two more: %d entries, %v", more.Len(), err)
	}
}

// TestStreamOfManyEntries reads a stream whole and in pieces that begin anywhere.
func TestStreamOfManyEntries(t *testing.T) {
	tree, err := NewTree(manyEntries())
	if err != nil {
		t.Fatal(err)
	}
	s, err := newTarStream(tree, "top")
	if err != nil {
		t.Fatal(err)
	}
	whole := make([]byte, s.size())
	if err := readFull(s, whole, 0); err != nil {
		t.Fatal(err)
	}
	x, err := List(bytes.NewReader(whole), DefaultLimits())
	if err != nil || len(x.Problems) > 0 || len(x.Entries) != tree.Len()+1 {
		t.Fatalf("%d entries, %v, %v", len(x.Entries), x.Problems, err)
	}
	piece := make([]byte, 700)
	for off := int64(0); off+700 <= s.size(); off += 509 {
		if err := readFull(s, piece, off); err != nil || !bytes.Equal(piece, whole[off:off+700]) {
			t.Fatalf("at offset %d it differs: %v", off, err)
		}
	}
}
