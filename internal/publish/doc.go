// Package publish puts releases on release pages and gets them from there.
//
// # Pages
//
// A [Page] is a repository's releases on a forge (GitHub, Gitea, Forgejo), or a
// web root: a directory that a web server serves as it is. [Open] finds out
// which from the address. Both forges are spoken to with google/go-github; the
// type forge lists where Gitea differs.
//
// A web root has one directory for each release, named after its tag, and an
// index, releases.json. A release that is not published yet is a directory with
// a name that begins with [atomicfile.Prefix].
//
// # Publishing
//
// [Publish] goes by what is on the page and keeps no state of its own:
//
//	missing    create a draft, go on as with a draft
//	draft      upload what is missing, redo uploads that were cut, download
//	           everything, compare it with the files at hand, verify it, publish
//	published  download everything and compare it: equal is success
//
// A signed rebuild (see [release.RebuildFile]) is made after the release, by others:
// one that is at hand is added, also to a published release, and those that the page
// has besides are let be.
//
// So it can be stopped anywhere and run again. Nothing that is published is
// ever changed or replaced. In a draft an asset is replaced only if what is there is a
// strict prefix of the file, so an upload that was cut. Everything else that is
// not as expected is a [Refusal], which names the asset: other bytes, an asset
// of another name, two of one name, a git tag that moved.
//
// Two runs at once: an asset of one name is uploaded by both, and the one with
// the lower number stays. The other run removes the one that it uploaded itself
// and stops.
//
// # Fetching
//
// [Fetch] downloads into files with temporary names, goes on where an earlier
// run was cut, and gives a file its name only after the caller's check of the
// signature and its own check of the digest.
package publish
