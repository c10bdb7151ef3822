package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/draw"

	"golang.org/x/image/webp"
)

// chunk is one chunk of a RIFF file.
type chunk struct {
	id   string
	body []byte
}

// chunks splits the body of a RIFF file. A chunk of odd length is followed by
// a byte that belongs to none (RIFF, "Chunks"). A last chunk that is cut is
// left out, and reported.
func chunks(body []byte) (all []chunk, cut bool) {
	for len(body) >= 8 {
		n := int64(binary.LittleEndian.Uint32(body[4:]))
		if n > int64(len(body)-8) {
			return all, true
		}
		all = append(all, chunk{string(body[:4]), body[8 : 8+n]})
		body = body[min(int64(len(body)), 8+n+n&1):]
	}
	return all, false
}

// webpChunks returns the chunks of a WebP file (RFC 9649).
func webpChunks(data []byte) (all []chunk, cut bool) { return chunks(data[min(12, len(data)):]) }

// Flags of a VP8X chunk.
const (
	webpAnimated = 1 << 1
	webpAlpha    = 1 << 4
)

func webpHeader(data []byte) (h header, err error) {
	all, cut := webpChunks(data)
	h.bits = 8
	if len(all) == 0 {
		// Even of a file that is cut, the first chunk says how large it is.
		if len(data) < 30 {
			return h, errShort
		}
		all = []chunk{{string(data[12:16]), data[20:]}}
	}
	first := all[0]
	switch {
	case first.id == "VP8X" && len(first.body) >= 10:
		h.width, h.height = 1+little24(first.body[4:]), 1+little24(first.body[7:])
		h.alpha = first.body[0]&webpAlpha != 0
		h.kind = int(first.body[0] & webpAnimated)
		h.samples = 4
		for _, c := range all[1:] {
			if c.id == "VP8 " {
				h.samples = 2.5
			}
		}
	case first.id == "VP8 " && len(first.body) >= 10:
		h.width, h.height = int(binary.LittleEndian.Uint16(first.body[6:])&0x3fff), int(binary.LittleEndian.Uint16(first.body[8:])&0x3fff)
		h.samples = 1.5
	case first.id == "VP8L" && len(first.body) >= 5:
		v := binary.LittleEndian.Uint32(first.body[1:])
		h.width, h.height = 1+int(v&0x3fff), 1+int(v>>14&0x3fff)
		h.alpha = v>>28&1 != 0
		h.samples, h.twice = 4, true
	case cut:
		return h, errShort
	default:
		return h, errors.New("there is no picture in it")
	}
	return h, nil
}

func little24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// decodeWebP reads a picture, or the first frame of an animation, on white.
func decodeWebP(data []byte, h header) (image.Image, error) {
	if h.kind&webpAnimated == 0 {
		return webp.Decode(bytes.NewReader(data))
	}
	all, cut := webpChunks(data)
	for _, c := range all {
		if c.id != "ANMF" {
			continue
		}
		if len(c.body) < 16 {
			return nil, errors.New("a frame header is too short")
		}
		at := image.Pt(2*little24(c.body), 2*little24(c.body[3:]))
		frame, err := webp.Decode(bytes.NewReader(still(c.body)))
		if err != nil {
			return nil, err
		}
		canvas := image.Rect(0, 0, h.width, h.height)
		if r := frame.Bounds().Sub(frame.Bounds().Min).Add(at); !r.In(canvas) {
			return nil, errors.New("the first frame is larger than the picture")
		} else if r == canvas {
			return frame, nil
		}
		whole := image.NewRGBA(canvas)
		draw.Draw(whole, canvas, image.White, image.Point{}, draw.Src)
		draw.Draw(whole, frame.Bounds().Add(at), frame, frame.Bounds().Min, draw.Over)
		return whole, nil
	}
	if cut {
		return nil, errShort
	}
	return nil, errors.New("there is no frame in it")
}

// still makes a WebP file of its own of an ANMF chunk: what follows the 16
// bytes of its header is the data of a still picture.
func still(anmf []byte) []byte {
	frame, _ := chunks(anmf[16:])
	var alpha, pixels []byte
	for _, c := range frame {
		switch c.id {
		case "ALPH":
			alpha = appendChunk(nil, c)
		case "VP8 ", "VP8L":
			if pixels == nil {
				pixels = appendChunk(nil, c)
			}
		}
	}
	var body []byte
	if alpha != nil {
		extended := make([]byte, 10)
		extended[0] = webpAlpha
		copy(extended[4:], anmf[6:12]) // width and height, less one, are written alike
		body = appendChunk(nil, chunk{"VP8X", extended})
	}
	body = append(append(body, alpha...), pixels...)
	out := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(body)))
	return append(append(out, "WEBP"...), body...)
}

func appendChunk(out []byte, c chunk) []byte {
	out = binary.LittleEndian.AppendUint32(append(out, c.id...), uint32(len(c.body)))
	out = append(out, c.body...)
	if len(c.body)%2 != 0 {
		out = append(out, 0)
	}
	return out
}
