// Package tarball turns a [Tree] into an archive whose every byte is decided
// by the tree alone, reads archives back into an [Listing], and tells two of
// them apart.
//
// # What is promised
//
// The tar stream is byte for byte what GNU tar 1.34 writes for the same tree:
//
//	tar --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - PREFIX
//
// The gzip stream of the recipe gnu-gzip-6 is byte for byte what GNU gzip 1.12
// writes for that tar stream when run as "gzip -n". Neither program is run.
// Core count, chunk size, the order in which entries arrive, umask, locale,
// time zone and clock have no influence. There are no permitted differences.
//
// # How the pieces fit
//
//	Entry → Tree → stream (the tar bytes, readable at any offset, never stored)
//	stream → chunks → parse (LZ77 tokens) → join → blocks (Huffman) → gzip file
//
// A chunk of a stream is named by the digest of the bytes that its parse can
// see: the chunk, the 33 KiB before it and the 300 bytes after it. Chunks of
// the same name, in whatever archive of one call, are parsed once. The
// archives only differ in how the tokens are joined and coded, and those of which all
// names are the same, that of their end too, are made once:
//
//   - tree.go, filter.go, content.go, spool.go: what is archived
//   - header.go, stream.go: GNU tar's headers and the virtual tar stream
//   - match.go, eights.go, sparse.go, parse.go, tail.go: GNU gzip's choice of matches
//   - chunk.go, join.go: parsing pieces on their own, and putting them together
//   - block.go, tree_code.go, codes.go, bits.go: where blocks end, and their codes
//   - recipe.go, plan.go, pack.go, compare.go: the pipeline
//   - inflate.go, limits.go, index.go: reading archives
//   - source.go, diff.go, report.go: explaining differences
//
// # Why a chunk can be parsed on its own
//
// Gzip's choice at a position depends on the 32,506 bytes before it (its
// longest distance), on 258 bytes after it, and on a state of three numbers
// (see [state]). Two parses of the same bytes that are ever in the same state
// stay together. Chunks start a little early, from a made-up state, and have
// nearly always fallen in with the true parse when the chunk proper begins;
// where they have not, the few tokens up to the meeting point are made again.
// Only the end of the stream depends on absolute positions; tail.go tells how.
//
// # Sources
//
// The deflate format is RFC 1951, the gzip wrapper RFC 1952. The algorithm
// (lazy matching, hash chains, tree building, block choice) is the one
// published with zlib by Jean-loup Gailly and Mark Adler (zlib licence), in
// its oldest form; the figures in which GNU gzip differs were found by
// experiments with the program. No code of either is contained.
package tarball
