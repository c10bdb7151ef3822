// Package oci moves images: it builds them, pushes and pulls them by digest,
// and flattens their layers into the Tree that becomes a tarball. It is the
// only importer of go-containerregistry.
//
// Four rules hold everywhere in it:
//
//   - A tag is resolved once. From then on everything is asked for by digest,
//     and every byte that arrives is hashed before it is believed: manifests
//     against the digest that named them, layers against their digest, their
//     size and their diff ID.
//   - Manifests are moved as the bytes they are. Nothing is parsed and written
//     again, so digests never change on the way.
//   - What stands beside an image, signatures above all, travels with it, and a
//     place that cannot be looked at is an error there, not an empty one.
//   - What is built depends on its inputs alone: names, modes, contents and the
//     configured epoch. No clock, no umask, no order of a directory listing.
//
// Networks fail: what only reads is asked for again (RetryPolicy), a blob that was
// cut goes on where it stopped (blobStream), lists come in pages, and a Cache may
// keep blobs from run to run. None of that is believed any more than the rest.
//
// A reference is REGISTRY/REPOSITORY[:TAG][@DIGEST], oci-layout:DIR[:TAG][@DIGEST]
// or docker-archive:FILE. Plain HTTP is spoken with loopback only, unless a
// registry is named in Access.Insecure.
package oci
