package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math"
)

// detectionsMagic begins what MarshalDetections writes.
const detectionsMagic = "facerec detections 1\n"

// maxFaces and maxLandmarks bound what UnmarshalDetections believes.
const (
	maxFaces     = 1 << 16
	maxLandmarks = 1 << 8
)

// MarshalDetections writes detections for a cache: magic, SHA-256 of the rest,
// the number of faces, and for each its box, landmarks and descriptor, all
// numbers little-endian and of 32 bits.
func MarshalDetections(ds []Detection) []byte {
	var body []byte
	put := func(n int) { body = binary.LittleEndian.AppendUint32(body, uint32(int32(n))) }
	put(len(ds))
	for _, d := range ds {
		put(d.Box.Min.X)
		put(d.Box.Min.Y)
		put(d.Box.Max.X)
		put(d.Box.Max.Y)
		put(len(d.Landmarks))
		for _, p := range d.Landmarks {
			put(p.X)
			put(p.Y)
		}
		for _, v := range d.Descriptor {
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(v))
		}
	}
	sum := sha256.Sum256(body)
	return append(append([]byte(detectionsMagic), sum[:]...), body...)
}

// UnmarshalDetections is the inverse of MarshalDetections. It fails on
// anything that was not written whole, and on numbers that are none.
func UnmarshalDetections(data []byte) ([]Detection, error) {
	rest, ok := bytes.CutPrefix(data, []byte(detectionsMagic))
	if !ok || len(rest) < sha256.Size {
		return nil, errors.New("not detections of this version")
	}
	sum, body := rest[:sha256.Size], rest[sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, fmt.Errorf("detections: expected sha256 %x, got %x", sum, got)
	}
	short := false
	word := func() uint32 {
		if len(body) < 4 {
			short = true
			return 0
		}
		v := binary.LittleEndian.Uint32(body)
		body = body[4:]
		return v
	}
	num := func() int { return int(int32(word())) }
	n := num()
	if n < 0 || n > maxFaces {
		return nil, fmt.Errorf("detections: %d faces", n)
	}
	var out []Detection
	for range n {
		var d Detection
		d.Box = image.Rectangle{Min: image.Pt(num(), num()), Max: image.Pt(num(), num())}
		marks := num()
		if marks < 0 || marks > maxLandmarks {
			return nil, fmt.Errorf("detections: %d landmarks", marks)
		}
		for range marks {
			d.Landmarks = append(d.Landmarks, image.Pt(num(), num()))
		}
		for i := range d.Descriptor {
			d.Descriptor[i] = math.Float32frombits(word())
			if v := float64(d.Descriptor[i]); math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, errors.New("detections: an embedding has NaN or infinite values")
			}
		}
		if short {
			return nil, errors.New("detections: too short")
		}
		out = append(out, d)
	}
	if short || len(body) > 0 {
		return nil, errors.New("detections: wrong length")
	}
	return out, nil
}
