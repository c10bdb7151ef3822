// Package oci moves images by digest: references, indexes, manifests, layouts,
// archives, registries and referrers. Layers are read in package layer, images
// are built in package build and judged in package check.
//
// Three rules hold everywhere:
//
//   - A tag is resolved once. From then on everything is requested by digest,
//     and every byte that arrives is hashed before it is used: manifests against
//     the digest that named them, layers against their digest, size and diff ID.
//   - Manifests are moved as they are. Nothing is parsed and written again, so
//     digests never change on the way.
//   - Referrers of an image, signatures above all, are moved with it, and a place
//     that cannot be read is an error, not an empty one.
//
// Networks fail: requests that only read are retried (package retry), a blob that
// was cut is resumed where it stopped, lists come in pages, and a [Cache] can keep
// blobs from run to run. None of that is trusted more than the rest.
//
// # The readers of a layer
//
// A byte of a layer in a registry passes these readers, outermost last:
//
//	http.Response.Body   what the connection delivers
//	received             cuts a connection that is idle for too long (package retry)
//	blobStream           resumes with a range request after a cut (stream.go), and over a
//	                     slow connection has several ranges come side by side (pieces.go)
//	explained            says which request an error belongs to (remote.go)
//	checked              compares size and digest at the end (source.go)
//	keeping              writes a copy into the cache (cache.go)
//	layerReader          counts bytes for the progress (layer/layer.go)
//	bufio.Reader         shows the first bytes, to find the compression
//	gzip or zstd         the tar stream
//	limitedReader        stops what inflates without end
//	io.TeeReader         hashes the stream for the diff ID
//	tar.Reader           the entries
//
// A layout starts at checked; a blob that is in the cache at keeping's file, which
// is hashed again.
//
// # References
//
// REGISTRY/REPOSITORY[:TAG][@DIGEST], oci-layout:DIR[:TAG][@DIGEST],
// oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME:TAG]. Plain HTTP is used with
// loopback only, unless [Access] names the registry.
package oci
