package inputs

import (
	"image"
	"image/color"
)

// enlarge scales src to w×h pixels with Catmull-Rom's cubic in integers.
// Floating point would do, but Go may fuse multiply and add on some
// architectures, and the picture's hash is pinned for all.
func enlarge(src image.Image, w, h int) *image.RGBA {
	b := src.Bounds()
	sw, sh := b.Dx(), b.Dy()

	// Columns first, kept as 14-bit fixed point per channel.
	mid := make([][3]int64, w*sh)
	for y := range sh {
		for x := range w {
			i, wt := taps(x, w, sw)
			var sum [3]int64
			for t, k := range wt {
				r, g, bl, _ := src.At(b.Min.X+i[t], b.Min.Y+y).RGBA()
				sum[0] += k * int64(r>>8)
				sum[1] += k * int64(g>>8)
				sum[2] += k * int64(bl>>8)
			}
			mid[y*w+x] = sum
		}
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		j, wt := taps(y, h, sh)
		for x := range w {
			var sum [3]int64
			for t, k := range wt {
				m := mid[j[t]*w+x]
				for c := range sum {
					sum[c] += k * m[c]
				}
			}
			dst.SetRGBA(x, y, color.RGBA{clamp(sum[0]), clamp(sum[1]), clamp(sum[2]), 255})
		}
	}
	return dst
}

const unit = 1 << 14 // the weights of taps sum to it

// taps gives the four source positions and weights for destination pixel d of
// n, the source having sn pixels; positions are held inside the source.
func taps(d, n, sn int) (pos [4]int, wt [4]int64) {
	// Centre of d in the source, in 1/unit pixels.
	c := (int64(2*d+1)*int64(sn)*unit/int64(n) - unit) / 2
	base := c >> 14
	t := c & (unit - 1)
	t2 := t * t / unit
	t3 := t2 * t / unit
	wt = [4]int64{
		(-t3 + 2*t2 - t) / 2,
		(3*t3 - 5*t2 + 2*unit) / 2,
		0,
		(t3 - t2) / 2,
	}
	wt[2] = unit - wt[0] - wt[1] - wt[3]
	for k := range pos {
		pos[k] = min(max(int(base)-1+k, 0), sn-1)
	}
	return pos, wt
}

func clamp(v int64) uint8 {
	v = (v + unit*unit/2) / (unit * unit)
	return uint8(min(max(v, 0), 255))
}
