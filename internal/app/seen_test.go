package app

import (
	"bytes"
	"image"
	"math"
	"reflect"
	"testing"

	"facerec/internal/text"
)

func someSeen() seen {
	return seen{size: image.Pt(300, 200), stored: 6, notes: []string{"odd", ""}, found: []Detection{
		{Box: image.Rect(-5, 1, 20, 30), Landmarks: []image.Point{{X: 1, Y: 2}, {X: -3, Y: 4}}, Score: 1.25, Descriptor: Descriptor{0: 0.25, 127: -1}},
		{Box: image.Rect(0, 0, math.MaxInt32, 1)},
	}}
}

func TestSeenRoundTrip(t *testing.T) {
	one := someSeen()
	one.found, one.notes = one.found[:1], nil
	for _, s := range []seen{{stored: 1}, someSeen(), one} {
		got, err := unmarshalSeen(marshalSeen(s))
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("got %v, %v; want %v", got, err, s)
		}
	}
}

// Any one bit that changes, and any cut, is found out.
func TestSeenCorrupt(t *testing.T) {
	whole := marshalSeen(someSeen())
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 1 << (i % 8)
		if _, err := unmarshalSeen(bad); err == nil {
			t.Fatalf("a bit of byte %d changed, and nobody saw", i)
		}
		if _, err := unmarshalSeen(whole[:i]); err == nil {
			t.Fatalf("cut after %d bytes, and nobody saw", i)
		}
	}
	nan := someSeen()
	nan.found[0].Descriptor[3] = float32(math.NaN())
	if _, err := unmarshalSeen(marshalSeen(nan)); err == nil {
		t.Error("NaN was taken")
	}
	for _, o := range []int{-1, 0, 9} {
		turned := someSeen()
		turned.stored = o
		if _, err := unmarshalSeen(marshalSeen(turned)); err == nil {
			t.Errorf("orientation %d was taken", o)
		}
	}
	nan = someSeen()
	nan.found[0].Score = math.Inf(1)
	if _, err := unmarshalSeen(marshalSeen(nan)); err == nil {
		t.Error("an infinite score was taken")
	}
}

func FuzzUnmarshalSeen(f *testing.F) {
	f.Add(marshalSeen(seen{stored: 1}))
	f.Add(marshalSeen(someSeen()))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := unmarshalSeen(data)
		if err == nil && !bytes.Equal(marshalSeen(s), data) {
			t.Error("what was read is not what would be written")
		}
	})
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"John_Salley": "John_Salley", "Jürgen Ø": "Jürgen Ø", "李": "李", "": `""`,
		"a\nb": `"a\nb"`, "\x1b[31m": `"\x1b[31m"`, "a\xff": `"a\xff"`, "a\u202eb": `"a\u202eb"`,
	} {
		if got := text.Show(in); got != want {
			t.Errorf("text.Show(%q) = %s, want %s", in, got, want)
		}
	}
}
