// Package loopback starts real servers on 127.0.0.1 for tests and for the demo:
// a registry, and a whole Sigstore.
//
// It is equipment and no part of a release: nothing in the programs imports it.
//
// # What is real
//
//   - [NewRegistry]: distribution's registry, the one most registries are made of.
//   - [NewSigstore]: Fulcio (the certificate authority, with a root and an
//     intermediate of its own), Rekor version 2 (the transparency log, on tiles in
//     a directory), the timestamp authority, each the released program in a process
//     of its own.
//   - [NewIssuer]: an OpenID Connect issuer, in process, that vouches for whomever
//     it is told to. What Fulcio asks of it, it answers; nothing more.
//   - TesseraCT, the certificate transparency log, on tiles in a directory. Fulcio
//     puts its signed certificate timestamps into the certificates.
//   - [NewRebuilderd]: Debian's rebuilderd, with its workers.
//   - [NewSlurm]: a cluster of Debian's slurm-wlm, if it is installed.
//   - A log of version 1 of Rekor's interface, in process: entries are read by
//     Rekor's own code and signed as RFC 8785 and the log's clients want it; there
//     is no tree behind it, for the released server needs a database.
//
// The package farm has the project and the units that rebuilderd and Slurm are given.
// What is not real, a registry that spoils its answers, is the package hostile.
//
// # Where it comes from
//
// [Tool] builds the programs once with "go install MODULE@VERSION", pinned in
// one table, into the user's cache directory. The first time takes minutes, every
// other none. rebuilderd is unpacked from Debian's packages instead.
//
// # How it ends
//
// Everything keeps its state in the directory it was given. Close stops it; if the
// parent dies without, the kernel stops the children (Linux).
package loopback
