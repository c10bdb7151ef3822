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

// seenMagic begins what marshalSeen writes.
const seenMagic = "facerec seen 2\n"

// What unmarshalSeen believes at most.
const (
	maxFaces     = 1 << 16
	maxLandmarks = 1 << 8
	maxNotes     = 64
	maxNoteBytes = 4096
)

// marshalSeen writes what was found in a picture for a cache: magic, SHA-256 of
// the rest, the picture's size and stored orientation, the notes, and of each face its box, landmarks,
// score and descriptor. Numbers are little-endian and of 32 bits, scores of 64.
func marshalSeen(s seen) []byte {
	var body []byte
	put := func(n int) { body = binary.LittleEndian.AppendUint32(body, uint32(int32(n))) }
	put(s.size.X)
	put(s.size.Y)
	put(s.stored)
	put(len(s.notes))
	for _, n := range s.notes {
		put(len(n))
		body = append(body, n...)
	}
	put(len(s.found))
	for _, d := range s.found {
		put(d.Box.Min.X)
		put(d.Box.Min.Y)
		put(d.Box.Max.X)
		put(d.Box.Max.Y)
		put(len(d.Landmarks))
		for _, p := range d.Landmarks {
			put(p.X)
			put(p.Y)
		}
		body = binary.LittleEndian.AppendUint64(body, math.Float64bits(d.Score))
		for _, v := range d.Descriptor {
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(v))
		}
	}
	sum := sha256.Sum256(body)
	return append(append([]byte(seenMagic), sum[:]...), body...)
}

// unmarshalSeen is the inverse of marshalSeen. It fails on anything that was not
// written whole, and on numbers that are none.
func unmarshalSeen(data []byte) (seen, error) {
	rest, ok := bytes.CutPrefix(data, []byte(seenMagic))
	if !ok || len(rest) < sha256.Size {
		return seen{}, errors.New("not detections of this version")
	}
	sum, body := rest[:sha256.Size], rest[sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return seen{}, fmt.Errorf("detections: expected sha256 %x, got %x", sum, got)
	}
	short := false
	take := func(n int) []byte {
		if len(body) < n {
			short = true
			return make([]byte, n)
		}
		out := body[:n]
		body = body[n:]
		return out
	}
	num := func() int { return int(int32(binary.LittleEndian.Uint32(take(4)))) }
	var s seen
	s.size, s.stored = image.Pt(num(), num()), num()
	if s.stored < 1 || s.stored > 8 {
		return seen{}, fmt.Errorf("detections: orientation %d", s.stored)
	}
	n := num()
	if n < 0 || n > maxNotes {
		return seen{}, fmt.Errorf("detections: %d notes", n)
	}
	for range n {
		size := num()
		if size < 0 || size > maxNoteBytes {
			return seen{}, fmt.Errorf("detections: a note of %d bytes", size)
		}
		s.notes = append(s.notes, string(take(size)))
	}
	if n = num(); n < 0 || n > maxFaces {
		return seen{}, fmt.Errorf("detections: %d faces", n)
	}
	for range n {
		var d Detection
		d.Box = image.Rectangle{Min: image.Pt(num(), num()), Max: image.Pt(num(), num())}
		marks := num()
		if marks < 0 || marks > maxLandmarks {
			return seen{}, fmt.Errorf("detections: %d landmarks", marks)
		}
		for range marks {
			d.Landmarks = append(d.Landmarks, image.Pt(num(), num()))
		}
		d.Score = math.Float64frombits(binary.LittleEndian.Uint64(take(8)))
		if math.IsNaN(d.Score) || math.IsInf(d.Score, 0) {
			return seen{}, errors.New("detections: a score is NaN or infinite")
		}
		for i := range d.Descriptor {
			d.Descriptor[i] = math.Float32frombits(binary.LittleEndian.Uint32(take(4)))
			if v := float64(d.Descriptor[i]); math.IsNaN(v) || math.IsInf(v, 0) {
				return seen{}, errors.New("detections: an embedding has NaN or infinite values")
			}
		}
		if short {
			return seen{}, errors.New("detections: too short")
		}
		s.found = append(s.found, d)
	}
	if short || len(body) > 0 {
		return seen{}, errors.New("detections: wrong length")
	}
	return s, nil
}
