// Package trust brings a Sigstore trusted root from the repository that publishes
// it, by way of The Update Framework (https://theupdateframework.github.io/specification/).
//
// # What is believed
//
// Nothing that a mirror says for itself. [Update] begins with a root of TUF that
// is trusted already: the newest it has seen of that mirror, or else an anchor
// (the one that sigstore-go carries for the public-good instance, or a file that
// the caller names). From there it goes up one version of root.json at a time,
// each signed by the one before, then to timestamp, snapshot and targets, and
// takes trusted_root.json only as targets describes it. The client is go-tuf's;
// what it refuses is a [*RefusedError]: expired, older than what was seen before,
// signed by others, of another size or hash. Any other error means that the
// mirror could not be asked, and says nothing about it.
//
// # What is kept
//
// The TUF metadata, in the directory that the caller gives: it remembers which
// versions were seen, so that nobody can offer older ones. go-tuf writes each
// file of it under a temporary name first. A root that was seen is kept even if
// what follows it fails, as the specification wants it (5.3.8).
//
// The trusted root itself is returned as a [Kept], which the caller stores; one
// that could not be brought in leaves the one before in its place.
//
// # How long it is good
//
// The timestamp runs out after days: that is how often the repository promises to
// say that nothing has changed. Root and targets run out after months, and were
// signed by people. A kept root is as good as the earlier of those two says
// ([Kept.Until]); what happens after that is for its user to decide.
package trust
