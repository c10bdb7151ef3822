package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"facerec/internal/text"
)

// ErrNotPicture is wrapped by Decode's error when the bytes are of no kind that
// is known, as opposed to a picture that is broken or cannot be read.
var ErrNotPicture = errors.New("not a picture")

// Formats lists what is read, for messages.
const Formats = "JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC or AVIF"

// UnsupportedError says that a file is whole, as far as can be seen, but of a
// kind that is not read.
type UnsupportedError struct {
	// Kind names it, with its article: "a JPEG XL picture".
	Kind string
	// Group names it for a count of many: "JPEG XL", "video"; "" is "other".
	Group string
	// Advice says what to do.
	Advice string
}

func (e *UnsupportedError) Error() string { return "is " + e.Kind + ", which facerec does not read" }

// Hint returns what to do.
func (e *UnsupportedError) Hint() string { return e.Advice }

// convert is advice for what other programs read.
const convert = "convert it to JPEG or PNG"

const (
	rawAdvice   = "export it as JPEG from a photo program, or use the JPEG that the camera stores with it"
	videoAdvice = "facerec reads still pictures; save frames as JPEG, for example with ffmpeg"
)

// magic is how a kind of file begins.
type magic struct {
	at     int
	bytes  string
	kind   string
	group  string
	advice string
}

// magics are kinds of files that people have among their photos.
var magics = []magic{
	{0, "\xff\x0a", "a JPEG XL picture", "JPEG XL", convert + ", for example with djxl"},
	{0, "\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL picture", "JPEG XL", convert + ", for example with djxl"},
	{0, "\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 picture", "JPEG 2000", convert + ", for example with opj_decompress"},
	{0, "\xff\x4f\xff\x51", "a JPEG 2000 codestream", "JPEG 2000", convert + ", for example with opj_decompress"},
	{0, "II\xbc", "a JPEG XR picture", "JPEG XR", convert},
	{0, "FUJIFILMCCD-RAW", "a raw photo (RAF)", "RAW", rawAdvice},
	{0, "IIRO", "a raw photo (ORF)", "RAW", rawAdvice},
	{0, "IIRS", "a raw photo (ORF)", "RAW", rawAdvice},
	{0, "MMOR", "a raw photo (ORF)", "RAW", rawAdvice},
	{0, "IIU\x00", "a raw photo (RW2)", "RAW", rawAdvice},
	{6, "HEAPCCDR", "a raw photo (CRW)", "RAW", rawAdvice},
	{0, "FOVb", "a raw photo (X3F)", "RAW", rawAdvice},
	{0, "\x00MRM", "a raw photo (MRW)", "RAW", rawAdvice},
	{0, "8BPS", "a Photoshop document", "Photoshop", "save it as JPEG or PNG"},
	{0, "8BPB", "a Photoshop document", "Photoshop", "save it as JPEG or PNG"},
	{0, "gimp xcf", "a GIMP document", "GIMP", "export it as JPEG or PNG"},
	{0, "%PDF-", "a PDF document", "PDF", "extract its pictures, for example with pdfimages"},
	{0, "%!PS", "a PostScript document", "PostScript", convert},
	{0, "II+\x00", "a BigTIFF", "BigTIFF", convert},
	{0, "MM\x00+", "a BigTIFF", "BigTIFF", convert},
	{0, "\x00\x00\x01\x00", "an icon", "icon", convert},
	{0, "v/1\x01", "an OpenEXR picture", "OpenEXR", convert},
	{0, "#?RADIANCE", "a Radiance HDR picture", "Radiance HDR", convert},
	{0, "qoif", "a QOI picture", "QOI", convert},
	{0, "BPG\xfb", "a BPG picture", "BPG", convert},
	{0, "FLIF", "a FLIF picture", "FLIF", convert},
	{0, "DDS ", "a DirectDraw surface", "DDS", convert},
	{0, "AT&TFORM", "a DjVu document", "DjVu", convert},
	{0, "\x1a\x45\xdf\xa3", "a video (Matroska or WebM)", "video", videoAdvice},
	{8, "AVI ", "a video (AVI)", "video", videoAdvice},
	{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a video (Windows Media)", "video", videoAdvice},
	{0, "\x00\x00\x01\xba", "a video (MPEG)", "video", videoAdvice},
	{0, "\x00\x00\x01\xb3", "a video (MPEG)", "video", videoAdvice},
	{0, "FLV\x01", "a video (Flash)", "video", videoAdvice},
	{0, "PK\x03\x04", "a zip archive", "archive", "unpack it"},
	{0, "\x1f\x8b", "a gzip file", "archive", "unpack it"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7z archive", "archive", "unpack it"},
	{0, "Rar!\x1a", "a rar archive", "archive", "unpack it"},
}

// brands are the major brands of ISO base media files that are not videos.
var brands = map[string]Format{
	"heic": HEIC, "heix": HEIC, "heim": HEIC, "heis": HEIC, "hevc": HEIC, "hevx": HEIC, "mif1": HEIC, "msf1": HEIC,
	"avif": AVIF, "avis": AVIF,
}

// unsupported returns what data is if it is a known kind that is not read.
// Its first 4 KB are enough.
func unsupported(data []byte) *UnsupportedError {
	for _, m := range magics {
		if len(data) >= m.at+len(m.bytes) && string(data[m.at:m.at+len(m.bytes)]) == m.bytes {
			return &UnsupportedError{m.kind, m.group, m.advice}
		}
	}
	if len(data) >= 12 {
		switch brand := string(data[8:12]); string(data[4:8]) {
		case "ftyp":
			switch {
			case brand == "crx ":
				return &UnsupportedError{"a raw photo (CR3)", "RAW", rawAdvice}
			case brand == "jxl ":
				return &UnsupportedError{"a JPEG XL picture", "JPEG XL", convert}
			}
			return &UnsupportedError{"a video (" + text.Show(strings.TrimSpace(brand)) + ")", "video", videoAdvice}
		case "moov", "mdat", "wide", "pnot": // QuickTime, before there was ftyp
			return &UnsupportedError{"a video (QuickTime)", "video", videoAdvice}
		}
	}
	head := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(data[:min(len(data), 4096)], []byte("\xef\xbb\xbf")), " \t\r\n"))
	switch {
	case bytes.HasPrefix(head, []byte("<svg")), bytes.HasPrefix(head, []byte("<?xml")) && bytes.Contains(head, []byte("<svg")):
		return &UnsupportedError{"an SVG drawing", "SVG", convert}
	case bytes.HasPrefix(head, []byte("<!doctype html")), bytes.HasPrefix(head, []byte("<html")):
		return &UnsupportedError{"an HTML page", "HTML", "download the picture itself"}
	}
	return nil
}

// rawPhoto returns what a TIFF is if it is a camera's raw file.
func rawPhoto(data []byte) *UnsupportedError {
	if len(data) >= 10 && string(data[8:10]) == "CR" {
		return &UnsupportedError{"a raw photo (CR2)", "RAW", rawAdvice}
	}
	d, err := readDirectory(data)
	if err != nil {
		return nil //nolint:nilerr // not a TIFF structure: some other kind of file
	}
	maker := strings.ToUpper(string(d.bytes(tagMake)))
	switch {
	case d.has(tagDNGVersion):
		return &UnsupportedError{"a raw photo (DNG)", "RAW", rawAdvice}
	case !d.has(tagSubIFDs) && d.number(tagCompression, 1) < 32767:
		return nil
	case strings.HasPrefix(maker, "NIKON"):
		return &UnsupportedError{"a raw photo (NEF)", "RAW", rawAdvice}
	case strings.HasPrefix(maker, "SONY"):
		return &UnsupportedError{"a raw photo (ARW)", "RAW", rawAdvice}
	case strings.HasPrefix(maker, "PENTAX"):
		return &UnsupportedError{"a raw photo (PEF)", "RAW", rawAdvice}
	case strings.HasPrefix(maker, "SAMSUNG"):
		return &UnsupportedError{"a raw photo (SRW)", "RAW", rawAdvice}
	case d.number(tagNewSubfileType, 0)&1 != 0 && d.has(tagSubIFDs):
		return &UnsupportedError{"a raw photo", "RAW", rawAdvice}
	}
	return nil
}

// Check reports, from the first few kilobytes of a file, whether it is of a kind
// that is not read: an UnsupportedError, or an error that wraps ErrNotPicture.
func Check(head []byte) error {
	f := FormatOf(head)
	if f == "" {
		return notPicture(head)
	}
	if f == TIFF {
		if u := rawPhoto(head); u != nil {
			return u
		}
	}
	return nil
}

// notPicture says what data is instead.
func notPicture(data []byte) error {
	if len(data) == 0 {
		return fmt.Errorf("%w: the file is empty", ErrNotPicture)
	}
	if u := unsupported(data); u != nil {
		return u
	}
	return fmt.Errorf("%w: begins with % x; expected "+Formats, ErrNotPicture, data[:min(len(data), 4)])
}

// FormatOf returns the format that data begins like, or "" if it is none that is read.
func FormatOf(data []byte) Format {
	has := func(magic string) bool { return bytes.HasPrefix(data, []byte(magic)) }
	switch {
	case has("\xff\xd8"):
		return JPEG
	case has("\x89PNG\r\n\x1a\n"):
		return PNG
	case len(data) >= 12 && has("RIFF") && string(data[8:12]) == "WEBP":
		return WebP
	case has("BM"):
		return BMP
	case has("II*\x00"), has("MM\x00*"):
		return TIFF
	case has("GIF87a"), has("GIF89a"):
		return GIF
	case len(data) >= 12 && string(data[4:8]) == "ftyp":
		return isoFormat(data)
	}
	return ""
}

// isoFormat looks at the brands of an ISO base media file: the major one, or
// for general ones that of the codec.
func isoFormat(data []byte) Format {
	f := brands[string(data[8:12])]
	if general := string(data[8:12]) == "mif1" || string(data[8:12]) == "msf1"; general {
		n := min(int(min(binary.BigEndian.Uint32(data), 1<<10)), len(data))
		for i := 16; i+4 <= n; i += 4 {
			if b := brands[string(data[i:i+4])]; b == AVIF {
				return AVIF
			}
		}
	}
	return f
}
