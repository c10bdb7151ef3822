// Package sbom writes what a tarball is made of: one SPDX 2.3 document in JSON
// for each, byte for byte the same whenever the tarball is.
//
// A document has these packages:
//
//	the release   the tarball: name, version, SHA-256 of file and of tar stream
//	the image     the platform manifest that it came out of, by digest
//	Go modules    of every Go program inside, read from its build information,
//	              and the standard library by the version of Go
//	the inputs    what the lock files pin for this cell: Debian packages that
//	              are linked in, compilers, models with their licence
//
// and every regular file of the tarball with its SHA-1 (which SPDX demands) and
// SHA-256. Relationships tell how they hang together: the release CONTAINS the
// files and is GENERATED_FROM the image; a program STATIC_LINKs its modules;
// compilers are BUILD_TOOL_OF the release, and what they link in it DEPENDS_ON.
//
// Nothing comes from a clock or a machine: the time is the epoch of
// config.json, the document's namespace is derived from the digests of what it
// describes, lists are sorted, and each member has a line of its own. The tool that wrote it is named without
// its version, so that a newer one writes the same bytes; who signs the release
// signs the document through checksums.txt.
//
// The form is that of the SPDX specification 2.3 (ISO/IEC 5962 in its first
// edition); package URLs follow the purl specification.
package sbom
