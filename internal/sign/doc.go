// Package sign makes the signature of a release: the bytes of checksums.txt go
// in, a Sigstore bundle (version 0.3) comes out.
//
// There are two kinds of signer, both of type [Signer]:
//
//   - Keyless. A key made for this one signature is certified by Fulcio for the
//     identity that an OpenID Connect token proves, and then forgotten. The
//     signature goes into a transparency log (Rekor) and is timestamped, so
//     that the certificate's ten minutes of validity can be checked for ever.
//   - A managed key: a PEM file that somebody keeps. The log and the timestamp
//     are as above if [Services] names them, and absent if it does not; a
//     verifier must then be told so in as many words.
//
// # What is written
//
// The bundle is JSON without white space, in the form of sigstore/protobuf-specs
// (media type application/vnd.dev.sigstore.bundle.v0.3+json). Any Sigstore
// client reads it. It carries the certificate alone, not its chain: who trusts
// which authority is for the verifier to say.
//
// # What is never written
//
// A bundle that does not verify. [Checksums] hands its own output to
// [Signer.Verify] and returns nothing if that objects, so that a wrong trust
// root or a log that answers nonsense is found by the one who signs and not by
// those who download.
//
// Nothing here reads the clock, the environment or the disk. The network is
// touched only through the URLs of [Services] and [AmbientToken].
package sign
