// Package inputs fetches, checks and puts together what a build of facerec is
// made from: the models, the sample photos, dlib and libjpeg, the compilers.
//
// Everything that comes from outside is pinned in inputs.lock.json (packages by
// suite, version and SHA-256; Go, go-face and the compilers by version) or, for
// single files, in models/models.lock.json and persons/samples.lock.json. A
// file whose hash is not the pinned one is never used and never left behind.
//
//	pin → Store (files by hash) → unpacked → toolchain → facerec
//
// Files come from the first of these that has them: the Store's cache, the
// offline directory, Debian through the ordinary apt client. apt is called with
// a configuration of its own (see Apt), so that nothing on the machine is
// changed and no root is needed; only Packages installs, and says so.
//
// This package calls programs (apt-get, dpkg-deb, ar, the compilers, go) and
// reports progress through Progress; it prints nothing and keeps no clock.
package inputs

// Progress receives one line, without newline, about what is being done.
type Progress func(format string, args ...any)
