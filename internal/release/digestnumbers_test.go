package release

import (
	"encoding/binary"
	"testing"
)

func TestDigestNumbers(t *testing.T) {
	var x DigestNumbers
	digest := func(i int) Digest { return DigestBytes(binary.LittleEndian.AppendUint64(nil, uint64(i))) }
	if _, ok := x.Find(digest(0)); ok || x.Len() != 0 {
		t.Error("a digest is found where there is none")
	}
	const many = 10_000
	for i := range many {
		if n, known := x.Number(digest(i)); n != i || known {
			t.Fatalf("digest %d: got number %d, known %v", i, n, known)
		}
		if n, known := x.Number(digest(i / 2)); n != i/2 || !known {
			t.Fatalf("digest %d again: got number %d, known %v", i/2, n, known)
		}
	}
	for i := range many {
		if n, ok := x.Find(digest(i)); n != i || !ok || x.At(i) != digest(i) {
			t.Fatalf("digest %d: found as %d, %v, which is %s", i, n, ok, x.At(i))
		}
	}
	if _, ok := x.Find(digest(many)); ok || x.Len() != many {
		t.Errorf("%d digests, expected %d", x.Len(), many)
	}
}
