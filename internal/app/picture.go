package app

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// DefaultMaxPixels is the largest picture that is decoded: a hundred million
// pixels, which is what the largest cameras in phones deliver, and 400 MB of memory.
const DefaultMaxPixels = 100_000_000

// MaxPictureBytes is the largest file that is read as a picture, in bytes.
const MaxPictureBytes = 256 << 20

// ErrNotPicture is wrapped by Decode's error when the bytes are no picture of
// a kind that is known, as opposed to a broken one.
var ErrNotPicture = errors.New("not a picture")

// format is one kind of picture: how it begins, and what reads it.
type format struct {
	name         string
	is           func(data []byte) bool
	decodeConfig func(io.Reader) (image.Config, error)
	decode       func(io.Reader) (image.Image, error)
}

func prefix(magic ...string) func([]byte) bool {
	return func(data []byte) bool {
		for _, m := range magic {
			if bytes.HasPrefix(data, []byte(m)) {
				return true
			}
		}
		return false
	}
}

func riff(kind string) func([]byte) bool {
	return func(data []byte) bool {
		return len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == kind
	}
}

// formats is spelled out rather than registered with package image, so that
// what is read depends on this table alone.
var formats = []format{
	{"jpeg", prefix("\xff\xd8"), jpeg.DecodeConfig, jpeg.Decode},
	{"png", prefix("\x89PNG\r\n\x1a\n"), png.DecodeConfig, png.Decode},
	{"webp", riff("WEBP"), webp.DecodeConfig, webp.Decode},
	{"bmp", prefix("BM"), bmp.DecodeConfig, bmp.Decode},
	{"tiff", prefix("II*\x00", "MM\x00*"), tiff.DecodeConfig, tiff.Decode},
	{"gif", prefix("GIF87a", "GIF89a"), gif.DecodeConfig, gif.Decode},
}

// Format returns the name of the picture format that data begins like ("jpeg",
// "png", "webp", "bmp", "tiff", "gif"), or "" if it is none of them.
func Format(data []byte) string {
	if f := formatOf(data); f != nil {
		return f.name
	}
	return ""
}

func formatOf(data []byte) *format {
	for i := range formats {
		if formats[i].is(data) {
			return &formats[i]
		}
	}
	return nil
}

// Decoder turns files into pictures.
type Decoder struct {
	// MaxPixels is the largest width times height; 0 means DefaultMaxPixels.
	MaxPixels int64
	// Orientation returns the EXIF orientation, 1 to 8, of a file of the given
	// format (see Format); nil means that there is none to apply. An error, or
	// a number out of range, counts as 1: a picture is not refused because
	// what a camera noted beside it cannot be read.
	Orientation func(format string, data []byte) (int, error)
}

// Decode reads one picture: upright by its EXIF orientation, transparency laid
// on white, and no larger than the limit, which is checked before the pixels
// are decoded. The error says what is wrong with the bytes, not which file
// they came from; it wraps ErrNotPicture when they are no picture at all.
func (d Decoder) Decode(data []byte) (p Picture, err error) {
	f := formatOf(data)
	if f == nil {
		return Picture{}, notPicture(data)
	}
	// Decoders of outside formats have panicked before; one broken file must
	// not take a batch of thousands with it.
	defer func() {
		if r := recover(); r != nil {
			p, err = Picture{}, fmt.Errorf("broken %s: the decoder gave up: %v", f.name, r)
		}
	}()
	cfg, err := f.decodeConfig(bytes.NewReader(data))
	if err != nil {
		return Picture{}, broken(f.name, err, data, -1)
	}
	limit := d.limit()
	if cfg.Width <= 0 || cfg.Height <= 0 {
		return Picture{}, fmt.Errorf("broken %s: %d×%d pixels", f.name, cfg.Width, cfg.Height)
	}
	if tooLarge(cfg, limit) {
		return Picture{}, fmt.Errorf("too large: %d×%d pixels, expected at most %d in all; scale it down, or raise --max-pixels", cfg.Width, cfg.Height, limit)
	}
	counted := &counter{r: bytes.NewReader(data)}
	img, err := f.decode(counted)
	if err != nil {
		return Picture{}, broken(f.name, err, data, counted.n)
	}
	if canvas := image.Rect(0, 0, cfg.Width, cfg.Height); f.name == "gif" && img.Bounds() != canvas && img.Bounds().In(canvas) {
		// A GIF's first frame may cover a part of the picture only.
		whole := image.NewRGBA(canvas)
		draw.Draw(whole, img.Bounds(), img, img.Bounds().Min, draw.Src)
		img = whole
	}
	if b := img.Bounds(); b.Dx() != cfg.Width || b.Dy() != cfg.Height {
		return Picture{}, fmt.Errorf("broken %s: header says %d×%d pixels, got %d×%d", f.name, cfg.Width, cfg.Height, b.Dx(), b.Dy())
	}
	orientation := d.orientation(f.name, data)
	p.Image = orient(opaque(img), orientation)
	if plain(f.name, orientation, cfg) {
		p.JPEG = data
	}
	return p, nil
}

// plain reports whether an engine may be given a file's own bytes. The model of
// a three-component JPEG is YCbCr; grey, RGB and CMYK ones have others, and
// libjpeg is not asked to read those.
func plain(format string, orientation int, cfg image.Config) bool {
	return format == "jpeg" && orientation == 1 && cfg.ColorModel == color.YCbCrModel
}

// plainJPEG tells by a file's header alone whether it is plain and within the
// limit, and its size.
func (d Decoder) plainJPEG(data []byte) (size image.Point, ok bool) {
	if Format(data) != "jpeg" {
		return size, false
	}
	defer func() { // see Decode
		if recover() != nil {
			ok = false
		}
	}()
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil || cfg.Width <= 0 || cfg.Height <= 0 || tooLarge(cfg, d.limit()) {
		return size, false
	}
	return image.Pt(cfg.Width, cfg.Height), plain("jpeg", d.orientation("jpeg", data), cfg)
}

func (d Decoder) limit() int64 {
	if d.MaxPixels <= 0 {
		return DefaultMaxPixels
	}
	return d.MaxPixels
}

// tooLarge compares with a limit. Two ints of 31 bits cannot overflow the product.
func tooLarge(cfg image.Config, limit int64) bool {
	return int64(cfg.Width) > limit || int64(cfg.Height) > limit || int64(cfg.Width)*int64(cfg.Height) > limit
}

// orientation is what is to be applied, 1 if nothing.
func (d Decoder) orientation(format string, data []byte) int {
	if d.Orientation != nil {
		if o, err := d.Orientation(format, data); err == nil && o >= 1 && o <= 8 {
			return o
		}
	}
	return 1
}

// notPicture says what data looks like instead.
func notPicture(data []byte) error {
	const kinds = "expected JPEG, PNG, WebP, BMP, TIFF or GIF"
	switch {
	case len(data) == 0:
		return fmt.Errorf("%w: the file is empty; %s", ErrNotPicture, kinds)
	case len(data) >= 12 && string(data[4:8]) == "ftyp":
		return fmt.Errorf("%w that can be read: it is %q (HEIC, AVIF or a film); convert it to JPEG; %s", ErrNotPicture, Printable(string(data[8:12])), kinds)
	}
	n := min(len(data), 4)
	return fmt.Errorf("%w: begins with % x; %s", ErrNotPicture, data[:n], kinds)
}

// broken explains a decoder's error; n is how many bytes it had read, or -1.
func broken(format string, err error, data []byte, n int) error {
	cut := errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
	// A JPEG that was read to its last byte and has no end marker there was
	// cut, whatever its decoder made of the last bits.
	if format == "jpeg" && n == len(data) && !bytes.Contains(data[max(0, n-64):], []byte("\xff\xd9")) {
		cut = true
	}
	switch {
	case cut:
		return fmt.Errorf("broken %s: it ends too early, after %d bytes; copy the file again", format, len(data))
	case n >= 0 && n < len(data):
		return fmt.Errorf("broken %s: %w, before byte %d of %d", format, err, n, len(data))
	}
	return fmt.Errorf("broken %s: %w", format, err)
}

// counter counts what a decoder has read.
type counter struct {
	r *bytes.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// opaque lays a picture with transparent parts on white.
func opaque(img image.Image) image.Image {
	if o, ok := img.(interface{ Opaque() bool }); ok && o.Opaque() {
		return img
	}
	b := img.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(out, out.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(out, out.Bounds(), img, b.Min, draw.Over)
	return out
}
