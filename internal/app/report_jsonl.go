package app

import (
	"fmt"
	"io"
)

// lineReport is one document a line, one line a picture.
type lineReport struct {
	w io.Writer
	h Header
}

func (l *lineReport) Picture(r *Result) error {
	p := l.h.pictureOf(r)
	p.Schema = DetectPictureSchema
	if l.h.Matching {
		p.Schema = RecognizePictureSchema
	}
	doc, err := marshal(p, oneLine)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.w, "%s\n", doc)
	return err
}

func (l *lineReport) End(Summary) error { return nil }
