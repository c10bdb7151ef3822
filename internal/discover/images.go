package discover

import (
	"context"
)

func lookImages(ctx context.Context, s *search) Result {
	var r Result
	for _, b := range s.pins.images {
		if b.err != nil {
			r.fail(b.repository, b.err)
			continue
		}
		r.Pins = append(r.Pins, Pin{b.repository, b.String(), []string{b.in}})
		if err := s.lookImage(ctx, &r, b); err != nil {
			r.fail(b.repository+":"+b.tag, err)
		}
	}
	return r
}

func (s *search) lookImage(ctx context.Context, r *Result, b base) error {
	found := Finding{Name: b.repository, Where: []string{b.repository}, Pinned: []string{b.tag}, In: []string{b.in}}
	if b.digest != "" && b.tag != "" {
		d, err := s.world.Digest(ctx, b.repository, b.tag)
		if err != nil {
			return err
		}
		if d.String() != b.digest {
			moved := found
			moved.Found, moved.Digest = b.tag, d.String()
			r.New = append(r.New, moved)
		}
	}
	if _, numbers := shape(b.tag); len(numbers) == 0 {
		return nil // nothing that could grow
	}
	tags, err := s.world.Tags(ctx, b.repository)
	if err != nil {
		return err
	}
	tag, ok := newest(b.tag, tags)
	if !ok {
		return nil
	}
	d, err := s.world.Digest(ctx, b.repository, tag)
	if err != nil {
		return err
	}
	found.Found, found.Digest = tag, d.String()
	r.New = append(r.New, found)
	return nil
}
