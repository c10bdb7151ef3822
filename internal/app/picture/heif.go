package picture

import (
	"encoding/binary"
	"errors"
)

// heifHeader finds the size of the picture in an ISO base media file (ISO/IEC
// 23008-12): the largest that any of its properties (ispe) gives, which is the
// whole picture's when it is put together from tiles.
func heifHeader(data []byte) (h header, err error) {
	h.bits, h.samples = 8, 8 // decoded planes in the sandbox, twice, and what it works with
	rotation, axis := byte(0), -1
	meta, ok := box(data, "meta")
	if !ok || len(meta) < 4 {
		return h, errors.New("there is no picture in it")
	}
	iprp, ok := box(meta[4:], "iprp")
	if !ok {
		return h, errors.New("its pictures have no properties")
	}
	ipco, ok := box(iprp, "ipco")
	if !ok {
		return h, errors.New("its pictures have no properties")
	}
	boxes(ipco, func(kind string, body []byte) bool {
		switch {
		case kind == "ispe" && len(body) >= 12:
			w, height := big31(body[4:]), big31(body[8:])
			if int64(w)*int64(height) > int64(h.width)*int64(h.height) {
				h.width, h.height = w, height
			}
		case kind == "pixi" && len(body) >= 6:
			h.bits = max(h.bits, int(body[5]))
		case kind == "auxC":
			h.alpha = true
		case kind == "irot" && len(body) >= 1:
			rotation = body[0] & 3
		case kind == "imir" && len(body) >= 1:
			axis = int(body[0] & 1)
		}
		return true
	})
	h.kind = turns[axis+1][rotation]
	return h, nil
}

// turns are EXIF's orientations for a rotation by so many quarters to the left
// (irot), after which nothing is mirrored, or top and bottom, or left and right
// (imir).
var turns = [3][4]int{{1, 8, 3, 6}, {4, 5, 2, 7}, {2, 7, 4, 5}}

// box returns the body of the first box of a kind.
func box(data []byte, kind string) (body []byte, ok bool) {
	boxes(data, func(k string, b []byte) bool {
		if k == kind {
			body, ok = b, true
		}
		return !ok
	})
	return body, ok
}

// boxes calls f for each box until it returns false. A box that is cut counts
// as far as it goes.
func boxes(data []byte, f func(kind string, body []byte) bool) {
	for len(data) >= 8 {
		n, head := uint64(binary.BigEndian.Uint32(data)), uint64(8)
		switch {
		case n == 0: // to the end
			n = uint64(len(data))
		case n == 1 && len(data) >= 16:
			n, head = binary.BigEndian.Uint64(data[8:]), 16
		}
		if n < head {
			return
		}
		n = min(n, uint64(len(data)))
		if !f(string(data[4:8]), data[head:n]) {
			return
		}
		data = data[n:]
	}
}
