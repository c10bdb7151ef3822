package app

import (
	"bytes"
	"image"
	"math"
	"reflect"
	"testing"

	"facerec/internal/text"
)

func someDetections() []Detection {
	return []Detection{
		{Box: image.Rect(-5, 1, 20, 30), Landmarks: []image.Point{{X: 1, Y: 2}, {X: -3, Y: 4}}, Descriptor: Descriptor{0: 0.25, 127: -1}},
		{Box: image.Rect(0, 0, math.MaxInt32, 1)},
	}
}

func TestDetectionsRoundTrip(t *testing.T) {
	for _, ds := range [][]Detection{nil, someDetections(), someDetections()[:1]} {
		got, err := UnmarshalDetections(MarshalDetections(ds))
		if err != nil || !reflect.DeepEqual(got, ds) {
			t.Errorf("got %v, %v; want %v", got, err, ds)
		}
	}
}

// Any one bit that changes, and any cut, is found out.
func TestDetectionsCorrupt(t *testing.T) {
	whole := MarshalDetections(someDetections())
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 1 << (i % 8)
		if _, err := UnmarshalDetections(bad); err == nil {
			t.Fatalf("a bit of byte %d changed, and nobody saw", i)
		}
		if _, err := UnmarshalDetections(whole[:i]); err == nil {
			t.Fatalf("cut after %d bytes, and nobody saw", i)
		}
	}
	nan := someDetections()
	nan[0].Descriptor[3] = float32(math.NaN())
	if _, err := UnmarshalDetections(MarshalDetections(nan)); err == nil {
		t.Error("NaN was taken")
	}
}

func FuzzUnmarshalDetections(f *testing.F) {
	f.Add(MarshalDetections(nil))
	f.Add(MarshalDetections(someDetections()))
	f.Fuzz(func(t *testing.T, data []byte) {
		ds, err := UnmarshalDetections(data)
		if err == nil && !bytes.Equal(MarshalDetections(ds), data) {
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
