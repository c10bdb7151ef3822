//go:build !dlib

package dlib

import "facerec/internal/app"

// Open gives ErrBuiltWithout.
func Open(app.EngineOptions) (app.Engine, error) { return nil, ErrBuiltWithout }

// Version is empty: there is no dlib in this program.
func Version() string { return "" }
