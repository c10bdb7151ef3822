// Package discover finds what upstream has and a project does not pin.
//
// A project's pins are read from files next to its config.json: the lock files
// that "inputs" names, go.mod, and the FROM lines of a Dockerfile. Each finder
// of [Finders] takes the pins of its kind and looks where newer ones appear:
//
//	go         Go releases, by the module proxy's list of golang.org/toolchain
//	modules    the modules of the lock files, else go.mod's direct requirements
//	images     base images: tags of the same shape, and tags that moved
//	packages   Debian packages, by source package: their suites, and newer suites
//	compilers  the same for compilers, by source package
//
// # What is newer
//
// A tag or name is cut into numbers and what is between them: 1.26.8-bookworm
// has the shape #.#.#-bookworm. Only names of the same shape are compared, number
// by number. A tag without a number is compared only with the digest that is pinned
// next to it, if one is. Debian's versions are ordered as the Debian Policy Manual, section
// 5.6.12, says, Go modules by semantic version. Pre-releases are not reported.
//
// Debian packages are reported by source package, whose pins are taken together.
// In the suite of a pin every newer version counts, a rebuild too. In another suite
// only a newer upstream version does: one of a major version that is pinned, or a
// major version after all that are.
//
// # What this proves
//
// Nothing. An index of Debian packages is compared with the hashes in its Release
// file, but nobody's signature is checked; a proxy and a registry are believed. A
// finding is a reason to look. Whoever changes a pin checks it then.
//
// What could not be looked at is listed with the reason: an answer without
// findings means that nothing is new only if that list is empty.
package discover
