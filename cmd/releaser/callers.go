package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/oci"
	"facerec/internal/publish"
)

// addressFlags are the flags whose URL names a host that the caller works with.
var addressFlags = []string{"page", "certificate-oidc-issuer", "attest-oidc-issuer"}

// heed keeps the hosts inside this network that the addresses on the command line
// name: those of pages and of issuers. References are given to access by the verbs.
func (a *app) heed(cmd *cobra.Command, args []string) {
	for _, arg := range args {
		a.inside = append(a.inside, insideOf(arg)...)
	}
	for _, name := range addressFlags {
		if f := cmd.Flags().Lookup(name); f != nil {
			a.inside = append(a.inside, insideOf(f.Value.String())...)
		}
	}
}

// insideOf names the host of a page or an issuer if it is an address inside this
// network. Any other host is nothing that a release could not name as well.
func insideOf(address string) []oci.Ref {
	if !publish.IsAddress(address) {
		return nil
	}
	page, _, err := pageAndVersion(address)
	if err != nil {
		return nil
	}
	return registryAt(publish.Inside(page))
}

// registryAt names a host, and if it is none, nothing.
func registryAt(host string) []oci.Ref {
	ref, err := oci.ParseRef(strings.TrimSuffix(host, "/") + "/any")
	if err != nil {
		return nil
	}
	return []oci.Ref{ref}
}

// callersWord is what the caller names for targets besides the command line's own
// references: the pages of a list, and in config.json the image, the page and the
// issuer. If config.json lies in a release that is verified, its word is that of the
// release.
func (a *app) callersWord(targets []target) []oci.Ref {
	var named []oci.Ref
	for _, t := range targets {
		named = append(named, insideOf(t.name)...)
	}
	c, err := a.callersConfig(placesOf(targets)...)
	if err != nil || c == nil { // said where config.json is needed
		return named
	}
	if ref, err := c.image("", os.Getenv(variable("registry"))); err == nil {
		named = append(named, ref)
	}
	return append(append(named, insideOf(c.config.Page)...), insideOf(c.config.Identity.Issuer)...)
}
