//go:build dlib

package dlib

// #include "libjpeg.h"
import "C"

import (
	"errors"
	"fmt"
	"image"
	"io"
	"unsafe"

	"facerec/internal/app/picture"
)

// DecodeJPEG reads with libjpeg what image/jpeg does not: other samplings,
// arithmetic coding, four colours without Adobe's marker; and any JPEG at 1/2,
// 1/4 or 1/8 of its sides. It returns what libjpeg remarked without losing pixels.
// A file that ends early or is damaged is an error.
func DecodeJPEG(data []byte, scale int) (image.Image, []string, error) {
	h, err := picture.JPEGSize(data)
	if err != nil {
		return nil, nil, err
	}
	img := image.NewRGBA(image.Rect(0, 0, (h.X+scale-1)/scale, (h.Y+scale-1)/scale))
	var r C.struct_libjpeg_result
	C.libjpeg_decode((*C.uchar)(unsafe.SliceData(data)), C.size_t(len(data)), C.int(scale),
		(*C.uchar)(unsafe.SliceData(img.Pix)), C.uint(img.Rect.Dx()), C.uint(img.Rect.Dy()), &r)
	message := C.GoString(&r.message[0])
	switch {
	case r.outcome == C.LIBJPEG_UNSUPPORTED:
		return nil, nil, &picture.UnsupportedError{Kind: fmt.Sprintf("a JPEG that libjpeg does not read (%s)", message), Advice: "convert it to an ordinary JPEG or PNG"}
	case r.outcome != C.LIBJPEG_DONE && r.no_end != 0, r.damaged != 0 && r.no_end != 0:
		return nil, nil, io.ErrUnexpectedEOF
	case r.outcome != C.LIBJPEG_DONE, r.damaged != 0:
		return nil, nil, errors.New(message)
	}
	var notes []string
	if r.no_end != 0 {
		notes = append(notes, picture.NoEnd)
	}
	if message != "" {
		notes = append(notes, "libjpeg warns: "+message)
	}
	return img, notes, nil
}
