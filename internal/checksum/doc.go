// Package checksum is checksums.txt: the list of SHA-256 sums that a release
// publishes and signs.
//
// The file is what coreutils' sha256sum writes in text mode and reads with
// "sha256sum -c", in exactly one spelling:
//
//	64 lower-case hexadecimal digits, two spaces, the name, one line feed
//
// Lines are sorted by name, bytewise, and no name comes twice. [Sums.Format]
// and [Parse] are exact inverses: what Parse accepts, Format writes again byte
// for byte, so that a signature over the file and a signature over its meaning
// are the same thing.
//
// Files that others wrote with sha256sum may be in any order and may carry the
// binary marker "*"; [ParseCoreutils] reads those too. Everything else it
// refuses as Parse does: names with a path, control characters or a backslash
// (coreutils escapes such names with a leading backslash), carriage returns, a
// last line without its line feed, other hash functions, comments, blank lines.
// Each refusal names the line.
//
// Lists of releases that others made have more forms; [ParseList] reads those.
package checksum
