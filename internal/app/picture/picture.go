// Package picture turns files into pictures: upright, opaque, and within
// limits that are checked on the header, before any pixel is decoded.
//
//	bytes → Decoder.Open (kind, size, limits, memory) → File.Decode → Picture
//
// What a file is, is decided by its first bytes, never by its name. There are
// four ways in which a file can be refused, and each is an error of its own:
//
//   - it is of a kind that is known and not read: [UnsupportedError];
//   - it is of no known kind: [ErrNotPicture];
//   - it is larger than the limits: [TooLargeError];
//   - it is broken: any other error, which says where.
//
// A whole file of a known kind is never called broken.
package picture

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

	"facerec/internal/text"
)

const (
	// DefaultMaxPixels is the largest picture that is decoded: a quarter of a
	// billion pixels, more than the 200 million of the largest cameras in phones.
	DefaultMaxPixels = 250_000_000
	// MaxSide is the largest width and height: more than any JPEG can have, and
	// than an engine can be handed.
	MaxSide = 65535
	// MaxBytes is the largest file that is read as a picture.
	MaxBytes = 256 << 20
)

// minHEIC is the least width of a HEIC picture: the decoder mixes up the
// colours of smaller ones.
const minHEIC = 128

// Format is a kind of file that is read.
type Format string

// The formats, by the names that messages use.
const (
	JPEG Format = "jpeg"
	PNG  Format = "png"
	WebP Format = "webp"
	BMP  Format = "bmp"
	TIFF Format = "tiff"
	GIF  Format = "gif"
	HEIC Format = "heic"
	AVIF Format = "avif"
)

// Picture is one picture, upright and opaque.
type Picture struct {
	// Image is the picture decoded; nil when JPEG is there and nobody needed
	// the pixels yet. An Engine that cannot read the JPEG then answers with an
	// error, and is asked again with an Image.
	Image image.Image
	// JPEG holds the original bytes when they are a plain three-component
	// JPEG with no orientation to apply, else nil. An Engine may prefer them,
	// so that nothing is lost by encoding again.
	JPEG []byte
	// Size is the picture's own, upright; Image may be a smaller copy of it.
	Size image.Point
	// Notes say what is odd about the file although it was read, one line each.
	Notes []string
}

// Decoder turns files into pictures. The zero value reads what Go's own
// decoders read, with the default limits.
type Decoder struct {
	// MaxPixels is the largest width times height; 0 means DefaultMaxPixels.
	MaxPixels int64
	// JPEG, if not nil, reads the JPEGs that Go's decoder refuses, and any
	// JPEG at 1/2, 1/4 or 1/8 of its sides. It returns what it has to remark
	// next to the picture.
	JPEG func(data []byte, scale int) (image.Image, []string, error)
	// HEIF, if not nil, reads HEIC and AVIF files, upright.
	HEIF func(format Format, data []byte) (image.Image, error)
}

// TooLargeError says that a picture is beyond a limit.
type TooLargeError struct {
	Text   string
	Advice string
}

func (e *TooLargeError) Error() string { return "too large: " + e.Text }

// Hint returns what to do.
func (e *TooLargeError) Hint() string { return e.Advice }

// File is a picture whose header was read and found to be within the limits.
type File struct {
	Format Format
	// Size is in pixels, upright.
	Size image.Point
	// Orientation is EXIF's, 1 to 8.
	Orientation int

	data []byte
	h    header
	d    Decoder
}

// Open reads the header of a file.
func (d Decoder) Open(data []byte) (f *File, err error) {
	format := FormatOf(data)
	if format == "" {
		return nil, notPicture(data)
	}
	defer recovered(format, &err)
	f = &File{Format: format, Orientation: 1, data: data, d: d}
	switch format {
	case JPEG:
		f.h, err = jpegHeader(data)
	case PNG:
		f.h, err = pngHeader(data)
	case WebP:
		f.h, err = webpHeader(data)
	case BMP:
		f.h, err = bmpHeader(data)
	case TIFF:
		if u := rawPhoto(data); u != nil {
			return nil, u
		}
		f.h, err = tiffHeader(data)
	case GIF:
		f.h, err = gifHeader(data)
	case HEIC, AVIF:
		if d.HEIF == nil {
			return nil, &UnsupportedError{map[Format]string{HEIC: "a HEIC picture", AVIF: "an AVIF picture"}[format], map[Format]string{HEIC: "HEIC", AVIF: "AVIF"}[format], convert}
		}
		f.h, err = heifHeader(data)
	}
	if err != nil {
		return nil, broken(format, err, data, -1)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	switch format {
	case HEIC: // its decoder turns it
	case AVIF:
		f.Orientation = f.h.kind
	default:
		f.Orientation = orientation(format, data)
	}
	f.Size = image.Pt(f.h.width, f.h.height)
	if f.Orientation >= 5 {
		f.Size = image.Pt(f.h.height, f.h.width)
	}
	return f, nil
}

// check compares the header with the limits, and with what can be read at all.
func (f *File) check() error {
	w, h := f.h.width, f.h.height
	if f.Format == HEIC && w > 0 && w < minHEIC {
		return &UnsupportedError{fmt.Sprintf("a HEIC picture of fewer than %d columns", minHEIC), "HEIC", convert}
	}
	if f.Format == JPEG {
		switch kind := f.h.kind; {
		case kind == markerSOF55:
			return &UnsupportedError{"a JPEG-LS picture", "JPEG-LS", convert}
		case kind != markerSOF0 && kind != markerSOF1 && kind != markerSOF2 && kind != markerSOF9 && kind != markerSOFa:
			return &UnsupportedError{"a lossless or hierarchical JPEG", "lossless JPEG", convert}
		case f.h.bits != 8:
			return &UnsupportedError{fmt.Sprintf("a JPEG of %d bits per sample", f.h.bits), "JPEG of 12 bits", convert}
		case h == 0 && w > 0:
			return &UnsupportedError{"a JPEG whose height follows its pixels (DNL)", "", convert}
		}
	}
	limit := f.d.MaxPixels
	if limit <= 0 {
		limit = DefaultMaxPixels
	}
	switch {
	case w <= 0 || h <= 0:
		return fmt.Errorf("broken %s: %d×%d pixels", f.Format, w, h)
	case w > MaxSide || h > MaxSide:
		return &TooLargeError{fmt.Sprintf("%d×%d pixels, expected sides of at most %d", w, h, MaxSide), "scale it down or cut it into parts"}
	case f.Format == JPEG && f.h.twice && scans(f.data) > maxScans:
		return &TooLargeError{fmt.Sprintf("%d scans, expected at most %d", scans(f.data), maxScans), "save it as an ordinary JPEG"}
	case int64(w)*int64(h) > limit:
		return &TooLargeError{fmt.Sprintf("%d×%d pixels, expected at most %d in all", w, h, limit), "scale it down, or raise --max-pixels"}
	}
	return nil
}

// Stored is the EXIF orientation in which programs find the pixels in the file:
// 1 for HEIC and AVIF, which every decoder turns.
func (f *File) Stored() int {
	if f.Format == HEIC || f.Format == AVIF {
		return 1
	}
	return f.Orientation
}

// Plain reports whether an engine may be given the file's own bytes: a JPEG of
// three components, luma and chroma, that is upright as it is. For grey, RGB
// and CMYK ones libjpeg's answer is not the one that was always given.
func (f *File) Plain() (ok bool) {
	if f.Format != JPEG || f.Orientation != 1 {
		return false
	}
	defer func() { // see recovered
		if recover() != nil {
			ok = false
		}
	}()
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(f.data))
	return err == nil && cfg.ColorModel == color.YCbCrModel && cfg.Width == f.h.width && cfg.Height == f.h.height
}

// JPEG returns the file's bytes as a picture whose pixels nobody has decoded.
func (f *File) JPEG() Picture { return Picture{JPEG: f.data, Size: f.Size} }

// Scales lists the divisors of its sides at which the file can be decoded.
func (f *File) Scales() []int {
	if f.Format == JPEG && f.d.JPEG != nil {
		return []int{1, 2, 4, 8}
	}
	return []int{1}
}

// Decode reads the picture, at 1/scale of its sides.
func (f *File) Decode(scale int) (p Picture, err error) {
	defer recovered(f.Format, &err)
	counted := &counter{r: bytes.NewReader(f.data)}
	var img image.Image
	switch f.Format {
	case JPEG:
		img, p.Notes, err = f.d.decodeJPEG(counted, f.data, scale)
	case PNG:
		img, err = png.Decode(counted)
	case WebP:
		img, err = decodeWebP(f.data, f.h)
		counted.n = -1
	case BMP:
		img, err = decodeBMP(f.data, f.h)
		counted.n = -1
	case TIFF:
		img, err = decodeTIFF(f.data, f.h, func(data []byte) (image.Image, error) {
			img, _, err := f.d.decodeJPEG(&counter{r: bytes.NewReader(data)}, data, 1)
			return img, err
		})
		counted.n = -1
	case GIF:
		img, err = gif.Decode(counted)
	case HEIC, AVIF:
		img, err = f.d.HEIF(f.Format, f.data)
		counted.n = -1
	}
	var unsupported *UnsupportedError
	if errors.As(err, &unsupported) {
		return Picture{}, err
	}
	if err != nil {
		return Picture{}, broken(f.Format, err, f.data, counted.n)
	}
	want := image.Rect(0, 0, (f.h.width+scale-1)/scale, (f.h.height+scale-1)/scale)
	if f.Format == GIF && img.Bounds() != want && img.Bounds().In(want) {
		// A GIF's first frame may cover a part of the picture only.
		whole := image.NewRGBA(want)
		draw.Draw(whole, img.Bounds(), img, img.Bounds().Min, draw.Src)
		img = whole
	}
	if b := img.Bounds(); b.Size() != want.Size() {
		if f.Format != HEIC && f.Format != AVIF || !b.Size().In(image.Rect(1, 1, MaxSide+1, MaxSide+1)) {
			return Picture{}, fmt.Errorf("broken %s: the header gives %d×%d pixels, the contents %d×%d", f.Format, want.Dx(), want.Dy(), b.Dx(), b.Dy())
		}
		f.Size = b.Size() // turned or cropped, as the file says elsewhere
	}
	p.Image, p.Size = orient(opaque(img), f.Orientation), f.Size
	if scale == 1 && p.Notes == nil && f.Plain() {
		p.JPEG = f.data
	}
	return p, nil
}

// Decode reads one picture at its own size. The error says what is wrong with
// the bytes, not which file they came from.
func (d Decoder) Decode(data []byte) (Picture, error) {
	f, err := d.Open(data)
	if err != nil {
		return Picture{}, err
	}
	return f.Decode(1)
}

// decodeJPEG reads with Go's decoder what that can read, at full size; the
// rest is d.JPEG's.
func (d Decoder) decodeJPEG(r io.Reader, data []byte, scale int) (img image.Image, notes []string, err error) {
	if scale == 1 {
		if img, err = jpeg.Decode(r); err == nil {
			return img, nil, nil
		}
		if !ended(data) {
			whole := append(bytes.Clone(data), 0xff, markerEOI)
			if img, err := jpeg.Decode(bytes.NewReader(whole)); err == nil {
				return img, []string{NoEnd}, nil
			}
		}
	}
	if d.JPEG != nil {
		return d.JPEG(data, scale)
	}
	var unsupported jpeg.UnsupportedError
	if errors.As(err, &unsupported) {
		return nil, nil, &UnsupportedError{Kind: "a JPEG with " + string(unsupported), Advice: convert}
	}
	return nil, nil, err
}

// NoEnd is the remark on a JPEG that lacks its last marker only.
const NoEnd = "the JPEG has no end marker: it may have been cut, but all of its pixels were read"

// ended reports whether a JPEG has its end marker about where it should be.
func ended(data []byte) bool {
	return bytes.Contains(data[max(0, len(data)-64):], []byte{0xff, markerEOI})
}

// recovered turns a panic into an error: decoders of outside formats have
// panicked before, and one broken file must not take a batch of thousands with it.
func recovered(f Format, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("broken %s: the decoder failed: %v", f, r)
	}
}

// broken explains a decoder's error; n is how many bytes it had read, or -1.
func broken(format Format, err error, data []byte, n int) error {
	cut := errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
	// A JPEG that was read to its last byte and has no end marker there was
	// cut, whatever its decoder made of the last bits.
	if format == JPEG && n == len(data) && !ended(data) {
		cut = true
	}
	switch {
	case cut:
		return text.WithHint(fmt.Errorf("broken %s: it ends too early, after %d bytes", format, len(data)), "copy the file again")
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
