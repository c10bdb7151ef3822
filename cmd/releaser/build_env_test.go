package main

import (
	"slices"
	"testing"
)

func TestBuildCommandSeesNoSecrets(t *testing.T) {
	got := withoutSecrets([]string{
		"PATH=/bin",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN=x",
		"ACTIONS_ID_TOKEN_REQUEST_URL=x",
		"SIGSTORE_ID_TOKEN=x",
		"RELEASER_KEY_PASSWORD=x",
		"RELEASER_TOKEN=x=y",
		"RELEASER_TOKENS=kept",
		"ACTIONS_RUNNER=kept",
		"EMPTY=",
		"GITHUB_TOKEN=x",
		"NPM_TOKEN=kept, as config.json names it",
		"DB_PASSWORD=x",
		"AWS_SECRET_ACCESS_KEY=x",
		"TOKEN=kept",
	}, []string{"NPM_TOKEN"})
	want := []string{"PATH=/bin", "RELEASER_TOKENS=kept", "ACTIONS_RUNNER=kept", "EMPTY=", "NPM_TOKEN=kept, as config.json names it", "TOKEN=kept"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
}
