// Package inflate reads gzip files (RFC 1952) and the deflate streams in them
// (RFC 1951).
//
// It does what compress/gzip of the standard library does, in about half of the
// time: layers and released tarballs are inflated whole, several times in the
// life of a release, and comparing two tar streams costs little else. Both
// accept the same streams and give the same bytes; a fuzz target holds them
// together.
//
// A [Reader] takes one member of a file, and not a byte of what follows it:
//
//	z, err := inflate.NewReader(in)
//	io.Copy(w, z)         // the member's bytes; sizes and checksum are checked
//	err = z.Reset(in)     // the next member, io.EOF when there is none
//
// How it gets its speed, which is zlib's and libdeflate's published way: bits
// are taken from a word of 64 that is refilled without a branch, codes are
// looked up in tables whose entries hold all that is to be known of a symbol,
// and output is written straight into the window that matches are copied from.
//
// Whoever knows what the bytes ought to be can say so before the first Read:
//
//	z.Expect(expected)    // an io.Reader
//	io.Copy(w, z)         // the same as ever, but faster where it comes true
//	z.AsExpected()        // it all did
package inflate
