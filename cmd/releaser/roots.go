package main

// Where a system has no certificates of its own, as in an image FROM scratch, the
// roots that Mozilla trusts are used, in the version that go.sum pins.
import _ "golang.org/x/crypto/x509roots/fallback"
