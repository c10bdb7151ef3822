package tarball

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Recipe is the name of a way to make the file out of the tar stream. It is
// written into release.json; a recipe that was ever released stays here, with
// golden vectors that hold its bytes fast.
type Recipe string

// GNUGzip6 is what "gzip -n" of GNU gzip 1.12 writes: level 6, no name, no time.
const GNUGzip6 Recipe = "gnu-gzip-6"

// recipes is the one list of names, in the order in which they are shown.
var recipes = []Recipe{GNUGzip6}

// Recipes lists all recipes that this program can run.
func Recipes() []Recipe { return append([]Recipe(nil), recipes...) }

// ParseRecipe checks a recipe's name.
func ParseRecipe(name string) (Recipe, error) {
	for _, r := range recipes {
		if string(r) == name {
			return r, nil
		}
	}
	known := make([]string, len(recipes))
	for i, r := range recipes {
		known[i] = string(r)
	}
	return "", fmt.Errorf("recipe %q is not known; known: %s", name, strings.Join(known, ", "))
}

// gzipHeader is the header of every file: deflate, no flags, no time, no extra
// flags (level 6), made on Unix (RFC 1952, 2.3).
var gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3}

// HeaderSize is how many bytes of a file of any recipe are its gzip header.
const HeaderSize = 10

// gzipTrailer is the CRC and the size, modulo 2^32, of the bytes before
// compression.
func gzipTrailer(crc uint32, size int64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, crc)
	return binary.LittleEndian.AppendUint32(b, uint32(size))
}
