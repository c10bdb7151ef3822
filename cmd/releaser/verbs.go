package main

import "github.com/spf13/cobra"

// verbs in the order of a release.
func (a *app) verbs() []*cobra.Command {
	cobra.EnableCommandSorting = false
	return []*cobra.Command{
		a.buildVerb(),
		a.pushVerb(),
		a.pullVerb(),
		a.checkVerb(),
		a.packVerb(),
		a.keygenVerb(),
		a.signVerb(),
		a.publishVerb(),
		a.fetchVerb(),
		a.verifyVerb(),
		a.verifyBlobVerb(),
		a.verifyBundleVerb(),
		a.verifyImageVerb(),
		a.trustVerb(),
		a.diffVerb(),
		a.lsVerb(),
		a.cpVerb(),
		a.matrixVerb(),
		a.versionVerb(),
		a.manVerb(),
	}
}
