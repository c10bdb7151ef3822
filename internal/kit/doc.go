// Package kit puts releases into one file for machines without a network, and
// reads such files back.
//
// # The file
//
// A kit is a tar archive, not compressed: exactly the bytes that GNU tar writes for
//
//	tar --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf KIT *
//
// in a directory of files with mode 0644 and directories with mode 0755. These are in
// it:
//
//	blobs/sha256/HEX                  blobs of the images and their referrers, each once
//	index.json, oci-layout            of the image layout that these make
//	kit.json                          the manifest: every other file, with size and SHA-256
//	releases/PROJECT-VERSION/NAME     the files of a release, its signature and provenance,
//	                                  and rebuilders' attestations (NAME.rebuild.sigstore.json)
//	reports/PROJECT-VERSION.json      the report of the verification that the kit was made after
//	sources/PROJECT-VERSION/NAME      sources that the provenance names, if they were given
//	trusted_root.json                 the trusted root that the maker of the kit verified by
//
// So a kit is an OCI archive too, and 'tar -xf' gives a layout with the releases
// in it.
//
// # One kit for one content
//
// Everything in kit.json follows from the other files, see [Manifest], and every byte
// of the tar around them follows from their names and sizes. [Open] and [Kit.Check]
// derive both again. So there is exactly one kit of some files, and a bit that is
// flipped, a part that is cut, a file too many, another order, a name that comes twice
// and data after the end are all found and named, wherever they are.
//
// That makes a kit complete and undamaged, not true: whoever makes one can write
// what they like into it. What the releases are worth is decided by package verify,
// with the signer and the trusted root that its caller names. Two rules leave no room
// for passengers: a blob must be reachable from an image that a release.json names,
// or from a referrer of one; and a file of a release must be named by its
// checksums.txt, or be a bundle with a name that is known.
//
// # Memory
//
// Neither side holds more than one small document and a buffer at a time, besides
// the list of files: contents are copied and hashed as streams and read at an offset.
package kit
