// Package verify checks a release from the signature down to every byte.
//
// # A signature
//
// [Blob] checks one Sigstore bundle over one artifact under a [Policy] that the
// caller fixes. In this order, and under these names in the errors:
//
//	trust root               the trusted root file and the public key can be used
//	bundle                   the file is a bundle, of a known version, without ambiguity
//	transparency log         at least one entry of a log that the root trusts, with proof
//	timestamp                at least one time of signing that the root vouches for
//	certificate              issued by an authority of the root, valid at that time
//	certificate transparency the certificate itself was logged (SCT)
//	signature                over these very bytes, by the key in the certificate
//	identity                 the certificate names whom the caller expects
//
// With a managed key the certificate's steps fall away; log and timestamp stay,
// unless the caller says UnsafeNoTransparencyLog, or Protocol, which waives the
// timestamp. Nothing that stands in the bundle can take a step away. Some make it
// stricter than the library it is built on (sigstore-go): every time that an
// authority or log of the root vouches for must lie within the certificate's and
// within that of the log's key; a log's promise that is offered must be good even
// where another one would do; base64 has one spelling; a statement is of a known
// version and can be read in one way only; what an entry of Rekor version 2 says
// twice must be the same both times. In one thing it takes more: an envelope whose
// log entry, of Rekor version 1, is that of a message over the bytes it signs.
//
// A [TrustedRoot] has a [TrustOrigin], which says how old it is; one rule warns of old
// ones and refuses those past [RootLimit]. The time now is the caller's to give.
//
// A file may have several bundles, or a trusted root file several roots: [Blob]
// tries each bundle against each root, and one that holds is enough. [Parts] makes
// a bundle of the separate files of cosign up to version 2.
//
// # A release
//
// [Release] walks the chain
//
//	bundle → checksums → tarball → release.json → index → manifest → layers → entries → rebuilt bytes
//
// for every cell, and goes on after a failure, so that one report names the
// first broken link of each cell, and [Report.Chains] how all of them ended. A
// link that could not be looked at is a skip with its reason, and a skip is never
// a pass. [Input.ImageSignatures] adds what signs the image as a link.
//
// Where bytes differ the step has what "releaser diff" says: the causes that it can
// determine, and the first entries that differ.
//
// [Tarballs] does the same without a release: the chain then begins at an image
// that the caller names, the links before it are skipped by name, and the report
// is incomplete at best. [Join] makes one report of several.
//
// [List] checks the release of others by a signed list of checksums alone.
//
// [Input.Rebuilders] adds a link to each tarball: enough of the rebuilders whom the
// caller lists signed that they got it from the sources, none of them the release's
// signer, none of them twice. Who signed that other bytes came out is the first step
// of the report, and a failure. What is refused decides only if too few are left:
// then the report is not trusted, where mere absence is incomplete.
//
// A release may also have [release.ProvenanceFile], a signed statement about where its
// tarballs come from; if it does, it must say what release.json says, down to the
// layers and the configuration of each image.
//
// Rebuilt bytes are compared in grades (see [Grade]): the file is identical; the
// tar stream is the same and its compression is not; the content is the same
// and the tar stream is not; the content differs. Only the first is a pass. What
// the signature vouches for is the file, so a file that no longer comes out of
// its image is a broken link, in whatever grade.
//
// [Input.Fast] leaves the compression out: tar streams are compared, the best
// grade is then [SameTar], which passes, and the report says what was not proven.
//
// # An image
//
// [Image] checks what is attached to an image in its repository: bundles, and what
// cosign up to version 2 kept in annotations, which is put into bundles of version
// 0.1 first, so that one policy holds for all. A signature is a statement whose
// predicate type is [PredicateSign], or a payload of simple signing; of the
// latter the signature is checked before the digest in it is read. Everything else
// that is signed describes the image and does not vouch for it.
//
// # Exit codes
//
// [Report.ExitCode] is 0 if every step of every cell passed. Otherwise the worst
// step decides, in this order: 4 (not trusted), 3 (bytes differ), 1 (could not
// be done), 5 (could not be checked). Not trusted comes before differs, for
// where the signature does not hold, what the signed files promise is nobody's
// promise.
//
// Nothing here touches the network, the disk or the clock: files come through an
// fs.FS, images through [Images], time out of the bundle's signed timestamps.
package verify
