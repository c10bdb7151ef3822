// Package release is the promise: what config.json says a release consists of.
//
// A Release is read once from config.json and never changes. It knows the
// lineages (major lines of the native library), the platforms, their product
// (the cells), and how everything a release publishes is named: image tags,
// assets, top directories. Nothing here reads the clock, the network or the disk.
//
//	config.json → Release → []Cell{Lineage, Platform} → names
package release
