// Package heif reads HEIC and AVIF pictures, with libheif, libde265 and libavif
// as WebAssembly in a sandbox of the program's own (docs/adr/0009-heic-avif.md).
// It is the only importer of the modules that carry them.
//
// It is compiled under the build tag nodynamic, which keeps those modules from
// looking for libraries of the machine; without the tag, Decode is nil.
package heif
