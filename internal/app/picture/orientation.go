package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"io"
	"strings"
)

// Where a file says how the camera was held, and how much of it is believed.
const (
	exifPrefix = "Exif\x00\x00"
	xmpPrefix  = "http://ns.adobe.com/xap/1.0/\x00"
	tiffSpace  = "http://ns.adobe.com/tiff/1.0/" // XMP's namespace of TIFF's tags

	maxProfile = 1 << 20 // bytes of a PNG's text, uncompressed
)

// orientation returns 1 to 8, which is what EXIF tag 0x0112 says, or else XMP's
// tiff:Orientation; 1 if neither is there or can be read: a picture is not
// refused for what a camera noted in it.
func orientation(format Format, data []byte) int {
	var exif, xmp int
	note := func(e, x int) {
		if exif == 0 {
			exif = e
		}
		if xmp == 0 {
			xmp = x
		}
	}
	switch format {
	case JPEG:
		segments(data, func(marker byte, b []byte) bool {
			if marker == markerAPP1 {
				if block, ok := bytes.CutPrefix(b, []byte(exifPrefix)); ok {
					note(exifOrientation(block), 0)
				}
				if packet, ok := bytes.CutPrefix(b, []byte(xmpPrefix)); ok {
					note(0, xmpOrientation(packet))
				}
			}
			return true
		})
	case PNG:
		pngOrientation(data, note)
	case WebP:
		all, _ := webpChunks(data)
		for _, c := range all {
			switch c.id {
			case "EXIF":
				note(exifOrientation(c.body), 0)
			case "XMP ":
				note(0, xmpOrientation(c.body))
			}
		}
	case TIFF:
		d, err := readDirectory(data)
		if err == nil {
			note(d.orientation(), 0)
			if packet := d.bytes(tagXMP); packet != nil {
				note(0, xmpOrientation(packet))
			}
		}
	}
	if exif != 0 {
		return exif
	}
	return max(1, xmp)
}

// exifOrientation reads a TIFF structure, with or without EXIF's prefix; 0 if
// it has no orientation.
func exifOrientation(block []byte) int {
	block = bytes.TrimPrefix(block, []byte(exifPrefix))
	d, err := readDirectory(block)
	if err != nil {
		return 0
	}
	return d.orientation()
}

// xmpOrientation looks for tiff:Orientation, as an attribute or as an element,
// whatever its prefix is; 0 if there is none.
func xmpOrientation(packet []byte) int {
	d := xml.NewDecoder(bytes.NewReader(packet))
	d.Strict = false
	inside := false
	for {
		t, err := d.Token()
		if err != nil {
			return 0
		}
		switch t := t.(type) {
		case xml.StartElement:
			for _, a := range t.Attr {
				if a.Name.Space == tiffSpace && a.Name.Local == "Orientation" {
					return number(a.Value)
				}
			}
			inside = t.Name.Space == tiffSpace && t.Name.Local == "Orientation"
		case xml.CharData:
			if inside {
				return number(string(t))
			}
		case xml.EndElement:
			inside = false
		}
	}
}

// number is an orientation in digits; 0 if it is none.
func number(s string) int {
	if s = strings.TrimSpace(s); len(s) == 1 && s[0] >= '1' && s[0] <= '8' {
		return int(s[0] - '0')
	}
	return 0
}

// pngOrientation looks at eXIf, at the profiles that ImageMagick and others
// write as text, and at XMP, wherever in the file they are.
func pngOrientation(data []byte, note func(exif, xmp int)) {
	for i := int64(8); i+12 <= int64(len(data)); {
		n := int64(binary.BigEndian.Uint32(data[i:]))
		if n > int64(len(data))-i-12 {
			return
		}
		body := data[i+8 : i+8+n]
		switch string(data[i+4 : i+8]) {
		case "eXIf":
			note(exifOrientation(body), 0)
		case "tEXt", "zTXt", "iTXt":
			keyword, text := pngText(string(data[i+4:i+8]), body)
			switch keyword {
			case "Raw profile type exif", "Raw profile type APP1":
				block := rawProfile(text)
				if packet, ok := bytes.CutPrefix(block, []byte(xmpPrefix)); ok { // APP1 may be either
					note(0, xmpOrientation(packet))
				} else {
					note(exifOrientation(block), 0)
				}
			case "Raw profile type xmp":
				note(0, xmpOrientation(bytes.TrimPrefix(rawProfile(text), []byte(xmpPrefix))))
			case "XML:com.adobe.xmp":
				note(0, xmpOrientation(text))
			}
		}
		i += 12 + n
	}
}

// pngText splits a text chunk (PNG, third edition, 11.3.3); the text is nil if
// it cannot be read, or is larger than maxProfile.
func pngText(kind string, body []byte) (keyword string, text []byte) {
	key, rest, ok := bytes.Cut(body, []byte{0})
	if !ok {
		return "", nil
	}
	compressed := kind == "zTXt"
	switch kind {
	case "zTXt":
		if len(rest) < 1 || rest[0] != 0 {
			return "", nil
		}
		rest = rest[1:]
	case "iTXt":
		if len(rest) < 2 {
			return "", nil
		}
		compressed = rest[0] == 1
		_, rest, _ = bytes.Cut(rest[2:], []byte{0})        // language
		if _, rest, ok = bytes.Cut(rest, []byte{0}); !ok { // the keyword, translated
			return "", nil
		}
	}
	if !compressed {
		return string(key), rest[:min(len(rest), maxProfile)]
	}
	z, err := zlib.NewReader(bytes.NewReader(rest))
	if err != nil {
		return "", nil
	}
	text, err = io.ReadAll(io.LimitReader(z, maxProfile))
	if err != nil {
		return "", nil
	}
	return string(key), text
}

// rawProfile undoes ImageMagick's way of writing a profile as text: a name, a
// length, and hexadecimal digits, each on lines of their own.
func rawProfile(text []byte) []byte {
	lines := strings.SplitN(strings.TrimLeft(string(text), "\n"), "\n", 3)
	if len(lines) < 3 {
		return nil
	}
	digits := strings.Join(strings.Fields(lines[2]), "")
	out, err := hex.DecodeString(digits)
	if err != nil {
		return nil
	}
	return out
}
