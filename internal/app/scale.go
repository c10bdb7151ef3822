package app

import (
	"image"
	"image/color"
	"math"
)

// scale returns an opaque picture at other sides, with the numbers of
// golang.org/x/image/draw's BiLinear: the tent filter, widened when the picture
// gets smaller, in float64, columns before rows. That package keeps 32 bytes for
// every row of the source and column of the result, 2 GB for a photo of 200
// megapixels; here no more rows are kept than one row of the result is made of.
func scale(src image.Image, w, h int) *image.RGBA {
	b := src.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	across, down := tent(w, b.Dx()), tent(h, b.Dy())
	line := make([][3]uint16, b.Dx())
	rows := map[int][][4]float64{} // rows of the source, at the width of the result
	var free [][][4]float64
	for y := range h {
		first := down[y].from
		for at, row := range rows {
			if at < first {
				free = append(free, row)
				delete(rows, at)
			}
		}
		for i := range down[y].weights {
			if at := first + i; rows[at] == nil {
				var row [][4]float64
				if n := len(free); n > 0 {
					row, free = free[n-1], free[:n-1]
				} else {
					row = make([][4]float64, w)
				}
				readLine(src, b.Min.X, b.Min.Y+at, line)
				narrow(row, line, across)
				rows[at] = row
			}
		}
		in := make([][][4]float64, len(down[y].weights))
		for i := range in {
			in[i] = rows[first+i]
		}
		pix := out.Pix[y*out.Stride:]
		for x := range w {
			var sum [4]float64
			for i, weight := range down[y].weights {
				p := &in[i][x]
				for c := range sum {
					sum[c] += float64(p[c] * weight)
				}
			}
			for c := range 3 {
				pix[4*x+c] = toByte(min(sum[c], sum[3]) * down[y].inverse)
			}
			pix[4*x+3] = toByte(sum[3] * down[y].inverse)
		}
	}
	return out
}

// narrow scales a line of the source to the columns of the result.
func narrow(row [][4]float64, line [][3]uint16, across []taps) {
	for x := range across {
		t := &across[x]
		var sum [4]float64
		for i, weight := range t.weights {
			p := &line[t.from+i]
			sum[0] += float64(float64(p[0]) * weight)
			sum[1] += float64(float64(p[1]) * weight)
			sum[2] += float64(float64(p[2]) * weight)
			sum[3] += float64(0xffff * weight)
		}
		for c := range sum {
			row[x][c] = sum[c] * (t.inverse / 0xffff)
		}
	}
}

// taps are the samples that one sample of the result is the mean of: from a
// first one on, so many, by weight.
type taps struct {
	from    int
	weights []float64
	inverse float64 // 1 over their sum
}

// tent gives the taps of each of n samples made from m.
func tent(n, m int) []taps {
	ratio := float64(m) / float64(n)
	reach, narrower := 1.0, 1.0
	if ratio > 1 {
		reach, narrower = ratio, 1/ratio
	}
	out := make([]taps, n)
	for i := range out {
		center := float64((float64(i)+0.5)*ratio) - 0.5
		sum := 0.0
		for at := max(0, int(math.Floor(center-reach))); at < min(m, int(math.Ceil(center+reach))); at++ {
			weight := 1 - math.Abs((center-float64(at))*narrower)
			if weight <= 0 {
				continue
			}
			if out[i].weights == nil {
				out[i].from = at
			}
			out[i].weights = append(out[i].weights, weight)
			sum += weight
		}
		out[i].inverse = 1 / sum
	}
	return out
}

// toByte is the upper byte of 0 to 1 as 16 bits.
func toByte(f float64) uint8 {
	return uint8(max(0, min(0xffff, int32(float64(0xffff*f)+0.5))) >> 8)
}

// readLine reads a row of pixels as 16 bits a sample.
func readLine(src image.Image, x0, y int, line [][3]uint16) {
	switch m := src.(type) {
	case *image.RGBA:
		pix := m.Pix[m.PixOffset(x0, y):]
		for x := range line {
			for c := range 3 {
				line[x][c] = uint16(pix[4*x+c]) * 0x101
			}
		}
	case *image.YCbCr:
		for x := range line {
			i, j := m.YOffset(x0+x, y), m.COffset(x0+x, y)
			r, g, b, _ := color.YCbCr{Y: m.Y[i], Cb: m.Cb[j], Cr: m.Cr[j]}.RGBA()
			line[x] = [3]uint16{uint16(r), uint16(g), uint16(b)}
		}
	case image.RGBA64Image:
		for x := range line {
			c := m.RGBA64At(x0+x, y)
			line[x] = [3]uint16{c.R, c.G, c.B}
		}
	default:
		for x := range line {
			r, g, b, _ := m.At(x0+x, y).RGBA()
			line[x] = [3]uint16{uint16(r), uint16(g), uint16(b)}
		}
	}
}
