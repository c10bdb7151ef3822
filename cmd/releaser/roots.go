package main

import (
	"crypto/x509"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// useFallbackRoots is for systems that have no certificates of their own, such as an
// image FROM scratch: there the roots that Mozilla trusts are used, in the version
// that go.sum pins. It is what importing golang.org/x/crypto/x509roots/fallback
// does, but when it is called: to read them costs a tenth of what verify-blob does.
var useFallbackRoots = sync.OnceFunc(func() {
	pool := x509.NewCertPool()
	for c := range bundle.Roots() {
		cert, err := x509.ParseCertificate(c.Certificate)
		switch {
		case err != nil:
			panic(err) // the module's own test parses them all
		case c.Constraint != nil:
			pool.AddCertWithConstraint(cert, c.Constraint)
		default:
			pool.AddCert(cert)
		}
	}
	x509.SetFallbackRoots(pool)
})

// offlineVerb marks a verb that talks to nobody.
var offlineVerb = map[string]string{"network": "none"}

func talksToNobody(cmd *cobra.Command) bool { return cmd.Annotations["network"] == "none" }
