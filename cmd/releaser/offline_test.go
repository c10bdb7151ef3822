package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"facerec/internal/oci"
)

// TestOfflineRefusesToDial sees a registry that is there not asked.
func TestOfflineRefusesToDial(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	ref, err := oci.ParseRef(host + "/test/tool:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oci.ReadIndex(t.Context(), ref, (&app{}).accessFor(true, ref)); err == nil || !strings.Contains(err.Error(), "--offline: not connecting to "+host) {
		t.Errorf("got %v", err)
	}
	if asked != 0 {
		t.Errorf("the registry was asked %d times", asked)
	}
	if _, err := oci.ReadIndex(t.Context(), ref, (&app{}).accessFor(false, ref)); err == nil || asked == 0 {
		t.Errorf("online: %v after %d requests", err, asked)
	}
}

// unshare makes an empty network namespace: not even loopback is up in it.
var unshare = []string{"unshare", "--map-root-user", "--net"}

// noNet PROGRAM ARGS… runs a program where there is no network at all.
func noNet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: nonet PROGRAM ARGS…")
	}
	ts.Check(ts.Exec(unshare[0], append(unshare[1:len(unshare):len(unshare)], args...)...))
}

// canUnshare is the condition netns: whether this machine lets us make one.
func canUnshare(name string) (bool, error) {
	if name != "netns" {
		return false, errors.New("unknown condition " + name)
	}
	return exec.Command(unshare[0], append(unshare[1:len(unshare):len(unshare)], "true")...).Run() == nil, nil
}
