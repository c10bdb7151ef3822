//go:build !linux

package main

// leaveProgram is for Linux only.
func leaveProgram() {}
