package app

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// Files that facerec writes carry a mark, so that a later run may replace them
// and nothing else: a JPEG a comment (COM segment), a PNG a tEXt chunk with the
// keyword Software, a page the name of its generator.
const (
	markComment = "made by facerec"
	markHTML    = `<meta name="generator" content="facerec`
)

// MarkBytes is how much of a file's beginning holds the mark.
const MarkBytes = 1024

var (
	jpegMark = append([]byte("\xff\xd8\xff\xfe"), append([]byte{0, byte(2 + len(markComment))}, markComment...)...)
	pngMark  = pngChunk("tEXt", []byte("Software\x00facerec"))
)

// pngHead is the length of a PNG's signature and of its first chunk, IHDR.
const pngHead = 8 + 12 + 13

// Marked reports whether the beginning of a file has facerec's mark.
func Marked(head []byte) bool {
	switch {
	case bytes.HasPrefix(head, jpegMark):
		return true
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return len(head) >= pngHead && bytes.HasPrefix(head[pngHead:], pngMark)
	case bytes.HasPrefix(head, []byte("<!DOCTYPE html>")):
		return bytes.Contains(head, []byte(markHTML))
	}
	return false
}

// mark adds the mark to a JPEG or PNG.
func mark(data []byte) []byte {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8")):
		return append(jpegMark[:len(jpegMark):len(jpegMark)], data[2:]...)
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) && len(data) >= pngHead:
		out := append(make([]byte, 0, len(data)+len(pngMark)), data[:pngHead]...)
		return append(append(out, pngMark...), data[pngHead:]...)
	}
	return data
}

func pngChunk(kind string, data []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	out = append(append(out, kind...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}
