package tarball

import (
	"archive/tar"
	"bytes"
	"strings"
)

// SniffLength is how many bytes of a file's beginning [Sniff] looks at.
const SniffLength = 512

// magics are what files of common kinds begin with (file formats' own
// specifications; the names are for people).
var magics = []struct{ magic, kind string }{
	{"\x1f\x8b", "gzip"},
	{"\xfd7zXZ\x00", "xz"},
	{"\x28\xb5\x2f\xfd", "zstd"},
	{"BZh", "bzip2"},
	{"PK\x03\x04", "zip"},
	{"PK\x05\x06", "zip"},
	{"7z\xbc\xaf\x27\x1c", "7-Zip"},
	{"\x04\x22\x4d\x18", "LZ4"},
	{"LZIP", "lzip"},
	{"\x1f\x9d", "compress (.Z)"},
	{"Rar!\x1a\x07", "RAR"},
	{"!<arch>\n", "ar (a .deb or .a)"},
	{"\xed\xab\xee\xdb", "RPM"},
	{"\x7fELF", "an ELF program"},
	{"MZ", "a Windows program"},
	{"\xcf\xfa\xed\xfe", "a Mach-O program"},
	{"\xca\xfe\xba\xbe", "a Mach-O program"},
	{"\x00asm", "a WebAssembly program"},
	{"#!", "a script"},
	{"%PDF-", "a PDF document"},
	{"version https://git-lfs.github.com/", "a Git LFS pointer"},
	{"-----BEGIN ", "PEM"},
}

// Sniff names what a file is by its first bytes, [SniffLength] of them or the
// whole file: "gzip", "xz", "tar", "an HTML page". It is "" for what it does not
// know.
func Sniff(head []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.kind
		}
	}
	if len(head) >= 512 {
		if h, err := tar.NewReader(bytes.NewReader(head[:512])).Next(); err == nil && h != nil || bytes.HasPrefix(head[257:], []byte("ustar")) {
			return "tar"
		}
	}
	text := strings.ToLower(strings.TrimLeft(strings.TrimPrefix(string(head[:min(len(head), 256)]), "\ufeff"), " \t\r\n"))
	for _, m := range []string{"<!doctype html", "<html", "<head", "<body"} {
		if strings.HasPrefix(text, m) {
			return "an HTML page"
		}
	}
	switch {
	case strings.HasPrefix(text, "<?xml"):
		return "XML"
	case strings.HasPrefix(text, "{") || strings.HasPrefix(text, "["):
		return "JSON"
	}
	return ""
}

// IsArchive reports whether a kind that [Sniff] named holds other files.
func IsArchive(kind string) bool {
	switch kind {
	case "gzip", "xz", "zstd", "bzip2", "zip", "7-Zip", "LZ4", "lzip", "compress (.Z)", "RAR", "ar (a .deb or .a)", "RPM", "tar":
		return true
	}
	return false
}

// IsProgram reports whether a kind that [Sniff] named can be run.
func IsProgram(kind string) bool { return strings.HasSuffix(kind, "program") || kind == "a script" }
