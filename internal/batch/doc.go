// Package batch verifies many releases in one run.
//
// # A list
//
// [ParseList] reads one release per line; [Split] cuts a list into shards.
//
// # A run
//
// [Run] works on several releases at once and hands on a [Line] for each as it
// finishes. One release never stops another. What they share is done once:
//
//   - layers are read once for all releases, by what the caller passes to Work;
//   - tarballs are compressed together (gather.go): a release that has come to its
//     last link waits until most of those under way have, and then one call of
//     [tarball.Pack] makes the tarballs of all of them, which searches contents
//     that several have only once.
//
// How many are under way at once is limited ([Options.Window]), and so is how
// large their release.json are together ([Turn.Weigh]): memory does not grow with
// the length of the list.
//
// # A state
//
// A [State] keeps the lines of finished releases in a file, each under a digest of
// all that decided it ([State.Find]). A run that is killed anywhere and run again
// gives the same lines. What could not be done (exit codes 1 and 2) is not kept.
package batch
