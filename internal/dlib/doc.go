// Package dlib implements app.Engine on dlib, through go-face. It is the only
// importer of go-face and the only user of cgo in this project.
//
// It is compiled under the build tag dlib; without it, Open gives
// ErrBuiltWithout, so that everything else builds and tests on a machine
// without dlib. With the tag it wants the toolchain that `go run ./tools/inputs
// dlib` puts together.
//
// # What go-face leaves to its caller
//
// go-face reads JPEG only, three components only, and takes any warning of
// libjpeg for an error. A picture that is such a JPEG already is passed on as it
// is; every other one, and one that libjpeg complains about, is encoded from its
// pixels by encodeRGB, which loses less than one step of brightness a pixel.
//
// Its rectangles end in their last pixel; a Detection's Box ends one further, as
// image.Rectangle does. It sorts by the left edge alone, which leaves ties open;
// Faces sorts by top, left, bottom, right. Distances, thresholds and
// classification are not taken from it at all: package app has its own.
//
// It holds one lock round each network, and dlib's networks change while they
// run: an Engine's calls follow one another. Open several for several cores.
package dlib

import "errors"

// ErrBuiltWithout says that the program was compiled without the tag dlib.
var ErrBuiltWithout = errors.New("built without dlib: build it with `go run ./tools/inputs facerec`, or `make facerec`")

// GoFace is the version of go-face in go.mod, as EngineInfo reports it.
const GoFace = "v0.0.0-20210630145111-0c14797b4d0e"
