package main

import (
	"errors"

	"facerec/internal/app"
)

// theWorld is the real one.
func theWorld() *world {
	w := newWorld()
	errNone := errors.New("built without dlib: this program cannot look at pictures; build it with make facerec, or take a released one")
	w.built = func() error { return errNone }
	w.open = func(app.EngineOptions) (app.Engine, error) { return nil, errNone }
	w.dlib = func() string { return "" }
	return w
}
