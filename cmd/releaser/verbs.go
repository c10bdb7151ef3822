package main

import "github.com/spf13/cobra"

// verbs in the order of a release.
func (a *app) verbs() []*cobra.Command {
	cobra.EnableCommandSorting = false
	verbs := []*cobra.Command{
		a.initVerb(),
		a.buildVerb(),
		a.joinVerb(),
		a.pushVerb(),
		a.pullVerb(),
		a.checkVerb(),
		a.packVerb(),
		a.keygenVerb(),
		a.signVerb(),
		a.publishVerb(),
		a.releaseVerb(),
		a.fetchVerb(),
		a.verifyVerb(),
		a.rebuildVerb(),
		a.verifyBlobVerb(),
		a.verifyBundleVerb(),
		a.verifyImageVerb(),
		a.kitVerb(),
		a.trustVerb(),
		a.diffVerb(),
		a.lsVerb(),
		a.cpVerb(),
		a.matrixVerb(),
		a.discoverVerb(),
		a.versionVerb(),
		a.manVerb(),
	}
	for _, v := range verbs {
		if usesNetwork[v.Name()] {
			a.registries.add(v)
		}
	}
	return verbs
}

// usesNetwork lists the verbs that reach registries or release pages.
var usesNetwork = map[string]bool{
	"join": true, "push": true, "pull": true, "check": true, "pack": true, "sign": true, "verify": true, "verify-image": true,
	"diff": true, "ls": true, "cp": true, "publish": true, "fetch": true, "release": true, "discover": true, "rebuild": true,
}
