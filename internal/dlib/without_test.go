//go:build !dlib

package dlib

import (
	"errors"
	"testing"

	"facerec/internal/app"
)

func TestWithout(t *testing.T) {
	e, err := Open(app.EngineOptions{})
	if e != nil || !errors.Is(err, ErrBuiltWithout) || Version() != "" {
		t.Errorf("%v, %v, %q; expected ErrBuiltWithout", e, err, Version())
	}
}
