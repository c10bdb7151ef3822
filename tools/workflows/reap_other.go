//go:build !linux

package main

// Elsewhere, what an interrupted act leaves running ends by itself.
func adopt() error { return nil }
func reap()        {}
