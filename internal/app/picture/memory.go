package picture

// Memory estimates how many bytes are needed to decode the file at 1/scale of
// its sides and to hold the result, upright: the file itself, what its decoder
// works with, and the copies that are made. It errs upwards.
func (f *File) Memory(scale int) int64 {
	pixels := int64(f.h.width) * int64(f.h.height)
	out := pixels / int64(scale*scale)
	// What a decoder returns: samples of a byte or of two; Go holds three as four.
	sample := int64(1)
	if f.h.bits > 8 {
		sample = 2
	}
	samples := f.h.samples
	if f.Format == PNG || f.Format == TIFF {
		samples = map[bool]float64{true: 4, false: samples}[samples > 1]
	}
	n := int64(len(f.data))
	switch f.Format {
	case JPEG:
		if scale == 1 {
			n += int64(samples * float64(pixels))
			if f.h.twice { // Go keeps coefficients as 32 bits
				n += int64(4 * samples * float64(pixels))
			}
		} else {
			n += 4 * out // libjpeg writes RGB, which becomes RGBA
			if f.h.twice {
				n += int64(2 * samples * float64(pixels))
			}
		}
	default:
		n += int64(samples*float64(pixels)) * sample
		if f.h.twice {
			n += int64(samples*float64(pixels)) * sample
		}
	}
	if f.h.alpha { // laid on white
		n += 4 * out
	}
	if f.Orientation != 1 { // a copy as RGBA, which is turned into another
		n += 8 * out
	}
	return n
}
