package tarball

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"facerec/internal/release"
)

// TestStreamIsWhatGzipWrites compresses streams that are no tar archives, with
// contents large enough to be cut, and compares with GNU gzip.
func TestStreamIsWhatGzipWrites(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	large := make([]byte, 300_000)
	for i := range large {
		large[i] = "abcdefgh"[r.IntN(8)]
	}
	var parts []Part
	var flat []byte
	add := func(b []byte, content bool) {
		p := Part{Name: "x", Raw: b}
		if content {
			p = Part{Name: "x", Content: BytesContent(b)}
		}
		parts, flat = append(parts, p), append(flat, b...)
	}
	add([]byte("070701 a header"), false)
	add(large, true)
	add(nil, false)
	add(large[:100_000], true)
	add([]byte("a small one"), true)
	add(make([]byte, 512-len(flat)%512), false)
	s, err := NewStream(parts...)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{}, {Workers: 1, ChunkSize: 20_000}, {Workers: 3, ChunkSize: 40_000, Window: 2}} {
		var out bytes.Buffer
		made, err := Pack(t.Context(), []Job{{Name: "stream", Stream: s, Recipe: GNUGzip6, Out: &out}}, o)
		if err != nil {
			t.Fatal(err)
		}
		if want := realGzip(t, flat); !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%+v: expected the %d bytes that gzip -n writes, got %d", o, len(want), out.Len())
		}
		if made[0].Tar != release.DigestBytes(flat) || made[0].TarSize != int64(len(flat)) || made[0].File != release.DigestBytes(out.Bytes()) {
			t.Errorf("the digests are not those of the bytes: %+v", made[0])
		}
	}
	var copied bytes.Buffer
	if _, err := s.WriteTo(&copied); err != nil || !bytes.Equal(copied.Bytes(), flat) || s.Size() != int64(len(flat)) {
		t.Errorf("WriteTo: expected %d bytes as they are, got %d, %v", len(flat), copied.Len(), err)
	}
}
